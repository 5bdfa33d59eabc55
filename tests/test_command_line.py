"""The program as a person starts it: files, pipes, signals, and what it says when it cannot."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import select
import signal
import socket
import subprocess
import sys
import time
import wave
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from stages.audio.resample import resampled_length
from stages.tts.espeak import EspeakEngine
from stages.tts.espeak_library import SAMPLE_RATE
from tests import engine_driver
from tests.server_process import ROOT, running_server

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAM = (sys.executable, "-W", "error", str(ROOT / "server.py"))

WITHIN_S = 60
SETTLES_S = 0.5
"""Sound that comes later than this after the rest is not part of it."""


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the options that whoever runs the tests has in his folder and environment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    for name in os.environ:
        if name.startswith("VOICE_"):
            monkeypatch.delenv(name)


def run(
    *arguments: str, text: str = "", env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Run the program to its end, with a text on standard input."""
    return subprocess.run(
        [*PROGRAM, *arguments],
        input=text.encode(),
        capture_output=True,
        timeout=WITHIN_S,
        check=False,
        env=os.environ | (env or {}),
    )


def says(*arguments: str, text: str = "") -> bytes:
    """The sound of a run that goes well."""
    done = run(*arguments, "-o", "-", "--log-level", "warning", text=text)
    assert done.returncode == 0
    assert done.stderr == b""
    return done.stdout


def complaint(done: subprocess.CompletedProcess[bytes]) -> str:
    """The one line in which a run says why it failed."""
    assert done.returncode == 1
    assert done.stdout == b""
    lines = done.stderr.decode().splitlines()
    complaints = [line for line in lines if " INFO " not in line]  # those are the log's
    assert len(complaints) == 1, lines
    assert complaints[0] == lines[-1]
    return complaints[0]


