"""Soprano's sequences one state at a time, as on a CPU.

A step either takes newcomers in (text to prompt, prompt to first state), or moves a group of
slots one state on and decodes whatever sound that makes due. A group has a fixed width, and who
else is in it changes no bit of a result.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

import torch

from stages.tts.soprano.model import EMPTY_ROW

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stages.engine import Request
    from stages.tts.soprano.language_model import Stepped
    from stages.tts.soprano.model import SopranoModel
    from stages.tts.soprano.utterances import Utterance, Utterances


class StepByStep:
    """What each step of the engine does; the host reads its tokens before it asks for the next."""

    def __init__(self, model: SopranoModel, utterances: Utterances, chunk_states: int) -> None:
        self._model = model
        self._shapes = model.shapes
        self._utterances = utterances
        self._chunk_states = chunk_states
        self._n_taken_in = 0  # newcomers since somebody last went on

    def choose(self, requests: Sequence[Request]) -> Sequence[Request]:
        """Newcomers, if one of them is more urgent than all who have been heard; else the group
        of slots that the most urgent is in.

        So newcomers overtake those who wait for their first sound, too: then they all get it
        by the same few steps. But no more than a group of them in a row, so that whoever waits
        is not passed over for ever."""
        utterances = self._utterances
        if self._n_taken_in < self._shapes.widths[0] or utterances.slot_of(requests[0]) is None:
            for request in requests:
                if utterances.slot_of(request) is None:
                    return utterances.newcomers(requests, self._shapes.prompt_rows[-1])
                if utterances.is_heard(request):
                    break
        slots = {request: utterances.slot_of(request) for request in requests}
        group = self._shapes.group_of(slots[requests[0]] or 0)
        return [
            request
            for request, slot in slots.items()
            if slot is not None and self._shapes.group_of(slot) == group
        ]

    @torch.inference_mode()
    def step(self, batch: Sequence[Request]) -> None:
        """Take newcomers in, or go one state further with a group."""
        if self._utterances.slot_of(batch[0]) is None:
            under_way = self._begin(batch)
        else:
            under_way = self._go_on([self._utterances[request] for request in batch])
        self._emit_what_is_due(under_way)

    def _begin(self, batch: Sequence[Request]) -> list[Utterance]:
        """Give each newcomer a slot and its first state; those of them that are well."""
        begun = self._utterances.begin(batch)
        self._n_taken_in += len(begun)
        if not begun:
            return []
        utterances, prompts = zip(*begun, strict=True)
        slots = [utterance.text.slot for utterance in utterances]
        draws = [utterance.draws.look(1)[0] for utterance in utterances]
        made = self._model.prefill(slots, prompts, draws)
        return self._take(utterances, made, range(len(utterances)))

    def _go_on(self, batch: list[Utterance]) -> list[Utterance]:
        """One state further with sequences of one group; those of them that are well."""
        self._n_taken_in = 0
        sequences = [utterance.text for utterance in batch]
        first, width = self._shapes.rows([sequence.slot for sequence in sequences])
        # A slot that does not go on now computes what it will compute again when it does.
        rows = [
            EMPTY_ROW if sequence is None else sequence.row
            for sequence in map(self._utterances.in_slots.get, range(first, first + width))
        ]
        draws = [0.0] * width
        for sequence in sequences:
            (draws[sequence.slot - first],) = sequence.draws.look(1)
        made = self._model.step(first, rows, draws)
        return self._take(batch, made, [sequence.slot - first for sequence in sequences])

    def _take(
        self, batch: Sequence[Utterance], made: Stepped, rows: Sequence[int]
    ) -> list[Utterance]:
        """Tell each sequence what its row chose; those that are well. Those whose numbers broke
        down fail, and leave nothing."""
        tokens, changes = made.tokens.tolist(), made.change.tolist()
        well = []
        for utterance, row in zip(batch, rows, strict=True):
            utterance.text.take(tokens[row], changes[row])
            if utterance.text.is_broken:
                self._model.clear(utterance.text.slot)
                self._utterances.break_down(utterance)
            else:
                well.append(utterance)
        return well

    def _emit_what_is_due(self, under_way: list[Utterance]) -> None:
        due = []
        for utterance in under_way:
            piece = utterance.text.next_piece(self._chunk_states)
            if piece is not None:
                due.append((utterance, piece))
        audible = [(utterance, piece) for utterance, piece in due if piece.is_audible]
        audible.sort(key=lambda both: self._model.units(both[1]))
        for _, same in groupby(audible, key=lambda both: self._model.units(both[1])):
            utterances, pieces = zip(*same, strict=True)
            sounds = self._model.decode(pieces)
            for utterance, piece, sound in zip(utterances, pieces, sounds, strict=True):
                self._utterances.emit(utterance, piece, sound)
        for utterance, piece in due:
            if piece.is_last:
                self._utterances.end_text(utterance)
