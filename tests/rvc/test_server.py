"""The server with RVC voices: what is offered, spoken and refused."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tests.faults.raw_client import ask, get, post, websocket
from tests.faults.raw_frames import TEXT, sound
from tests.random_rvc import TINY, build_index, build_voice
from tests.random_rvc_features import TINY as TINY_HUBERT
from tests.random_rvc_features import build_hubert
from tests.server_process import PATIENCE_S, ROOT, running_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.faults.raw_frames import Frame
    from tests.server_process import ServerProcess

SAID = "It rains. Shall we stay in?"


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    models = tmp_path_factory.mktemp("models")
    (models / "hubert").mkdir()
    build_hubert(models / "hubert" / "hubert_base.pt", size=TINY_HUBERT)
    return models


@pytest.fixture(scope="module")
def voices(tmp_path_factory: pytest.TempPathFactory) -> Path:
    voices = tmp_path_factory.mktemp("voices")
    build_voice(voices / "anna.pth", size=TINY, seed=1)
    build_index(voices / "anna.index", n_vectors=200)
    build_voice(voices / "bert.pth", version="v1", rate="40k", size=TINY, seed=2)
    (voices / "bert.toml").write_text(
        'description = "Bert"\ngender = "male"\nspeaks_with = "en-us+m1"\npitch_shift = -3.0\n'
    )
    (voices / "torn.pth").write_bytes(b"PK")
    return voices


@pytest.fixture(scope="module")
def webui(tmp_path_factory: pytest.TempPathFactory) -> Path:
    webui = tmp_path_factory.mktemp("webui")
    (webui / "assets" / "weights").mkdir(parents=True)
    (webui / "logs" / "carl").mkdir(parents=True)
    build_voice(webui / "assets" / "weights" / "carl.pth", rate="32k", size=TINY, seed=3)
    build_index(webui / "logs" / "carl" / "added_IVF9_Flat_nprobe_1_carl_v2.index", n_vectors=99)
    return webui


@pytest.fixture(scope="module")
def server(models: Path, voices: Path, webui: Path) -> Iterator[ServerProcess]:
    folders = "--models", str(models), "--voices", str(voices), "--rvc-webui", str(webui)
    with running_server(*folders) as running:
        yield running
        assert "Traceback" not in running.log


async def offered(server: ServerProcess) -> dict[str, dict[str, object]]:
    answer = await ask(server.port, get("/api/voices"))
    return {voice["name"]: voice for voice in json.loads(answer.body)["voices"]}


def errors_in(frames: list[Frame]) -> list[dict[str, Any]]:
    texts = [json.loads(frame.payload) for frame in frames if frame.opcode == TEXT]
    return [text for text in texts if "error" in text]


async def spoken(server: ServerProcess, **config: object) -> bytes:
    async with websocket(server.port, "events=true") as client:
        await client.say(config=config)
        await client.speak(SAID, flush=True)
        frames = await client.frames_until_event("flushed")
        assert not errors_in(frames)
        await client.close()
        return sound(frames)


async def test_voices_are_offered_with_what_they_are(server: ServerProcess) -> None:
    found = await offered(server)
    anna, bert, carl = found["anna"], found["bert"], found["carl"]
    assert (anna["type"], anna["version"], anna["sample_rate"]) == ("rvc", "v2", 48_000)
    assert (anna["engine"], anna["has_index"], anna["speaks_with"]) == ("rvc", True, "en-us+f3")
    assert (bert["version"], bert["sample_rate"], bert["has_index"]) == ("v1", 40_000, False)
    assert (bert["description"], bert["gender"], bert["speaks_with"]) == (
        "Bert",
        "male",
        "en-us+m1",
    )
    assert (carl["sample_rate"], carl["has_index"]) == (32_000, True)
    assert found["en-us"]["type"] == "built-in"
    assert "torn" not in found
    assert "torn.pth" in server.log


@pytest.mark.parametrize("voice", ["anna", "bert", "carl"])
async def test_each_speaks(server: ServerProcess, voice: str) -> None:
    """As long as the voice behind it would, and not with its sound."""
    base = (await offered(server))[voice]["speaks_with"]
    own = await spoken(server, voice=voice, seed=1)
    plain = await spoken(server, voice=base)
    assert len(own) == len(plain)
    assert own != plain
    assert np.abs(np.frombuffer(own, "<f4")).max() > 0.01


async def test_a_converted_voice_says_its_words_when_the_one_behind_it_does(
    server: ServerProcess,
) -> None:
    """It begins with a pause, and is stretched before it is converted."""

    async def words_of(voice: str) -> list[dict[str, Any]]:
        async with websocket(server.port, "events=true&words=true&speed=0.7") as client:
            await client.say(config={"voice": voice})
            await client.speak(f'<break time="300ms"/>{SAID}', flush=True)
            frames = await client.frames_until_event("flushed")
            await client.close()
        texts = [json.loads(frame.payload) for frame in frames if frame.opcode == TEXT]
        events = [text for text in texts if text.get("event") == "words"]
        return [word for event in events for word in event["words"]]

    own, plain = await words_of("anna"), await words_of("en-us+f3")
    assert [word["word"] for word in own] == SAID.split()
    assert all(word["exact"] for word in own)
    assert own == plain
    assert 0.3 / 0.7 <= own[0]["start"] < 0.6


async def test_the_same_seed_gives_the_same_sound(server: ServerProcess) -> None:
    first, second = [await spoken(server, voice="anna", seed=5) for _ in range(2)]
    assert first == second
    assert first != await spoken(server, voice="anna", seed=6)


async def test_a_conversion_can_be_set_by_a_connection(server: ServerProcess) -> None:
    plain = await spoken(server, voice="anna", seed=5)
    for config in (
        {"index_rate": 0.0},
        {"formant_shift": 4.0},
        {"rms_mix_rate": 0.0},
        {"speaker": 1},
        {"pitch_shift": 5},
    ):
        assert await spoken(server, voice="anna", seed=5, **config) != plain, config
    assert await spoken(server, voice="anna", seed=5, index_rate=None) == plain


@pytest.mark.parametrize(
    "config",
    [
        {"index_rate": 1.5},
        {"protect": 0.6},
        {"rms_mix_rate": -1},
        {"filter_radius": 9},
        {"speaker": -1},
        {"formant_shift": 13},
        {"formant_shift": "high"},
    ],
    ids=str,
)
async def test_what_is_out_of_range_is_named(
    server: ServerProcess, config: dict[str, object]
) -> None:
    async with websocket(server.port) as client:
        await client.say(config=config)
        error = json.loads((await client.next_frame()).payload)
        assert next(iter(config)) in error["error"]
        assert not error["fatal"]
        await client.close()


async def test_a_speaker_that_a_voice_has_not_fails_the_segment(server: ServerProcess) -> None:
    async with websocket(server.port, "events=true") as client:
        await client.say(config={"voice": "anna", "speaker": 9999})
        await client.speak("Hello!", flush=True)
        frames = await client.frames_until_event("flushed")
        errors = errors_in(frames)
        assert [error["code"] for error in errors] == ["synthesis_failed"]
        assert errors[0]["error"].startswith("speaker: anna has ")
        await client.say(config={"speaker": None})
        await client.speak("Hello!", flush=True)
        assert sound(await client.frames_until_event("flushed"))
        await client.close()


async def test_a_voice_that_is_put_there_can_be_asked_for(
    server: ServerProcess, voices: Path
) -> None:
    shutil.copy(voices / "anna.pth", voices / "dora.pth")
    assert "dora" in await offered(server)
    assert await spoken(server, voice="dora", seed=1)
    async with websocket(server.port, "events=true") as client:
        await client.say(config={"voice": "dora"})
        (voices / "dora.pth").unlink()
        assert "dora" not in await offered(server)
        await client.speak("Hello!", flush=True)  # who has chosen it goes on with it
        frames = await client.frames_until_event("flushed")
        assert not errors_in(frames)
        assert sound(frames)
        await client.say(config={"voice": "dora"})
        [error] = errors_in([await client.next_frame()])
        assert error["code"] == "unknown_voice"
        await client.close()


async def test_one_request_speaks_with_one(server: ServerProcess) -> None:
    answer = await ask(server.port, post("/api/speak", {"text": SAID, "voice": "anna"}))
    assert answer.status == 200
    assert answer.body[:4] == b"RIFF"


def program(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ROOT / "server.py"), *arguments],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


def test_check_lists_the_voices(models: Path, voices: Path) -> None:
    checked = program("check", "--models", str(models), "--voices", str(voices), "--voice", "bert")
    assert checked.returncode == 0, checked.stderr
    assert (
        "anna: RVC voice, speaking with en-us+f3, en-us, by rvc, v2, 48000 Hz, with an index"
        in (checked.stdout)
    )
    assert "torn.pth" in checked.stdout
    listed = checked.stdout.partition("\nvoices\n")[2].splitlines()
    assert [line.split(":")[0].strip() for line in listed[:3]] == ["anna", "bert", "en-us"]
    assert "rvc, on cpu" in checked.stdout.splitlines()[-1]


def test_without_a_content_model_it_says_what_is_missing(tmp_path: Path, voices: Path) -> None:
    folders = "--models", str(tmp_path), "--voices", str(voices)
    checked = program("check", *folders)
    assert checked.returncode == 0
    assert "RVC voices are not offered: RVC lacks " in checked.stdout
    assert "server.py fetch hubert" in checked.stdout
    refused = program("speak", "Hello!", *folders, "--voice", "anna", "-o", str(tmp_path / "a.wav"))
    assert refused.returncode == 1
    assert "there is no voice 'anna'" in refused.stderr
    assert refused.stderr.endswith(f"server.py fetch hubert --models {tmp_path}\n")


def test_a_content_model_that_is_none_is_refused_before_the_port_opens(
    tmp_path: Path, voices: Path
) -> None:
    torn = tmp_path / "hubert_base.pt"
    torn.write_bytes(b"no model")
    refused = program("--port", "0", "--voices", str(voices), "--rvc-content", str(torn))
    assert refused.returncode == 1
    assert str(torn) in refused.stderr
    assert "listening" not in refused.stderr


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--rvc-webui", "no/such/folder"),
        ("--rvc-content", "no/such/file"),
        ("--rvc-speaks-with", "nobody"),
        ("--rvc-block-ms", "15"),
    ],
)
def test_options_that_cannot_be_are_named(
    models: Path, voices: Path, option: str, value: str
) -> None:
    folders = "--models", str(models), "--voices", str(voices)
    refused = program("--port", "0", *folders, option, value)
    assert refused.returncode == 1
    assert refused.stderr.splitlines()[-1].startswith(f"server.py: {option}: ")


def test_a_misspelt_voice_is_told_with_those_that_are_like_it(models: Path, voices: Path) -> None:
    folders = "--models", str(models), "--voices", str(voices)
    told = program("speak", "Hello!", *folders, "--voice", "ana").stderr.splitlines()[-1]
    assert told.startswith(
        "server.py: --voice: there is no voice 'ana', did you mean anna or an? There are en-us, "
    )
    assert "torn.pth" in told.partition(", anna, bert, and one for each language's tag; ")[2]


async def test_a_voice_that_has_to_be_read_is_told_of(models: Path, voices: Path) -> None:
    """But not one that was read before anybody came."""
    folders = "--models", str(models), "--voices", str(voices)
    with running_server(*folders, "--preload", "anna") as running:
        async with websocket(running.port, "events=true") as client:
            await client.next_event("ready")
            await client.say(config={"voice": "anna"})
            await client.say(config={"voice": "bert"})
            frames = await client.frames_until_event("prepared")
            await client.close()
    told = [json.loads(frame.payload) for frame in frames]
    assert [(event["event"], event["voice"]) for event in told] == [
        ("ready", "anna"), ("ready", "bert"), ("preparing", "bert"), ("prepared", "bert"),
    ]  # fmt: skip