@contextmanager
def started(*arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """A run that is spoken to. It does not outlive the test."""
    with subprocess.Popen(
        [*PROGRAM, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def tell(process: subprocess.Popen[bytes], text: str) -> None:
    """Write to its standard input."""
    assert process.stdin is not None
    process.stdin.write(text.encode())


def hear(process: subprocess.Popen[bytes]) -> bytes:
    """What it writes until it falls silent; waits for the first of it."""
    assert process.stdout is not None
    heard = b""
    wait_s: float = WITHIN_S
    while select.select([process.stdout], [], [], wait_s)[0]:
        data = os.read(process.stdout.fileno(), 1 << 16)
        if not data:
            break
        heard += data
        wait_s = SETTLES_S
    return heard


def wait_for_log(process: subprocess.Popen[bytes], words: bytes) -> None:
    """Until it has logged this."""
    assert process.stderr is not None
    log = b""
    while words not in log:
        data = os.read(process.stderr.fileno(), 4096)
        assert data, log
        log += data


def test_speaks_to_a_wav_file() -> None:
    done = run("speak", "Hello there!", "-o", "out.wav")
    assert done.returncode == 0
    assert b"wrote out.wav" in done.stderr
    assert done.stdout == b""
    engine = EspeakEngine(["en-us"])
    engine.load()
    engine.install()
    spoken = engine_driver.speak(engine, "Hello there!", "en-us+f3")
    engine.close()
    with wave.open("out.wav", "rb") as wav:
        assert (wav.getnchannels(), wav.getsampwidth(), wav.getframerate()) == (1, 2, 48_000)
        assert wav.getnframes() == resampled_length(len(spoken), SAMPLE_RATE, 48_000)
        frames = wav.readframes(wav.getnframes())
    assert len(frames) == 2 * wav.getnframes()
    assert Path("out.wav").stat().st_size == 44 + len(frames)
    assert np.abs(np.frombuffer(frames, "<i2")).max() > 3000


def test_a_file_has_the_rate_that_was_asked_for() -> None:
    assert run("speak", "Hello!", "-o", "out.wav", "--sample-rate", "8000").returncode == 0
    with wave.open("out.wav", "rb") as wav:
        assert wav.getframerate() == 8000
        assert 0.2 < wav.getnframes() / 8000 < 1.5


def test_a_pipe_gets_what_a_file_gets() -> None:
    text = "First, this one. And then another!"
    assert run("speak", text, "-o", "out.wav").returncode == 0
    with wave.open("out.wav", "rb") as wav:
        assert says("speak", text) == wav.readframes(wav.getnframes())


def test_standard_input_is_spoken_like_an_argument() -> None:
    text = "First, this one. And then another!"
    assert says("speak", text=text) == says("speak", text)


def test_a_pipe_can_have_float32() -> None:
    """To half a step of 16 bits, the same sound."""
    floats = np.frombuffer(says("speak", "Hello!", "--encoding", "f32le"), "<f4")
    whole = np.frombuffer(says("speak", "Hello!"), "<i2")
    np.testing.assert_allclose(floats, whole / 32768, atol=1.01 / 32768)


def test_standard_input_is_spoken_as_it_arrives() -> None:
    """To its last sample: nothing of a sentence waits for the one after it. At 8 kHz, so that
    the messages are small."""
    first, second = "The first sentence is here!", " The second one comes much later!"
    rate = ("--sample-rate", "8000")
    sound_of_first, sound_of_second = (says("speak", text, *rate) for text in (first, second))
    with started("speak", "-o", "-", "--log-level", "warning", *rate) as process:
        assert process.stdin is not None
        tell(process, first[:9])
        time.sleep(0.1)
        tell(process, first[9:])
        assert hear(process) == sound_of_first
        tell(process, second)
        assert hear(process) == sound_of_second
        process.stdin.close()
        assert process.wait(WITHIN_S) == 0


def test_a_character_may_be_cut_in_two_on_its_way() -> None:
    text = "Ça va, naïve café!".encode()
    with started("speak", "-o", "-", "--log-level", "warning") as process:
        assert process.stdin is not None
        for cut in range(len(text)):
            process.stdin.write(text[cut : cut + 1])
            time.sleep(0.01)
        process.stdin.close()
        assert hear(process) == says("speak", text.decode())


def test_what_is_not_utf_8_does_not_end_it() -> None:
    with started("speak", "-o", "-", "--log-level", "warning") as process:
        assert process.stdin is not None
        process.stdin.write(b"Hello \xff\xfe world!")
        process.stdin.close()
        assert len(hear(process)) > 10_000
        assert process.wait(WITHIN_S) == 0


@pytest.mark.parametrize("text", ["", "... 🙂"])
def test_a_text_without_words_makes_an_empty_file(text: str) -> None:
    assert run("speak", text, "-o", "out.wav").returncode == 0
    with wave.open("out.wav", "rb") as wav:
        assert wav.getnframes() == 0
    assert says("speak", text=text) == b""


def test_no_such_voice() -> None:
    told = complaint(run("speak", "Hello!", "--voice", "nobody"))
    assert told.startswith("server.py: there is no voice 'nobody'")
    assert "en-us+f3" in told
    assert not Path("speech.wav").exists()


def test_no_such_language() -> None:
    told = complaint(run("speak", "Hello!", "--espeak-languages", "tlh-piqad"))
    assert "tlh-piqad" in told


@pytest.mark.parametrize("output", ["no/such/folder/out.wav", "."])
def test_a_path_that_cannot_be_written(output: str) -> None:
    told = complaint(run("speak", "Hello!", "-o", output))
    assert told in {
        f"server.py: {output}: No such file or directory",
        f"server.py: {output}: Is a directory",
    }


def test_a_disk_that_is_full() -> None:
    assert "No space left" in complaint(run("speak", "Hello!", "-o", "/dev/full"))


def test_a_reader_that_has_had_enough_ends_it_quietly() -> None:
    """As in ``| head -c 1000``, or a player that is closed."""
    with started("speak", "A long text, and so on. " * 50, "-o", "-") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert len(os.read(process.stdout.fileno(), 1000)) == 1000
        process.stdout.close()
        told = process.stderr.read().decode().splitlines()
        assert process.wait(WITHIN_S) == 128 + signal.SIGPIPE
    assert [line for line in told if " INFO " not in line] == []


@pytest.mark.parametrize("text", [None, "One, two, three, four. " * 4000])
def test_ctrl_c_ends_speaking(text: str | None) -> None:
    """While it waits for text, and while it waits for a player to read on."""
    with started("speak", *([] if text is None else [text]), "-o", "-") as process:
        assert process.stderr is not None
        wait_for_log(process, b"speaks, on ")
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        assert process.wait(WITHIN_S) == 128 + signal.SIGINT
        assert process.stderr.read() == b""


def test_ctrl_c_ends_serving() -> None:
    with started("serve", "--port", "0") as process:
        assert process.stderr is not None
        wait_for_log(process, b"listening on port")
        process.send_signal(signal.SIGINT)
        assert process.wait(WITHIN_S) == 0
        assert [line.split()[3:] for line in process.stderr.read().splitlines()] == [
            [b"server:", b"closing;", b"0", b"listeners", b"may", b"finish"],
            [b"server:", b"closed"],
        ]


def test_a_port_that_is_in_use() -> None:
    with running_server() as other:
        told = complaint(run("--port", str(other.port)))
    assert "in use" in told
    assert str(other.port) in told


def test_an_address_that_is_not_ours() -> None:
    told = complaint(run("--host", "192.0.2.1", "--allow-no-key"))  # RFC 5737: nobody's
    assert "cannot listen" in told
    assert "192.0.2.1" in told


@pytest.mark.parametrize("arguments", [["speak", "Hello!", "there"], ["--prot", "1"]])
def test_an_argument_that_there_is_not(arguments: list[str]) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert done.stdout == b""
    *_, last = done.stderr.decode().splitlines()
    assert ": error: unrecognized arguments: " in last
    assert arguments[-1] in last


def test_serves_without_a_command_and_with_one() -> None:
    """`running_server` starts it without."""
    with running_server() as server:
        assert server.status is None
    with started("serve", "--port", "0") as process:
        wait_for_log(process, b"listening on port")


def test_options_come_from_the_file_in_the_folder() -> None:
    """One file does for both commands: speaking does not mind the server's options."""
    plain = says("speak", "Hello!")
    Path("voice-server.toml").write_text('port = 1\nvoice = "en-us+m1"\n')
    from_file = says("speak", "Hello!")
    assert from_file == says("speak", "Hello!", "--voice", "en-us+m1")
    assert from_file != plain


def loopbacks() -> list[str]:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return ["127.0.0.1"]
    return ["127.0.0.1", "::1"]


def test_the_server_is_reached_by_each_loopback_address_that_there_is() -> None:
    """ "localhost" may mean any of them, and some clients try only the first."""
    with running_server() as server:
        for address in loopbacks():
            with socket.create_connection((address, server.port), timeout=5):
                pass


def test_the_first_language_speaks_where_no_voice_is_chosen(tmp_path: Path) -> None:
    output = tmp_path / "hallo.wav"
    spoken = subprocess.run(
        [sys.executable, "server.py", "speak", "Hallo!", "--espeak-languages=de", "-o", output],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert spoken.returncode == 0, spoken.stderr
    assert "as de+f3" in spoken.stderr
    assert output.stat().st_size > 10_000


def test_a_misspelt_command_is_named() -> None:
    ended = subprocess.run(
        [sys.executable, "server.py", "spaek", "hi"],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ended.returncode == 2
    assert (
        ended.stderr
        == "server.py: there is no command 'spaek'; there are serve, speak, fetch and check\n"
    )


def on_a_terminal(*arguments: str) -> str:
    """What a person sees of a run: its standard error, on a terminal of its own."""
    ours, theirs = pty.openpty()
    with subprocess.Popen([*PROGRAM, *arguments], stdin=theirs, stderr=theirs) as process:
        os.close(theirs)
        seen = b""
        with contextlib.suppress(OSError):  # EIO: nobody has the other end open any more
            while data := os.read(ours, 4096):
                seen += data
        assert process.wait(WITHIN_S) == 0
    os.close(ours)
    return seen.decode()


def test_a_terminal_shows_how_far_it_is() -> None:
    seen = on_a_terminal("speak", "One, two, three. " * 20)
    *_, before, last = re.split(r"\r\x1b\[K", seen)
    assert re.fullmatch(r"\d+\.\d s of speech in \d+\.\d s", before)
    assert re.search(r"wrote speech\.wav: \d\d\.\d s of speech in \d+\.\d s\r\n$", last)


def test_a_terminal_is_left_alone_where_only_warnings_are_wanted() -> None:
    assert on_a_terminal("speak", "Hello!", "--log-level", "warning") == ""


def test_nothing_is_drawn_where_there_is_no_terminal() -> None:
    assert b"\r" not in run("speak", "Hello!").stderr


@pytest.mark.parametrize("command", ["speak", "fetch", "check"])
def test_help_names_its_command_and_shows_how_it_is_used(command: str) -> None:
    done = run(command, "--help")
    assert done.returncode == 0
    told = done.stdout.decode()
    assert told.startswith(f"usage: server.py {command} ")
    assert f"    python server.py {command}" in told
