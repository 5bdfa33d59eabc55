"""The pace of espeak-ng: the rate at which it speaks a speed well."""

from __future__ import annotations

from typing import NamedTuple

NORMAL_WPM = 175
"""``espeakRATE_NORMAL`` in speak_lib.h."""
LEAST_WPM = 80
"""The least that it takes."""
EVEN_WPM = 230
"""The most that is even: up to here a sentence at twice the rate takes half the time, within 10 %.
Beyond, some get ahead of it and others fall behind, by a quarter at 350
(`docs/adr/0020-speed-and-volume.md`)."""


class Pace(NamedTuple):
    """A rate, and what comes of it."""

    rate_wpm: int
    """espeak-ng's parameter, in words a minute."""
    speed: float
    """Times as fast as at the rate that was given."""


def pace_for(rate_wpm: int, speed: float) -> Pace:
    """The pace for a speed against this rate, as near as espeak-ng keeps to it."""
    wanted = rate_wpm * speed
    wpm = min(max(wanted, LEAST_WPM), max(EVEN_WPM, rate_wpm))
    return Pace(round(wpm), speed if wpm == wanted else wpm / rate_wpm)
