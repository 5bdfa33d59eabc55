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

    from stages.neural.graphs import Graphs

TOLERANCE = 1e-3
"""Of values about 1: a library may choose another algorithm."""


class _Attempt(NamedTuple):
    """A function of `x` (2, 8, 16) and `places` (2,), a number from 0 to 3 each."""

    name: str
    function: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
    repeats: int = 1


def first_failure(graphs: Graphs, device: torch.device) -> str | None:
    """What graphs cannot do on this device, in words; None: they can do all that is tried, or have
    been given up already. Inside ``graphs.stream()``."""
    draws = torch.Generator().manual_seed(0)
    seen, new = (
        (torch.randn(2, 8, 16, generator=draws), torch.tensor(places))
        for places in ([0, 2], [1, 3])
    )
    for attempt in _attempts(device, draws):
        key = ("trial", attempt.name)
        graphs.run(key, attempt.function, *seen, repeats=attempt.repeats)
        if not graphs.in_use:
            return None
        replayed = graphs.run(key, attempt.function, *new, repeats=attempt.repeats)
        (replayed,) = graphs.fetch(replayed).result()
        moved = [given.to(device, copy=True) for given in new]
        for _ in range(attempt.repeats):
            wanted = attempt.function(*moved)
        (wanted,) = graphs.fetch(wanted).result()
        if not torch.allclose(replayed, wanted, atol=TOLERANCE, rtol=TOLERANCE):
            return f"a graph of {attempt.name} computes other values than its operators do"
    return None


def _attempts(device: torch.device, draws: torch.Generator) -> Iterator[_Attempt]:
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

    yield _Attempt("a matrix product", multiply)
    yield _Attempt("a convolution", convolve)
    yield _Attempt("reads and writes by index", move)
    yield _Attempt("attention with a mask", attend)
    yield _Attempt("a Fourier transform", transform)
    yield _Attempt("changes in place", change, repeats=3)
