"""Which engine and which voice speak, by what there is and what was asked for."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from pipeline.cli import missing
from pipeline.cli.engines import choose_engines
from pipeline.cli.option_sources import load
from pipeline.cli.settings import CheckSettings
from stages.errors import CannotStart
from stages.tts.piper import voice_files
from tests.piper.folders import put, put_voice

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.cli.engines import Engines

ALBA, THORSTEN, VCTK = "en_GB-alba-medium", "de_DE-thorsten-medium", "en_US-vctk-medium"
JOE = "en_US-joe-medium"
BOUND = "# Model card for joe\n* License: CC0\nFinetuned from lessac.\n"


@pytest.fixture(autouse=True)
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, with no options of whoever runs the tests, and no packaged voice."""
    monkeypatch.chdir(tmp_path)
    for name in os.environ:
        if name.startswith("VOICE_"):
            monkeypatch.delenv(name)
    monkeypatch.setattr(voice_files, "PACKAGE", "there_is_no_such_package")
    (tmp_path / "models").mkdir()
    return tmp_path / "models"


def choose(*arguments: str) -> Engines:
    return choose_engines(load(CheckSettings, list(arguments)), max_listeners=1)


def names(engines: Engines) -> list[str]:
    return [engine.name for engine in engines.synthesizers]


def test_without_a_voice_the_built_in_engine_speaks() -> None:
    engines = choose()
    assert names(engines) == ["espeak-ng"]
    assert engines.default_voice == "en-us+f3"
    assert not engines.remarks


@pytest.mark.parametrize(
    ("there", "arguments", "default"),
    [
        ([JOE], [], JOE),
        ([ALBA, JOE], [], JOE),
        ([ALBA], [], ALBA),
        ([ALBA, THORSTEN], ["--language=de"], THORSTEN),
        ([ALBA], ["--language=en-us"], "en-us+f3"),
        ([ALBA, THORSTEN], ["--espeak-languages=en-gb"], ALBA),
        ([JOE, THORSTEN], ["--language=de-AT"], THORSTEN),
        ([JOE, THORSTEN], ["--language=auto"], JOE),
        ([JOE], ["--language=de"], JOE),
        ([JOE], ["--espeak-languages=de"], "de+f3"),
        ([JOE, THORSTEN], ["--espeak-languages=de,en-us"], THORSTEN),
        ([THORSTEN], [], "en-us+f3"),
        ([THORSTEN], ["--engine=piper"], THORSTEN),
        ([JOE], ["--engine=espeak-ng"], "en-us+f3"),
        ([JOE], ["--voice=de+f3"], "de+f3"),
        ([JOE, ALBA], [f"--voice={ALBA}"], ALBA),
    ],
)
def test_the_voice_is_a_human_one_of_the_servers_language(
    models: Path, there: list[str], arguments: list[str], default: str
) -> None:
    """Of a language without one espeak-ng speaks, as it did before. A region without one is no
    such language: who had fetched en_GB-alba-medium alone heard a robot from America."""
    for name in there:
        put_voice(models, name)
    assert choose(*arguments).default_voice == default


def test_an_engine_that_is_named_does_without_those_before_it(models: Path) -> None:
    put_voice(models, JOE)
    assert names(choose()) == ["piper", "espeak-ng"]
    assert names(choose("--engine=piper")) == ["piper", "espeak-ng"]
    engines = choose("--engine=espeak-ng")
    assert names(engines) == ["espeak-ng"]
    assert JOE not in engines.voices


def test_each_speaker_is_a_voice_listed_or_not(models: Path) -> None:
    put_voice(models, VCTK, speakers=["p239", "p240"])
    put_voice(models, "en_US-many-low", speakers=[str(number) for number in range(900)])
    voices = choose().voices
    assert f"{VCTK}+p239" in [*voices]
    assert "en_US-many-low+899" not in [*voices]
    assert "en_US-many-low+899" in voices
    assert "en_US-many-low+900" not in voices


def test_voices_tell_their_terms(models: Path) -> None:
    put_voice(models, JOE, card=BOUND)
    put_voice(models, ALBA)
    put_voice(models, THORSTEN, card=None)
    voices = choose().voices
    assert {name: voices[name].is_free for name in (JOE, ALBA, THORSTEN, "en-us+f3")} == {
        JOE: False, ALBA: True, THORSTEN: False, "en-us+f3": True,
    }  # fmt: skip
    assert "lessac" in voices[JOE].licence
    assert voices[ALBA].licence == "the voice of alba, recordings: CC BY 4.0"
    assert voices[THORSTEN].licence == "unknown"


def test_only_free_voices_leaves_out_the_others_and_says_why(models: Path) -> None:
    """Where the default voice is one of them, the next engine speaks."""
    put_voice(models, JOE, card=BOUND)
    put_voice(models, THORSTEN, card=None)
    engines = choose("--free-voices-only")
    assert names(engines) == ["espeak-ng"]
    assert engines.default_voice == "en-us+f3"
    assert JOE not in engines.voices
    assert JOE not in [*engines.voices]
    (told,) = engines.remarks
    assert told.startswith(f"--free-voices-only leaves out {THORSTEN} (unknown); {JOE} (the voice")
    put_voice(models, ALBA)
    engines = choose("--free-voices-only", "--espeak-languages=en-gb")
    assert engines.default_voice == ALBA
    assert [file.name for file in engines.piper_voices] == [ALBA]


def test_a_voice_that_was_left_out_cannot_be_asked_for(models: Path) -> None:
    put_voice(models, JOE, card=BOUND)
    with pytest.raises(CannotStart, match=r"there is no voice 'en_US-joe-medium'.*leaves out"):
        choose("--free-voices-only", f"--voice={JOE}")
    with pytest.raises(CannotStart, match=r"--engine: Piper lacks a voice.*leaves out"):
        choose("--free-voices-only", "--engine=piper")


def test_a_broken_voice_is_a_remark_and_the_others_speak(models: Path) -> None:
    put_voice(models, JOE)
    put(models / "piper" / "torn" / "torn.onnx", model=b"<html>")
    engines = choose()
    assert engines.default_voice == JOE
    (told,) = engines.remarks
    assert "torn.onnx is no network" in told


@pytest.mark.parametrize("name", ["de", "en-us+f3", "soprano"])
def test_a_name_that_another_engine_has_is_told(models: Path, name: str) -> None:
    put(models / "piper" / name / f"{name}.onnx")
    (told,) = choose().remarks
    assert told.endswith(f"has the name of a built-in voice, {name}")


def test_without_a_voice_or_its_packages_it_says_how_to_get_them(
    models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(CannotStart) as refusal:
        choose("--engine=piper")
    assert str(refusal.value) == (
        "--engine: Piper lacks a voice in models/piper; to get it:"
        " .venv/bin/python server.py fetch piper en_GB-alba-medium"
    )
    put_voice(models, JOE)
    monkeypatch.setattr(missing, "PIPER_PACKAGES", ("onnx", "there_is_no_such_package"))
    engines = choose()
    assert names(engines) == ["espeak-ng"]
    assert engines.remarks == ("Piper lacks there_is_no_such_package; to get it: make setup",)
