"""``pm``: Praat's autocorrelation, by way of parselmouth. 2 ms of CPU for a second of speech.

Boersma, 1993, "Accurate short-term analysis of the fundamental frequency and the harmonics-to-noise
ratio of a sampled sound". The parameters are upstream's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import parselmouth

from stages.rvc.pitch.estimator import F0_MAX_HZ, F0_MIN_HZ, MIN_FRAMES, unvoiced
from stages.rvc.speech import HOP, RATE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from stages.audio.format import Samples

VOICING_THRESHOLD = 0.6
"""Upstream's threshold of periodicity for a voiced frame; Praat's default is 0.45."""

EDGE_FRAMES = MIN_FRAMES // 2
"""Frames at either end that stay unvoiced: a frame needs three periods of the lowest pitch around
it."""


class PraatPitch:
    """Praat's method; see the module. It keeps no state, so it can be shared."""

    name = "pm"
    n_bytes = 0

    def estimate(self, samples: Samples, filter_radius: int = 3) -> NDArray[np.float32]:
        """See `PitchEstimator`. The 3 first frames and the 2 last are unvoiced."""
        f0 = unvoiced(samples)
        if len(f0) < MIN_FRAMES:
            return f0  # Praat raises an error
        # Praat fits in as many frames as it can and centres them. For whole frames of samples
        # that is one frame at 3 * HOP, and so on; but the quotient that it rounds down is then a
        # whole number, and for some lengths (71 to 74 frames, say) comes out just below: upstream's
        # pitch is half a frame late there. With one more sample there is no such doubt, and the
        # centres are on sample j * HOP to the dot.
        sound = np.zeros(len(f0) * HOP + 1)
        sound[:-1] = samples[: len(f0) * HOP]
        pitch = parselmouth.Sound(sound, RATE).to_pitch_ac(
            time_step=HOP / RATE,
            voicing_threshold=VOICING_THRESHOLD,
            pitch_floor=F0_MIN_HZ,
            pitch_ceiling=F0_MAX_HZ,
        )
        f0[EDGE_FRAMES : len(f0) - EDGE_FRAMES + 1] = pitch.selected_array["frequency"]
        return f0
