"""Noise that depends on the place in a stream alone, and not on how the stream was cut."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

TABLE_SIZE = 1 << 20
"""Random numbers, 4 MB. A frame takes some hundred in a row, from a place in the table that its
position decides: two of the thousand frames of a segment hardly ever share one."""

MIX = np.uint64(0x9E3779B97F4A7C15)


class Noise:
    """Gaussian noise for every frame of every stream, on one device."""

    def __init__(self, number: int, device: torch.device) -> None:
        """Another table for each `number`."""
        generator = torch.Generator().manual_seed(number)
        self._table = torch.randn(TABLE_SIZE, generator=generator).to(device)

    def frames(
        self, seeds: Sequence[int], firsts: Sequence[int], n_frames: int, width: int
    ) -> torch.Tensor:
        """The noise of each stream's frames from `first` on, which may lie before its start:
        (len(seeds), n_frames, width) float32."""
        found = torch.from_numpy(places(seeds, firsts, n_frames, width))
        return self.at(found.to(self._table.device), width)

    def at(self, places: torch.Tensor, width: int) -> torch.Tensor:
        """The noise of frames (batch, n) by their `places`, int64 and on the device: (batch, n,
        width) float32."""
        steps = torch.arange(width, device=self._table.device)
        return self._table[places[:, :, None] + steps]


def places(
    seeds: Sequence[int], firsts: Sequence[int], n_frames: int, width: int
) -> NDArray[np.int64]:
    """Where in a table the noise of frames begins, (len(seeds), n_frames): of each stream's from
    `first` on, which may lie before its start."""
    # A hash of the frame's number, as unsigned, and the stream's seed.
    frames = np.array(firsts, np.int64)[:, None] + np.arange(n_frames)
    keys = np.array([seed % 2**64 for seed in seeds], np.uint64)
    hashes = _mixed(_mixed(keys)[:, None] ^ _mixed(frames.view(np.uint64)))
    return (hashes % np.uint64(TABLE_SIZE - width)).astype(np.int64)


def _mixed(keys: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """splitmix64's output function (Steele, Lea and Flood, 2014), a hash."""
    keys = keys + MIX
    keys = (keys ^ (keys >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    keys = (keys ^ (keys >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return keys ^ (keys >> np.uint64(31))
