"""Piper as an engine: words, seeds, speeds, speakers, and several listeners at once."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest

from stages.audio.format import PIPELINE_RATE
from stages.audio.resample import resampled_length
from stages.errors import SynthesisError
from stages.tts.piper import engine as engine_module
from stages.tts.piper.durations import frame_counts
from stages.tts.piper.network import VoiceNetwork
from stages.tts.piper.schedule import chunks
from stages.tts.piper.texts import MAX_PHONEMES
from stages.tts.piper.voices import MAX_LISTED_SPEAKERS, PiperVoices
from stages.voices import Terms
from tests.piper.conftest import SPEAKERS
from tests.piper.speaking import SENTENCE, request_for, run_all, say
from tests.server_process import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt
    import onnxruntime

    from stages.tts.piper.engine import PiperEngine
    from stages.tts.piper.voice_file import PiperVoiceFile
    from tests.engine_driver import DrivenRequest

PLAIN, MANY, HIGH = "en_US-plain-medium", "en_GB-many-low", "en_US-high-high"
WORDS = SENTENCE.split()


def heard_words(request: DrivenRequest) -> list[str]:
    text = request.segment.spoken
    return [text[word.begin :].split()[0] for word in request.words]


@pytest.mark.parametrize("voice", [PLAIN, MANY, HIGH])
@pytest.mark.parametrize("speed", [0.5, 1.0, 1.3, 2.0])
def test_words_are_told_exactly_at_every_speed(
    engine: PiperEngine, voice: str, speed: float
) -> None:
    """Their sum is the sound: every frame has as many samples, whatever the voice's rate."""
    request = say(engine, SENTENCE, voice, speed=speed)
    assert heard_words(request) == WORDS
    for word, following in pairwise(request.words):
        assert 0 <= word.start < word.end <= following.start
    assert request.words[-1].end <= len(request.sound)
    file = engine._voices.speaking(voice).file  # type: ignore[union-attr]  # noqa: SLF001 - it is there
    network, rate = request.voice.network, file.config.audio.sample_rate
    n_frames = round(len(request.sound) * rate / PIPELINE_RATE / network.hop)
    assert len(request.sound) == resampled_length(n_frames * network.hop, rate, PIPELINE_RATE)


def test_words_are_told_before_their_sound(engine: PiperEngine) -> None:
    request = request_for(engine, SENTENCE, PLAIN)
    engine.step([request])
    assert not request.emitted
    assert heard_words(request) == WORDS
    engine.leave(request)


@pytest.mark.parametrize("voice", [PLAIN, MANY, HIGH])
def test_the_length_is_told_before_its_sound(engine: PiperEngine, voice: str) -> None:
    """So that who must wait for a slow machine is told for how long (docs/adr/0031-pacing.md)."""
    request = say(engine, SENTENCE, voice, speed=1.3)
    assert request.n_told == len(request.sound)


@pytest.mark.parametrize("duration", [-1.0, 1e30])
def test_durations_that_are_none_fail_one_text(
    engine: PiperEngine, monkeypatch: pytest.MonkeyPatch, duration: float
) -> None:
    """A stranger's network may say anything; numpy's errors about it told nobody what was wrong."""
    request = request_for(
        engine, SENTENCE, PLAIN
    )  # a voice is tried when it is loaded: whole still
    run = VoiceNetwork._run  # noqa: SLF001 - as if the network had made them

    def broken(
        network: VoiceNetwork,
        session: onnxruntime.InferenceSession,
        inputs: Mapping[str, npt.NDArray[np.generic]],
        speaker: int,
    ) -> list[npt.NDArray[np.float32]]:
        made = run(network, session, inputs, speaker)
        return [np.full_like(made[0], duration), *made[1:]] if len(made) > 1 else made

    monkeypatch.setattr(VoiceNetwork, "_run", broken)
    with pytest.raises(SynthesisError, match="durations broke down"):
        engine.step([request])
    engine.leave(request)


