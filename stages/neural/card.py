"""What `Graphs` needs of a GPU: a stream, events, page-locked memory, and captures.

CUDA and HIP are one code path: torch calls both cuda. Nothing here waits for the whole device,
as ``torch.cuda.graph`` does before each capture.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Generic, NamedTuple, Protocol, TypeVar

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

Out = TypeVar("Out")

_capturing = threading.Lock()
"""torch records one capture at a time in a process."""


class CardEvent(Protocol):
    """A point in a card's work."""

    def record(self) -> None:
        """Put it behind all that has been given to the current stream."""

    def query(self) -> bool:
        """Whether the work is past it; also where it was never recorded."""

    def synchronize(self) -> None:
        """Wait until the work is past it."""


class Replayable(NamedTuple, Generic[Out]):
    """A captured function."""

    replay: Callable[[], None]
    outputs: Out
    """What the function returned: memory that each replay writes to."""


class Card(Protocol):
    """A GPU, as one engine uses it."""

    @property
    def n_bytes(self) -> int:
        """The memory that its captures hold."""

    def stream(self) -> AbstractContextManager[None]:
        """Make this card's stream the current one."""

    def wait(self) -> None:
        """Wait until the stream has done all that it was given."""

    def event(self) -> CardEvent:
        """An event that has not been recorded."""

    def pinned(self, n_bytes: int) -> torch.Tensor:
        """Page-locked bytes of the host. They are not given to anybody else before the copies from
        and to them are done, even if they are dropped."""

    def capture(self, function: Callable[[], Out]) -> Replayable[Out]:
        """Record what a function lets the card do. Inside `stream`."""

    def forget_captures(self) -> None:
        """The captures have been dropped: whatever is captured from now on has memory of its
        own."""


class CudaCard:
    """A GPU of torch's: a stream and a pool of graph memory on it."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = torch.cuda.Stream(device)
        # Not on the same stream: when another thread lets go of page-locked memory meanwhile, torch
        # puts an event into the stream that used it, and a capture's event can never be asked.
        self._capture_stream = torch.cuda.Stream(device)
        self._pool = torch.cuda.graph_pool_handle()

    @property
    def n_bytes(self) -> int:
        pool = tuple(self._pool)
        return sum(
            segment["total_size"]
            for segment in torch.cuda.memory_snapshot()
            if tuple(segment.get("segment_pool_id", ())) == pool
        )

    @contextmanager
    def stream(self) -> Iterator[None]:
        # What others began on the default stream, such as weights that a thread has read.
        self._stream.wait_stream(torch.cuda.default_stream(self._device))
        with torch.cuda.stream(self._stream):
            yield

    def wait(self) -> None:
        self._stream.synchronize()

    def event(self) -> CardEvent:
        return torch.cuda.Event(blocking=True)  # who waits leaves the processor to others

    def pinned(self, n_bytes: int) -> torch.Tensor:
        return torch.empty(n_bytes, dtype=torch.uint8, pin_memory=True)

    def capture(self, function: Callable[[], Out]) -> Replayable[Out]:
        # Not `torch.cuda.graph`: that waits for the device and gives all cached memory back.
        graph = torch.cuda.CUDAGraph()
        with _capturing, torch.cuda.stream(self._capture_stream):
            graph.capture_begin(pool=self._pool, capture_error_mode="thread_local")
            try:
                outputs = function()
            except BaseException:
                with suppress(RuntimeError):  # it ends what failed; the function's error says why
                    graph.capture_end()
                raise
            graph.capture_end()
        return Replayable(graph.replay, outputs)

    def forget_captures(self) -> None:
        # A pool whose last graph has gone cannot be captured into any more.
        self._pool = torch.cuda.graph_pool_handle()
