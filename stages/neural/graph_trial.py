"""A test of graphs at start: small functions, of the kinds of operators that the engines use, are
captured with one input, replayed with another, and compared with the same done operator by
operator. Drivers and libraries differ most here, those of AMD's GPUs above all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TOLERANCE = 1e-3
"""Of values about 1: a library may choose another algorithm."""


class Attempt(NamedTuple):
    """A function that a graph is made of, and inputs: `x` (2, 8, 16), and `places` (2,), a number
    from 0 to 3 each."""

    name: str
    function: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
    seen: tuple[torch.Tensor, torch.Tensor]
    """Of the capture, on the host."""
    new: tuple[torch.Tensor, torch.Tensor]
    """Of the replay that is looked at."""
    repeats: int = 1


def is_like(replayed: torch.Tensor, wanted: torch.Tensor) -> bool:
    """Whether a replay gave what the operators gave one by one."""
    return torch.allclose(replayed, wanted, atol=TOLERANCE, rtol=TOLERANCE)


def attempts(device: torch.device) -> Iterator[Attempt]:
    """What is tried on a device."""
    draws = torch.Generator().manual_seed(0)
    seen, new = (
        (torch.randn(2, 8, 16, generator=draws), torch.tensor(places))
        for places in ([0, 2], [1, 3])
    )
    weight = torch.randn(16, 16, generator=draws).to(device) / 4
    kernel = torch.randn(8, 8, 1, 3, generator=draws).to(device) / 4
    kernel = kernel.to(memory_format=torch.channels_last)
    memory = torch.zeros(4, 8, 16, device=device)

    def multiply(x: torch.Tensor, _places: torch.Tensor) -> torch.Tensor:
        return functional.linear(x, weight)

    def convolve(x: torch.Tensor, _places: torch.Tensor) -> torch.Tensor:
        rows = x[:, :, None].contiguous(memory_format=torch.channels_last)
        return functional.leaky_relu(functional.conv2d(rows, kernel, padding=(0, 1)), 0.1)

    def move(x: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        memory.zero_()
        memory[places] = x
        memory.index_put_((places[:, None], places[None]), x[:, :2] * 2)
        return memory.gather(1, places[None, :, None].expand(4, 2, 16)) + memory[places].sum()

    def attend(x: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        hidden = torch.arange(8, device=device) > places[:, None]
        mask = torch.zeros(2, 8, dtype=x.dtype, device=device).masked_fill_(hidden, -torch.inf)
        heads = x.view(2, 8, 2, 8).transpose(1, 2)
        mask = mask[:, None, None].expand(2, 1, 8, 8)
        return functional.scaled_dot_product_attention(heads, heads, heads, attn_mask=mask)

    def transform(x: torch.Tensor, _places: torch.Tensor) -> torch.Tensor:
        made: torch.Tensor = torch.fft.irfft(torch.fft.rfft(x).abs() + 0j, 16)
        return made

    def change(x: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        x.add_(places[:, None, None])
        places.add_(1)
        return x.clone()

    yield Attempt("a matrix product", multiply, seen, new)
    yield Attempt("a convolution", convolve, seen, new)
    yield Attempt("reads and writes by index", move, seen, new)
    yield Attempt("attention with a mask", attend, seen, new)
    yield Attempt("a Fourier transform", transform, seen, new)
    yield Attempt("changes in place", change, seen, new, repeats=3)
