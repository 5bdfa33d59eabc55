"""Voices are loaded when they are chosen, in a bounded number, and push nobody's voice out."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import torch

from stages.errors import SynthesisError, UnusableModel
from stages.items import Style
from stages.rvc.network.synthesizer import Synthesizer
from stages.rvc.pitch.choosing import PitchEstimators
from stages.rvc.voices import cache
from stages.rvc.voices.cache import VoiceCache
from stages.rvc.voices.file import read_voice
from stages.rvc.voices.library import VoiceEntry
from stages.rvc.voices.settings import VoiceSettings
from tests.random_rvc_features import TINY_RMVPE, build_rmvpe
from tests.server_process import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future
    from pathlib import Path

    from stages.rvc.voices.file import VoiceFile
    from stages.rvc.voices.loaded import LoadedVoice

CPU = torch.device("cpu")


class Watched:
    """A cache, what is read for it, and what it warms up for, which can be held up."""

    def __init__(self, path: Path, max_bytes: int = 2**30) -> None:
        self.path = path
        self.read: list[str] = []
        self.warmed: list[LoadedVoice] = []
        self.begun = threading.Event()
        self.go_on = threading.Event()
        self.go_on.set()
        self.estimators = PitchEstimators(path.with_name("rmvpe.pt"), CPU, torch.float32)
        self.cache = VoiceCache(
            max_bytes=max_bytes,
            device=CPU,
            dtype=torch.float32,
            estimators=self.estimators,
            prepare=lambda voice: voice,
            warm_up=self._warm_up,
        )

    def read_voice(self, path: Path) -> VoiceFile:
        self.read.append(path.stem)
        return read_voice(path)

    def _warm_up(self, voice: LoadedVoice) -> None:
        self.begun.set()
        assert self.go_on.wait(PATIENCE_S)
        self.warmed.append(voice)

    def entry(self, name: str, **settings: str) -> VoiceEntry:
        """A voice of this name; all have the same weights."""
        path = self.path.with_name(f"{name}.pth")
        if not path.exists():
            path.symlink_to(self.path)
        return VoiceEntry(name, path, None, None, VoiceSettings.model_validate(settings))

    def load(self, user: str, name: str) -> Future[LoadedVoice]:
        return self.cache.load(user, self.entry(name), Style(name))

    def choose(self, user: str, name: str) -> Future[LoadedVoice]:
        """As a listener, who has nothing to say yet."""
        return self.cache.load(user, self.entry(name), Style(name), ahead=True)

    def hold_up(self) -> None:
        """Have the loading thread wait, with nothing else to do."""
        self.go_on.clear()
        self.choose("first", "first")
        assert self.begun.wait(PATIENCE_S)

    def finish(self) -> None:
        """Until nothing waits to be loaded: what was chosen is loaded in its order."""
        self.go_on.set()
        missing = replace(self.entry("first"), name="none", path=self.path.with_name("none.pth"))
        end = self.cache.load("last", missing, Style("none"), ahead=True)
        assert isinstance(end.exception(PATIENCE_S), UnusableModel)
        self.cache.release("last")

    def is_loaded(self, user: str, name: str) -> bool:
        return self.load(user, name).done()

    def close(self) -> None:
        self.go_on.set()
        self.cache.close()


@pytest.fixture
def watched(voice: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watched]:
    watched = Watched(voice)
    monkeypatch.setattr(cache, "read_voice", watched.read_voice)
    yield watched
    watched.close()


def size_of(voice: Path) -> int:
    """The bytes that it takes in memory."""
    file = read_voice(voice)
    return Synthesizer(file.config, file.weights, CPU, torch.float32).n_bytes


@pytest.fixture
def small(voice: Path) -> Iterator[Watched]:
    """With room for two voices and a half."""
    watched = Watched(voice, max_bytes=size_of(voice) * 5 // 2)
    yield watched
    watched.close()


def test_a_voice_that_was_chosen_is_there(watched: Watched) -> None:
    watched.choose("listener", "anna")
    watched.finish()
    assert watched.is_loaded("request", "anna")
    assert not watched.is_loaded("request", "bert")


def test_of_a_thousand_that_one_listener_chooses_the_last_is_loaded(watched: Watched) -> None:
    watched.hold_up()
    for number in range(1000):
        watched.choose("listener", f"voice {number}")
    watched.finish()
    assert watched.read == ["first", "voice 999", "none"]
    assert watched.is_loaded("request", "voice 999")


def test_each_listener_has_a_place(watched: Watched) -> None:
    watched.hold_up()
    for name in ("anna", "bert", "carl"):
        watched.choose(f"who wants {name}", name)
    watched.finish()
    assert all(watched.is_loaded("request", name) for name in ("anna", "bert", "carl"))


def test_nothing_is_loaded_for_who_has_gone(watched: Watched) -> None:
    watched.hold_up()
    watched.choose("listener", "anna")
    watched.cache.release("listener")
    watched.finish()
    assert watched.read == ["first", "none"]


def test_nothing_is_loaded_for_who_was_to_be_spoken_to_and_has_gone(watched: Watched) -> None:
    """Each of a client's barge-ins left a voice that was read for nobody, and others waited until
    all of them had been."""
    watched.hold_up()
    for number in range(100):
        watched.load(f"request {number}", f"voice {number}")
        watched.cache.release(f"request {number}")
    watched.finish()
    assert watched.read == ["first", "none"]


def test_what_is_spoken_with_is_loaded_before_what_is_chosen(watched: Watched) -> None:
    watched.hold_up()
    watched.choose("listener", "anna")
    watched.load("request", "bert")
    watched.finish()
    assert watched.read == ["first", "bert", "anna", "none"]


def test_voices_in_use_do_not_leave_for_what_is_chosen(small: Watched) -> None:
    small.load("request", "anna").result(PATIENCE_S)
    small.choose("listener", "bert").result(PATIENCE_S)
    for number in range(5):
        small.choose("another", f"voice {number}").result(PATIENCE_S)
    assert small.is_loaded("request", "anna")
    assert small.is_loaded("listener", "bert")
    assert not small.is_loaded("another", "voice 4")  # which is loaded now that it is needed


def test_voices_that_nobody_uses_leave_for_what_is_chosen(small: Watched) -> None:
    for name in ("anna", "bert"):
        small.load(name, name).result(PATIENCE_S)
    small.cache.release("bert")  # it was used last
    small.choose("listener", "carl").result(PATIENCE_S)
    assert small.is_loaded("anna", "anna")
    assert small.is_loaded("listener", "carl")
    assert not small.is_loaded("bert", "bert")


def test_a_voice_that_cannot_be_read_is_told_to_who_speaks_with_it(
    watched: Watched, tmp_path: Path
) -> None:
    entry = VoiceEntry("torn", tmp_path / "torn.pth", None, None, VoiceSettings())
    for ahead in (True, False):
        loading = watched.cache.load("user", entry, Style("torn"), ahead=ahead)
        assert isinstance(loading.exception(PATIENCE_S), UnusableModel)
    watched.choose("listener", "anna").result(PATIENCE_S)
    assert watched.is_loaded("request", "anna")


def test_a_voice_whose_file_was_removed_stays_with_who_speaks_with_it(watched: Watched) -> None:
    """Until it has to make room; a file that comes in its place is another voice."""
    entry = watched.entry("dora")
    voice = watched.cache.load("request", entry, Style("dora")).result(PATIENCE_S)
    entry.path.unlink()
    still = watched.cache.load("request", entry, Style("dora"))
    assert still.done()
    assert still.result().synthesizer is voice.synthesizer
    new = watched.cache.load("request", watched.entry("dora"), Style("dora")).result(PATIENCE_S)
    assert new.synthesizer is voice.synthesizer  # a link to the same file: nothing has changed
    entry.path.unlink()
    entry.path.write_bytes(watched.path.read_bytes())
    new = watched.cache.load("request", entry, Style("dora")).result(PATIENCE_S)
    assert new.synthesizer is not voice.synthesizer


def test_a_speaker_that_a_voice_has_not_is_told(watched: Watched) -> None:
    style = Style("anna", conversion={"speaker": 5000})
    for _ in ("while it is loaded", "once it is"):
        loading = watched.cache.load("request", watched.entry("anna"), style)
        with pytest.raises(SynthesisError, match="speaker: anna has "):
            loading.result(PATIENCE_S)


def test_a_voice_that_was_chosen_is_warm_when_it_is_there(watched: Watched) -> None:
    watched.choose("listener", "anna").result(PATIENCE_S)
    assert len(watched.warmed) == 1


def test_a_voice_that_somebody_waits_for_is_warmed_behind_others_who_wait(watched: Watched) -> None:
    watched.hold_up()
    anna, bert = watched.load("one", "anna"), watched.load("two", "bert")
    watched.go_on.set()
    bert.result(PATIENCE_S)
    watched.finish()
    names = [voice.synthesizer for voice in watched.warmed[1:]]
    assert names == [anna.result().synthesizer, bert.result().synthesizer]
    assert watched.read == ["first", "anna", "bert", "none"]


def test_another_pitch_method_is_taken_when_it_was_set(watched: Watched) -> None:
    """The settings are read from the voice's folder now and then, after its files were seen."""
    found_by = []
    for method in ("pm", "dio"):
        entry = watched.entry("anna", pitch_method=method)
        found_by.append(
            watched.cache.load("user", entry, Style("anna")).result(PATIENCE_S).pitch.name
        )
    assert found_by == ["pm", "dio"]


