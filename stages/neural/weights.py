"""A voice's weights in one piece of memory, so that voices of one architecture share captures.

A CUDA graph reads weights where they were when it was captured. So each architecture has networks
of its own, which graphs are captured with, and a voice that is to be heard is copied over theirs:
in one copy, since all its tensors lie side by side as its networks want them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch

if TYPE_CHECKING:
    from collections.abc import Iterator

ALIGNMENT = 256
"""Bytes, as CUDA's own memory has it."""


class _HeldTensor(NamedTuple):
    """Where a tensor is held."""

    owner: object
    name: str
    tensor: torch.Tensor


def moved_together(*networks: object) -> torch.Tensor | None:
    """The piece of memory, (bytes,) uint8, in which all tensors of these networks now lie, each
    with the strides it had. The same classes with the same shapes give the same order.

    None where oneDNN has packed some for a CPU: these cannot be moved, and all stay as they are."""
    places = [place for network in networks for place in _places(network)]
    if any(place.tensor.layout is not torch.strided for place in places):
        return None
    offsets, n_bytes = [], 0
    for place in places:
        offsets.append(n_bytes)
        n_bytes += -(-place.tensor.nbytes // ALIGNMENT) * ALIGNMENT
    flat = torch.zeros(n_bytes, dtype=torch.uint8, device=places[0].tensor.device)
    for (owner, name, tensor), offset in zip(places, offsets, strict=True):
        strides = torch.empty_like(tensor, device="meta").stride()
        part = flat[offset : offset + tensor.nbytes].view(tensor.dtype)
        view = part.as_strided(tensor.shape, strides)
        view.copy_(tensor)
        setattr(owner, name, view)
    return flat


def _places(holder: object) -> Iterator[_HeldTensor]:
    """The tensors of an object, and of our objects that it holds, in the order in which they were
    set."""
    if isinstance(holder, list | tuple):
        for part in holder:
            yield from _places(part)
    elif type(holder).__module__.startswith("stages."):
        names = getattr(type(holder), "__slots__", None) or vars(holder)
        for name in list(names):
            value = getattr(holder, name)
            if isinstance(value, torch.Tensor):
                yield _HeldTensor(holder, name, value)
            else:
                yield from _places(value)
