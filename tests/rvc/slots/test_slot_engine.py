"""RVC's engine with slots says what it says without them, whoever else is converted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy import signal

from stages.audio.resample import resampled_length
from stages.neural.graphs import Graphs
from tests.neural.recorded_graphs import RecordedGraphs
from tests.random_rvc import build_index, build_voice
from tests.random_rvc_features import MINUTE, TINY_RMVPE, build_hubert, build_rmvpe
from tests.rvc.conversions import LEAST
from tests.rvc.slots.slot_engine import (
    CPU,
    RATE,
    SPEECH,
    Driver,
    engine_of,
    request_for,
    said_by_streams,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from stages.rvc.engine import RvcEngine

METHODS = {"anna": "pm", "bert": "pm", "carl": "pm", "dora": "rmvpe", "emil": "pm"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rvc")
    build_hubert(folder / "hubert_base.pt", size=MINUTE)
    build_rmvpe(folder / "rmvpe.pt", size=TINY_RMVPE)
    build_voice(folder / "anna.pth", "v1", size=LEAST, seed=1)
    build_index(folder / "anna.index", 256, n_vectors=200)
    build_voice(folder / "bert.pth", "v1", "40k", size=LEAST, seed=2)
    build_voice(folder / "carl.pth", "v1", has_pitch=False, size=LEAST, seed=3)
    build_voice(folder / "dora.pth", "v1", size=LEAST, seed=4)
    build_voice(folder / "emil.pth", "v1", size=LEAST, seed=5)
    return folder


@pytest.fixture(scope="module")
def streams(folder: Path) -> Iterator[RvcEngine]:
    engine = engine_of(folder, METHODS, None)
    yield engine
    engine.close()


@pytest.fixture(params=["eager", "recorded"])
def engine(
    folder: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[RvcEngine]:
    if request.param == "eager":
        graphs = Graphs(CPU)
    else:
        # oneDNN's own weights cannot be copied over others, on which a recording relies.
        for user in ("stages.neural.linear", "stages.rvc.network.convolution"):
            monkeypatch.setattr(f"{user}.can_pack", lambda _: False)
        monkeypatch.setattr("stages.rvc.slots.networks.BATCH_SIZES", (1, 4))
        graphs = RecordedGraphs()
    engine = engine_of(folder, METHODS, graphs)
    yield engine
    engine.close()


EXACT = 1e-6
"""Of sound up to 1, where nothing is resampled."""
RESAMPLED = 1e-3
"""Where it is, below the frequencies at which the filters differ."""


@pytest.mark.parametrize("voice", ["anna", "carl"])
def test_a_segment_sounds_as_in_a_stream(
    engine: RvcEngine, streams: RvcEngine, monkeypatch: pytest.MonkeyPatch, voice: str
) -> None:
    """With an index, and pitch from the host; and with neither."""
    expected = said_by_streams(streams, request_for(voice), monkeypatch)
    (sound,) = Driver(engine).run(request_for(voice))
    assert len(sound) == resampled_length(len(SPEECH), RATE, 48_000)
    assert np.abs(expected).max() > 0.01
    np.testing.assert_allclose(sound, expected, rtol=0, atol=EXACT)


def test_a_voice_at_another_rate_sounds_as_in_a_stream(
    engine: RvcEngine, streams: RvcEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a random voice says is noise up to half its rate, where the resamplers differ."""
    expected = said_by_streams(streams, request_for("bert"), monkeypatch)
    (sound,) = Driver(engine).run(request_for("bert"))
    low_pass = signal.butter(10, 12_000, fs=48_000, output="sos")
    sound, expected = (signal.sosfiltfilt(low_pass, own) for own in (sound, expected))
    assert np.abs(expected).max() > 0.01
    np.testing.assert_allclose(sound, expected, rtol=0, atol=RESAMPLED)
