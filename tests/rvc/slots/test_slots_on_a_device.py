"""What the engine does with slots on a GPU, as far as it can be tried without one: on torch's
`meta` device, which refuses what would wait for it, and tensors of the CPU."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest

from stages.audio.resample import resampled_length
from stages.items import Style
from stages.rvc.slots.networks import BATCH_SIZES
from tests.neural.stand_in_device import DEVICE, ResultsAreZero, StandInGraphs
from tests.random_rvc import build_index, build_voice
from tests.random_rvc_features import MINUTE, build_hubert
from tests.rvc.conversions import LEAST
from tests.rvc.slots.slot_engine import SPEECH, Driver, engine_of, request_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from stages.neural.graphs import Graphs
    from stages.rvc.engine import RvcEngine

METHODS = {"anna": "pm", "bert": "dio", "carl": "pm"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rvc")
    build_hubert(folder / "hubert_base.pt", size=MINUTE)
    build_voice(folder / "anna.pth", "v1", size=LEAST, seed=1)
    build_index(folder / "anna.index", 256, n_vectors=200)
    build_voice(folder / "bert.pth", "v1", "40k", size=LEAST, seed=2)
    build_voice(folder / "carl.pth", "v1", has_pitch=False, size=LEAST, seed=3)
    return folder


@pytest.fixture
def graphs() -> StandInGraphs:
    return StandInGraphs(DEVICE)


@pytest.fixture
def engine(folder: Path, graphs: StandInGraphs) -> Iterator[RvcEngine]:
    engine = engine_of(folder, METHODS, cast("Graphs", graphs), DEVICE)
    yield engine
    engine.close()


def test_nothing_waits_for_the_device_and_no_shape_is_new(
    engine: RvcEngine, graphs: StandInGraphs
) -> None:
    """Listeners of all voices at once, with pitch from the host and with none, with an index, and
    with a formant that is shifted, which is not for slots."""
    for voice in METHODS:
        engine.load_voice("listener", Style(voice), ahead=True).result()
    met = graphs.keys
    assert len(met) == len(BATCH_SIZES) * (1 + 3)
    requests = [
        request_for("anna", index_rate=0.5, protect=0.2),
        request_for("anna", index_rate=1.0, speaker=1),
        request_for("bert", rms_mix_rate=0.0),
        request_for("bert", rms_mix_rate=0.0, formant_shift=-3.0),
        request_for("carl"),
    ]
    driver = Driver(engine)
    with ResultsAreZero():  # what is not for slots waits for its sound
        driver.run(*requests)
    assert graphs.keys == met
    assert [request.error for request in requests] == [None] * len(requests)
    wanted = resampled_length(len(SPEECH), 16_000, 48_000)
    assert [len(request.sound) for request in requests] == [wanted] * len(requests)
    assert max(driver.sizes) > 1


def test_it_is_installed_with_a_voice_and_tells_what_batches_cost(
    engine: RvcEngine, graphs: StandInGraphs
) -> None:
    """So that readiness means that somebody can be spoken to."""
    engine.install()
    assert len(graphs.keys) == len(BATCH_SIZES) * (1 + 1)
    assert [*engine.batch_costs()] == [*BATCH_SIZES]
