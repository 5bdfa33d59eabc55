"""RVC's engine: many listeners, many voices, and voices that cannot be had."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from stages.audio.resample import resampled_length
from stages.errors import SynthesisError, UnusableModel
from stages.rvc.engine import RvcEngine, RvcOptions
from stages.rvc.voices.library import VoiceEntry
from stages.rvc.voices.settings import VoiceSettings
from tests.engine_driver import DrivenRequest, make_segment
from tests.random_rvc import TINY, build_index, build_voice
from tests.random_rvc_features import TINY as TINY_HUBERT
from tests.random_rvc_features import build_hubert
from tests.rvc.voices import words
from tests.server_process import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from stages.audio.format import Samples
    from stages.items import Segment

RATE = 16_000

SPEECH = words(17_600)


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_hubert(tmp_path_factory.mktemp("hubert") / "hubert_base.pt", size=TINY_HUBERT)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("voices")
    build_voice(folder / "anna.pth", size=TINY, seed=1)
    build_voice(folder / "bert.pth", version="v1", rate="40k", size=TINY, seed=2)
    build_voice(folder / "carl.pth", rate="32k", has_pitch=False, size=TINY, seed=3)
    build_index(folder / "anna.index", n_vectors=200)
    (folder / "torn.pth").write_bytes((folder / "anna.pth").read_bytes()[:5000])
    return folder


def entry(folder: Path, name: str, **settings: float) -> VoiceEntry:
    index = folder / f"{name}.index"
    return VoiceEntry(
        name,
        folder / f"{name}.pth",
        index if index.exists() else None,
        None,
        VoiceSettings.model_validate(settings),
    )


def entries(folder: Path) -> dict[str, VoiceEntry]:
    return {name: entry(folder, name) for name in ("anna", "bert", "carl", "torn")}


def made(voices: dict[str, VoiceEntry], content: Path, max_voice_bytes: int) -> RvcEngine:
    options = RvcOptions(
        content=content,
        rmvpe=content.with_name("rmvpe.pt"),
        device=torch.device("cpu"),
        dtype=torch.float32,
        max_voice_bytes=max_voice_bytes,
    )
    engine = RvcEngine(voices, options)
    engine.load()
    return engine


@pytest.fixture
def engine(folder: Path, content: Path) -> Iterator[RvcEngine]:
    engine = made(entries(folder), content, max_voice_bytes=2**30)
    yield engine
    engine.close()


def segment_for(
    voice: str, *, pitch_shift: float = 0, seed: int = 1, **overrides: float
) -> Segment:
    segment = make_segment("Said.", voice, pitch_shift)
    return replace(segment, style=replace(segment.style, seed=seed, conversion=overrides))


def request_for(segment: Segment, speech: Samples = SPEECH) -> DrivenRequest:
    request = DrivenRequest(segment)
    request.push(speech, RATE)
    request.push(np.empty(0, np.float32), RATE, is_last=True)
    return request


def step(engine: RvcEngine, request: DrivenRequest) -> None:
    """One step, as the executor would do it."""
    if request.voice is None:
        request.voice = engine.load_voice(request, request.segment.style).result(PATIENCE_S)
    assert engine.can_step(request)
    engine.step(engine.choose([request]))


def run(engine: RvcEngine, request: DrivenRequest) -> Samples:
    while not request.finished:
        step(engine, request)
    return request.sound


def test_a_text_sounds_the_same_wherever_it_is_said(engine: RvcEngine) -> None:
    """Its noise is its own, and not that of a place in a conversation: so another server can go on
    with it. Another text with the same speech hisses in another way."""
    said = segment_for("anna")
    first = run(engine, request_for(said))
    assert np.array_equal(run(engine, request_for(replace(said, index=7))), first)
    assert not np.array_equal(run(engine, request_for(replace(said, spoken="Else."))), first)


def converted(engine: RvcEngine, segment: Segment, speech: Samples = SPEECH) -> Samples:
    return run(engine, request_for(segment, speech))


@pytest.mark.parametrize("voice", ["anna", "bert", "carl"])
def test_speech_is_as_long_in_every_voice(engine: RvcEngine, voice: str) -> None:
    sound = converted(engine, segment_for(voice))
    assert len(sound) == resampled_length(len(SPEECH), RATE, 48_000) == 3 * len(SPEECH)
    assert np.abs(sound).max() > 0.01


@pytest.mark.parametrize("speed", [0.5, 1.5])
def test_speech_is_brought_to_speed_before_it_is_converted(engine: RvcEngine, speed: float) -> None:
    segment = segment_for("anna")
    quick = replace(segment, style=replace(segment.style, speed=speed))
    sound = converted(engine, quick)
    assert len(sound) == 3 * round(len(SPEECH) / speed)
    request = DrivenRequest(quick)
    for piece in np.array_split(SPEECH, 17):
        request.push(piece, RATE)
        step(engine, request)
    request.push(np.empty(0, np.float32), RATE, is_last=True)
    assert np.array_equal(run(engine, request), sound)


def test_no_speech_is_no_sound(engine: RvcEngine) -> None:
    assert len(converted(engine, segment_for("anna"), np.empty(0, np.float32))) == 0


def test_listeners_do_not_hear_each_other(engine: RvcEngine) -> None:
    """Their voices, pitches and seeds differ, their blocks come in turn; and one leaves."""
    segments = [
        segment_for("anna", seed=3),
        segment_for("bert", pitch_shift=-5, seed=4),
        segment_for("anna", pitch_shift=7, seed=5),
        segment_for("carl", seed=6, formant_shift=2.0),
    ]
    alone = [converted(engine, segment) for segment in segments]
    leaver = request_for(segment_for("bert"))
    together = [request_for(segment) for segment in segments]
    while not all(request.finished for request in together):
        for request in (*together, leaver):
            if not request.finished:
                step(engine, request)
        if len(leaver.emitted) == 2:
            engine.leave(leaver)
    for sound, request in zip(alone, together, strict=True):
        np.testing.assert_array_equal(request.sound, sound)


def test_a_connection_sets_over_what_the_voice_sets(folder: Path, content: Path) -> None:
    voices = {"anna": entry(folder, "anna", index_rate=1.0, pitch_shift=4.0, speaker=2)}
    engine = made(voices, content, max_voice_bytes=2**30)
    as_set = converted(engine, segment_for("anna"))
    same = converted(engine, segment_for("anna", index_rate=1.0, speaker=2))
    np.testing.assert_array_equal(as_set, same)
    for overrides in ({"index_rate": 0.0}, {"speaker": 1}, {"protect": 0.5}, {"rms_mix_rate": 0.0}):
        other = converted(engine, segment_for("anna", **overrides))
        assert not np.array_equal(other, as_set), overrides
    plain = made({"anna": entry(folder, "anna", index_rate=1.0, speaker=2)}, content, 2**30)
    np.testing.assert_array_equal(converted(plain, segment_for("anna", pitch_shift=4)), as_set)
    engine.close()
    plain.close()


def test_the_seed_decides_the_noise(engine: RvcEngine) -> None:
    first, second = (converted(engine, segment_for("anna", seed=seed)) for seed in (1, 2))
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(converted(engine, segment_for("anna", seed=1)), first)


def test_a_voice_that_cannot_be_read_fails_its_segments_alone(engine: RvcEngine) -> None:
    with pytest.raises(UnusableModel, match=r"torn\.pth is not what torch\.save writes"):
        converted(engine, segment_for("torn"))
    with pytest.raises(SynthesisError, match="speaker: anna has "):
        converted(engine, segment_for("anna", speaker=5000))
    assert len(converted(engine, segment_for("anna")))


def test_a_changed_file_is_picked_up(tmp_path: Path, content: Path) -> None:
    path = build_voice(tmp_path / "anna.pth", size=TINY, seed=1)
    engine = made({"anna": entry(tmp_path, "anna")}, content, max_voice_bytes=2**30)
    before = converted(engine, segment_for("anna"))
    under_way = request_for(segment_for("anna"))
    step(engine, under_way)
    build_voice(path, size=TINY, seed=2)
    os.utime(path, ns=(0, 0))  # as a copy with its old time would have it
    after = converted(engine, segment_for("anna"))
    assert not np.array_equal(after, before)
    np.testing.assert_array_equal(run(engine, under_way), before)
    engine.close()


def test_voices_leave_when_memory_is_short_and_come_back(folder: Path, content: Path) -> None:
    engine = made(entries(folder), content, max_voice_bytes=1)
    first = converted(engine, segment_for("anna"))
    converted(engine, segment_for("bert"))
    request = request_for(segment_for("anna"))
    assert not engine.load_voice(request, request.segment.style).done()  # it is read anew
    np.testing.assert_array_equal(run(engine, request), first)
    engine.close()
