"""Voices are read when they are chosen, in a bounded number, and push nobody's voice out."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, ClassVar

import pytest
import torch

from stages.errors import UnusableModel
from stages.rvc.voices import cache
from stages.rvc.voices.cache import Wardrobe
from stages.rvc.voices.file import read_voice
from stages.rvc.voices.library import VoiceEntry
from stages.rvc.voices.settings import VoiceSettings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from stages.rvc.network.synthesizer import Synthesizer
    from stages.rvc.voices.cache import Outfit
    from stages.rvc.voices.file import VoiceFile
    from stages.rvc.voices.library import Stamp

SOON_S = 30.0
RADIUS = 3


class End(VoiceEntry):
    """Tells when its turn to be read has come."""

    come: ClassVar = threading.Event()

    @property
    def stamp(self) -> Stamp:
        self.come.set()
        raise UnusableModel("this is no voice")


class Watched:
    """A wardrobe, what is read for it, and what it warms up for, which can be held up."""

    def __init__(self, path: Path, max_bytes: int = 2**30) -> None:
        self.path = path
        self.read: list[str] = []
        self.warmed: list[Synthesizer] = []
        self.begun = threading.Event()
        self.go_on = threading.Event()
        self.go_on.set()
        self.wardrobe = Wardrobe(
            max_bytes=max_bytes,
            device=torch.device("cpu"),
            dtype=torch.float32,
            rmvpe_path=path.with_name("rmvpe.pt"),
            when_read=lambda: None,
            warm_up=self._warm_up,
        )

    def read_voice(self, path: Path) -> VoiceFile:
        self.read.append(path.stem)
        return read_voice(path)

    def _warm_up(self, outfit: Outfit) -> None:
        self.begun.set()
        assert self.go_on.wait(SOON_S)
        self.warmed.append(outfit.synthesizer)

    def entry(self, name: str) -> VoiceEntry:
        """A voice of this name; all have the same weights."""
        path = self.path.with_name(f"{name}.pth")
        if not path.exists():
            path.symlink_to(self.path)
        return VoiceEntry(name, path, None, None, VoiceSettings())

    def expect(self, user: str, name: str) -> None:
        self.wardrobe.expect(user, self.entry(name), RADIUS)

    def hold_up(self) -> None:
        """Have the reading thread wait, with nothing else to do."""
        self.go_on.clear()
        self.expect("first", "first")
        assert self.begun.wait(SOON_S)

    def finish(self) -> None:
        """Until nothing waits to be read: what is expected is read in its order."""
        self.go_on.set()
        End.come.clear()
        end = End("end", self.path, None, None, VoiceSettings())
        self.wardrobe.expect("last", end, RADIUS)
        assert End.come.wait(SOON_S)
        self.wardrobe.leave("last")

    def is_at_hand(self, user: str, name: str) -> bool:
        return self.wardrobe.outfit(user, self.entry(name), RADIUS).done()

    def close(self) -> None:
        self.go_on.set()
        self.wardrobe.close()


@pytest.fixture
def watched(voice: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watched]:
    watched = Watched(voice)
    monkeypatch.setattr(cache, "read_voice", watched.read_voice)
    yield watched
    watched.close()


@pytest.fixture
def small(voice: Path) -> Iterator[Watched]:
    """With room for two voices and a half."""
    n_bytes = sum(weight.nbytes for weight in read_voice(voice).weights.values())
    watched = Watched(voice, max_bytes=n_bytes * 5 // 2)
    yield watched
    watched.close()


def test_what_is_expected_is_at_hand(watched: Watched) -> None:
    watched.expect("listener", "anna")
    watched.finish()
    assert watched.is_at_hand("request", "anna")
    assert not watched.is_at_hand("request", "bert")


def test_of_a_thousand_that_one_listener_chooses_the_last_is_read(watched: Watched) -> None:
    watched.hold_up()
    for number in range(1000):
        watched.expect("listener", f"voice {number}")
    watched.finish()
    assert watched.read == ["first", "voice 999"]
    assert watched.is_at_hand("request", "voice 999")


def test_each_listener_has_a_place(watched: Watched) -> None:
    watched.hold_up()
    for name in ("anna", "bert", "carl"):
        watched.expect(f"who wants {name}", name)
    watched.finish()
    assert all(watched.is_at_hand("request", name) for name in ("anna", "bert", "carl"))


def test_nothing_is_read_for_who_has_gone(watched: Watched) -> None:
    watched.hold_up()
    watched.expect("listener", "anna")
    watched.wardrobe.leave("listener")
    watched.finish()
    assert watched.read == ["first"]


def test_what_is_spoken_with_is_read_before_what_is_expected(watched: Watched) -> None:
    watched.hold_up()
    watched.expect("listener", "anna")
    watched.wardrobe.outfit("request", watched.entry("bert"), RADIUS)
    watched.finish()
    assert watched.read == ["first", "bert", "anna"]


def test_voices_in_use_do_not_leave_for_what_is_expected(small: Watched) -> None:
    small.wardrobe.outfit("request", small.entry("anna"), RADIUS).result(SOON_S)
    small.expect("listener", "bert")
    small.finish()
    for number in range(5):
        small.expect("another", f"voice {number}")
        small.finish()
    assert small.is_at_hand("request", "anna")
    assert small.is_at_hand("listener", "bert")
    assert not small.is_at_hand("another", "voice 4")  # which is read now that it is needed


def test_voices_that_nobody_uses_leave_for_what_is_expected(small: Watched) -> None:
    for name in ("anna", "bert"):
        small.wardrobe.outfit(name, small.entry(name), RADIUS).result(SOON_S)
    small.wardrobe.leave("bert")  # it was used last
    small.expect("listener", "carl")
    small.finish()
    assert small.is_at_hand("anna", "anna")
    assert small.is_at_hand("listener", "carl")
    assert not small.is_at_hand("bert", "bert")


def test_a_voice_that_cannot_be_read_is_told_to_who_speaks_with_it(
    watched: Watched, tmp_path: Path
) -> None:
    entry = VoiceEntry("torn", tmp_path / "torn.pth", None, None, VoiceSettings())
    watched.wardrobe.expect("listener", entry, RADIUS)
    watched.finish()
    with pytest.raises(UnusableModel):
        watched.wardrobe.outfit("request", entry, RADIUS).result(SOON_S)
    watched.expect("listener", "anna")
    watched.finish()
    assert watched.is_at_hand("request", "anna")


def test_a_voice_is_ready_when_it_was_prepared(watched: Watched) -> None:
    watched.wardrobe.prepare(watched.entry("anna"), RADIUS)
    assert len(watched.warmed) == 1
    assert watched.is_at_hand("request", "anna")
