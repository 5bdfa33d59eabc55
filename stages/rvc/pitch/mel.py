"""RMVPE's spectrogram: 128 mel bands, log magnitude, a frame every 10 ms."""

from __future__ import annotations

import numpy as np
import torch

from stages.rvc.speech import HOP, RATE

N_BANDS = 128
N_FFT = 1024
LOW_HZ = 30.0
HIGH_HZ = 8000.0
MIN_MAGNITUDE = 1e-5

MIN_SAMPLES = N_FFT // 2 + 1
"""Half a window, which is mirrored at either end, and one sample more."""


class LogMel(torch.nn.Module):
    """A spectrogram, in float32: the products of a quiet sound are too small for less."""

    window: torch.Tensor
    bands: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("window", torch.hann_window(N_FFT), persistent=False)
        self.register_buffer("bands", torch.from_numpy(_bands()), persistent=False)

    def forward(self, samples: torch.Tensor) -> torch.Tensor:
        """Samples (b, n) at 16 kHz, at least `MIN_SAMPLES`, to (b, 128, n // 160 + 1), whose
        frame j is centred on sample 160 * j."""
        spectrum = torch.stft(samples, N_FFT, HOP, window=self.window, return_complex=True)
        return (self.bands @ spectrum.abs()).clamp_min(MIN_MAGNITUDE).log()


def _bands() -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """Triangles (128, 513) of equal area, evenly spaced on HTK's mel scale, 2595 log10(1 + f / 700)
    (Young et al., The HTK Book, section 5.4); as librosa has them with ``htk=True``."""
    low, high = (2595 * np.log10(1 + hz / 700) for hz in (LOW_HZ, HIGH_HZ))
    corners = 700 * (10 ** (np.linspace(low, high, N_BANDS + 2) / 2595) - 1)
    bins = np.arange(N_FFT // 2 + 1) * RATE / N_FFT
    left, middle, right = (corners[begin : begin + N_BANDS, None] for begin in range(3))
    triangles = np.minimum((bins - left) / (middle - left), (right - bins) / (right - middle))
    return (triangles.clip(0) * 2 / (right - left)).astype(np.float32)
