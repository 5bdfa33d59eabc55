"""The shapes that the model runs in.

On a CPU a step's time is that of reading the weights, and eight rows take hardly longer than one
(``bench/soprano.py``): so it always runs eight, and a result never depends on who else is speaking.
On a GPU every shape is a graph, so there are a few of each kind.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stages.tts.soprano.language_model import LENGTH_STEP
from stages.tts.soprano.sequence import MAX_STATES
from stages.tts.soprano.text import MAX_CHARS, PROMPT_TOKENS

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch

CPU_WIDTH = 8
GPU_WIDTHS = (8, 32, 128, 256)
GPU_PROMPTS = (1, 8, 32)
GPU_PROMPT_LENGTHS = (64, 128, 320)
GPU_LENGTHS = (256, 512)
"""That attention looks at, beside the whole: 60 characters of speech end at 112."""
GPU_DECODER_ROWS = (1, 8, 32, 128, 256)

MAX_LENGTH = -(-(PROMPT_TOKENS + MAX_CHARS + MAX_STATES) // LENGTH_STEP) * LENGTH_STEP
"""Tokens of a sequence: the longest prompt and speech, in whole steps."""


@dataclass(frozen=True, slots=True)
class Shapes:
    """Numbers of rows and lengths, each list ascending; an empty one: whatever is needed."""

    n_slots: int
    """A whole number of groups."""
    widths: tuple[int, ...]
    """Rows of a step of the language model. The last is the size of a group of slots."""
    prompt_rows: tuple[int, ...]
    """Prompts that are read at a time."""
    prompt_lengths: tuple[int, ...] = ()
    decoder_row_counts: tuple[int, ...] = ()
    lengths: tuple[int, ...] = ()
    """That attention looks at."""

    @property
    def fixed(self) -> bool:
        """All of them are known beforehand: they are graphs, and steps are launched several at a
        time."""
        return bool(self.lengths)

    @staticmethod
    def on(device: torch.device, n_slots: int) -> Shapes:
        """The shapes for a device."""
        if device.type == "cpu":
            # Prompts one at a time: two take twice as long, and nobody should wait for another's.
            return Shapes(_rounded(n_slots, CPU_WIDTH), (CPU_WIDTH,), (1,))
        return Shapes(
            n_slots,
            _up_to(GPU_WIDTHS, n_slots),
            _up_to(GPU_PROMPTS, min(n_slots, GPU_PROMPTS[-1])),  # more newcomers take turns
            GPU_PROMPT_LENGTHS,
            _up_to(GPU_DECODER_ROWS, n_slots),
            (*GPU_LENGTHS, MAX_LENGTH),
        )

    def group_of(self, slot: int) -> int:
        """The number of the group that a slot is run with."""
        return slot // self.widths[-1]

    def rows(self, slots: Sequence[int]) -> tuple[int, int]:
        """The first slot and the width of a step that runs these, which are of one group."""
        first = self.group_of(slots[0]) * self.widths[-1]
        return first, _at_least(max(slots) - first + 1, self.widths)

    def prompts(self, n_prompts: int, longest: int) -> tuple[int, int]:
        """The shape in which prompts are read."""
        return _at_least(n_prompts, self.prompt_rows), _at_least(longest, self.prompt_lengths)

    def decoder_rows(self, n_pieces: int) -> int:
        """The rows in which pieces are decoded."""
        return _at_least(n_pieces, self.decoder_row_counts)

    def attention_length(self, position: int) -> int:
        """The length that attention looks at, if this is the last position."""
        if self.lengths:
            return _at_least(position + 1, self.lengths)
        return _rounded(position + 1, LENGTH_STEP)

    @staticmethod
    def used_rows(in_use: Sequence[bool]) -> int:
        """The number of a step's rows up to the last that is in use, at least one."""
        return max((number + 1 for number, used in enumerate(in_use) if used), default=1)

    @property
    def all_launches(self) -> list[tuple[int, int]]:
        """Every width and length of a step that is a graph."""
        return [(width, length) for width in self.widths for length in self.lengths]

    @property
    def all_prompts(self) -> list[tuple[int, int]]:
        """Every shape of prompts."""
        lengths = self.prompt_lengths or (LENGTH_STEP,)
        return [(n_rows, length) for n_rows in self.prompt_rows for length in lengths]


def _at_least(wanted: int, sizes: tuple[int, ...]) -> int:
    return next((size for size in sizes if size >= wanted), sizes[-1]) if sizes else wanted


def _up_to(sizes: tuple[int, ...], most: int) -> tuple[int, ...]:
    """Sizes up to the first that is enough, which is cut to fit."""
    return (*(size for size in sizes if size < most), most)


def _rounded(number: int, step: int) -> int:
    return -(-number // step) * step
