"""Soprano as an engine: who is stepped when, what ends, what is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from stages.tts.soprano import utterances
from stages.tts.soprano.decoder import n_samples_of
from stages.tts.soprano.model import SopranoOptions
from stages.tts.soprano.sampling import Sampling
from stages.tts.soprano.sequence import TokenSequence, budget
from stages.tts.soprano.text import normalise
from stages.tts.soprano.utterances import FADE_SAMPLES
from tests.soprano.speaking import SENTENCE, open_engine, request_for, run_all, say

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from stages.tts.soprano.engine import SopranoEngine
    from tests.engine_driver import DrivenRequest


def states_of(text: str) -> int:
    """A length for each text: short, and not the same for all."""
    return 5 + len(text) % 13


@pytest.fixture(scope="module")
def engine(tiny_model: Path) -> Iterator[SopranoEngine]:
    opened = open_engine(tiny_model, force_length=states_of)
    yield opened
    opened.close()


def forced(engine: SopranoEngine, length: Callable[[str], int]) -> SopranoEngine:
    """The same engine, with other lengths until it is told otherwise."""
    hooked = engine._utterances  # noqa: SLF001 - the hook is set once in a life, but in tests
    hooked.force_length = length
    return engine


@pytest.fixture
def of_length(engine: SopranoEngine) -> Iterator[Callable[[int], SopranoEngine]]:
    yield lambda n_states: forced(engine, lambda _text: n_states)
    forced(engine, states_of)


@pytest.mark.parametrize("n_states", [0, 1, 2, 3, 4, 5, 7, 8])
def test_a_text_of_any_length_ends(
    of_length: Callable[[int], SopranoEngine], n_states: int
) -> None:
    sound = say(of_length(n_states), "Hi!")
    assert len(sound) == n_samples_of(n_states)
    assert np.isfinite(sound).all()


def test_a_forced_length_beyond_the_memory_is_refused(
    of_length: Callable[[int], SopranoEngine],
) -> None:
    request = request_for("Hi!")
    engine = of_length(512)
    with pytest.raises(ValueError, match="a length of 512 was forced"):
        engine.step([request])
    engine.leave(request)
    assert not engine._utterances.in_slots  # noqa: SLF001 - no slot is lost


def test_the_first_sound_comes_with_the_fourth_state(
    of_length: Callable[[int], SopranoEngine],
) -> None:
    engine = of_length(20)
    request = request_for(SENTENCE)
    emitted = []
    for _ in range(10):
        engine.step(engine.choose([request]))
        emitted.append(len(request.sound))
    engine.leave(request)
    final = [1536, 1536, 1536, 1536 + 3 * 2048, 1536 + 3 * 2048, 1536 + 3 * 2048]
    assert emitted == [0, 0, 0, *final, 1536 + 6 * 2048]


@pytest.mark.parametrize("chunk", [1, 2, 5, 16])
def test_the_size_of_pieces_does_not_change_the_sound(
    engine: SopranoEngine, tiny_model: Path, chunk: int
) -> None:
    other = open_engine(tiny_model, SopranoOptions(chunk_states=chunk, n_slots=8), states_of)
    wanted = say(engine, SENTENCE)
    np.testing.assert_allclose(say(other, SENTENCE), wanted, atol=1e-5)


def test_many_listeners_hear_what_each_would_hear_alone(engine: SopranoEngine) -> None:
    """Eleven at once: more than a group holds."""
    texts = [f"Sentence number {n} is not like the others." + " More." * n for n in range(11)]
    requests = [request_for(text) for text in texts]
    run_all(engine, requests)
    for text, request in zip(texts, requests, strict=True):
        np.testing.assert_array_equal(request.sound, say(engine, text))


def test_newcomers_are_taken_in_before_others_who_wait_go_on(engine: SopranoEngine) -> None:
    waiting, newcomer = request_for("One."), request_for("Two.")
    engine.step(engine.choose([waiting]))
    assert engine.choose([waiting, newcomer]) == [newcomer]
    engine.step([newcomer])
    assert engine.choose([waiting, newcomer]) == [waiting, newcomer]
    engine.leave(waiting)
    engine.leave(newcomer)


def test_newcomers_without_end_do_not_starve_who_waits(engine: SopranoEngine) -> None:
    """As a client that says something and takes it back again and again makes them."""
    waiting = request_for("One.")
    engine.step(engine.choose([waiting]))
    for _ in range(60):
        newcomer = request_for("Two.")
        engine.step(engine.choose([waiting, newcomer]))
        engine.leave(newcomer)
        if waiting.emitted:
            break
    assert waiting.emitted
    engine.leave(waiting)


def test_a_listener_about_to_run_dry_goes_before_a_newcomer(
    of_length: Callable[[int], SopranoEngine],
) -> None:
    engine = of_length(30)
    heard, newcomer = request_for("One."), request_for("Two.")
    while not heard.emitted:
        engine.step(engine.choose([heard]))
    assert engine.choose([heard, newcomer]) == [heard]
    assert engine.choose([newcomer, heard]) == [newcomer]
    engine.leave(heard)


def test_there_is_room_for_as_many_as_there_are_slots(tiny_model: Path) -> None:
    engine = open_engine(tiny_model, SopranoOptions(n_slots=8), states_of)
    requests = [request_for("Hello.") for _ in range(9)]
    for request in requests[:8]:
        engine.step([request])
    assert not engine.can_step(requests[8])
    assert all(engine.can_step(request) for request in requests[:8])
    engine.leave(requests[3])
    assert engine.can_step(requests[8])
    run_all(engine, [*requests[:3], *requests[4:]])
    assert len({request.sound.tobytes() for request in requests if request.finished}) == 1


def test_a_text_with_nothing_to_say_ends_without_sound(engine: SopranoEngine) -> None:
    """The stage tells that it was skipped."""
    request = request_for("🙂 ... ?!")
    run_all(engine, [request])
    assert request.finished
    assert request.emitted == []


def test_it_reads_latin_letters_alone(engine: SopranoEngine) -> None:
    """And those of formulas. The package would read 東京 as "dong jing"."""
    assert engine.legible("Tokyo (東京), naïve: α > 5.", "en-us") == "Tokyo (), naïve: α > 5."
    assert engine.legible("東京!", "en-us") == engine.legible("Γειά σου", "en-us") == ""


def test_a_text_that_cannot_be_read_fails_alone(
    engine: SopranoEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def normalise_some(text: str) -> list[str]:
        if "bad" in text:
            raise IndexError("the normaliser's own mistake")
        return normalise(text)

    monkeypatch.setattr(utterances, "normalise", normalise_some)
    good, bad = request_for("Good."), request_for("A bad one.")
    run_all(engine, [bad, good])
    assert "cannot read this text" in str(bad.error)
    assert good.finished


def test_a_long_text_is_spoken_part_by_part(
    engine: SopranoEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "7" * 200
    parts = normalise(text)
    assert len(parts) > 2
    request = request_for(text)
    run_all(engine, [request])
    # A part has no full stop of its own, and the normaliser would give it one.
    monkeypatch.setattr(utterances, "normalise", lambda part: [part])
    sounds = [say(engine, part) for part in parts]
    np.testing.assert_array_equal(request.sound, np.concatenate(sounds))


def test_what_nobody_would_read_aloud_is_cut_and_told(
    of_length: Callable[[int], SopranoEngine],
) -> None:
    request = request_for("<=" * 100)
    assert len(normalise(request.segment.spoken)) > utterances.MAX_TEXTS
    engine = of_length(2)
    run_all(engine, [request])
    assert request.segment.remarks == ["length"]
    assert len(request.sound) == utterances.MAX_TEXTS * n_samples_of(2)


@pytest.mark.parametrize("temperature", [0.0, 0.8])
def test_a_model_that_breaks_down_fails_alone_and_leaves_nothing(
    tiny_model: Path, temperature: float
) -> None:
    """A mask is added, so what is not a number in a slot would reach its next listener."""
    options = SopranoOptions(sampling=Sampling(temperature), n_slots=8)
    engine = open_engine(tiny_model, options, states_of)
    broken, well = request_for(SENTENCE, 1), request_for("Two.", 2)
    for request in (broken, well):
        engine.step([request])
    slot = engine._utterances.slot_of(broken)  # noqa: SLF001 - the breakdown is made by hand
    assert slot is not None
    with torch.inference_mode():  # all over, and the next text is too short to write over all
        engine._model._slots.values[:, slot] = torch.nan  # noqa: SLF001
    run_all(engine, [broken, well])
    assert "broke down" in str(broken.error)
    assert well.finished
    np.testing.assert_array_equal(well.sound, say(engine, "Two.", 2))  # in the same slot


def test_a_model_that_breaks_down_at_once_fails_at_once(tiny_model: Path) -> None:
    engine = open_engine(tiny_model, force_length=states_of)
    norm = engine._model._lm.norm.weight  # noqa: SLF001 - the breakdown is made by hand
    request, kept = request_for("One."), norm.clone()
    norm[0] = torch.nan
    engine.step([request])
    assert "broke down" in str(request.error)
    engine.leave(request)
    norm.copy_(kept)
    assert np.isfinite(say(engine, "Two.")).all()


def test_without_packed_weights_it_says_the_same(
    engine: SopranoEngine, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stages.neural.linear.can_pack", lambda _dtype: False)
    plain = open_engine(tiny_model, force_length=states_of)
    np.testing.assert_allclose(say(plain, SENTENCE), say(engine, SENTENCE), atol=1e-4)


class Guarded:
    """An engine without forced lengths: random weights hardly ever stop by themselves."""

    def __init__(self, folder: Path) -> None:
        self.engine = open_engine(folder)

    def say(self, text: str) -> DrivenRequest:
        request = request_for(text)
        run_all(self.engine, [request])
        return request


@pytest.fixture(scope="module")
def guarded(tiny_model: Path) -> Guarded:
    return Guarded(tiny_model)


def faded(sound: np.ndarray) -> bool:
    """Whether it dies away: the very end is silent, and before the fade it is not."""
    return bool(abs(sound[-1]) < 1e-4 and np.abs(sound[-2 * FADE_SAMPLES :][:200]).max() > 1e-3)


def test_a_model_that_does_not_stop_is_broken_off_and_told(
    guarded: Guarded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stages.tts.soprano.sequence.SMALL_CHANGE", 0.0)
    request = guarded.say("Hi!")
    assert request.segment.remarks == ["length"]
    assert len(request.sound) == n_samples_of(budget("hi!"))
    assert faded(request.sound)


def test_a_model_that_repeats_itself_is_broken_off_and_told(
    guarded: Guarded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stages.tts.soprano.sequence.SMALL_CHANGE", 1e9)
    request = guarded.say("Hi!")
    assert request.segment.remarks == ["repetition"]
    assert len(request.sound) == n_samples_of(18)  # the first state has no change, 17 are too many
    assert faded(request.sound)


def test_what_ends_by_itself_is_not_faded(
    guarded: Guarded, monkeypatch: pytest.MonkeyPatch
) -> None:
    take = TokenSequence.take

    def stop_at_nine(self: TokenSequence, token: int, change: float) -> None:
        take(self, self.stop_token if self.n_states == 9 else max(token, 4), change)

    monkeypatch.setattr(TokenSequence, "take", stop_at_nine)
    request = guarded.say("Hi!")
    assert request.segment.remarks == []
    assert len(request.sound) == n_samples_of(9)
    assert np.abs(request.sound[-50:]).max() > 1e-3


def test_greedy_speech_is_always_the_same(engine: SopranoEngine) -> None:
    np.testing.assert_array_equal(say(engine, SENTENCE, seed=1), say(engine, SENTENCE, seed=2))


def test_a_seed_makes_sampling_repeatable(tiny_model: Path) -> None:
    options = SopranoOptions(sampling=Sampling(temperature=1.0), n_slots=8)
    engine = open_engine(tiny_model, options, states_of)
    first = say(engine, SENTENCE, seed=-5)
    np.testing.assert_array_equal(say(engine, SENTENCE, seed=-5), first)
    assert not np.array_equal(say(engine, SENTENCE, seed=6), first)
    assert not np.array_equal(say(engine, SENTENCE), say(engine, SENTENCE))
    beside = [request_for(SENTENCE, seed) for seed in (7, -5, None)]
    run_all(engine, beside)
    np.testing.assert_array_equal(beside[1].sound, first)


def test_a_listener_without_room_does_not_hold_the_others_up(
    of_length: Callable[[int], SopranoEngine],
) -> None:
    """Its slot is run beside theirs again and again, and nothing in it moves."""
    engine = of_length(12)
    stalled, others = request_for("Stalled."), [request_for("Going on.") for _ in range(3)]
    for request in [stalled, *others]:
        engine.step([request])
    engine.step([stalled, *others])
    run_all(engine, others)
    run_all(engine, [stalled])
    np.testing.assert_array_equal(stalled.sound, say(engine, "Stalled."))


def test_it_tells_what_it_runs_on(engine: SopranoEngine) -> None:
    assert engine.runs_on == "cpu in float32"
    assert [voice.name for voice in engine.voices()] == ["soprano"]
