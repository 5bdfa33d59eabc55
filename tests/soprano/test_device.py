"""What Soprano does on a GPU, as far as it can be tried without one; see `stand_in_device`."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest
import torch

from stages.tts.soprano import model
from stages.tts.soprano.model import SopranoOptions
from stages.tts.soprano.sampling import Sampling
from tests.neural.stand_in_device import DEVICE, StandInGraphs
from tests.soprano.speaking import open_engine, request_for, run_all

if TYPE_CHECKING:
    from pathlib import Path

TEXTS = ("Yes.", "The quick brown fox jumps over the lazy dogs of the village.", "No. " * 40)


@pytest.mark.parametrize(
    ("n_slots", "dtype", "sampling"),
    [(3, torch.float32, Sampling()), (9, torch.bfloat16, Sampling(temperature=0.8))],
    ids=["greedy", "sampled"],
)
def test_every_graph_can_be_captured_and_is_made_before_anybody_speaks(
    tiny_model: Path,
    monkeypatch: pytest.MonkeyPatch,
    n_slots: int,
    dtype: torch.dtype,
    sampling: Sampling,
) -> None:
    """A graph that is first met in mid-sentence would run its step more than once."""
    graphs = StandInGraphs(DEVICE)
    monkeypatch.setattr(model, "Graphs", lambda _device, **_options: graphs)
    options = SopranoOptions(DEVICE, dtype, sampling=sampling, n_slots=n_slots)
    engine = open_engine(tiny_model, options, force_length=lambda text: 4 + len(text) // 6)
    known = graphs.keys
    requests = [request_for(TEXTS[number % 3]) for number in range(n_slots + 2)]
    run_all(engine, requests)
    assert all(len(request.sound) for request in requests)
    assert graphs.keys == known
    kinds = Counter(key[0] for key in known)  # type: ignore[index]
    assert kinds == {"prefill": 6, "step": n_slots // 8 + 1, "decode": 3 * (n_slots // 8 + 2)}
