"""The server with Soprano: which engine speaks, what is told, and what is said where it cannot."""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest

from pipeline.models.store import MANIFEST, FetchedFile, Manifest, sha256
from tests.faults.raw_client import ask, get, post, websocket
from tests.faults.raw_frames import events, sound
from tests.server_process import PATIENCE_S, ROOT, WITHOUT_TORCH, running_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.server_process import ServerProcess


@pytest.fixture(scope="module")
def models(tiny_model: Path) -> Path:
    """A models folder with a tiny Soprano."""
    return tiny_model.parent


@pytest.fixture(scope="module")
def server(models: Path) -> Iterator[ServerProcess]:
    with running_server("--models", str(models)) as running:
        yield running
        assert "Traceback" not in running.log


def program(*arguments: str, torch: bool = True) -> subprocess.CompletedProcess[str]:
    """Run server.py to its end."""
    start = [] if torch else ["-c", WITHOUT_TORCH]
    return subprocess.run(
        [sys.executable, *start, str(ROOT / "server.py"), *arguments],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


async def test_it_speaks_where_its_model_is(server: ServerProcess) -> None:
    assert "soprano speaks, on cpu in " in server.log
    async with websocket(server.port, "events=true") as client:
        ready = await client.next_event("ready")
        assert (ready["engine"], ready["voice"]) == ("soprano", "soprano")
        await client.speak("Hello!", flush=True)
        frames = await client.frames_until_event("flushed")
    (end,) = events(frames, "segment_end")
    assert end["remarks"] in (["length"], ["repetition"])  # random weights do not stop
    heard = np.frombuffer(sound(frames), "<f4")
    assert len(heard) == end["samples"] > 48_000
    assert np.abs(heard).max() > 0.1
    assert end["latency_ms"]["tts"] > 0


async def test_the_voice_says_which_engine(server: ServerProcess) -> None:
    listed = await ask(server.port, get("/api/voices"))
    assert listed.json()["default"] == "soprano"
    body = {"text": "Hello!", "format": "f32le", "voice": "en-us"}
    by_espeak = (await ask(server.port, post("/api/speak", body))).body
    async with websocket(server.port, "events=true") as client:
        await client.speak("Hello!")
        await client.say({"config": {"voice": "en-us"}, "token": "Hello!", "flush": True})
        frames = await client.frames_until_event("flushed")
    first, second = events(frames, "segment_end")
    assert first["remarks"] != []
    assert second["remarks"] == []
    assert sound(frames)[4 * first["samples"] :] == by_espeak


async def test_what_cannot_be_spoken_is_skipped_and_told(server: ServerProcess) -> None:
    """A letter that has no transliteration."""
    async with websocket(server.port, "events=true") as client:
        await client.speak("\N{LINEAR B SYLLABLE B008 A}!", flush=True)
        frames = await client.frames_until_event("flushed")
    (end,) = events(frames, "segment_end")
    assert (end["remarks"], end["samples"]) == (["skipped"], 0)
    assert sound(frames) == b""


async def test_a_barge_in_stops_it(server: ServerProcess) -> None:
    async with websocket(server.port, "events=true") as client:
        await client.speak("This takes quite some time to say, in any case!")
        await client.frames_until(lambda frame: frame.opcode == 2)
        await client.say({"cancel": True, "token": "No!", "flush": True})
        frames = await client.frames_until_event("flushed")
    (cancelled,) = events(frames, "cancelled")
    (end,) = events(frames, "segment_end")
    assert end["sample_offset"] == cancelled["samples"]


@pytest.mark.parametrize(
    ("options", "speaks"),
    [(("--engine", "espeak-ng"), "espeak-ng speaks"), (("--voice", "en-us"), "as en-us")],
)
def test_the_built_in_engine_can_be_had_all_the_same(
    models: Path, tmp_path: Path, options: tuple[str, ...], speaks: str
) -> None:
    out = tmp_path / "out.wav"
    done = program("speak", "Hi!", "-o", str(out), "--models", str(models), *options)
    assert done.returncode == 0, done.stderr
    assert speaks in done.stderr
    assert out.stat().st_size > 44


def test_without_a_model_it_says_so_and_speaks_built_in(tmp_path: Path) -> None:
    nothing, out = tmp_path / "my models", str(tmp_path / "out.wav")
    nothing.mkdir()
    arguments = "speak", "Hi!", "-o", out, "--models", str(nothing)
    gets_it = f".venv/bin/python server.py fetch soprano --models '{nothing}'"
    done = program(*arguments, "--log-level", "debug")
    assert done.returncode == 0
    (advice,) = [line for line in done.stderr.splitlines() if "to get Soprano" in line]
    assert f": {gets_it} (missing: the model in {nothing}/soprano)" in advice
    assert "espeak-ng speaks" in done.stderr
    refused = program(*arguments, "--engine", "soprano")
    assert refused.returncode == 1
    assert refused.stderr.startswith("server.py: --engine: Soprano lacks the model")
    assert refused.stderr.endswith(f"; to get it: {gets_it}\n")
    unknown = program(*arguments, "--voice", "soprano")
    assert unknown.returncode == 1
    assert "there is no voice 'soprano'; there are en-us, " in unknown.stderr
    assert unknown.stderr.endswith(f"; to get it: {gets_it}\n")


def test_a_server_advises_and_speaking_does_not(
    plain_server: ServerProcess, tmp_path: Path
) -> None:
    """Who has one text spoken is not to be told each time what else there is."""
    done = program("speak", "Hi!", "-o", str(tmp_path / "out.wav"), "--models", str(tmp_path))
    assert "Soprano" not in done.stderr
    assert " INFO    server: the built-in engine speaks; to get Soprano, a n" in plain_server.log


@pytest.mark.parametrize(
    ("missing", "lacks"),
    [
        ("decoder.pth", "Soprano lacks decoder.pth in {0}; to get it: mv {0} {0}.old && "),
        (None, "to get Soprano, a neural voice: .venv/bin/python server.py fetch soprano"),
    ],
)
def test_half_a_model_is_as_good_as_none(
    tiny_model: Path, tmp_path: Path, missing: str | None, lacks: str
) -> None:
    """None stands for all of it: the folder is empty."""
    folder = tmp_path / "soprano"
    folder.mkdir()
    for path in tiny_model.iterdir() if missing else ():
        if path.name != missing:
            (folder / path.name).symlink_to(path)
    level = ("--log-level", "info" if missing else "debug")
    arguments = "-o", str(tmp_path / "out.wav"), "--models", str(tmp_path), *level
    done = program("speak", "Hi!", *arguments)
    assert done.returncode == 0, done.stderr
    assert lacks.format(folder) in done.stderr
    assert "espeak-ng speaks" in done.stderr


def test_without_torch_it_says_so_and_speaks_built_in(models: Path, tmp_path: Path) -> None:
    out = str(tmp_path / "out.wav")
    done = program("speak", "Hi!", "-o", out, "--models", str(models), torch=False)
    assert done.returncode == 0, done.stderr
    assert "Soprano lacks torch; to get it: make setup" in done.stderr
    assert "espeak-ng speaks" in done.stderr


def test_a_damaged_model_is_refused_before_the_port_opens(tiny_model: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_model, tmp_path / "soprano")
    weights = tmp_path / "soprano" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    done = program("--models", str(tmp_path), "--port", "0")
    assert done.returncode == 1
    assert "listening" not in done.stderr
    (complaint,) = [line for line in done.stderr.splitlines() if line.startswith("server.py")]
    assert f"{weights} cannot be read" in complaint
    assert "Traceback" not in done.stderr


def test_a_device_that_is_not_there_is_named(models: Path) -> None:
    done = program("speak", "Hi!", "--models", str(models), "--device", "cuda:99")
    assert done.returncode == 1
    assert "--device: there is no cuda:99: torch " in done.stderr


def test_check_tells_what_there_is_and_would_be_used(models: Path) -> None:
    done = program("check", "--models", str(models), "--dtype", "float32")
    assert done.returncode == 0, done.stderr
    told = done.stdout.split("\n")
    assert "devices" in told
    assert f"  {models}/soprano, not fetched by us: it has no fetched.json" in told
    terms = "free: Soprano's voice, weights: Apache 2.0"
    assert f"  soprano: Soprano-1.1-80M, en-us, by soprano, {terms}" in told
    assert told[-3:] == ["would be used", "  soprano, on cpu in float32, as soprano", ""]


@pytest.mark.parametrize("is_whole", [True, False])
def test_check_compares_a_fetched_model_with_what_was_fetched(
    tiny_model: Path,
    tmp_path: Path,
    is_whole: bool,
) -> None:
    folder = tmp_path / "soprano"
    shutil.copytree(tiny_model, folder)
    files = {
        path.name: FetchedFile(size=path.stat().st_size, sha256=sha256(path))
        for path in folder.iterdir()
    }
    manifest = Manifest(repo="some/repo", commit="0123456789" * 4, files=files)
    (folder / MANIFEST).write_text(manifest.model_dump_json())
    if not is_whole:
        with (folder / "config.json").open("a") as file:
            file.write(" ")
    done = program("check", "--models", str(tmp_path))
    assert done.returncode == 0, done.stderr
    state = "whole" if is_whole else "NOT whole"
    assert f"  {folder}, {state}: commit {'0123456789' * 4} of some/repo" in done.stdout
    assert ("config.json has " in done.stdout) == (not is_whole)


def test_check_finds_a_damaged_model(tiny_model: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_model, tmp_path / "soprano")
    (tmp_path / "soprano" / "decoder.pth").write_bytes(b"no zip")
    done = program("check", "--models", str(tmp_path))
    assert done.returncode == 1
    assert f"server.py: {tmp_path}/soprano/decoder.pth is not what" in done.stderr


@pytest.mark.parametrize("torch", [True, False])
def test_check_without_a_model_would_use_the_built_in_engine(tmp_path: Path, torch: bool) -> None:
    done = program("check", "--models", str(tmp_path), torch=torch)
    assert done.returncode == 0, done.stderr
    assert (
        f"  not in {tmp_path}/soprano; to get it: .venv/bin/python server.py fetch" in done.stdout
    )
    assert ("no torch: only espeak-ng and Piper can run" in done.stdout) == (not torch)
    assert done.stdout.endswith("would be used\n  espeak-ng, on cpu, as en-us+f3\n")
