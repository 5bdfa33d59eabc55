"""What graphs do on a GPU, tried on one that is not there; see `recorded_graphs`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch
from structlog.testing import capture_logs

from stages.neural.card import Replayable
from stages.neural.graphs import WARM_UP_RUNS, Graphs
from stages.neural.transfers import MOST_CROSSINGS, HeldInputs
from tests.neural.recorded_graphs import RecordedGraphs, RecordingCard

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CPU = torch.device("cpu")


@pytest.fixture
def graphs() -> Iterator[RecordedGraphs]:
    made = RecordedGraphs()
    with made.stream():
        yield made


def fetched(graphs: Graphs, *tensors: torch.Tensor) -> list[Any]:
    return [tensor.tolist() for tensor in graphs.fetch(*tensors).result()]


def test_a_cpu_calls_the_function_with_what_it_is_given() -> None:
    graphs, given = Graphs(CPU), torch.zeros(2)
    with graphs.stream():
        made = graphs.run("key", lambda x: x.add_(1), given, repeats=3)
    assert made is given
    assert given.tolist() == [3, 3]
    assert not graphs.in_use
    assert graphs.n_bytes == 0


def test_what_a_cpu_fetches_is_there_at_once_and_the_callers_own() -> None:
    graphs, state = Graphs(CPU), torch.zeros(2)
    on_its_way = graphs.fetch(state)
    assert on_its_way.is_done
    state.add_(1)
    assert on_its_way.result()[0].tolist() == [0, 0]


def test_a_function_is_called_for_its_capture_alone(graphs: RecordedGraphs) -> None:
    calls = []

    def double(x: torch.Tensor) -> torch.Tensor:
        calls.append(x)
        return 2 * x

    for number in range(3):
        assert fetched(graphs, graphs.run("key", double, torch.tensor([number]))) == [[2 * number]]
    assert len(calls) == WARM_UP_RUNS + 1
    assert graphs.keys == ["key"]


def test_inputs_of_any_type_and_shape_go_over_in_one_copy(
    graphs: RecordedGraphs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each begins where a wide read may."""
    inputs = [
        torch.tensor([True, False, True]),
        torch.tensor(7, dtype=torch.int16),
        torch.tensor([[1.5], [2.5]], dtype=torch.float64),
        torch.zeros(0, 3),
        torch.tensor([1 + 2j]),
        torch.tensor([3.0], dtype=torch.bfloat16),
        torch.arange(6).view(2, 3).T,
    ]
    held: list[HeldInputs] = []
    fill = HeldInputs.fill

    def fill_and_tell(self: HeldInputs, given: tuple[torch.Tensor, ...]) -> None:
        held.append(self)
        fill(self, given)

    monkeypatch.setattr(HeldInputs, "fill", fill_and_tell)
    for shift in range(3):
        given = [tensor if tensor.dtype is torch.bool else tensor + shift for tensor in inputs]
        made = graphs.run("key", lambda *tensors: tuple(map(torch.clone, tensors)), *given)
        assert fetched(graphs, *made) == [tensor.tolist() for tensor in given]
    (only,) = set(held)
    start = only.tensors[0].data_ptr()
    places = [tensor.data_ptr() - start for tensor in only.tensors if tensor.numel()]
    assert places == [0, 16, 32, 48, 64, 80]
    assert [tensor.dtype for tensor in only.tensors] == [tensor.dtype for tensor in inputs]


def test_a_repeated_function_goes_on_from_what_it_changed(graphs: RecordedGraphs) -> None:
    """As Soprano goes on from its own tokens."""

    def count(number: torch.Tensor) -> torch.Tensor:
        number.add_(1)
        return 10 * number

    for start in (0, 100):
        made = graphs.run("key", count, torch.tensor([start]), repeats=4)
        assert fetched(graphs, made) == [[10 * (start + 4)]]


def test_other_shapes_than_were_captured_are_refused(graphs: RecordedGraphs) -> None:
    """A copy into what is held would repeat a row without a word."""
    graphs.run("key", torch.clone, torch.zeros(3))
    for given in (torch.zeros(1), torch.zeros(3, dtype=torch.int64)):
        with pytest.raises(ValueError, match="key came with other shapes"):
            graphs.run("key", torch.clone, given)


def test_what_is_fetched_is_not_what_comes_later(graphs: RecordedGraphs) -> None:
    first = graphs.fetch(graphs.run("key", torch.clone, torch.tensor([1])))
    second = graphs.fetch(graphs.run("key", torch.clone, torch.tensor([2])))
    asked = [first.is_done, first.is_done]  # this card is through when it has been asked
    assert asked == [False, True]
    assert first.result()[0].tolist() == [1]
    assert second.result()[0].tolist() == [2]


class NeverDone:
    """An event of a card that is far behind."""

    def __init__(self) -> None:
        self.n_waits = 0

    def record(self) -> None:
        """Its copy has been put at the end."""

    def query(self) -> bool:
        return False

    def synchronize(self) -> None:
        self.n_waits += 1


class SlowCard(RecordingCard):
    """A card that no copy has reached yet."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[NeverDone] = []
        self.memories: list[torch.Tensor] = []

    def event(self) -> NeverDone:  # type: ignore[override]  # it is another event
        self.events.append(NeverDone())
        return self.events[-1]

    def pinned(self, n_bytes: int) -> torch.Tensor:
        self.memories.append(super().pinned(n_bytes))
        return self.memories[-1]


def test_memory_whose_copy_is_under_way_is_not_written_over() -> None:
    """A copy takes what is in the host's memory when its turn comes, which may be much later."""
    card = SlowCard()
    held = HeldInputs(card, CPU, [torch.zeros(1)])
    for number in range(MOST_CROSSINGS):
        held.fill([torch.full((1,), float(number))])
    kept = [memory.view(torch.float32)[0].item() for memory in card.memories]
    assert kept == list(range(MOST_CROSSINGS))
    assert not any(event.n_waits for event in card.events)
    held.fill([torch.full((1,), 99.0)])  # there is an end to what waits: the oldest is waited for
    assert [event.n_waits for event in card.events] == [1] + [0] * (MOST_CROSSINGS - 1)
    assert [memory.view(torch.float32)[0].item() for memory in card.memories] == [99, *kept[1:]]


