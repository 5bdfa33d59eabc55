"""What the engine does with slots on a GPU, as far as it can be tried without one: on torch's
`meta` device, which refuses what would wait for it, and tensors of the CPU."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, cast

import pytest

from stages.audio.resample import resampled_length
from stages.items import Style
from stages.rvc.slots.speaking import Speaking
from stages.rvc.voices.device_index import DeviceIndex
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

SIZES = 1, 8
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
def engine(
    folder: Path, graphs: StandInGraphs, monkeypatch: pytest.MonkeyPatch
) -> Iterator[RvcEngine]:
    monkeypatch.setattr("stages.rvc.slots.networks.BATCH_SIZES", SIZES)
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
    assert len(met) == len(SIZES) * (1 + 3)
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


def test_the_thread_that_converts_has_met_what_is_no_graph(
    engine: RvcEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first listener of a voice with an index would wait for what libraries set up."""
    thread, met = threading.get_ident(), set[str]()

    def note(owner: type, name: str) -> None:
        function = getattr(owner, name)

        def noted(*given: object) -> object:
            if threading.get_ident() == thread:
                met.add(name)
            return function(*given)

        monkeypatch.setattr(owner, name, noted)

    note(DeviceIndex, "blend")
    note(Speaking, "begin")
    engine.install()
    assert met == {"blend", "begin"}


def test_it_is_installed_with_a_voice_of_each_kind_and_tells_what_batches_cost(
    engine: RvcEngine, graphs: StandInGraphs
) -> None:
    """So that readiness means that everybody can be spoken to, and nothing is captured while
    somebody is. The largest batch comes first: the others use its memory."""
    engine.install()
    met = [cast("tuple[object, ...]", key) for key in graphs.keys]
    assert [key[-1] for key in met] == [*reversed(SIZES)] * (1 + 3)
    assert [*engine.batch_costs()] == [*SIZES]
    for voice in METHODS:
        engine.load_voice("listener", Style(voice)).result()
    assert graphs.keys == met