def test_there_is_one_rmvpe_whatever_radius_is_asked_for(watched: Watched) -> None:
    """Estimators were made for each `filter_radius`, which rmvpe has no use for: radii 0 to 7 on
    the wire made eight networks of 362 MB each, which stayed for good, and listeners who differed
    in it no longer went through a GPU together."""
    build_rmvpe(watched.path.with_name("rmvpe.pt"), size=TINY_RMVPE)
    entry = watched.entry("anna", pitch_method="rmvpe")
    styles = [Style("anna", conversion={"filter_radius": r}) for r in range(8)]
    voices = [watched.cache.load("user", entry, style).result(PATIENCE_S) for style in styles]
    assert [voice.settings.filter_radius for voice in voices] == list(range(8))
    assert len({id(voice.pitch) for voice in voices}) == 1


@pytest.mark.parametrize(("method", "fits"), [("pm", True), ("rmvpe", False)])
def test_the_memory_of_rmvpe_counts(voice: Path, method: str, fits: bool) -> None:
    """Its 362 MB were not part of the bound that is set for voices."""
    rmvpe_path = build_rmvpe(voice.with_name("rmvpe.pt"), size=TINY_RMVPE)
    estimators = PitchEstimators(rmvpe_path, CPU, torch.float32)
    estimators.choose("rmvpe")
    n_bytes = size_of(voice)
    watched = Watched(voice, max_bytes=2 * n_bytes + estimators.n_bytes - 1)

    def load(name: str) -> Future[LoadedVoice]:
        return watched.cache.load(name, watched.entry(name, pitch_method=method), Style(name))

    for name in ("anna", "bert"):
        load(name).result(PATIENCE_S)
    assert load("anna").done() == fits
    watched.close()


def test_what_a_voice_would_take_to_read(watched: Watched) -> None:
    """Its file, until it is there."""
    entry = watched.entry("anna")
    assert watched.cache.to_read(entry) == entry.path.stat().st_size
    watched.load("listener", "anna").result(PATIENCE_S)
    assert watched.cache.to_read(entry) == 0


def test_a_choice_of_what_is_there_is_there_at_once(watched: Watched) -> None:
    """However busy the loading thread is: its listener need not be told to wait."""
    watched.load("listener", "anna").result(PATIENCE_S)
    watched.hold_up()
    assert watched.choose("listener", "anna").done()