class BrokenCard(RecordingCard):
    """A card that records nothing from some capture on."""

    def __init__(self, n_good: int) -> None:
        super().__init__()
        self._n_good = n_good

    def capture(self, function: Callable[[], Any]) -> Replayable[Any]:
        self._n_good -= 1
        if self._n_good < 0:
            raise RuntimeError("HIP error: operation not permitted when stream is capturing")
        return super().capture(function)


N_ATTEMPTS = 6
"""Captures of the test at start."""


def test_where_graphs_work_the_test_at_start_leaves_nothing() -> None:
    with capture_logs() as logs:
        graphs = Graphs(CPU, card=RecordingCard())
    assert graphs.in_use
    assert graphs.keys == []
    assert logs == []


@pytest.mark.parametrize("n_good", range(N_ATTEMPTS))
def test_where_a_capture_fails_at_start_all_runs_eagerly(n_good: int) -> None:
    with capture_logs() as logs:
        graphs = Graphs(CPU, card=BrokenCard(n_good))
        with graphs.stream():
            for number in range(2):
                made = graphs.run("key", lambda x: 2 * x, torch.tensor([number]), repeats=3)
                assert fetched(graphs, made) == [[2 * number]]
    assert not graphs.in_use
    (warning,) = logs
    assert warning["event"].startswith("graphs do not work here")
    assert "trial" in warning["reason"]
    assert "HIP error" in warning["reason"]
    assert "--graphs off" in warning["advice"]


def test_where_a_capture_fails_later_what_was_captured_runs_eagerly_too() -> None:
    """For shapes of its own, too, as where there are no graphs."""
    graphs = Graphs(CPU, card=BrokenCard(N_ATTEMPTS + 1))
    state = torch.zeros(1)

    def add(x: torch.Tensor) -> torch.Tensor:
        return state.add_(x.sum()).clone()

    with capture_logs() as logs, graphs.stream():
        graphs.run("first", add, torch.ones(1))
        captured = [graphs.keys]
        graphs.run("second", add, torch.ones(1))
        captured.append(graphs.keys)
        state.zero_()
        for key, n in (("first", 1), ("second", 1), ("first", 4), ("third", 2)):
            graphs.run(key, add, torch.ones(n), repeats=2)
        assert fetched(graphs, state) == [[2 * (1 + 1 + 4 + 2)]]
    assert captured == [["first"], []]
    assert not graphs.in_use
    assert [entry["log_level"] for entry in logs] == ["warning"]


def test_who_insists_on_graphs_is_told_by_an_error() -> None:
    graphs = Graphs(CPU, wanted="on", card=BrokenCard(0))
    with graphs.stream(), pytest.raises(RuntimeError, match="HIP error"):
        graphs.run("key", torch.clone, torch.ones(1))


def test_who_wants_no_graphs_gets_none() -> None:
    graphs = Graphs(CPU, wanted="off", card=BrokenCard(0))
    with graphs.stream():
        assert fetched(graphs, graphs.run("key", torch.clone, torch.ones(1))) == [[1]]
    assert not graphs.in_use


class LostCard(RecordingCard):
    """A kernel has failed: CUDA says so at every call from then on."""

    def wait(self) -> None:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")


def test_a_lost_device_is_known_by_its_errors() -> None:
    assert Graphs(CPU, wanted="on", card=LostCard()).is_lost
    assert not RecordedGraphs().is_lost
    assert not Graphs(CPU).is_lost


class ForgetfulCard(RecordingCard):
    """A card whose graphs do nothing when they are replayed."""

    def capture(self, function: Callable[[], Any]) -> Replayable[Any]:
        return Replayable(lambda: None, super().capture(function).outputs)


def test_a_graph_that_computes_something_else_is_found_at_start() -> None:
    with capture_logs() as logs:
        graphs = Graphs(CPU, card=ForgetfulCard())
    assert not graphs.in_use
    assert logs[0]["reason"].startswith("a graph of a matrix product computes other values")


def test_an_operator_that_a_library_lacks_is_told_at_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever speaks may not need it."""

    def fail(_device: torch.device) -> list[Any]:
        raise RuntimeError("hipFFT: HIPFFT_NOT_IMPLEMENTED")

    monkeypatch.setattr("stages.neural.graphs.attempts", fail)
    with capture_logs() as logs:
        graphs = Graphs(CPU, card=RecordingCard())
    assert not graphs.in_use
    assert logs[0]["reason"] == "a test at start: hipFFT: HIPFFT_NOT_IMPLEMENTED"


def test_an_error_of_the_function_itself_is_its_callers() -> None:
    def fail(_x: torch.Tensor) -> torch.Tensor:
        raise IndexError("a mistake")

    graphs = Graphs(CPU, card=RecordingCard())
    with graphs.stream(), pytest.raises(IndexError, match="a mistake"):
        graphs.run("key", fail, torch.ones(1))
    assert graphs.in_use


def test_the_log_tells_what_was_captured(graphs: RecordedGraphs) -> None:
    with capture_logs() as logs:
        graphs.tell("soprano")
        graphs.run("key", torch.clone, torch.ones(1))
        graphs.tell("soprano")
    (told,) = logs
    assert told["engine"] == "soprano"
    assert (told["graphs"], told["memory"]) == (1, "0 MB")
