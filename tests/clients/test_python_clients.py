"""The Python clients among the examples: they speak, are interrupted, and come back."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import trio

from tests.faults.fault_proxy import Faults, fault_proxy
from tests.server_process import HOST, PATIENCE_S, ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.server_process import ServerProcess

EXAMPLES = ROOT / "examples" / "python"
CLIENTS = ("with_asyncio", "with_trio", "with_threads")
TEXT = "Hello there! How are you?"
STORY = "It was a dark and stormy night, and the rain fell in torrents. " * 8

each_client = pytest.mark.parametrize("client", CLIENTS)


def run(
    *command: str | Path, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        # trio-websocket leaves the sockets of connections that break to the garbage collector.
        (sys.executable, "-W", "error", "-W", "ignore:unclosed <socket:ResourceWarning", *command),
        cwd=ROOT,
        env=os.environ | (env or {}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=PATIENCE_S,
        check=False,
    )


def converse(client: str, url: str, text: str, interrupt_after: int = 0) -> dict[str, Any]:
    done = run("-m", "tests.clients.run_python_client", client, url, text, str(interrupt_after))
    assert (done.returncode, done.stderr) == (0, b"")
    heard: dict[str, Any] = json.loads(done.stdout)
    return heard


def spoken(server: ServerProcess, text: str, voice: str = "en-us+f3") -> bytes:
    task = {"text": text, "format": "s16le", "voice": voice}
    return server.ask("/api/speak", "POST", json=task).content


@each_client
def test_it_writes_sound(server: ServerProcess, client: str) -> None:
    script, url = EXAMPLES / f"{client}.py", server.websocket_url
    done = run(script, TEXT, "--url", url, "--voice", "en-us+m3")
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == spoken(server, TEXT, "en-us+m3")


@each_client
def test_it_says_why_there_is_no_server(server: ServerProcess, client: str) -> None:
    done = run(EXAMPLES / f"{client}.py", TEXT, "--url", f"{server.websocket_url}/elsewhere")
    assert (done.returncode, done.stdout) == (1, b"")
    (told,) = done.stderr.decode().splitlines()
    assert told.startswith("the voice server at ws://")


@each_client
def test_events_come_as_objects(server: ServerProcess, client: str) -> None:
    heard = converse(client, server.websocket_url, TEXT)
    assert heard["events"][0] == "Ready"
    assert heard["events"][-1] == "Flushed"
    assert "".join(heard["starts"]) == TEXT
    assert base64.b64decode(heard["pcm"]) == spoken(server, TEXT)


@each_client
def test_it_is_interrupted(server: ServerProcess, client: str) -> None:
    heard = converse(client, server.websocket_url, STORY, interrupt_after=3)
    assert heard["events"][-1] == "Cancelled"
    assert heard["heard"]
    assert STORY.startswith(heard["heard"])
    assert len(heard["heard"]) < 60


@each_client
async def test_it_goes_on_where_the_network_broke(server: ServerProcess, client: str) -> None:
    """Each six seconds of sound, in mid-sentence: nothing is lost, and nothing said twice."""
    text = " ".join(f"This is sentence number {n}." for n in range(12))
    faults = Faults(after_bytes=600_000, then="reset")
    async with fault_proxy(server.port, to_client=faults) as port:
        url = f"ws://{HOST}:{port}/ws/stream"
        heard = await trio.to_thread.run_sync(partial(converse, client, url, text))
    assert heard["events"].count("Ready") > 1
    assert heard["events"][-1] == "Flushed"
    assert base64.b64decode(heard["pcm"]) == spoken(server, text)


SOUND_DEVICE = '''
class RawOutputStream:
    """Writes to the file that the environment names, as slowly as it would be played."""

    latency = 0.05

    def __init__(self, *, samplerate, channels, dtype, device):
        assert (samplerate, channels, dtype) == (48_000, 1, "int16")

    def __enter__(self):
        import os
        self.file = open(os.environ["SOUND"], "wb", buffering=0)
        self.is_open = True
        return self

    def __exit__(self, *_):
        self.file.close()

    def write(self, data):
        import time
        assert self.is_open, "it writes to a device that was stopped"
        self.file.write(data)
        time.sleep(len(data) / 96_000)

    def abort(self):
        self.is_open = False
'''
"""In place of sounddevice, which needs a sound card."""


@pytest.fixture
def device(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "sounddevice.py").write_text(SOUND_DEVICE)
    return {"PYTHONPATH": str(tmp_path), "SOUND": str(tmp_path / "sound")}


def test_it_plays(server: ServerProcess, device: dict[str, str], tmp_path: Path) -> None:
    done = run(EXAMPLES / "play.py", "Hello!", "--url", server.websocket_url, env=device)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert (tmp_path / "sound").read_bytes() == spoken(server, "Hello!")


def test_ctrl_c_stops_the_player_and_tells_what_was_heard(
    server: ServerProcess, device: dict[str, str], tmp_path: Path
) -> None:
    with subprocess.Popen(
        [sys.executable, EXAMPLES / "play.py", STORY, "--url", server.websocket_url],
        env=os.environ | device, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        sound, give_up_at = tmp_path / "sound", time.monotonic() + PATIENCE_S
        while not sound.exists() or sound.stat().st_size < 96_000:
            assert time.monotonic() < give_up_at
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, errors) == (0, b"")
    heard = output.decode().removeprefix("heard: ").rstrip("\n")
    assert heard
    assert STORY.startswith(heard)


def test_where_nothing_can_be_played_it_says_how_to_mend_that(
    server: ServerProcess, tmp_path: Path
) -> None:
    """The package is there, and its library is not: it then raises an OSError."""
    (tmp_path / "sounddevice.py").write_text("raise OSError('PortAudio library not found')")
    env = {"PYTHONPATH": str(tmp_path)}
    done = run(EXAMPLES / "play.py", "Hello!", "--url", server.websocket_url, env=env)
    assert done.returncode == 1
    assert b"PortAudio library not found" in done.stderr
    assert b"libportaudio2" in done.stderr
