"""RVC's engine with slots says what it says without them, whoever else is converted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy import signal

from stages.audio.resample import Resampler, resampled_length
from stages.conversion_settings import MAX_PROTECT
from stages.errors import SynthesisError
from stages.neural.graphs import Graphs
from stages.rvc.pitch.praat import PraatPitch
from tests.neural.recorded_graphs import RecordedGraphs
from tests.rvc.slots.slot_engine import (
    CPU,
    RATE,
    SPEECH,
    Driver,
    build_voices,
    engine_of,
    request_for,
    request_that_listens,
    said_by_streams,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from stages.audio.format import Samples
    from stages.rvc.engine import RvcEngine
    from tests.engine_driver import DrivenRequest

METHODS = {"anna": "pm", "bert": "pm", "carl": "pm", "dora": "rmvpe", "emil": "pm"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_voices(tmp_path_factory.mktemp("rvc"))


@pytest.fixture(scope="module")
def streams(folder: Path) -> Iterator[RvcEngine]:
    engine = engine_of(folder, METHODS, None)
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def eager(folder: Path) -> Iterator[RvcEngine]:
    engine = engine_of(folder, METHODS, Graphs(CPU))
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def recorded(folder: Path) -> Iterator[RvcEngine]:
    with pytest.MonkeyPatch.context() as patch:
        # oneDNN's own weights cannot be copied over others, on which a recording relies.
        for user in ("stages.neural.linear", "stages.rvc.network.convolution"):
            patch.setattr(f"{user}.can_pack", lambda _: False)
        patch.setattr("stages.rvc.slots.networks.BATCH_SIZES", (1, 8))
        engine = engine_of(folder, METHODS, RecordedGraphs())
        yield engine
        engine.close()


@pytest.fixture(params=["eager", "recorded"])
def engine(request: pytest.FixtureRequest) -> RvcEngine:
    engine: RvcEngine = request.getfixturevalue(request.param)
    return engine


@pytest.fixture
def few_slots(folder: Path) -> Iterator[RvcEngine]:
    engine = engine_of(folder, METHODS, Graphs(CPU), n_slots=2)
    yield engine
    engine.close()


EXACT = 1e-6
"""Of sound up to 1, where nothing is resampled."""
RESAMPLED = 1e-3
"""Where it is, below the frequencies at which the filters differ."""


@pytest.mark.parametrize(("voice", "protect"), [("anna", 0.2), ("anna", MAX_PROTECT), ("carl", 0)])
def test_a_segment_sounds_as_in_a_stream(
    engine: RvcEngine,
    streams: RvcEngine,
    monkeypatch: pytest.MonkeyPatch,
    voice: str,
    protect: float,
) -> None:
    """With an index, from which breaths are protected or not, and pitch from the host; and with
    neither."""
    expected = said_by_streams(streams, request_for(voice, protect=protect), monkeypatch)
    (sound,) = Driver(engine).run(request_for(voice, protect=protect))
    assert len(sound) == resampled_length(len(SPEECH), RATE, 48_000)
    assert np.abs(expected).max() > 0.01
    np.testing.assert_allclose(sound, expected, rtol=0, atol=EXACT)


def test_a_voice_at_another_rate_sounds_as_in_a_stream(
    eager: RvcEngine, streams: RvcEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a random voice says is noise up to half its rate, where the resamplers differ."""
    expected = said_by_streams(streams, request_for("bert"), monkeypatch)
    (sound,) = Driver(eager).run(request_for("bert"))
    low_pass = signal.butter(10, 12_000, fs=48_000, output="sos")
    # Without the ends, where this filter cuts them off.
    sound, expected = (signal.sosfiltfilt(low_pass, own)[480:-480] for own in (sound, expected))
    assert np.abs(expected).max() > 0.01
    np.testing.assert_allclose(sound, expected, rtol=0, atol=RESAMPLED)


