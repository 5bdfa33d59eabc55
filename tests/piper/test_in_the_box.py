"""A server with Piper's voices: who speaks, in which language, on what terms, and for whom."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from stages.tts.piper.voice_files import PACKAGED, packaged_folder
from tests.faults.raw_client import websocket
from tests.faults.raw_frames import events, sound
from tests.piper.folders import CARD, put_voice
from tests.random_piper import build
from tests.random_rvc import TINY, build_voice
from tests.random_rvc_features import TINY as TINY_HUBERT
from tests.random_rvc_features import build_hubert
from tests.server_process import PATIENCE_S, ROOT, running_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.server_process import ServerProcess

ENGLISH, GERMAN = "en_US-random-medium", "de_DE-random-low"

WITH_PACKAGES = {"PYTHONPATH": ""}
"""The environment of a program that has the packaged voice; see conftest.py."""


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two Piper voices, a free one and one of unknown terms, and what RVC needs."""
    models = tmp_path_factory.mktemp("models")
    english = models / "piper" / "en" / "en_US" / "random" / "medium"
    build(english, ENGLISH, speakers=["ann", "bob"])
    (english / "MODEL_CARD").write_text(CARD)
    german = build(models / "piper" / GERMAN, GERMAN, sample_rate=16_000, seed=1)
    written = Path(f"{german.model}.json")
    config = json.loads(written.read_text("utf-8"))
    config["language"] = {"code": "de_DE", "name_english": "German"}
    config["espeak"] = {"voice": "de"}
    written.write_text(json.dumps(config), "utf-8")
    (models / "hubert").mkdir()
    build_hubert(models / "hubert" / "hubert_base.pt", size=TINY_HUBERT)
    return models


@pytest.fixture(scope="module")
def voices(tmp_path_factory: pytest.TempPathFactory) -> Path:
    voices = tmp_path_factory.mktemp("voices")
    build_voice(voices / "anna.pth", size=TINY)
    return voices


@pytest.fixture(scope="module")
def server(models: Path, voices: Path) -> Iterator[ServerProcess]:
    with running_server("--models", str(models), "--voices", str(voices)) as running:
        yield running
        assert "Traceback" not in running.log


def listed(server: ServerProcess) -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in server.ask("/api/voices").json()["voices"]}


async def segments(server: ServerProcess, text: str, **config: object) -> list[dict[str, Any]]:
    """What is told of each segment of a text that is heard."""
    async with websocket(server.port, "events=true") as client:
        await client.say(config=config)
        await client.speak(text, flush=True)
        frames = await client.frames_until_event("flushed")
        await client.close()
    assert not events(frames, "error")
    assert np.abs(np.frombuffer(sound(frames), "<f4")).max() > 0.001
    return events(frames, "segment_start")


def check(models: Path, *options: str, env: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        [sys.executable, "server.py", "check", "--models", str(models), *options],
        cwd=ROOT, env=env, capture_output=True, text=True, timeout=PATIENCE_S, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


async def test_it_speaks_and_says_whose_voice_it_is(server: ServerProcess) -> None:
    assert f"piper speaks, on cpu, as {ENGLISH}" in server.log
    assert f"{ENGLISH}: the voice of alba, recordings: CC BY 4.0" in server.log
    offered = listed(server)
    assert server.ask("/api/voices").json()["default"] == ENGLISH
    assert offered[ENGLISH]["is_free"]
    assert offered[f"{ENGLISH}+bob"]["licence"] == "the voice of alba, recordings: CC BY 4.0"
    assert (offered[GERMAN]["licence"], offered[GERMAN]["is_free"]) == ("unknown", False)
    (segment,) = await segments(server, "Mama!")
    assert segment["language"] == "en-us"


@pytest.mark.parametrize("voice", [ENGLISH, f"{ENGLISH}+bob", "anna"])
async def test_each_language_has_its_voice(server: ServerProcess, voice: str) -> None:
    """An RVC voice stays itself, whoever speaks for it."""
    told = [
        (await segments(server, "Mama!", voice=voice, language=language))[0]["language"]
        for language in ("de", "fr", "en")
    ]
    assert told == ["de-de", "fr-fr", "en-us"]


def test_an_rvc_voice_speaks_with_piper_and_is_no_freer(server: ServerProcess) -> None:
    anna = listed(server)["anna"]
    assert (anna["speaks_with"], anna["licence"], anna["is_free"]) == (ENGLISH, "unknown", False)


def test_check_lists_the_voices_with_languages_speakers_rates_and_terms(models: Path) -> None:
    told = check(models)
    assert (
        f"  {ENGLISH}: English, en_US, by piper, 2 speakers, such as {ENGLISH}+ann, 22050 Hz,"
        " free: the voice of alba, recordings: CC BY 4.0\n"
    ) in told
    assert f"  {GERMAN}: German, de_DE, by piper, 16000 Hz, not known to be free: unknown\n" in told
    assert told.endswith(f"would be used\n  piper, on cpu, as {ENGLISH}\n")


def test_check_reads_the_voice_that_would_speak(tmp_path: Path) -> None:
    """It named a torn file as what would be used, and the server then could not start."""
    model = put_voice(tmp_path, "en_US-torn-medium")
    model.write_bytes(b"\x08" + bytes(1000))
    done = subprocess.run(
        [sys.executable, "server.py", "check", "--models", str(tmp_path), "--voice", model.stem],
        cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "en_US-torn-medium.onnx is no voice of Piper" in done.stderr


def test_with_only_free_voices_check_says_which_were_left_out(models: Path, voices: Path) -> None:
    told = check(models, "--voices", str(voices), "--free-voices-only")
    assert f"  --free-voices-only leaves out {GERMAN} (unknown); anna (unknown)\n" in told
    assert f"  {GERMAN}: " not in told
    assert "  anna: " not in told


def test_in_a_language_with_a_voice_that_voice_is_the_default(models: Path) -> None:
    assert check(models, "--language", "de").endswith(f"  piper, on cpu, as {GERMAN}\n")


@pytest.mark.skipif(packaged_folder() is None, reason="the packaged voice is not installed")
async def test_out_of_the_box_a_human_speaks_and_its_terms_are_told() -> None:
    """Without an option, a model or a word of configuration."""
    with running_server(env=WITH_PACKAGES) as server:
        joe = listed(server)[PACKAGED]
        (segment,) = await segments(server, "Hello!")
        assert segment["language"] == "en-us"
        assert f"piper speaks, on cpu, as {PACKAGED}" in server.log
        assert f"{PACKAGED}: {joe['licence']}" in server.log
    assert "fine-tuned from U.S. English lessac" in joe["licence"]
    assert not joe["is_free"]
    with running_server("--free-voices-only", env=WITH_PACKAGES) as server:
        assert "espeak-ng speaks, on cpu, as en-us+f3" in server.log
        assert f"--free-voices-only leaves out {PACKAGED} (the voice of joe" in server.log
        assert PACKAGED not in listed(server)
