"""Soprano as on a GPU, several steps in a launch: what is heard is the same, bit for bit, as with
one step in each. It runs on a CPU here, in a GPU's shapes, eagerly and as recorded graphs."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from stages.tts.soprano import model
from stages.tts.soprano.decoder import n_samples_of
from stages.tts.soprano.device_loop import MAX_STEPS
from stages.tts.soprano.launching import InLaunches
from stages.tts.soprano.model import SopranoOptions
from stages.tts.soprano.sampling import Sampling
from stages.tts.soprano.sequence import TokenSequence
from tests.neural.recorded_graphs import RecordedGraphs
from tests.soprano.speaking import (
    LIKE_A_GPU,
    SENTENCE,
    open_engine,
    request_for,
    run_all,
    say,
    step,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from stages.engine import Launched, Request
    from stages.tts.soprano.engine import SopranoEngine
    from tests.engine_driver import DrivenRequest

TEXTS = ("Yes.", SENTENCE, "Was it 3.14, or 1,234 dollars?", "No, no, and no again!")


class Both:
    """An engine that runs in launches, of as many steps as it likes or of one."""

    def __init__(
        self,
        folder: Path,
        options: SopranoOptions | None = None,
        length: Callable[[str], int] | None = None,
    ) -> None:
        self.engine = open_engine(folder, options, length, LIKE_A_GPU)

    def force(self, length: int | None) -> None:
        hooked = self.engine._utterances  # noqa: SLF001 - set once in a life, but in tests
        hooked.force_length = None if length is None else lambda _text: length

    def say(self, text: str, seed: int | None = None) -> tuple[DrivenRequest, DrivenRequest]:
        """By one step in each launch, and by more."""
        requests = request_for(text, seed), request_for(text, seed)
        for request, max_steps in zip(requests, (1, MAX_STEPS), strict=True):
            way = self.engine._way  # noqa: SLF001 - nobody else asks for one step
            assert isinstance(way, InLaunches)
            way._max_steps = max_steps  # noqa: SLF001
            run_all(self.engine, [request])
        return requests

    def assert_same(self, text: str, seed: int | None = None) -> DrivenRequest:
        wanted, heard = self.say(text, seed)
        np.testing.assert_array_equal(heard.sound, wanted.sound)
        assert heard.segment.remarks == wanted.segment.remarks
        assert (heard.finished, str(heard.error)) == (wanted.finished, str(wanted.error))
        return heard


@pytest.fixture(scope="module")
def both(tiny_model: Path) -> Both:
    return Both(tiny_model)


def record(patch: pytest.MonkeyPatch) -> None:
    """Let engines replay what they did when they were installed."""
    patch.setattr(model, "Graphs", lambda _device, **_options: RecordedGraphs())


@pytest.fixture(autouse=True)
def _unforced(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "both" in request.fixturenames:
        request.getfixturevalue("both").force(None)


@pytest.mark.parametrize("n_states", range(9))
def test_a_forced_length_may_end_anywhere_in_a_launch(both: Both, n_states: int) -> None:
    both.force(n_states)
    assert len(both.assert_same(SENTENCE).sound) == n_samples_of(n_states)


def stopping_at(number: int, patch: pytest.MonkeyPatch, change: float | None = None) -> None:
    """Let the model choose to stop at this state, and never else; or have a state that differs by
    so much."""
    take = TokenSequence.take

    def take_up_to(self: TokenSequence, token: int, found: float) -> None:
        if self.n_states != number:
            return take(self, max(token, 4), found)
        return take(self, self.stop_token, found) if change is None else take(self, token, change)

    patch.setattr(TokenSequence, "take", take_up_to)


@pytest.mark.parametrize("number", range(8))
def test_the_model_may_stop_anywhere_in_a_launch(
    both: Both, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopping_at(number, monkeypatch)
    assert len(both.assert_same("Hi!").sound) == n_samples_of(number)


@pytest.mark.parametrize("number", range(8))
def test_numbers_may_break_down_anywhere_in_a_launch(
    both: Both, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was due before is heard, as it would be step by step."""
    stopping_at(number, monkeypatch, np.nan)
    heard = both.assert_same("Hi!")
    assert "broke down" in str(heard.error)
    assert bool(len(heard.sound)) == (number >= 4)