def test_the_same_seed_says_the_same(engine: PiperEngine) -> None:
    first, again = (say(engine, SENTENCE, PLAIN, seed=5).sound for _ in range(2))
    other = say(engine, SENTENCE, PLAIN, seed=6).sound
    unseeded = [say(engine, SENTENCE, PLAIN, seed=None).sound for _ in range(2)]
    assert np.array_equal(first, again)
    assert not np.array_equal(first[:5000], other[:5000])
    assert not np.array_equal(unseeded[0][:5000], unseeded[1][:5000])


@pytest.mark.parametrize("seed", [-1, -(2**63), 2**63 - 1])
def test_any_seed_will_do(engine: PiperEngine, seed: int) -> None:
    assert len(say(engine, "Hello.", PLAIN, seed=seed).sound)


@pytest.mark.parametrize("speed", [0.5, 0.8, 1.25, 1.6])
def test_speed_is_kept(engine: PiperEngine, speed: float) -> None:
    """It used to be the length scale, and rounding each phoneme up to whole frames made speech at
    twice the speed a quarter too long."""
    assert engine.own_speed(speed) == speed
    plain = len(say(engine, SENTENCE, PLAIN).sound)
    assert len(say(engine, SENTENCE, PLAIN, speed=speed).sound) == pytest.approx(
        plain / speed, rel=0.05
    )


def test_what_is_too_fast_is_left_to_the_stretcher(engine: PiperEngine) -> None:
    assert engine.own_speed(2.0) == 1.6
    fast, faster = (say(engine, SENTENCE, PLAIN, speed=speed).sound for speed in (1.6, 2.0))
    assert np.array_equal(fast, faster)


@pytest.mark.parametrize("speed", [0.5, 1.0, 1.6, 2.0, 10.0])
def test_no_phoneme_is_lost_at_any_speed(speed: float) -> None:
    """Where half of the frames were fewer than the phonemes, all of them once got none, and the
    sentence was silent."""
    w = np.random.default_rng(0).uniform(0.1, 3, 200).astype(np.float32)
    counts = frame_counts(w, speed)
    assert counts.min() >= 1
    wanted = max(len(w), np.ceil(w).sum() / speed)
    assert counts.sum() == pytest.approx(wanted, abs=1)


def test_speakers_are_voices(engine: PiperEngine) -> None:
    names = [voice.name for voice in engine.voices() if voice.name.startswith(MANY)]
    assert names == [MANY, *(f"{MANY}+{speaker}" for speaker in SPEAKERS)]
    sounds = [say(engine, "Hello there.", name).sound for name in names]
    assert np.array_equal(sounds[0], sounds[1]), "the first speaks where none is named"
    assert not np.array_equal(sounds[1][:2000], sounds[2][:2000])
    assert engine.voice(f"{MANY}+nobody") is None
    assert engine.voice(f"{PLAIN}+p239") is None


def test_a_voice_is_told_as_its_config_has_it(voices: dict[str, PiperVoiceFile]) -> None:
    terms = Terms("CC0", is_free=True)
    file = replace(voices["speakers"], terms=terms)
    voice = PiperVoices([file]).voice(f"{file.name}+p240")
    assert voice is not None
    assert (voice.language, voice.sample_rate, voice.type) == ("en-us", 16_000, "neural")
    assert (voice.licence, voice.is_free) == ("CC0", True)
    assert voice.description == "English (United States): random, p240 (Piper, medium)"


def test_a_crowd_is_not_listed_and_can_be_asked_for(voices: dict[str, PiperVoiceFile]) -> None:
    crowd = {f"s{number}": number for number in range(MAX_LISTED_SPEAKERS + 1)}
    config = voices["plain"].config.model_copy(
        update={"speaker_id_map": crowd, "num_speakers": len(crowd)}
    )
    known = PiperVoices([replace(voices["plain"], config=config)])
    assert [voice.name for voice in known.listed()] == [PLAIN]
    assert known.speaking(f"{PLAIN}+s48") == (known.speaking(PLAIN).file, 48, "s48")  # type: ignore[union-attr]


