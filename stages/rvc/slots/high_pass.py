"""The high pass of `stages.rvc.speech` for many pieces of speech at once, as matrix products."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy import signal
from torch.nn import functional

from stages.rvc.speech import CUTOFF_HZ, ORDER, RATE, SHORTEST

if TYPE_CHECKING:
    from numpy.typing import NDArray

N_MIRRORED = SHORTEST - 1
"""Samples that `scipy.signal.filtfilt` adds at either end, mirrored in the end's own value."""
CHUNK = 160
"""Samples in a chunk. The products of a chunk grow with it, those of the states between chunks
shrink with its square: with this many they are about as large."""


class RecursiveFilter:
    """A recursive filter over a fixed number of samples, from rest, as products in float64.

    The response of a filter with simple poles is a sum of powers of them. So all that a chunk does
    to later ones is in one complex number for each pole, its state:

        chunks ─┬─ the filter within a chunk ──────────────────────▶ + ▶ filtered
                └─ into states ▶ states before each chunk ▶ out of ──┘

    Sums of powers round off less than a recursion of as many coefficients does: for this high pass
    scipy's `filtfilt` is off by 1e-8 of the speech.
    """

    def __init__(
        self,
        zeros: NDArray[np.complex128],
        poles: NDArray[np.complex128],
        gain: float,
        n_chunks: int,
        device: torch.device,
    ) -> None:
        """As `scipy.signal.butter` has them with ``output="zpk"``: as many zeros as poles, which
        are all different."""
        self._n_chunks = n_chunks
        weights = np.array(
            [
                gain * np.prod(pole - zeros) / np.prod(pole - np.delete(poles, number))
                for number, pole in enumerate(poles)
            ]
        )
        # Of a pole and its conjugate one is enough, twice.
        is_kept = poles.imag >= 0
        weights = weights[is_kept] * np.where(poles[is_kept].imag > 0, 2, 1)
        poles = poles[is_kept][:, None]
        steps, chunks = np.arange(CHUNK), np.arange(n_chunks)
        leaving = weights[:, None] * poles**steps
        response = np.concatenate([[gain], leaving.real.sum(axis=0)[:-1]])
        within = np.where(steps[:, None] >= steps, response[steps[:, None] - steps], 0)
        entering = poles ** steps[::-1]
        ahead = chunks[:, None] - chunks - 1  # how many chunks lie between
        between = np.where(ahead >= 0, poles[:, :, None] ** (CHUNK * ahead.clip(0)), 0)

        def on_device(matrix: NDArray[np.float64]) -> torch.Tensor:
            return torch.from_numpy(np.ascontiguousarray(matrix)).to(device)

        self._within = on_device(within)
        self._entering = on_device(np.concatenate([entering.real, entering.imag]))
        self._leaving = on_device(np.concatenate([leaving.real, -leaving.imag]))
        parts = np.array([[between.real, -between.imag], [between.imag, between.real]])
        # (part, part, pole, chunk, chunk), of which pole and pole are the same
        whole = np.einsum("abpkj,pq->kapjbq", parts, np.eye(len(poles)))
        n_states = n_chunks * 2 * len(poles)
        self._between = on_device(whole.reshape(n_states, n_states))

    @property
    def n_samples(self) -> int:
        """The number of samples that it takes."""
        return self._n_chunks * CHUNK

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, n_samples) float64 to the same."""
        return self._products(x, self._within.T, self._entering.T, self._between.T, self._leaving)

    def backwards(self, x: torch.Tensor) -> torch.Tensor:
        """The same from the last sample to the first. What each sample takes of each is the same
        table then, transposed."""
        return self._products(x, self._within, self._leaving.T, self._between, self._entering)

    def _products(
        self,
        x: torch.Tensor,
        within: torch.Tensor,
        entering: torch.Tensor,
        between: torch.Tensor,
        leaving: torch.Tensor,
    ) -> torch.Tensor:
        chunks = x.view(len(x), self._n_chunks, CHUNK)
        states = (chunks @ entering).flatten(1) @ between
        carried = states.view(len(x), self._n_chunks, -1) @ leaving
        return (chunks @ within + carried).flatten(1)


class HighPass:
    """`scipy.signal.filtfilt` with the high pass, of rows that lie in frames of one size."""

    def __init__(self, n_samples: int, device: torch.device) -> None:
        """`n_samples`: of a frame."""
        n_chunks = -(-(n_samples + 2 * N_MIRRORED) // CHUNK)
        zeros, poles, gain = signal.butter(ORDER, CUTOFF_HZ, "highpass", fs=RATE, output="zpk")
        self._filter = RecursiveFilter(zeros, poles, gain, n_chunks, device)
        self._near = torch.arange(1, N_MIRRORED + 1, device=device)
        self._places = torch.arange(n_chunks * CHUNK, device=device)

    def __call__(self, x: torch.Tensor, begin: torch.Tensor, end: torch.Tensor) -> torch.Tensor:
        """The rows x (batch, n_samples) float32, each filtered from `begin` to `end`, (batch,)
        int64, as if there were nothing else. Pieces shorter than `SHORTEST` stay as they are; what
        is outside a piece means nothing, but is finite."""
        n_samples = x.shape[1]
        begin, end = begin[:, None], end[:, None]
        last = end - 1
        # Both ends are mirrored in float32, as scipy does it.
        inner = torch.cat([begin + self._near, last - self._near], dim=1)
        edges = x.gather(1, torch.cat([begin, last], dim=1).clamp(0, n_samples - 1))
        mirrored = 2 * edges.repeat_interleave(N_MIRRORED, dim=1) - x.gather(
            1, inner.clamp(0, n_samples - 1)
        )
        # A piece that is mirrored lies N_MIRRORED further right, and so begins at `begin`.
        outer = torch.cat([begin - self._near, last + self._near], dim=1) + N_MIRRORED
        n_behind = self._filter.n_samples - n_samples - N_MIRRORED
        padded = functional.pad(x, (N_MIRRORED, n_behind)).scatter(1, outer, mirrored).double()
        # A steady sound before the piece would leave the filter at rest, since it lets no steady
        # sound through: scipy begins as if its first value had always been there, backwards, too.
        padded = padded - padded.gather(1, begin)
        made = self._filter(padded.masked_fill(self._places < begin, 0.0))
        final = last + 2 * N_MIRRORED
        made = made - made.gather(1, final)
        made = self._filter.backwards(made.masked_fill(self._places > final, 0.0))
        made = made[:, N_MIRRORED : N_MIRRORED + n_samples].float()
        return torch.where(end - begin >= SHORTEST, made, x)
