"""The playback clock: where a listener's ear is, reckoned from what was sent to it."""

from __future__ import annotations

import math

NEWCOMER_S = 0.1
"""How long a listener who hears nothing yet may wait before it is as urgent as one who is
about to run dry: quick enough to feel immediate, and still behind those in mid-sentence."""


class PlaybackClock:
    """A listener that plays what it is sent, stops when it runs dry, goes on when more comes.

    Times are seconds on Trio's clock. Written on the Trio thread only; the model thread
    reads `deadline`, which looks at two floats, and `has_left`, which is only ever set."""

    def __init__(self) -> None:
        self.dry_at = -math.inf
        self.needed_at = -math.inf
        """When more is needed of a sentence that is held back: as what is made of it will have been
        heard."""
        self.has_left = False
        """The listener has gone, and will want nothing more."""

    def sent(self, duration_s: float, now: float) -> None:
        """Sound of this length was handed to the kernel."""
        self.dry_at = max(self.dry_at, now) + duration_s

    def unheard_s(self, now: float) -> float:
        """How much of what was sent still lies before the listener."""
        return max(0.0, self.dry_at - now)

    def stop(self, now: float) -> None:
        """The listener was interrupted: what it had not heard it never will."""
        self.dry_at = min(self.dry_at, now)

    def deadline(self, arrived: float) -> float:
        """When work that arrived then is late: as the listener runs dry or, for one who had nothing
        to hear as it arrived, `NEWCOMER_S` after that. What is held back is not late before it is
        needed: else it would starve those who are in mid-sentence."""
        due_at = self.dry_at if self.dry_at > arrived else arrived + NEWCOMER_S
        return max(due_at, self.needed_at)
