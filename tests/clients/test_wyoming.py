"""Home Assistant's steps, by the library that it uses, unchanged."""

from __future__ import annotations

import base64
import importlib.util
import json
import re
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.server_process import PATIENCE_S, ROOT, running_server, wyoming_port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.server_process import ServerProcess

TEXT = "Hello there! How are you? I am rather well, thank you."
STORY = "It was a dark and stormy night, and the rain fell in torrents. " * 40


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    """A server with a Wyoming port; its warnings are errors."""
    if importlib.util.find_spec("wyoming") is None:
        pytest.skip("wyoming is not installed; `make setup` installs it")
    with running_server("--wyoming-port", "0", env={"PYTHONWARNINGS": "error"}) as server:
        yield server
        assert "Traceback" not in server.log


def take_steps(server: ServerProcess, *steps: dict[str, Any]) -> list[dict[str, Any]]:
    done = subprocess.run(
        [
            *(sys.executable, "-W", "error", "-W", "ignore:'audioop' is deprecated"),
            *("-m", "tests.clients.run_wyoming"),
        ],
        input=json.dumps({"port": wyoming_port(server), "steps": steps}),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    answers: list[dict[str, Any]] = json.loads(done.stdout)
    return answers


def spoken(server: ServerProcess, text: str, **config: str) -> bytes:
    """A text's sound from the server's other door."""
    task = {"text": text, "format": "s16le"} | config
    answer = server.ask("/api/speak", "POST", json=task)
    assert answer.status_code == 200
    return answer.content


def test_home_assistant_learns_what_there_is(server: ServerProcess) -> None:
    (info,) = take_steps(server, {"do": "describe"})
    assert info["took_s"] < 1, "Home Assistant gives up after that"
    assert info["streams"]
    assert info["installed"]
    voices = info["voices"]
    assert next(iter(voices.items())) == ("en-us+f3", ["en-US"])
    assert (voices["de"], voices["cmn"], voices["fr-fr"]) == (["de"], ["zh-CN"], ["fr-FR"])


def test_a_text_is_spoken_whole(server: ServerProcess) -> None:
    (heard,) = take_steps(server, {"do": "synthesize", "text": TEXT})
    assert heard["form"] == [48_000, 2, 1]
    assert (heard["types"][0], heard["types"][-1]) == ("audio-start", "audio-stop")
    assert set(heard["types"][1:-1]) == {"audio-chunk"}
    assert base64.b64decode(heard["pcm"]) == spoken(server, TEXT)


@pytest.mark.parametrize("cut", [r"\s*\S+", r"(?s).", r"(?s).*"])
def test_a_stream_is_spoken_once(server: ServerProcess, cut: str) -> None:
    """Though its whole text comes once more."""
    chunks = re.findall(cut, TEXT)
    (heard,) = take_steps(server, {"do": "stream", "chunks": chunks})
    types = [kind for kind in heard["types"] if kind != "audio-chunk"]
    assert types == ["audio-start", "audio-stop", "synthesize-stopped"]
    assert base64.b64decode(heard["pcm"]) == spoken(server, TEXT)


@pytest.mark.parametrize(
    ("voice", "config"),
    [
        ({"name": "en-us+m3"}, {"voice": "en-us+m3"}),
        ({"name": "en-us+m3", "speaker": "0"}, {"voice": "en-us+m3"}),
        ({"language": "de"}, {"language": "de"}),
        ({"language": "zh-CN"}, {"language": "zh-cn"}),
        ({"name": "somebody else's"}, {}),
    ],
)
def test_a_voice_is_chosen(
    server: ServerProcess, voice: dict[str, str], config: dict[str, str]
) -> None:
    text = "Guten Tag."
    whole, stream = take_steps(
        server,
        {"do": "synthesize", "text": text, "voice": voice},
        {"do": "stream", "chunks": [text], "voice": voice},
    )
    assert whole["pcm"] == stream["pcm"]
    assert base64.b64decode(whole["pcm"]) == spoken(server, text, **config)


def test_a_stream_is_spoken_while_it_comes_and_whoever_leaves_ends_it(
    server: ServerProcess,
) -> None:
    """There are forty sentences, of which two events are heard; the place is then free again."""
    (left,) = take_steps(server, {"do": "leave", "chunks": [STORY]})
    assert left["types"] == ["audio-start", "audio-chunk"]
    give_up_at = time.monotonic() + PATIENCE_S
    while "\nvoice_listeners 0.0\n" not in server.ask("/metrics").text:
        assert time.monotonic() < give_up_at
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("step", "named"),
    [
        ({"do": "synthesize", "text": "a\0b"}, "NUL"),
        ({"do": "synthesize", "text": TEXT, "voice": {"language": "qqq"}}, "'qqq'"),
        ({"do": "stream", "chunks": ["Hello ", "a\0b"]}, "NUL"),
    ],
)
def test_an_error_is_told(server: ServerProcess, step: dict[str, Any], named: str) -> None:
    (heard,) = take_steps(server, step)
    assert named in heard["error"]
