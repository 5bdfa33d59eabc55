"""Stretching one voice in time, piece by piece: longer or shorter sound of the same pitch.

By WSOLA (Verhelst and Roelands, ICASSP 1993): sound is laid out again block by block, each block
taken from where the input goes on most like the block before it, so that no pitch period is
broken. Speech has one pitch at a time, which is the case this method is best at.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from stages.audio.format import Samples

BLOCK_S = 0.015
"""A block, all of it a crossfade: a whole period of the deepest voice (67 Hz) fits."""
REACH_S = 0.0075
"""The search range to either side for the best place of a block, a period in all. It is also the
most by which an onset can move."""

INAUDIBLE_ENERGY = 1e-6
"""Added to a block's energy, so that the quotient is finite in silence (one 16-bit step in each
sample is 3e-7)."""


class Stretcher:
    """Time stretching: longer sound of the same pitch. n samples in give
    ``round(n * factor)`` out, the same for any cut of the input."""

    def __init__(self, factor: float, sample_rate: int) -> None:
        self._factor = factor
        self._block = round(BLOCK_S * sample_rate)
        self._reach = round(REACH_S * sample_rate)
        # Raised cosine: the two always sum to one, so a perfect match passes unchanged.
        phase = (np.arange(self._block, dtype=np.float32) + np.float32(0.5)) / self._block
        self._rise = (0.5 - 0.5 * np.cos(np.pi * phase)).astype(np.float32)
        self._input = np.zeros(0, np.float32)
        self._dropped = 0
        """Samples forgotten from the front of the input."""
        self._received = 0
        self._made = 0
        self._next_block = 0
        self._onward = 0
        """The place in the input that follows the last block."""

    def push(self, samples: Samples) -> Samples:
        """Take more sound, hand out what is final."""
        self._received += len(samples)
        self._input = np.concatenate((self._input, samples))
        return self._run(ending=False)

    def flush(self) -> Samples:
        """The rest, to the exact length."""
        return self._run(ending=True)

    def _run(self, *, ending: bool) -> Samples:
        wanted = round(self._received * self._factor)
        blocks: list[Samples] = []
        while True:
            start = self._next_block * self._block
            if start >= wanted:
                break
            centre = self._centre(start)
            end = max(self._onward, centre + self._reach) + self._block
            if ending:
                self._pad_to(end)
            elif end > self._received:
                break  # a better place may come; and the sound may end within this block
            blocks.append(self._make_block(centre))
        made = np.concatenate(blocks) if blocks else np.zeros(0, np.float32)
        if ending:
            made = made[: max(0, wanted - self._made)]
        self._made += len(made)
        self._forget()
        return made

    def _make_block(self, centre: int) -> Samples:
        onward = self._at(self._onward, self._block)
        if self._next_block == 0:
            block = onward.copy()
            best = 0
        else:
            best = self._best_place(onward, centre)
            block = onward + (self._at(best, self._block) - onward) * self._rise
        self._next_block += 1
        self._onward = best + self._block
        return block

    def _best_place(self, onward: Samples, centre: int) -> int:
        """The place where the input resembles ``onward`` most, by normalised correlation."""
        first = max(0, centre - self._reach)
        # Every other sample will do to come within one sample of it, and simply going on
        # is among them: where there is no pitch, only that fits.
        first += (self._onward - first) % 2
        area = self._at(first, centre + self._reach - first + self._block)
        score = _likeness(area[::2], onward[::2])
        if score.max() <= 0.0:
            return centre  # silence: nothing to match
        near = 2 * int(score.argmax())
        low = max(0, near - 1)
        high = min(len(area) - self._block, near + 1)
        score = _likeness(area[low : high + self._block], onward)
        return first + low + int(score.argmax())

    def _at(self, start: int, length: int) -> Samples:
        return self._input[start - self._dropped : start - self._dropped + length]

    def _pad_to(self, end: int) -> None:
        missing = end - self._dropped - len(self._input)
        if missing > 0:
            self._input = np.concatenate((self._input, np.zeros(missing, np.float32)))

    def _forget(self) -> None:
        centre = self._centre(self._next_block * self._block)
        keep_from = min(self._onward, max(0, centre - self._reach))
        spare = min(keep_from - self._dropped, len(self._input))
        if spare > 0:
            self._input = self._input[spare:]
            self._dropped += spare

    def _centre(self, start: int) -> int:
        """The place in the input for the block at ``start`` of the output: the block ends at the
        right point of the speech. Within a block sound goes on at its own pace, so one that began
        at the right point would be early or late as a whole."""
        return max(0, round((start + self._block) / self._factor) - self._block)


def _likeness(area: Samples, shape: Samples) -> npt.NDArray[np.float64]:
    """The normalised correlation of ``shape`` with each place in ``area``."""
    correlation = np.correlate(area, shape, mode="valid")
    energy = np.cumsum(np.square(area, dtype=np.float64))
    energy[len(shape) :] -= energy[: -len(shape)].copy()
    return correlation / np.sqrt(energy[len(shape) - 1 :] + INAUDIBLE_ENERGY)