def test_speech_at_the_rates_of_engines_sounds_as_in_a_stream(
    folder: Path, streams: RvcEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its resamplers differ at the frequencies that they cut off."""
    rates = 22_050, 32_000, 48_000
    engine = engine_of(folder, METHODS, Graphs(CPU), in_rates=rates)
    for in_rate in rates:
        to_rate = Resampler(RATE, in_rate)
        speech = np.concatenate([to_rate.push(SPEECH), to_rate.flush()])
        expected = said_by_streams(
            streams, request_for("carl", speech, in_rate=in_rate), monkeypatch
        )
        (sound,) = Driver(engine).run(request_for("carl", speech, in_rate=in_rate))
        assert len(sound) == resampled_length(len(speech), in_rate, 48_000)
        assert not np.array_equal(sound, expected), "it was not in slots"
        assert np.square(sound - expected).mean() < 0.03**2 * np.square(expected).mean(), in_rate
    engine.close()


def everybody() -> list[DrivenRequest]:
    """Of several voices and ways to set them, some not for slots."""
    return [
        request_for("anna", index_rate=0.5, protect=0.2),
        request_for("anna", SPEECH[1_000:], index_rate=1.0, speaker=1),
        request_for("emil", SPEECH[:6_000], rms_mix_rate=0.3),
        request_for("carl", SPEECH[:4_000]),
        request_for("dora", SPEECH[5_000:]),
        request_for("bert"),
        request_for("anna", SPEECH[:5_000], formant_shift=2.0),
    ]


def test_listeners_of_all_voices_go_together(engine: RvcEngine) -> None:
    """Each sounds as it does alone, but for the rounding of other sizes of products."""
    driver = Driver(engine)
    alone = [driver.run(request)[0] for request in everybody()]
    driver.sizes.clear()
    together = driver.run(*everybody())
    assert max(driver.sizes) > 3
    for request, own, sound in zip(everybody(), alone, together, strict=True):
        n_samples = sum(len(chunk.samples) for chunk in request.input)
        assert len(sound) == 3 * n_samples
        np.testing.assert_allclose(sound, own, rtol=0, atol=1e-5)


def test_speech_may_come_in_any_pieces(engine: RvcEngine) -> None:
    """Bit for bit."""
    driver = Driver(engine)
    for voice in ("anna", "dora"):
        (at_once,) = driver.run(request_for(voice))
        request = request_that_listens(voice)
        driver.load(request)
        for piece in np.array_split(SPEECH, 23):
            request.push(piece, RATE)
            driver.step([request])
        request.push(np.empty(0, np.float32), RATE, is_last=True)
        (in_pieces,) = driver.run(request)
        np.testing.assert_array_equal(in_pieces, at_once)


def test_all_shapes_were_met_when_a_voice_is_loaded(recorded: RvcEngine) -> None:
    """What is captured while somebody speaks would make all others wait."""
    driver = Driver(recorded)
    requests = everybody()
    driver.load(*requests)
    graphs = recorded._graphs  # noqa: SLF001 - what is asked here is the engine's own affair
    met = graphs.keys
    # Graph A, and graph B for three architectures, in two sizes each.
    assert len(met) == len(set(met)) == 2 * (1 + 3)
    driver.run(*requests)
    assert graphs.keys == met


def test_a_barge_in_leaves_a_slot_that_nobody_gets_too_early(few_slots: RvcEngine) -> None:
    """Of two slots, one is on its way when its listener interrupts: another's first block would go
    into it. Both who go on sound as they do alone."""
    engine, driver = few_slots, Driver(few_slots)
    (expected,) = driver.run(request_for("carl"))
    leaver, stayer, newcomer = requests = [request_for("carl") for _ in range(3)]
    driver.load(*requests)
    launched = engine.step(engine.choose([leaver, stayer]))
    assert launched is not None
    engine.leave(leaver)
    engine.choose([newcomer])  # which takes its speech in
    assert not engine.can_step(newcomer)
    launched.finish()
    assert [len(request.emitted) for request in requests] == [0, 1, 0]
    assert engine.can_step(newcomer)
    sounds = driver.run(stayer, newcomer)
    np.testing.assert_allclose(sounds, [expected] * 2, rtol=0, atol=1e-5)


def test_who_finds_no_slot_waits_for_one(few_slots: RvcEngine) -> None:
    driver = Driver(few_slots)
    (expected,) = driver.run(request_for("carl"))
    sounds = driver.run(*(request_for("carl") for _ in range(5)))
    assert max(driver.sizes) == 2
    np.testing.assert_allclose(sounds, [expected] * 5, rtol=0, atol=1e-5)


def test_whose_pitch_cannot_be_found_fails_alone(
    engine: RvcEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = Driver(engine)
    (expected,) = driver.run(request_for("anna"))
    estimate = PraatPitch.estimate

    def breaks(self: PraatPitch, samples: Samples, filter_radius: int = 3) -> NDArray[np.float32]:
        if filter_radius == 7:
            raise FloatingPointError("no")
        return estimate(self, samples, filter_radius)

    monkeypatch.setattr(PraatPitch, "estimate", breaks)
    broken, other = request_for("anna", filter_radius=7), request_for("anna")
    _, sound = driver.run(broken, other)
    assert isinstance(broken.error, SynthesisError)
    assert str(broken.error).startswith("pm cannot find the pitch")
    np.testing.assert_allclose(sound, expected, rtol=0, atol=1e-5)


def test_no_speech_is_no_sound(engine: RvcEngine) -> None:
    nothing, a_sample = request_for("anna", SPEECH[:0]), request_for("anna", SPEECH[:1])
    sounds = Driver(engine).run(nothing, a_sample)
    assert [len(sound) for sound in sounds] == [0, 3]


@pytest.mark.parametrize("formant_shift", [0.0, 2.0])
def test_who_says_nothing_is_finished_while_others_are_converted(
    eager: RvcEngine, formant_shift: float
) -> None:
    """Its end was taken in with all others' speech, and then there was nothing to step it for: its
    listener waited for ever. In slots, and with streams beside them."""
    driver = Driver(eager)
    said = request_for("carl", formant_shift=formant_shift)
    nothing = request_for("carl", SPEECH[:0])
    driver.load(said, nothing)
    driver.step([said, nothing])
    assert nothing.finished
    driver.run(said)
    assert len(said.sound) == 3 * len(SPEECH)
