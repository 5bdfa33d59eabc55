"""What a GPU of torch's is asked for, as far as it can be seen without one."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
import torch

from stages.neural.card import CudaCard

if TYPE_CHECKING:
    from collections.abc import Iterator


class FakeGraph:
    """torch's, which records nothing."""

    calls: list[object]

    def capture_begin(self, *, pool: object, capture_error_mode: str) -> None:
        self.calls.append((pool, capture_error_mode))

    def capture_end(self) -> None:
        self.calls.append("end")
        if "broken" in self.calls:
            raise RuntimeError("the capture was invalidated")

    def replay(self) -> None:
        self.calls.append("replay")


@contextmanager
def enter(stream: str) -> Iterator[None]:
    FakeGraph.calls.append(stream)
    yield
    FakeGraph.calls.append("left")


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> CudaCard:
    pools = iter(((0, 1), (0, 2)))
    FakeGraph.calls = []
    streams = iter(("the engine's stream", "the captures' stream"))
    monkeypatch.setattr("torch.cuda.Stream", lambda _device: next(streams))
    monkeypatch.setattr("torch.cuda.stream", enter)
    monkeypatch.setattr("torch.cuda.CUDAGraph", FakeGraph)
    monkeypatch.setattr("torch.cuda.graph_pool_handle", lambda: next(pools))
    return CudaCard(torch.device("cuda:0"))


def test_other_threads_may_use_the_card_during_a_capture(card: CudaCard) -> None:
    """Also the stream on which the engine works."""
    replay, outputs = card.capture(lambda: "made")
    replay()
    assert outputs == "made"
    assert FakeGraph.calls == [
        "the captures' stream", ((0, 1), "thread_local"), "end", "left", "replay"
    ]  # fmt: skip


def test_a_capture_that_fails_is_ended_and_says_why(card: CudaCard) -> None:
    def fail() -> None:
        FakeGraph.calls.append("broken")
        raise ValueError("no graph has this")

    with pytest.raises(ValueError, match="no graph has this"):
        card.capture(fail)
    assert FakeGraph.calls[-1] == "end"
    card.forget_captures()
    FakeGraph.calls.clear()
    card.capture(lambda: None)
    assert FakeGraph.calls[1] == ((0, 2), "thread_local")


def test_the_memory_of_captures_is_that_of_their_pool(
    card: CudaCard, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = [((0, 0), 1), ((0, 1), 10), ((0, 2), 100), ((0, 1), 1000)]
    segments = [{"segment_pool_id": pool, "total_size": size} for pool, size in sizes]
    monkeypatch.setattr("torch.cuda.memory_snapshot", lambda: segments)
    assert card.n_bytes == 1010
