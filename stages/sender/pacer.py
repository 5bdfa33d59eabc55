"""The moment at which a segment's sound may go out, so that it is heard without a gap. Pure.

Sound that is made more slowly than it is heard runs dry in mid-sentence, unless its beginning
waits. What is left of it, r seconds in pieces of p, is made at a factor f by now + r f; the last
piece is needed when all before it has been heard. So whoever begins to listen at

    s = now + r f - (length - p)

hears no gap, and who begins sooner does. Where f is below 1 the next piece is needed first.
"""

from __future__ import annotations

import math

MAX_HOLD_S = 30.0
"""The longest that sound is held back: what a sentence of 200 characters, 13 s of speech, needs at
a factor of 3. Who waited longer would take the server for dead."""

SLACK = 0.1
"""What an engine may become slower by in mid-sentence: below a factor of 1 less this, nothing is
held back."""

JITTER_PIECES = 0.5
"""The spread of a piece's making, as a part of it: the last may come so much later."""

PRIOR_S = 2.0
"""How much sound of this segment counts as much as all that was known of its engines before."""


class Pacer:
    """What is made of one segment, how fast, and when it may go out."""

    def __init__(
        self,
        factor: float | None,
        *,
        length_s: float = 0.0,
        piece_s: float = 0.0,
        max_hold_s: float = MAX_HOLD_S,
    ) -> None:
        """`factor`: the seconds that a second of its sound is expected to take; None: nobody knows,
        and nothing is held back. `length_s`: of all its sound, as far as it is known."""
        self.expected = factor
        self.made_s = 0.0
        self.is_whole = False
        self._length_s = length_s
        self._piece_s = piece_s
        self._max_hold_s = max_hold_s
        self._first_s = 0.0
        self._first_at = self._last_at = -math.inf

    def made(self, sound_s: float, now: float, *, is_last: bool = False) -> None:
        """Enter that so much more sound has been made by now."""
        self.made_s += sound_s
        self.is_whole |= is_last
        if self._first_at == -math.inf:
            self._first_at, self._first_s = now, sound_s
        self._last_at = now

    @property
    def holds(self) -> bool:
        """Whether there is anything to hold back for: the engines are not fast enough."""
        return self.expected is not None and self.expected > 1.0 - SLACK

    @property
    def factor(self) -> float:
        """The seconds that a second of the rest is expected to take: by what was known before, and
        by this segment's own progress."""
        expected = self.expected or 0.0
        took_s, since_s = self._last_at - self._first_at, self.made_s - self._first_s
        return (expected * PRIOR_S + took_s) / (PRIOR_S + since_s)

    def release_at(self, now: float) -> float:
        """When its first sound may be heard, at the latest when all of it is made, or the most that
        it is held back has passed. A time that has passed: at once."""
        if self.is_whole or not self.holds:
            return now
        factor, piece_s = self.factor, self._piece_s
        rest_s = max(self._length_s - self.made_s, piece_s)
        next_at = max(self._last_at + piece_s * factor, now)  # it may be overdue
        for_next = next_at - self.made_s
        all_at = next_at + (rest_s - piece_s) * factor
        for_last = all_at - (self.made_s + rest_s - piece_s)
        needed = max(for_next, for_last) + JITTER_PIECES * piece_s * factor
        return min(needed, self._first_at + self._max_hold_s)