def test_listeners_do_not_hear_each_other(engine: PiperEngine) -> None:
    """Who else speaks, in which voice and how far, changes no bit."""
    asked = [
        (SENTENCE, PLAIN, 1, 1.0),
        ("Somebody else says this.", PLAIN, 2, 1.3),
        (SENTENCE, f"{MANY}+p240", 3, 1.0),
        ("And another.", HIGH, 4, 0.8),
    ]
    alone = [say(engine, *each).sound for each in asked]
    together = [request_for(engine, *each) for each in asked]
    run_all(engine, together)
    for request, sound in zip(together, alone, strict=True):
        assert request.finished
        assert np.array_equal(request.sound, sound)


def test_who_has_heard_least_is_served_between_chunks(engine: PiperEngine) -> None:
    """A step is one text read or one chunk made, so nobody waits for another's sentence."""
    first, second = (request_for(engine, SENTENCE, PLAIN, seed) for seed in (1, 2))
    engine.step([first])
    engine.step([first])
    assert len(first.emitted) == 1
    engine.step([second])
    engine.step([second])
    assert len(second.emitted) == 1
    assert not first.finished
    for request in (first, second):
        engine.leave(request)


def test_what_is_broken_off_leaves_nothing(engine: PiperEngine) -> None:
    request = request_for(engine, SENTENCE, PLAIN)
    engine.step([request])
    engine.step([request])
    engine.leave(request)
    assert not engine._utterances  # noqa: SLF001 - what a leak would be seen by


def test_a_chunk_is_no_longer_than_its_place_says(engine: PiperEngine) -> None:
    request = say(engine, SENTENCE, PLAIN)
    hop = request.voice.network.hop * PIPELINE_RATE / 22_050
    frames = [len(piece) / hop for piece in request.emitted[:-1]]
    assert frames[0] == pytest.approx(20, abs=8), "but for what the resampler holds"
    assert frames[1] == pytest.approx(40, abs=8)
    assert [chunk.end - chunk.start for chunk in chunks(3, 300)] == [24, 32, 48, 64, 96, 33]


def test_what_cannot_be_said_is_silent(engine: PiperEngine) -> None:
    request = say(engine, "...", PLAIN)
    assert request.finished
    assert not len(request.sound)


def test_a_long_text_is_read_in_parts(engine: PiperEngine) -> None:
    """200 digits are some 800 phonemes, and reading costs the square of their number: half a second
    in which nobody else would be served."""
    text = " ".join(["seven"] * 200)
    request = request_for(engine, text, PLAIN)
    n_reads = 0
    while not request.finished:
        n_emitted = len(request.emitted)
        engine.step([request])
        n_reads += len(request.emitted) == n_emitted
    assert n_reads > 6 * 200 // MAX_PHONEMES
    assert [word.begin for word in request.words] == list(range(0, len(text), 6))
    assert all(word.end <= following.start for word, following in pairwise(request.words))
    assert request.words[-1].end <= len(request.sound)


def test_a_network_that_goes_on_for_ever_is_broken_off(
    engine: PiperEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "MAX_TEXT_S", 1)
    request = say(engine, SENTENCE, PLAIN)
    assert request.segment.remarks == ["length"]
    assert len(request.sound) <= PIPELINE_RATE
    assert heard_words(request)[0] == "The"
    assert request.words[-1].end <= len(request.sound)


def test_sound_stays_within_full_scale(engine: PiperEngine) -> None:
    sounds = [say(engine, SENTENCE, voice).sound for voice in (PLAIN, MANY, HIGH)]
    assert max(np.abs(sound).max() for sound in sounds) <= 1.0


def test_a_cut_sentence_has_no_pause_at_its_end(engine: PiperEngine) -> None:
    """The frames of the end's id are left out where nobody would pause."""
    with_pause, without = (say(engine, text, PLAIN) for text in ("Hello there.", "Hello there"))
    behind = [len(request.sound) - request.words[-1].end for request in (with_pause, without)]
    assert behind[0] > behind[1] == 0


def test_a_voice_that_is_not_there_fails_its_request_alone(engine: PiperEngine) -> None:
    style = replace(request_for(engine, "Hello.", PLAIN).segment.style, voice="nobody")
    error = engine.load_voice("somebody", style).exception(PATIENCE_S)
    assert isinstance(error, SynthesisError)
    assert "nobody" in str(error)
