"""Soprano as a synthesizer: all listeners' sentences in one decode loop.

A step either takes newcomers in (text to prompt, prompt to first state), or moves a group of
slots one state on and decodes whatever sound that makes due. On a CPU a group has a fixed
width, and who else is in it changes no bit of a result. On CUDA there are a few widths, which may
differ in rounding: a bfloat16 text may then take another course.
"""

from __future__ import annotations

import heapq
from collections import deque
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np
import structlog
import torch

from stages.engine import Engine
from stages.errors import SynthesisError
from stages.file_sizes import megabytes, size_of
from stages.neural import accelerator
from stages.text.normalise.letters import LetterStyle
from stages.tts.soprano import checkpoint
from stages.tts.soprano.decoder import SAMPLE_RATE
from stages.tts.soprano.model import EMPTY_ROW, SopranoModel, SopranoOptions
from stages.tts.soprano.sequence import MAX_STATES, TokenSequence, budget
from stages.tts.soprano.text import legible, normalise
from stages.voices import Voice

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from stages.audio.format import Samples
    from stages.engine import Request
    from stages.items import Remark
    from stages.tts.soprano.language_model import Stepped
    from stages.tts.soprano.shapes import Shapes

log = structlog.stdlib.get_logger(__name__)

ENGINE = "soprano"
VOICE = Voice(
    name=ENGINE,
    engine=ENGINE,
    language="en-us",
    gender=None,
    description="Soprano-1.1-80M",
    sample_rate=SAMPLE_RATE,
    type="neural",
    licence="Soprano's voice, weights: Apache 2.0",
    is_free=True,
)

FADE_SAMPLES = SAMPLE_RATE // 16
"""62 ms at the end of what is broken off: no click, and no word is made shorter by it."""

MAX_TEXTS = 5
"""A segment's: two hundred digits are five. More comes of nothing that is read aloud (200 times
``<=``), and would be minutes of it."""


@dataclass(slots=True, eq=False)
class _Utterance:
    """A request on its way."""

    request: Request
    texts: deque[str]
    """Normalised, and not begun yet."""
    draws: np.random.Generator | None
    sequence: TokenSequence | None = None
    """The text under way; None: it waits for a slot."""
    is_heard: bool = False
    """Some sound has been emitted."""


