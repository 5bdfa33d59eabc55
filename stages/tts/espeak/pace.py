"""The pace of espeak-ng: the rate at which it speaks a speed well."""

from __future__ import annotations

from typing import NamedTuple

NORMAL_WPM = 175
"""``espeakRATE_NORMAL`` in speak_lib.h."""
EVEN_WPM = 100, 230
"""The rates between which a sentence at twice the rate takes half the time, within 10 %. Beyond,
some get ahead of that and others fall behind, by a quarter at 350
(`docs/adr/0020-speed-and-volume.md`)."""


class Pace(NamedTuple):
    """A rate, and what comes of it."""

    rate_wpm: int
    """espeak-ng's parameter, in words a minute."""
    speed: float
    """Times as fast as at the rate that was given."""


def pace_for(rate_wpm: int, speed: float) -> Pace:
    """The pace for a speed against this rate, as near as espeak-ng keeps to it."""
    least, most = min(*EVEN_WPM, rate_wpm), max(*EVEN_WPM, rate_wpm)
    wanted = rate_wpm * speed
    wpm = min(max(wanted, least), most)
    return Pace(round(wpm), speed if wpm == wanted else wpm / rate_wpm)
