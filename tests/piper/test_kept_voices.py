"""Piper's voices are loaded when they are chosen, in bounded memory, and read again when their file
has changed."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from stages.errors import UnusableModel
from stages.items import Style
from stages.tts.piper import engine as engine_module
from stages.tts.piper.engine import PiperEngine
from stages.tts.piper.voice import read_voice
from stages.tts.piper.voice_file import PiperVoiceFile
from tests.server_process import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from stages.tts.piper.voice import PiperVoice

NAMES = ("one", "two", "three")


class Watched:
    """An engine with room for two voices and a half, and what it reads."""

    def __init__(self, file: PiperVoiceFile, folder: Path) -> None:
        self.read: list[str] = []
        self.files = []
        for name in NAMES:
            path = folder / f"{name}.onnx"
            shutil.copy(file.model, path)
            self.files.append(PiperVoiceFile(name, path, file.config))
        n_bytes = read_voice(file, 1).n_bytes
        self.engine = PiperEngine(self.files, max_voice_bytes=n_bytes * 5 // 2)

    def read_voice(self, file: PiperVoiceFile, n_threads: int) -> PiperVoice:
        self.read.append(file.name)
        return read_voice(file, n_threads)

    def speak(self, name: str) -> None:
        """Load a voice for a request, which ends."""
        self.engine.load_voice(self, Style(name)).result(PATIENCE_S)
        self.engine.release_voice(self)


@pytest.fixture
def watched(
    voices: dict[str, PiperVoiceFile], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Watched]:
    watched = Watched(voices["plain"], tmp_path)
    monkeypatch.setattr(engine_module, "read_voice", watched.read_voice)
    yield watched
    watched.engine.close()


def test_nothing_is_read_before_it_is_asked_for(watched: Watched) -> None:
    watched.engine.voices()
    assert watched.read == []


def test_what_was_used_last_is_kept(watched: Watched) -> None:
    for name in ("one", "two", "one", "three", "one", "two"):
        watched.speak(name)
    assert watched.read == ["one", "two", "three", "two"], "two had to leave for three"


def test_a_file_that_has_changed_is_read_again(watched: Watched) -> None:
    watched.speak("one")
    os.utime(watched.files[0].model, (1, 1))
    watched.speak("one")
    assert watched.read == ["one", "one"]


def test_a_damaged_voice_fails_whoever_asks_for_it(watched: Watched) -> None:
    watched.files[1].model.write_bytes(b"no voice")
    error = watched.engine.load_voice(self_user := object(), Style("two")).exception(PATIENCE_S)
    assert isinstance(error, UnusableModel)
    watched.engine.release_voice(self_user)
    watched.speak("one")
