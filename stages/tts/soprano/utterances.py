"""The requests under way: what each still has to say, the slot it speaks in, and how it ends."""

from __future__ import annotations

import heapq
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import structlog

from stages.errors import SynthesisError
from stages.tts.soprano.decoder import SAMPLE_RATE
from stages.tts.soprano.sequence import MAX_STATES, Draws, TokenSequence, budget
from stages.tts.soprano.text import normalise

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from stages.audio.format import Samples
    from stages.engine import Request
    from stages.items import Remark
    from stages.tts.soprano.decoder import Piece

log = structlog.stdlib.get_logger(__name__)

FADE_SAMPLES = SAMPLE_RATE // 16
"""62 ms at the end of what is broken off: no click, and no word is made shorter by it."""

MAX_TEXTS = 5
"""A segment's: two hundred digits are five. More comes of nothing that is read aloud (200 times
``<=``), and would be minutes of it."""


@dataclass(slots=True, eq=False)
class Utterance:
    """A request on its way."""

    request: Request
    texts: deque[str]
    """Normalised, and not begun yet."""
    draws: Draws
    sequence: TokenSequence | None = None
    """The text under way; None: it waits for a slot."""
    is_heard: bool = False
    """Some sound has been emitted."""
    due: deque[Piece] = field(default_factory=deque)
    """Pieces that were found due together, and are still to be decoded, one after the other."""
    is_launched: bool = False
    """The device is at work for it."""
    has_left: bool = False
    """Nobody waits for it any more; its slot is free as soon as the device is through with it."""

    @property
    def text(self) -> TokenSequence:
        """The text under way, of one that has a slot."""
        if self.sequence is None:
            raise RuntimeError("a text that has no slot")
        return self.sequence


class Utterances:
    """All requests under way, and the slots that they have or wait for."""

    def __init__(
        self,
        n_slots: int,
        prompt: Callable[[str], list[int]],
        stop_token: int,
        *,
        is_drawn: bool,
        force_length: Callable[[str], int] | None = None,
    ) -> None:
        """`prompt` makes a normalised text the model's. `is_drawn`: tokens are drawn, by random
        numbers of each request's own. `force_length`: see `SopranoEngine`."""
        self.force_length = force_length
        self.in_slots: dict[int, TokenSequence] = {}
        self.free = list(range(n_slots))  # a heap: low slots are taken first
        self._prompt = prompt
        self._stop_token = stop_token
        self._is_drawn = is_drawn
        self._of: dict[Request, Utterance] = {}

    def __getitem__(self, request: Request) -> Utterance:
        return self._of[request]

    def slot_of(self, request: Request) -> int | None:
        """The slot that it speaks in; None: it is new, or waits for one with its next text."""
        utterance = self._of.get(request)
        return None if utterance is None or utterance.sequence is None else utterance.sequence.slot

    def is_heard(self, request: Request) -> bool:
        """Whether some of its sound has been emitted."""
        utterance = self._of.get(request)
        return utterance is not None and utterance.is_heard

    def newcomers(self, requests: Sequence[Request], most: int) -> list[Request]:
        """Those who have no slot, so many at most, and no more than there are slots."""
        waiting = [request for request in requests if self.slot_of(request) is None]
        return waiting[: min(len(self.free), most)]

    def begin(self, batch: Sequence[Request]) -> list[tuple[Utterance, list[int]]]:
        """Give each of these a slot for its next text; those that have one to say, each with its
        prompt."""
        taken_up = [self._of.get(request) or self._take_up(request) for request in batch]
        begun = []
        for utterance in taken_up:
            if utterance is not None:
                text = utterance.texts.popleft()
                prompt = self._prompt(text)
                utterance.sequence = self._new_sequence(utterance, text, len(prompt))
                begun.append((utterance, prompt))
        return begun

    def _take_up(self, request: Request) -> Utterance | None:
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
            _remark(request, "length")
            del texts[MAX_TEXTS:]
        draws = Draws()
        if self._is_drawn:
            seed = segment.style.seed
            draws = Draws(np.random.default_rng(None if seed is None else seed % 2**64))
        utterance = self._of[request] = Utterance(request, deque(texts), draws)
        return utterance

    def _new_sequence(self, utterance: Utterance, text: str, n_prompt: int) -> TokenSequence:
        length = None if self.force_length is None else self.force_length(text)
        if length is not None and length >= MAX_STATES:
            raise ValueError(f"a length of {length} was forced; there is room below {MAX_STATES}")
        slot = heapq.heappop(self.free)
        sequence = self.in_slots[slot] = TokenSequence(
            slot=slot,
            n_prompt=n_prompt,
            max_states=budget(text),
            stop_token=self._stop_token,
            length=length,
            draws=utterance.draws,
        )
        return sequence

    @staticmethod
    def emit(utterance: Utterance, piece: Piece, sound: Samples) -> None:
        """Hand out the sound of a piece; the last of what was broken off fades away."""
        if piece.is_last and utterance.text.cut is not None:
            n_faded = min(FADE_SAMPLES, len(sound))
            fade = np.cos(np.linspace(0, np.pi / 2, n_faded, dtype=np.float32)) ** 2
            sound[len(sound) - n_faded :] *= fade
        utterance.request.emit(sound)
        utterance.is_heard = True

    def end_text(self, utterance: Utterance) -> None:
        """All of this text's sound has been emitted."""
        cut = utterance.text.cut
        if cut is not None:
            _remark(utterance.request, cut)
        self._release(utterance)
        if not utterance.texts:
            utterance.request.finish()

    @staticmethod
    def break_down(utterance: Utterance) -> None:
        """Its states are no numbers any more."""
        utterance.request.fail(SynthesisError("soprano's numbers broke down on this text"))

    def leave(self, request: Request) -> None:
        """Forget a request, and give its slot back as soon as it can be used by another."""
        utterance = self._of.pop(request, None)
        if utterance is not None:
            utterance.has_left = True
            if not utterance.is_launched:
                self._release(utterance)

    def come_back(self, utterance: Utterance) -> bool:
        """The device is through with what was launched for it; whether somebody still waits."""
        utterance.is_launched = False
        if utterance.has_left:
            self._release(utterance)
        return not utterance.has_left

    def _release(self, utterance: Utterance) -> None:
        if utterance.sequence is not None:
            del self.in_slots[utterance.sequence.slot]
            heapq.heappush(self.free, utterance.sequence.slot)
            utterance.sequence = None


def _remark(request: Request, remark: Remark) -> None:
    if remark not in request.segment.remarks:
        request.segment.remarks.append(remark)
