"""How many frames each phoneme lasts, at any speed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

HALVINGS = 24
"""Of the interval that a factor is sought in: more than float32 tells apart."""


def frame_counts(w: npt.NDArray[np.float32], speed: float) -> npt.NDArray[np.int64]:
    """The frames of each id whose duration, in frames, is `w` at speed 1.

    At speed 1 they are rounded up, as VITS does. Rounding up makes ids longer by half a frame on
    average, whatever the speed, which is a sixth of them: so at other speeds durations are
    multiplied by what makes the whole as long as it should be, and not by ``1 / speed``. Whatever
    is heard at all keeps a frame, even if that makes the whole longer."""
    counts = np.ceil(w)
    if speed == 1.0:
        return counts.astype(np.int64)
    wanted = round(counts.sum() / speed)
    least, most = 0.0, 4.0 / speed
    for _ in range(HALVINGS):
        factor = (least + most) / 2
        if np.ceil(w * np.float32(factor)).sum() > wanted:
            most = factor
        else:
            least = factor
    scaled: npt.NDArray[np.int64] = np.ceil(w * np.float32(least or most)).astype(np.int64)
    return scaled
