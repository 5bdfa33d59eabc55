"""Soprano by graphs, as a GPU runs it, tried on a CPU: see `tests/neural/recorded_graphs.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from stages.neural.graphs import Graphs
from stages.tts.soprano import model
from stages.tts.soprano.model import SopranoOptions
from stages.tts.soprano.sampling import Sampling
from tests.neural.recorded_graphs import RecordedGraphs
from tests.soprano.speaking import LIKE_A_GPU, open_engine, request_for, run_all, say, step

if TYPE_CHECKING:
    from pathlib import Path

    from stages.tts.soprano.engine import SopranoEngine

CPU = torch.device("cpu")

TEXTS = ("Yes.", "The quick brown fox jumps over the lazy dogs of the village.", "No. " * 20)


def length_of(text: str) -> int:
    return 5 + len(text) // 9


class Pair:
    """An engine that runs by graphs, and one that calls the same functions in the same shapes."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        options = SopranoOptions(sampling=Sampling(0.8))
        self.graphs = RecordedGraphs()
        made = iter((Graphs(CPU), self.graphs))
        monkeypatch.setattr(model, "Graphs", lambda _device, **_options: next(made))
        self.plain, self.by_graphs = (
            open_engine(folder, options, length_of, LIKE_A_GPU) for _ in range(2)
        )

    @property
    def engines(self) -> tuple[SopranoEngine, SopranoEngine]:
        return self.plain, self.by_graphs


@pytest.fixture(scope="module")
def pair(tiny_model: Path) -> Pair:
    with pytest.MonkeyPatch.context() as monkeypatch:
        return Pair(tiny_model, monkeypatch)


def test_all_listeners_hear_the_same_by_graphs(pair: Pair) -> None:
    """More than there are slots, in texts of several lengths, so that slots are used again; and
    nothing is captured in mid-sentence, where it would run more than once."""
    known = pair.graphs.keys
    heard = []
    for engine in pair.engines:
        requests = [request_for(TEXTS[number % 3], seed=number) for number in range(6)]
        run_all(engine, requests)
        heard.append([request.sound for request in requests])
    assert all(len(sound) for sound in heard[0])
    for plain, by_graph in zip(*heard, strict=True):
        np.testing.assert_array_equal(by_graph, plain)
    assert pair.graphs.keys == known
    assert pair.graphs.in_use


def test_who_comes_later_and_who_leaves_change_nothing(pair: Pair) -> None:
    heard = []
    for engine in pair.engines:
        first, leaves, later = (request_for(text, seed=1) for text in TEXTS)
        for request in (first, leaves):
            step(engine, [request])
        step(engine, engine.choose([first, leaves]))
        engine.leave(leaves)
        run_all(engine, [first, later])
        heard.append([first.sound, leaves.sound, later.sound])
    for plain, by_graph in zip(*heard, strict=True):
        np.testing.assert_array_equal(by_graph, plain)


def test_numbers_that_break_down_are_seen_and_cleared(pair: Pair) -> None:
    """What a graph reads is memory: a slot that was cleared outside of it is clear inside."""
    engine = pair.by_graphs
    wanted = say(engine, "Two.", seed=2)
    norm = engine._model._lm.norm.weight  # noqa: SLF001 - the breakdown is made by hand
    kept, request = norm.clone(), request_for("One.")
    norm[0] = torch.nan
    step(engine, [request])
    assert "broke down" in str(request.error)
    engine.leave(request)
    norm.copy_(kept)
    np.testing.assert_array_equal(say(engine, "Two.", seed=2), wanted)
