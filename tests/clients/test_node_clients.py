"""The examples for Node: a client, and a Discord bot by its library's own player."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest
import trio

from tests.audio.listening import hear_packets
from tests.clients.conftest import NODE_MODULES
from tests.faults.fault_proxy import Faults, fault_proxy
from tests.server_process import HOST, PATIENCE_S, ROOT

if TYPE_CHECKING:
    from tests.server_process import ServerProcess

EXAMPLES = ROOT / "examples" / "node"
TEXT = "Hello there! How are you?"
STORY = "It was a dark and stormy night, and the rain fell in torrents. " * 20
PRE_SKIP = 312


def run(
    node: str, script: str, *arguments: str, text: str = ""
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        (node, ROOT / script, *arguments),
        env=os.environ | {"NODE_PATH": str(NODE_MODULES)},
        input=text.encode(),
        capture_output=True,
        timeout=PATIENCE_S,
        check=False,
    )


def spoken(server: ServerProcess, text: str, form: str = "s16le", voice: str = "en-us+f3") -> bytes:
    task = {"text": text, "format": form, "voice": voice}
    return server.ask("/api/speak", "POST", json=task).content


def test_the_client_speaks(server: ServerProcess, node: str) -> None:
    options = ("--url", server.websocket_url, "--voice", "en-us+m3")
    done = run(node, "examples/node/voice.js", *options, text=TEXT)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == spoken(server, TEXT, voice="en-us+m3")


def test_the_client_says_why_there_is_no_server(server: ServerProcess, node: str) -> None:
    url = f"{server.websocket_url}/elsewhere"
    done = run(node, "examples/node/voice.js", "--url", url, text=TEXT)
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr == b"the voice server cannot be reached: the server answers 404\n"


def test_the_client_can_be_interrupted(server: ServerProcess, node: str) -> None:
    with subprocess.Popen(
        [node, EXAMPLES / "voice.js", "--url", server.websocket_url],
        env=os.environ | {"NODE_PATH": str(NODE_MODULES)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write((STORY * 5).encode())
        process.stdin.flush()
        assert process.stdout.read(1000)
        process.send_signal(signal.SIGINT)
        process.stdout.read()
        assert process.wait(PATIENCE_S) == 0  # though its standard input is still open


async def test_the_client_comes_back(server: ServerProcess, node: str) -> None:
    """And goes on where the network broke: nothing is lost, and nothing said twice."""
    text = " ".join(f"This is sentence number {n}." for n in range(12))
    faults = Faults(after_bytes=600_000, then="reset")
    async with fault_proxy(server.port, to_client=faults) as port:
        url = f"ws://{HOST}:{port}/ws/stream"
        done = await trio.to_thread.run_sync(
            lambda: run(node, "examples/node/voice.js", "--url", url, text=text)
        )
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == spoken(server, text)


def test_the_discord_bot_is_played_without_ffmpeg(server: ServerProcess, node: str) -> None:
    """By @discordjs/voice's player: each packet of the answer, once, as it is."""
    if not (NODE_MODULES / "@discordjs" / "voice").is_dir():
        pytest.skip("@discordjs/voice is not installed: run tests/node/install.sh")
    started = time.monotonic()
    done = run(node, "tests/clients/run_discord_node.js", server.http_url, TEXT, STORY)
    assert (done.returncode, done.stderr) == (0, b"")
    played = json.loads(done.stdout)
    assert "'nobody'" in played["refused"]
    assert time.monotonic() - started < 60, "a story that was interrupted was played to its end"

    sound = np.frombuffer(spoken(server, TEXT, "f32le", "en-us+m3"), np.float32)
    for answer in (played["whole"], played["interrupted"][-len(played["whole"]) :]):
        packets = [bytes.fromhex(packet) for packet in answer]
        assert len(packets) == -(-(len(sound) + PRE_SKIP) // 960)
        heard = hear_packets(packets)[1][PRE_SKIP:][: len(sound)]
        assert np.corrcoef(heard, sound)[0, 1] > 0.98
    assert 25 <= len(played["begun"]) < 60


def test_the_discord_bot_says_that_it_needs_a_token(node: str) -> None:
    done = run(node, "examples/node/discord_bot.js")
    assert done.returncode == 1
    assert done.stderr.startswith(b"DISCORD_TOKEN is not set")
