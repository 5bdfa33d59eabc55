"""One text on its way through the language model: its progress, next sound and end. Pure: it counts
and decides, the engine computes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
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
    draws: np.random.Generator | None = None
    """The random numbers for sampling; None: nothing is drawn."""
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

    def draw(self) -> float:
        """A number in [0, 1) for the next choice."""
        return 0.0 if self.draws is None else float(self.draws.random())

    def take(self, token: int, change: float) -> None:
        """Count a new state, which chose this token and differs so much from the one before. The
        state that chooses to stop is not part of the speech."""
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
        wanted = chunk_states if self._n_decoded else FIRST_CHUNK
        is_due = self.n_states - self._n_decoded >= wanted
        if not is_due and not self.has_ended:
            return None
        piece = Piece(self.slot, self._n_decoded, self.n_states, self.has_ended)
        self._n_decoded = self.n_states
        return piece
