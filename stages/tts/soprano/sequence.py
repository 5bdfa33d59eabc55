"""One text on its way through the language model: its progress, next sound and end. Pure: it counts
and decides, the engine computes.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Literal, TypeAlias

from stages.tts.soprano.decoder import Piece

if TYPE_CHECKING:
    import numpy as np

Cut: TypeAlias = Literal["repetition", "length"]
"""The reason why a text was broken off: the model repeats itself, or goes on for far too long."""

FIRST_CHUNK = 4
"""States until the first sound: after fewer, none of it is final."""

MAX_STATES = 512
"""32.8 s, upstream's limit."""

BUDGET_STATES = 24
BUDGET_STATES_PER_CHAR = 3.0
"""A text may take 1.5 s and 0.19 s a character: 180 words a minute are 1 state a character, and
the slowest of readers takes half as long again as that twice over."""

SMALL_CHANGE = 300.0
MAX_RUN = 16
"""The package's own detector of an endless "aaaa" (``SopranoTTS.hallucination_detector``): more
than 16 states, net of those that differ, each of which differs from the one before by less than
300 in sum."""


def budget(text: str) -> int:
    """The number of states that a normalised text may take."""
    return min(MAX_STATES, BUDGET_STATES + round(BUDGET_STATES_PER_CHAR * len(text)))


class Draws:
    """The random numbers of one listener's texts, one for each choice of a token. Some can be
    looked at before it is known whether that many choices will be made."""

    def __init__(self, random: np.random.Generator | None = None) -> None:
        """Without a generator nothing is drawn, and the numbers are zeros."""
        self._random = random
        self._unused = deque[float]()

    def look(self, n: int) -> list[float]:
        """The next so many, in [0, 1); they stay the next ones until they are used."""
        if self._random is None:
            return [0.0] * n
        while len(self._unused) < n:
            self._unused.append(float(self._random.random()))
        return list(islice(self._unused, n))

    def use(self) -> None:
        """A choice was made by the next one."""
        if self._unused:
            self._unused.popleft()


@dataclass(slots=True)
class TokenSequence:
    """The tokens of one text in one slot."""

    slot: int
    n_prompt: int
    """Tokens of the prompt."""
    max_states: int
    stop_token: int
    length: int | None = None
    """The forced number of states, whatever the model says; None: it decides."""
    draws: Draws = field(default_factory=Draws)
    """The random numbers for sampling."""
    token: int = 0
    """The last one chosen, from which the next step goes on."""
    n_states: int = 0
    has_ended: bool = False
    cut: Cut | None = None
    is_broken: bool = False
    """A state was not a number, so no more can be made."""
    _n_decoded: int = 0
    _run: int = 0

    @property
    def row(self) -> tuple[int, int, int]:
        """The row of the next step, once there is a token: this, its position in the sequence, and
        the number of states."""
        return self.token, self.n_prompt + self.n_states - 1, self.n_states

    @property
    def room(self) -> int:
        """The states that there is memory for."""
        return MAX_STATES - self.n_states

    def owed(self, chunk_states: int) -> int:
        """The states from here to the next sound."""
        wanted = chunk_states if self._n_decoded else FIRST_CHUNK
        return self._n_decoded + wanted - self.n_states

    def take(self, token: int, change: float) -> None:
        """Count a new state, which chose this token and differs so much from the one before. The
        state that chooses to stop is not part of the speech."""
        self.draws.use()
        self.is_broken = math.isnan(change)
        is_forced = self.length is not None
        if self.n_states == self.length or (token == self.stop_token and not is_forced):
            self.has_ended = True
            return
        self.token = token
        self.n_states += 1
        if not is_forced:
            self._look_for_a_cut(change)

    def _look_for_a_cut(self, change: float) -> None:
        if change < SMALL_CHANGE:
            self._run += 1
        elif self._run:
            self._run -= 1
        if self._run > MAX_RUN:
            self.cut = "repetition"
        elif self.n_states >= self.max_states:
            self.cut = "length"
        self.has_ended = self.cut is not None

    def next_piece(self, chunk_states: int) -> Piece | None:
        """The piece that is to be decoded now; None: none is due. The ends of pieces depend on
        their position alone, so that a text always sounds the same."""
        if self.owed(chunk_states) > 0 and not self.has_ended:
            return None
        piece = Piece(self.slot, self._n_decoded, self.n_states, self.has_ended)
        self._n_decoded = self.n_states
        return piece
