"""The examples do what they say, unchanged, against a server."""

from __future__ import annotations

import base64
import importlib.util
import json
import os
import select
import subprocess
import sys
import time
import wave
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.server_process import PATIENCE_S, ROOT, running_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.server_process import ServerProcess

PYTHON = (sys.executable, "-W", "error")
EXAMPLES = ROOT / "examples"


FRAME_BYTES = 3840
"""20 ms at 48 kHz, stereo, 16 bits: what discord.py asks for."""

SENTENCES = ("Hello there!", " How are you?")
TEXT = "".join(SENTENCES)
STORY = "It was a dark and stormy night, and the rain fell in torrents. " * 20


def whole_numbers(server: ServerProcess, text: str, voice: str = "en-us+f3") -> bytes:
    """A text's sound as s16le, from the server's other door."""
    task = {"text": text, "format": "s16le", "voice": voice}
    answer = server.ask("/api/speak", "POST", json=task)
    assert answer.status_code == 200
    return answer.content


def without_pauses(pcm: bytes) -> bytes:
    """Without whole frames of silence, of which a player adds some where it waits."""
    frames = [pcm[at : at + FRAME_BYTES] for at in range(0, len(pcm), FRAME_BYTES)]
    return b"".join(frame for frame in frames if any(frame))


def say(server: ServerProcess, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PYTHON, EXAMPLES / "say.py", "--url", server.websocket_url, *arguments],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


def test_say_writes_a_file(server: ServerProcess, tmp_path: Path) -> None:
    output = tmp_path / "hello.wav"
    done = say(server, TEXT, "-o", output)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"wrote {output}\n", "")
    with wave.open(str(output), "rb") as wav:
        assert (wav.getnchannels(), wav.getsampwidth(), wav.getframerate()) == (1, 2, 48_000)
        assert wav.readframes(wav.getnframes()) == whole_numbers(server, TEXT)


KEY = "a-key-that-nobody-guesses"


def test_a_voice_a_key_and_any_url(tmp_path: Path) -> None:
    """Without the key the server is one that refuses."""
    output = tmp_path / "hello.wav"
    with running_server(env={"VOICE_API_KEYS": KEY}) as server:
        options = ("--voice", "en-us+m3", "--key", KEY)
        assert say(server, TEXT, "-o", output, *options).returncode == 0
        assert say(server, TEXT, "-o", output).stderr.startswith("cannot connect to ws://")
        piped = subprocess.run(
            [*PYTHON, EXAMPLES / "llm_to_speech.py", "--url", server.websocket_url, *options],
            input=TEXT.encode(),
            capture_output=True,
            timeout=PATIENCE_S,
            check=True,
        )
    with wave.open(str(output), "rb") as wav:
        pcm = wav.readframes(wav.getnframes())
    assert piped.stdout == pcm
    with running_server() as other:
        assert pcm == whole_numbers(other, TEXT, "en-us+m3")


def test_say_shows_an_error(server: ServerProcess, tmp_path: Path) -> None:
    done = say(server, "Hello!", "-o", tmp_path / "hello.wav", "--pitch-shift", "99")
    assert done.stdout.startswith("pitch_shift: ")


@contextmanager
def open_pipe(server: ServerProcess) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(
        [*PYTHON, EXAMPLES / "llm_to_speech.py", "--url", server.websocket_url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
        env={name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"},
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def test_llm_to_speech_speaks_while_text_arrives(server: ServerProcess) -> None:
    first, second = SENTENCES
    with open_pipe(server) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        for token in ("Hello", " the", "re!"):
            process.stdin.write(token.encode())
            time.sleep(0.05)
        expected = whole_numbers(server, first)
        heard = b""
        while len(heard) < len(expected):
            is_there = select.select([process.stdout], [], [], PATIENCE_S)[0]
            assert is_there, "it waits for the next text"
            heard += process.stdout.read(len(expected) - len(heard))
        assert heard == expected
        process.stdin.write(second.encode())
        process.stdin.close()
        expected = whole_numbers(server, second)
        heard = b""
        while data := process.stdout.read(1 << 16):
            heard += data
        assert heard == expected
        assert process.wait(PATIENCE_S) == 0
        assert process.stderr.read() == b""


def test_llm_to_speech_ends_with_its_player(server: ServerProcess) -> None:
    with open_pipe(server) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdin.write(STORY.encode())
        assert process.stdout.read(1000)
        process.stdout.close()
        assert process.wait(PATIENCE_S) == 0  # though its standard input is still open
        assert process.stderr.read() == b""


def test_discord_bot_feeds_the_player_of_discord_py(server: ServerProcess) -> None:
    if importlib.util.find_spec("discord") is None:
        pytest.skip("discord.py is not installed; `make setup` installs it")
    done = subprocess.run(
        [
            *(*PYTHON, "-W", "ignore:'audioop' is deprecated:DeprecationWarning"),
            *("-m", "tests.clients.run_discord_player", server.websocket_url, TEXT, STORY),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    played = json.loads(done.stdout)
    told = played["told"]
    assert told.pop(1).startswith("These can speak: en-us, en-us+f1, ")
    assert told.pop(1).startswith("Only these can: en-us, ")
    assert told == [
        "You need to be in a voice channel!",
        "From now on en-us+m3 speaks.",
        "I have lost my voice: the voice server does not answer.",
        "The voice server does not answer.",
    ]

    for answers, voice in ((("whole", "again"), "en-us+f3"), (("other",), "en-us+m3")):
        expected = b""
        for utterance in SENTENCES:  # with a pause between them, so that each fills its frames
            mono = np.frombuffer(whole_numbers(server, utterance, voice), "<i2")
            stereo = np.repeat(mono, 2).tobytes()
            expected += stereo + bytes(-len(stereo) % FRAME_BYTES)
        for name in answers:
            answer = played[name]
            assert answer["players"] == 1
            assert answer["sizes"] == [FRAME_BYTES]
            assert without_pauses(base64.b64decode(answer["pcm"])) == without_pauses(expected)

    interrupted = played["interrupted"]
    assert interrupted["players"] == 1
    assert 50 <= len(base64.b64decode(interrupted["pcm"])) // FRAME_BYTES < 100
    assert STORY.startswith(interrupted["heard"])
    assert 0 < len(interrupted["heard"]) < 60

    for silent in (played["nothing"], played["late"]):
        assert (silent["players"], silent["pcm"]) == (0, "")


NOBODY = "ws://127.0.0.1:1/ws/stream"


@pytest.mark.parametrize("example", ["say.py", "llm_to_speech.py"])
@pytest.mark.parametrize("is_there", [True, False])
def test_a_server_that_does_not_answer_is_told_in_a_line(
    server: ServerProcess, example: str, *, is_there: bool
) -> None:
    """Neither one that is not there, nor one that refuses."""
    url = f"{server.websocket_url}/elsewhere" if is_there else NOBODY
    texts = [TEXT] if example == "say.py" else []
    done = subprocess.run(
        [*PYTHON, EXAMPLES / example, "--url", url, *texts],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    (told,) = done.stderr.splitlines()
    assert told.startswith(f"cannot connect to {url}: ")


def test_the_discord_bot_says_that_it_needs_a_token() -> None:
    if importlib.util.find_spec("discord") is None:
        pytest.skip("discord.py is not installed; `make setup` installs it")
    done = subprocess.run(
        [sys.executable, EXAMPLES / "discord_bot.py"],
        env={name: value for name, value in os.environ.items() if name != "DISCORD_TOKEN"},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("DISCORD_TOKEN is not set")
    assert "Traceback" not in done.stderr
