"""CUDA graphs. On a GPU a step is hundreds of small kernels, and launching them one by one takes
longer than running them. A graph records a function's kernels once for a shape and launches them
as one. Elsewhere the function is just called.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeVar

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

Out = TypeVar("Out", bound="torch.Tensor | tuple[torch.Tensor, ...]")

WARM_UP_RUNS = 2
"""Runs before a capture: libraries set themselves up at the first, which cannot be recorded."""


class _Captured(NamedTuple):
    graph: torch.cuda.CUDAGraph
    inputs: tuple[torch.Tensor, ...]
    outputs: object


class Graphs:
    """A runner of functions of tensors, by graph where there is CUDA."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._captured: dict[Hashable, _Captured] = {}
        self._pool = torch.cuda.graph_pool_handle() if self.in_use else None

    @property
    def in_use(self) -> bool:
        """Whether functions run as graphs: then shapes should be few, and known beforehand."""
        return self._device.type == "cuda"

    def run(self, key: Hashable, function: Callable[..., Out], *inputs: torch.Tensor) -> Out:
        """Run ``function(*inputs)`` on the device. The same key must mean the same function and the
        same shapes. What a graph returns is written over by the next run with any key, since they
        share their memory: it must be fetched before.

        The first run with a key runs the function several times, so it should be one whose
        effects do no harm."""
        if not self.in_use:
            return function(*inputs)
        captured = self._captured.get(key)
        if captured is None:
            captured = self._captured[key] = self._capture(function, inputs)
        for held, given in zip(captured.inputs, inputs, strict=True):
            held.copy_(given)
        captured.graph.replay()
        return captured.outputs  # type: ignore[return-value]  # what its function returned

    def _capture(self, function: Callable[..., Out], inputs: tuple[torch.Tensor, ...]) -> _Captured:
        held = tuple(given.to(self._device, copy=True) for given in inputs)
        current, aside = torch.cuda.current_stream(), torch.cuda.Stream()
        aside.wait_stream(current)
        with torch.cuda.stream(aside):
            for _ in range(WARM_UP_RUNS):
                function(*held)
        current.wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"):
            outputs = function(*held)
        return _Captured(graph, held, outputs)