class SopranoEngine(Engine):
    """Soprano-1.1-80M from a directory."""

    name = ENGINE
    sample_rate = SAMPLE_RATE
    can_use_gpu = True
    letters = LetterStyle.SPACED
    least_chars = 30  # the package joins shorter sentences

    _prompt: Callable[[str], list[int]]
    _model: SopranoModel
    _shapes: Shapes

    def __init__(
        self,
        folder: Path,
        options: SopranoOptions | None = None,
        *,
        force_length: Callable[[str], int] | None = None,
    ) -> None:
        """`force_length` says after how many states, fewer than `MAX_STATES`, a normalised text
        stops, whatever the model says and without any guard: a model with random weights hardly
        ever stops."""
        self._folder = folder
        self._options = options or SopranoOptions()
        self._force_length = force_length
        self.runs_on = accelerator.describe(self._options.device, self._options.dtype)
        self._utterances: dict[Request, _Utterance] = {}
        self._in_slots: dict[int, TokenSequence] = {}
        self._free: list[int] = []  # a heap: low slots are taken first
        self._n_taken_in = 0  # newcomers since somebody last went on

    def voices(self) -> tuple[Voice, ...]:
        """There is one."""
        return (VOICE,)

    def legible(self, text: str, language: str) -> str:
        """The text without letters that are not Latin, which is all that the model knows."""
        del language
        return legible(text)

    @property
    def reads(self) -> str:
        return f"Soprano, {megabytes(size_of([self._folder]))}"

    def load(self) -> None:
        """Read, check and lay out the model. Raises `UnusableModel`."""
        read = checkpoint.read(self._folder, self._options.dtype)
        self._prompt = read.prompt
        self._model = SopranoModel(read, self._options)
        self._shapes = self._model.shapes
        self._free = list(range(self._shapes.n_slots))

    @torch.inference_mode()
    def install(self) -> None:
        """Put the model where it runs."""
        self._model.install()

    def can_step(self, request: Request) -> bool:
        """It is under way, or there is a slot for it."""
        return bool(self._free) or self._slot_of(request) is not None

    def choose(self, requests: Sequence[Request]) -> Sequence[Request]:
        """Newcomers, if one of them is more urgent than all who have been heard; else the group
        of slots that the most urgent is in.

        So newcomers overtake those who wait for their first sound, too: then they all get it
        by the same few steps. But no more than a group of them in a row, so that whoever waits
        is not passed over for ever."""
        if self._n_taken_in < self._shapes.widths[0] or self._slot_of(requests[0]) is None:
            for request in requests:
                utterance = self._utterances.get(request)
                if utterance is None or utterance.sequence is None:
                    return self._newcomers(requests)
                if utterance.is_heard:
                    break
        slots = {request: self._slot_of(request) for request in requests}
        group = self._shapes.group_of(slots[requests[0]] or 0)
        return [
            request
            for request, slot in slots.items()
            if slot is not None and self._shapes.group_of(slot) == group
        ]

    def _newcomers(self, requests: Sequence[Request]) -> list[Request]:
        most = min(len(self._free), self._shapes.prompt_rows[-1])
        return [request for request in requests if self._slot_of(request) is None][:most]

    @torch.inference_mode()
    def step(self, batch: Sequence[Request]) -> None:
        """Take newcomers in, or go one state further with a group."""
        with self._model.stream():
            if self._slot_of(batch[0]) is None:
                under_way = self._begin(batch)
            else:
                under_way = self._go_on([self._utterances[request] for request in batch])
            self._emit_what_is_due(under_way)

    def leave(self, request: Request) -> None:
        """Give the slot back."""
        utterance = self._utterances.pop(request, None)
        if utterance is not None:
            self._release(utterance)

    def close(self) -> None:
        """Let go of the model, and of the memory of the sequences."""
        self.__dict__.pop("_model", None)

    def _slot_of(self, request: Request) -> int | None:
        utterance = self._utterances.get(request)
        return None if utterance is None or utterance.sequence is None else utterance.sequence.slot

    def _begin(self, batch: Sequence[Request]) -> list[_Utterance]:
        """Give each newcomer a slot and its first state; those of them that are well."""
        taken_up = [self._utterances.get(request) or self._take_up(request) for request in batch]
        under_way = [utterance for utterance in taken_up if utterance is not None]
        self._n_taken_in += len(under_way)
        sequences, prompts = [], []
        for utterance in under_way:
            text = utterance.texts.popleft()
            prompts.append(self._prompt(text))
            utterance.sequence = self._new_sequence(utterance, text, len(prompts[-1]))
            sequences.append(utterance.sequence)
        if sequences:
            slots = [sequence.slot for sequence in sequences]
            draws = [sequence.draw() for sequence in sequences]
            made = self._model.prefill(slots, prompts, draws)
            under_way = self._take(under_way, made, range(len(under_way)))
        return under_way

    def _take_up(self, request: Request) -> _Utterance | None:
        """A request's texts, normalised; None: there are none, or it failed."""
        segment = request.segment
        try:
            texts = normalise(segment.spoken)
        except Exception as error:  # contained: the text is at fault, and the others go on
            log.exception("a text could not be normalised")
            kind = type(error).__name__
            request.fail(SynthesisError(f"soprano cannot read this text: {kind}"))
            return None
        if not texts:
            request.finish()
            return None
        if len(texts) > MAX_TEXTS:
            self._remark(request, "length")
            del texts[MAX_TEXTS:]
        draws = None
        if not self._options.sampling.is_greedy:
            seed = segment.style.seed
            draws = np.random.default_rng(None if seed is None else seed % 2**64)
        utterance = self._utterances[request] = _Utterance(request, deque(texts), draws)
        return utterance

    def _new_sequence(self, utterance: _Utterance, text: str, n_prompt: int) -> TokenSequence:
        length = None if self._force_length is None else self._force_length(text)
        if length is not None and length >= MAX_STATES:
            raise ValueError(f"a length of {length} was forced; there is room below {MAX_STATES}")
        slot = heapq.heappop(self._free)
        sequence = self._in_slots[slot] = TokenSequence(
            slot=slot,
            n_prompt=n_prompt,
            max_states=budget(text),
            stop_token=self._model.stop_token,
            length=length,
            draws=utterance.draws,
        )
        return sequence

    def _go_on(self, batch: list[_Utterance]) -> list[_Utterance]:
        """One state further with sequences of one group; those of them that are well."""
        self._n_taken_in = 0
        sequences = [_sequence_of(utterance) for utterance in batch]
        first, width = self._shapes.rows([sequence.slot for sequence in sequences])
        # A slot that does not go on now computes what it will compute again when it does.
        rows = [
            EMPTY_ROW if sequence is None else sequence.row
            for sequence in map(self._in_slots.get, range(first, first + width))
        ]
        draws = [0.0] * width
        for sequence in sequences:
            draws[sequence.slot - first] = sequence.draw()
        made = self._model.step(first, rows, draws)
        return self._take(batch, made, [sequence.slot - first for sequence in sequences])

    def _take(
        self, batch: list[_Utterance], made: Stepped, rows: Sequence[int]
    ) -> list[_Utterance]:
        """Tell each sequence what its row chose; those that are well. Those whose numbers broke
        down fail, and leave nothing."""
        tokens, changes = made.tokens.tolist(), made.change.tolist()
        well = []
        for utterance, row in zip(batch, rows, strict=True):
            sequence = _sequence_of(utterance)
            sequence.take(tokens[row], changes[row])
            if sequence.is_broken:
                self._model.clear(sequence.slot)
                utterance.request.fail(SynthesisError("soprano's numbers broke down on this text"))
            else:
                well.append(utterance)
        return well

    def _emit_what_is_due(self, under_way: list[_Utterance]) -> None:
        due = []
        for utterance in under_way:
            piece = _sequence_of(utterance).next_piece(self._options.chunk_states)
            if piece is not None:
                due.append((utterance, piece))
        audible = [
            (utterance, piece) for utterance, piece in due if piece.sound[0] < piece.sound[1]
        ]
        audible.sort(key=lambda both: self._model.units(both[1]))
        for _, same in groupby(audible, key=lambda both: self._model.units(both[1])):
            utterances, pieces = zip(*same, strict=True)
            sounds = self._model.decode(pieces)
            for utterance, sound in zip(utterances, sounds, strict=True):
                self._emit(utterance, sound)
        for utterance, piece in due:
            if piece.is_last:
                self._end_text(utterance)

    def _emit(self, utterance: _Utterance, sound: Samples) -> None:
        sequence = _sequence_of(utterance)
        if sequence.cut is not None:
            n_faded = min(FADE_SAMPLES, len(sound))
            fade = np.cos(np.linspace(0, np.pi / 2, n_faded, dtype=np.float32)) ** 2
            sound[len(sound) - n_faded :] *= fade
        utterance.request.emit(sound)
        utterance.is_heard = True

    def _end_text(self, utterance: _Utterance) -> None:
        cut = _sequence_of(utterance).cut
        if cut is not None:
            self._remark(utterance.request, cut)
        self._release(utterance)
        if not utterance.texts:
            utterance.request.finish()

    @staticmethod
    def _remark(request: Request, remark: Remark) -> None:
        if remark not in request.segment.remarks:
            request.segment.remarks.append(remark)

    def _release(self, utterance: _Utterance) -> None:
        if utterance.sequence is not None:
            del self._in_slots[utterance.sequence.slot]
            heapq.heappush(self._free, utterance.sequence.slot)
            utterance.sequence = None


def _sequence_of(utterance: _Utterance) -> TokenSequence:
    if utterance.sequence is None:
        raise RuntimeError("a text that has no slot")
    return utterance.sequence
