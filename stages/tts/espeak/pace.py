"""The pace of espeak-ng: the rate that makes it speak a speed, since its scale is not even.

Above its normal rate of 175 words a minute it gains less than it says: 260 sounds as 249 would on
an even scale, 370 as 344 (the mean of 20 sentences in seven languages). Below, it is off by 3 % at
most, but for 80 itself. `docs/adr/0020-speed-and-volume.md` has the measurement.
"""

from __future__ import annotations

from typing import NamedTuple

NORMAL_WPM = 175
"""``espeakRATE_NORMAL`` in speak_lib.h."""
LEAST_WPM = 80
MOST_WPM = 450
"""Its range. For more, espeak-ng stretches by a library of its own."""

RATE_FOR_WORD = 1.15
"""What a word a minute costs above `NORMAL_WPM`."""


class Pace(NamedTuple):
    """A rate, and what comes of it."""

    rate_wpm: int
    """espeak-ng's parameter."""
    speed: float
    """Times as fast as at the rate that was given."""


def pace_for(rate_wpm: int, speed: float) -> Pace:
    """The pace for a speed against this rate, as near as espeak-ng's range allows."""
    base = _real(rate_wpm)
    real = min(max(base * speed, _real(LEAST_WPM)), _real(MOST_WPM))
    return Pace(round(_rate(real)), speed if real == base * speed else real / base)


def _real(rate_wpm: float) -> float:
    """The words a minute that are spoken at a rate, on a scale that is even."""
    above = max(0.0, rate_wpm - NORMAL_WPM)
    return rate_wpm - above + above / RATE_FOR_WORD


def _rate(real_wpm: float) -> float:
    above = max(0.0, real_wpm - NORMAL_WPM)
    return real_wpm - above + above * RATE_FOR_WORD