@pytest.mark.parametrize("small", [0.0, 1e9], ids=["length", "repetition"])
def test_what_is_cut_is_cut_at_the_same_place(
    both: Both, small: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what comes before the last piece in that launch does not fade."""
    monkeypatch.setattr("stages.tts.soprano.sequence.SMALL_CHANGE", small)
    monkeypatch.setattr("stages.tts.soprano.sequence.BUDGET_STATES", 2)
    for n_longer in range(3):
        monkeypatch.setattr("stages.tts.soprano.sequence.MAX_RUN", 6 + n_longer)
        assert both.assert_same("Hi" + "!" * n_longer).segment.remarks


@pytest.mark.parametrize("chunk", [1, 2, 5, 16])
def test_pieces_are_the_same_whatever_their_size(tiny_model: Path, chunk: int) -> None:
    both = Both(tiny_model, SopranoOptions(chunk_states=chunk), lambda _text: 24)
    wanted, heard = both.say(SENTENCE)
    assert len(heard.emitted) == len(wanted.emitted) > 2
    for ours, theirs in zip(heard.emitted, wanted.emitted, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_text_that_fills_its_slot_stays_inside_it(tiny_model: Path) -> None:
    """The longest prompt, and as many states as there is room for; then the row computes on."""
    both = Both(tiny_model, SopranoOptions(chunk_states=64), lambda _text: 511)
    text = "a, b. " * 50
    sound = say(both.engine, text)
    assert len(sound) == n_samples_of(511)
    assert np.isfinite(sound).all()
    both.force(3)
    both.assert_same(SENTENCE)


def test_the_first_sound_takes_a_launch_of_steps_and_one_of_sound(both: Both) -> None:
    both.force(20)
    request, engine = request_for(SENTENCE), both.engine
    heard = []
    for _ in range(6):
        step(engine, engine.choose([request]))
        heard.append(len(request.sound))
    engine.leave(request)
    assert heard == [0, 1536, 1536, 1536 + 3 * 2048, 1536 + 3 * 2048, 1536 + 6 * 2048]


def test_nothing_waits_for_what_was_launched(both: Both) -> None:
    engine, requests = both.engine, [request_for("One."), request_for("Two.")]
    first = engine.step(engine.choose(requests[:1]))
    second = engine.step(engine.choose(requests[1:]))
    assert first is not None
    assert second is not None
    for launched in (first, second):
        while not launched.is_done:
            pass
        launched.finish()
    for request in requests:
        engine.leave(request)


def test_a_seed_gives_the_same_sound(tiny_model: Path) -> None:
    """Also to the texts of a segment behind one that stopped inside a launch: what was drawn for
    the states that were thrown away is drawn again."""
    options = SopranoOptions(sampling=Sampling(temperature=1.0))
    both = Both(tiny_model, options, lambda text: 4 + len(text) % 3)
    for text, seed in ((SENTENCE, 1), ("7" * 200, -5)):
        both.assert_same(text, seed)


class TwoLaunched:
    """Drives an engine as the executor does: two launches at most, finished in their order; with
    listeners who come, have no room for a while, and leave, as a seed has it."""

    def __init__(self, engine: SopranoEngine, seed: int) -> None:
        self._engine = engine
        self._random = random.Random(seed)
        self._in_flight: list[tuple[Sequence[Request], Launched]] = []
        self._live: list[DrivenRequest] = []

    def run(self, requests: Sequence[DrivenRequest], leaving: Sequence[DrivenRequest]) -> None:
        waiting, leaving = list(requests), list(leaving)
        while waiting or self._live or self._in_flight:
            if waiting and self._random.random() < 0.4:
                self._live.append(waiting.pop(0))
            for request in [r for r in leaving if r in self._live and self._random.random() < 0.1]:
                leaving.remove(request)
                self._live.remove(request)
                self._engine.leave(request)  # perhaps while it is launched
            if self._in_flight and (len(self._in_flight) == 2 or self._random.random() < 0.5):
                self._in_flight.pop(0)[1].finish()
            for request in [r for r in self._live if r.finished or r.error]:
                self._live.remove(request)
                self._engine.leave(request)
            self._launch()

    def _launch(self) -> None:
        busy = {request for batch, _ in self._in_flight for request in batch}
        able = [
            request
            for request in sorted(self._live, key=lambda request: len(request.sound))
            if request not in busy
            and self._engine.can_step(request)
            and self._random.random() < 0.8
        ]
        if able and len(self._in_flight) < 2:
            batch = list(self._engine.choose(able))
            launched = self._engine.step(batch)
            if launched is not None:
                self._in_flight.append((batch, launched))


@pytest.mark.parametrize("is_recorded", [False, True], ids=["eager", "recorded"])
def test_many_listeners_hear_what_each_would_hear_alone(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch, is_recorded: bool
) -> None:
    """Whoever comes, stalls or leaves beside them, in more slots than the narrowest launch has, and
    with more who wait for a slot. What a graph had baked in by mistake would be heard, too."""
    if is_recorded:
        record(monkeypatch)
    options = SopranoOptions(sampling=Sampling(temperature=0.9))
    both = Both(tiny_model, options, lambda text: len(text) % 11)
    texts = [TEXTS[number % 4] + " More." * (number % 5) for number in range(15)]
    requests = [request_for(text, number) for number, text in enumerate(texts)]
    TwoLaunched(both.engine, seed=is_recorded).run(requests, requests[::4])
    for number, request in enumerate(requests):
        wanted = both.say(texts[number], number)[0].sound
        if number % 4:
            assert request.finished
            np.testing.assert_array_equal(request.sound, wanted)
        else:
            np.testing.assert_array_equal(request.sound, wanted[: len(request.sound)])
    assert sorted(both.engine._utterances.free) == list(range(3))  # noqa: SLF001 - no slot is lost


def test_whoever_leaves_in_mid_launch_gives_the_slot_back_when_it_is_done(both: Both) -> None:
    engine, request = both.engine, request_for(SENTENCE)
    launched = engine.step([request])
    assert launched is not None
    engine.leave(request)
    free = engine._utterances.free  # noqa: SLF001 - what others can have
    assert len(free) == 2
    launched.finish()
    assert len(free) == 3
    assert not request.emitted


@torch.inference_mode()
def test_a_slot_in_which_numbers_broke_down_is_as_new(both: Both) -> None:
    both.force(9)
    engine, broken, well = both.engine, request_for(SENTENCE), request_for("Two.")
    step(engine, engine.choose([broken, well]))
    slot = engine._utterances.slot_of(broken)  # noqa: SLF001 - the breakdown is made by hand
    engine._model._slots.values[:, slot] = torch.nan  # noqa: SLF001 - all over
    run_all(engine, [broken, well])
    assert "broke down" in str(broken.error)
    np.testing.assert_array_equal(well.sound, both.say("Two.")[0].sound)
    np.testing.assert_array_equal(say(engine, "Two."), well.sound)


@torch.inference_mode()
def test_numbers_that_break_down_behind_the_end_are_not_heard(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The token of the state that ended the text leads to what is no number, and step by step
    nothing would have gone on from it."""
    both = Both(tiny_model, length=lambda _text: 5)
    tokens: list[int] = []
    take = TokenSequence.take

    def note(self: TokenSequence, token: int, change: float) -> None:
        tokens.append(token)
        take(self, token, change)

    with monkeypatch.context() as patch:
        patch.setattr(TokenSequence, "take", note)
        wanted = say(both.engine, SENTENCE)
    assert tokens[5] not in tokens[:5]
    both.engine._model._lm.embedding[tokens[5]] = torch.nan  # noqa: SLF001 - made by hand
    np.testing.assert_array_equal(say(both.engine, SENTENCE), wanted)
    np.testing.assert_array_equal(say(both.engine, SENTENCE), wanted)


def test_listeners_who_wait_for_sound_are_decoded_together(both: Both) -> None:
    both.force(30)
    engine, requests = both.engine, [request_for(text) for text in TEXTS[:2]]
    step(engine, engine.choose(requests))
    assert engine.choose(requests) == requests
    step(engine, requests)
    assert [len(request.sound) for request in requests] == [1536] * 2
    for request in requests:
        engine.leave(request)


def test_a_listener_about_to_run_dry_does_not_wait_for_a_prompt(both: Both) -> None:
    both.force(30)
    engine, heard, newcomer = both.engine, request_for("One."), request_for("Two.")
    while not heard.emitted:
        step(engine, engine.choose([heard]))
    assert engine.choose([heard, newcomer]) == [heard]
    assert engine.choose([newcomer, heard]) == [newcomer, heard]
    engine.leave(heard)


def test_a_launch_has_few_steps(tiny_model: Path) -> None:
    """However long the pieces of sound are: who comes waits for no more."""
    engine = Both(tiny_model, SopranoOptions(chunk_states=9), lambda _text: 40).engine
    request = request_for(SENTENCE)
    while not request.emitted:
        step(engine, engine.choose([request]))
    before = engine._utterances[request].text.n_states  # noqa: SLF001 - what a launch made
    step(engine, engine.choose([request]))
    assert engine._utterances[request].text.n_states == before + MAX_STEPS  # noqa: SLF001
