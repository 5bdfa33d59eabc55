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

JITTER = 0.25
"""The spread of what a piece takes to make, as a part of it. That of n pieces is the square root of
n times as large, and so much later the last of them may come."""

PRIOR_S = 10.0
"""How much sound of this segment counts as much as all that was known of its engines before: as
much as that was measured on."""

DOUBT = 0.2
"""The difference between the two, as a part, from which on what was known counts for less: somebody
else is spoken to as well now, or no more."""

KEPT = 0.85
"""The part of what was promised that is waited for, however much sooner it could be heard."""

ROUNDING = 1e-6
"""The part of a piece that is none."""


class Pacer:
    """What is made of one segment, how fast, and when it may go out."""

    def __init__(
        self,
        factor: float | None,
        *,
        length_s: float = 0.0,
        piece_s: float = 0.0,
        message_s: float = 0.0,
        max_hold_s: float = MAX_HOLD_S,
    ) -> None:
        """`factor`: the seconds that a second of its sound is expected to take; None: nobody knows,
        and nothing is held back. `length_s`: of all its sound, as far as it is known. `piece_s`:
        of what is made at a time. `message_s`: what may wait for more of a message at the most."""
        self.expected = factor
        self.made_s = 0.0
        self.skipped_s = 0.0
        """How much of its sound the listener has already: only the rest is waited for."""
        self.is_whole = False
        self._length_s = length_s
        self._piece_s = piece_s
        self._message_s = message_s
        self._max_hold_s = max_hold_s
        self._first_s = 0.0
        self._first_at = self._last_at = self._promised_at = -math.inf

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
        is_slow = self.expected is not None and self.expected > 1.0 - SLACK
        return is_slow and self._max_hold_s > 0

    @property
    def factor(self) -> float:
        """The seconds that a second of the rest is expected to take: by what was known before, and
        by this segment's own progress."""
        expected = self.expected or 0.0
        took_s, since_s = self._last_at - self._first_at, self.made_s - self._first_s
        if not since_s or not expected:
            return expected
        differs = took_s / since_s / expected - 1
        prior_s = PRIOR_S / (1 + (differs / DOUBT) ** 2)
        return (expected * prior_s + took_s) / (prior_s + since_s)

    def promise(self, now: float) -> float:
        """When its first sound will be heard, as far as can be told as there is some."""
        self._promised_at = self.release_at(now)
        return self._promised_at

    def release_at(self, now: float) -> float:
        """When its first sound may be heard: not before what was promised, but for a little, and at
        the latest when all of it is made, or the most that it is held back has passed. A time that
        has passed: at once."""
        if self.is_whole or not self.holds:
            return now
        kept_at = self._first_at + KEPT * (self._promised_at - self._first_at)
        latest_at = self._first_at + self._max_hold_s
        return min(max(self._needed_at(now), kept_at), latest_at)

    def _needed_at(self, now: float) -> float:
        """When it may begin to be heard so that there is no gap."""
        piece_s, step_s = self._piece_s, self._piece_s * self.factor
        n_pieces = max(math.ceil((self._length_s - self.made_s) / piece_s - ROUNDING), 1)
        next_at = max(self._last_at + step_s, now)  # it may be overdue
        last_at = next_at + (n_pieces - 1) * step_s
        for_next = next_at - self.made_s
        for_last = last_at - (self.made_s + (n_pieces - 1) * piece_s)
        margin_s = self._message_s + JITTER * math.sqrt(n_pieces) * step_s
        return max(for_next, for_last) + self.skipped_s + margin_s
