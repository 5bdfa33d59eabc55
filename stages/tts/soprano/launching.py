"""Soprano's sequences in launches, as on a GPU: the host never waits, and is told what was made
once it is there.

    a launch of steps   newcomers' prompts, and behind them a few steps of all who take part
    a launch of sound   a piece of each whose next sound is due

Each is a step of the engine, and whoever is in one is in no other until it is finished. A first
sound takes one of each.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from stages.tts.soprano.decoder import sounds_of
from stages.tts.soprano.device_loop import MAX_STEPS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from stages.engine import Launched, Request
    from stages.neural.transfers import Fetched
    from stages.tts.soprano.model import SopranoModel
    from stages.tts.soprano.utterances import Utterance, Utterances


class InLaunches:
    """What each step of the engine launches."""

    def __init__(self, model: SopranoModel, utterances: Utterances, chunk_states: int) -> None:
        self._model = model
        self._shapes = model.shapes
        self._utterances = utterances
        self._chunk_states = chunk_states
        self._max_steps = MAX_STEPS

    def choose(self, requests: Sequence[Request]) -> Sequence[Request]:
        """Who is in the same launch as the most urgent: if its sound is due, all whose due pieces
        are of that kind; else all who go on, and newcomers, unless somebody who has been heard is
        more urgent than all of them. A prompt takes as long as a step or two, and steps hardly
        longer for many than for one."""
        kind = self._due_units(requests[0])
        if kind is not None:
            return [request for request in requests if self._due_units(request) == kind]
        utterances = self._utterances
        newcomers: set[Request] = set()
        for request in requests:
            if utterances.slot_of(request) is None:
                newcomers.update(utterances.newcomers(requests, self._shapes.prompt_rows[-1]))
                break
            if utterances.is_heard(request):
                break
        return [
            request
            for request in requests
            if request in newcomers
            or (utterances.slot_of(request) is not None and self._due_units(request) is None)
        ]

    @torch.inference_mode()
    def step(self, batch: Sequence[Request]) -> Launched | None:
        """Launch what is next for these, the most urgent first."""
        with self._model.stream():
            if self._due_units(batch[0]) is not None:
                return self._decode([self._utterances[request] for request in batch])
            return self._go_on(batch)

    def _due_units(self, request: Request) -> int | None:
        """The units of the piece that is due for it; None: none is."""
        if self._utterances.slot_of(request) is None:
            return None
        due = self._utterances[request].due
        return self._model.units(due[0]) if due else None

    def _go_on(self, batch: Sequence[Request]) -> Launched | None:
        """Launch newcomers' prompts, and steps for all, up to the next sound that the most urgent
        owes."""
        of = self._utterances
        newcomers = of.begin([request for request in batch if of.slot_of(request) is None])
        members = [of[request] for request in batch if of.slot_of(request) is not None]
        if not members:
            return None  # none of them has anything to say
        fetched = []
        if newcomers:
            slots = [utterance.text.slot for utterance, _ in newcomers]
            draws = [utterance.draws.look(1)[0] for utterance, _ in newcomers]
            prompts = [prompt for _, prompt in newcomers]
            fetched.append(self._model.launch_prefill(slots, prompts, draws))
        begun = {utterance: number for number, (utterance, _) in enumerate(newcomers)}
        owed = members[0].text.owed(self._chunk_states) - (members[0] in begun)
        rows = [
            _LaunchedRow(
                utterance, begun.get(utterance), min(owed, self._max_steps, utterance.text.room)
            )
            for utterance in members
        ]
        fetched.append(
            self._model.launch_steps(
                {row.slot: row.n_steps for row in rows},
                {row.slot: row.draws for row in rows},
                max(row.last_position for row in rows),
            )
        )
        return self._launched(members, fetched, partial(self._take_steps, rows))

    def _take_steps(self, rows: Sequence[_LaunchedRow], *made: torch.Tensor) -> None:
        """Take the states of each row, one after the other, as if each had been a step of its
        own."""
        steps, *prompts = (tensor.numpy() for tensor in reversed(made))
        for row in rows:
            if row.utterance.has_left:
                continue
            states = [tuple(steps[number, :, row.slot]) for number in range(row.n_steps)]
            if row.of_prompts is not None:
                states.insert(0, tuple(prompts[0][:, row.of_prompts]))
            self._take(row.utterance, states)

    def _take(self, utterance: Utterance, states: Sequence[tuple[float, ...]]) -> None:
        """Take states, tokens and changes, up to the end of the text if that is among them."""
        sequence = utterance.text
        changes = [change for _, change in states]
        for number, (token, change) in enumerate(states):
            sequence.take(int(token), float(change))
            if sequence.is_broken:
                break
            piece = sequence.next_piece(self._chunk_states)
            if piece is not None and piece.is_audible:
                utterance.due.append(piece)
            if sequence.has_ended:
                if np.isnan(changes[number:]).any():
                    self._model.forget_behind(sequence.slot, sequence.n_states)
                break
        self._settle(utterance)

    def _decode(self, batch: list[Utterance]) -> Launched:
        pieces = [utterance.due[0] for utterance in batch]
        fetched = self._model.launch_decode(pieces)
        return self._launched(batch, [fetched], partial(self._take_sound, batch))

    def _take_sound(self, batch: Sequence[Utterance], made: torch.Tensor) -> None:
        sounds = sounds_of([utterance.due[0] for utterance in batch], made)
        for utterance, sound in zip(batch, sounds, strict=True):
            piece = utterance.due.popleft()
            if not utterance.has_left:
                self._utterances.emit(utterance, piece, sound)
                self._settle(utterance)

    def _settle(self, utterance: Utterance) -> None:
        """End a text of which nothing more is to be decoded."""
        if utterance.due:
            return
        if utterance.text.is_broken:
            self._utterances.break_down(utterance)
        elif utterance.text.has_ended:
            self._utterances.end_text(utterance)

    def _launched(
        self, batch: Sequence[Utterance], fetched: Sequence[Fetched], take: Callable[..., None]
    ) -> Launched:
        for utterance in batch:
            utterance.is_launched = True

        @torch.inference_mode()
        def finish() -> None:
            for utterance in batch:  # first of all: whatever happens, they are back
                self._utterances.come_back(utterance)
            with self._model.stream():
                take(*(tensor for each in fetched for tensor in each.result()))

        return LaunchedWork(fetched, finish)


@dataclass(frozen=True, slots=True)
class LaunchedWork:
    """A launch, as the executor sees it."""

    _fetched: Sequence[Fetched]
    finish: Callable[[], None]

    @property
    def is_done(self) -> bool:
        """Everything is there."""
        return all(each.is_done for each in self._fetched)


class _LaunchedRow(NamedTuple):
    """One who takes part in a launch of steps."""

    utterance: Utterance
    of_prompts: int | None
    """Its place among the newcomers, if it is one."""
    n_steps: int

    @property
    def slot(self) -> int:
        return self.utterance.text.slot

    @property
    def draws(self) -> list[float]:
        """A newcomer's first is its prompt's."""
        n_before = 0 if self.of_prompts is None else 1
        return self.utterance.draws.look(n_before + self.n_steps)[n_before:]

    @property
    def last_position(self) -> int:
        """The position that the last step comes to."""
        text = self.utterance.text
        return text.n_prompt + max(text.n_states, 1) + self.n_steps - 2
