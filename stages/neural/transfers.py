"""Tensors that go to a card and come back, without anybody waiting for them.

A copy that does not block must be from or to page-locked memory, and each costs some microseconds
of launching, however small it is. So all inputs of a run lie side by side in one buffer.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stages.neural.card import Card, CardEvent

ALIGNMENT = 16
"""Bytes, the widest element's (complex128) and what kernels read at once."""
MOST_CROSSINGS = 8
"""Copies of one function's inputs that may be under way; who wants one more waits."""


class _Crossing(NamedTuple):
    """Page-locked memory, and the copy from it."""

    memory: torch.Tensor
    parts: tuple[torch.Tensor, ...]
    done: CardEvent


class HeldInputs:
    """A function's inputs on a card: tensors that stay where they are, and are filled by one copy
    for each run."""

    def __init__(self, card: Card, device: torch.device, like: Sequence[torch.Tensor]) -> None:
        """`like`: tensors of these dtypes and shapes."""
        self._card = card
        self._kinds = [(given.dtype, given.shape) for given in like]
        self._n_bytes = sum(map(_room, like))
        self._memory = torch.empty(self._n_bytes, dtype=torch.uint8, device=device)
        self._crossings = deque[_Crossing]()  # the oldest first
        self.tensors = _parts(self._memory, like)

    def fits(self, inputs: Sequence[torch.Tensor]) -> bool:
        """Whether these are of the same dtypes and shapes."""
        return [(given.dtype, given.shape) for given in inputs] == self._kinds

    def fill(self, inputs: Sequence[torch.Tensor]) -> None:
        """Copy tensors of the host into those on the card, behind what it has to do already."""
        if not inputs:
            return
        crossing = self._free_crossing(inputs)
        for part, given in zip(crossing.parts, inputs, strict=True):
            part.copy_(given)
        self._memory.copy_(crossing.memory, non_blocking=True)
        crossing.done.record()
        self._crossings.append(crossing)

    def _free_crossing(self, like: Sequence[torch.Tensor]) -> _Crossing:
        """One whose copy is done, so that it can be written over."""
        crossings = self._crossings
        if not crossings or not crossings[0].done.query():
            if len(crossings) < MOST_CROSSINGS:
                memory = self._card.pinned(self._n_bytes)
                return _Crossing(memory, _parts(memory, like), self._card.event())
            crossings[0].done.synchronize()
        return crossings.popleft()


class Fetched:
    """Tensors on their way from a device to the host."""

    def __init__(self, tensors: tuple[torch.Tensor, ...], done: CardEvent | None = None) -> None:
        """`tensors` are on the host, and are written to until `done`."""
        self._tensors = tensors
        self._done = done

    @property
    def is_done(self) -> bool:
        """Whether they are there. This never waits."""
        return self._done is None or self._done.query()

    def result(self) -> tuple[torch.Tensor, ...]:
        """The tensors, on the host and the caller's own; it waits for them if it must. They share
        page-locked memory, of which there should not be much: what is kept for long is better
        copied."""
        if self._done is not None:
            self._done.synchronize()
        return self._tensors


def fetched(card: Card, tensors: Sequence[torch.Tensor]) -> Fetched:
    """Let the current stream copy tensors to the host, behind what it has to do already."""
    parts = _parts(card.pinned(sum(map(_room, tensors))), tensors)
    for part, tensor in zip(parts, tensors, strict=True):
        part.copy_(tensor, non_blocking=True)
    done = card.event()
    done.record()
    return Fetched(parts, done)


def _room(tensor: torch.Tensor) -> int:
    """The bytes of a tensor, up to where the next one may begin."""
    return -(-tensor.numel() * tensor.element_size() // ALIGNMENT) * ALIGNMENT


def _parts(memory: torch.Tensor, like: Sequence[torch.Tensor]) -> tuple[torch.Tensor, ...]:
    """Memory as tensors of these dtypes and shapes, one behind the other."""
    parts, start = [], 0
    for given in like:
        n_bytes = given.numel() * given.element_size()
        part = memory[start : start + n_bytes].view(given.dtype).view(given.shape)
        parts.append(part)
        start += _room(given)
    return tuple(parts)
