"""The log: its two forms, whose connection a line is about, and what it never tells."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import trio
from websockets.sync.client import connect

from pipeline.executor import open_executor
from pipeline.playback import PlaybackClock
from stages.errors import SynthesisError
from tests.fakes import TellingEngine, segment
from tests.server_process import PATIENCE_S, ROOT, running_server

if TYPE_CHECKING:
    from pathlib import Path

    from tests.server_process import ServerProcess

SAID = "Gobbledygook!"


def speak(server: ServerProcess) -> None:
    """Have it spoken to an ordinary client."""
    with connect(f"{server.websocket_url}?events=true") as socket:
        socket.send(json.dumps({"token": SAID, "flush": True}))
        for message in socket:
            if isinstance(message, str) and json.loads(message).get("event") == "flushed":
                return


def objects(log: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.splitlines()]


def lines_of(program: str, *, log_format: str = "text", show_texts: bool = False) -> str:
    """What a program logs that has opened the log; it may fail."""
    begin = (
        "import logging, structlog\n"
        "from pipeline.cli.logs import open_log\n"
        f"open_log('info', {log_format!r}, show_texts={show_texts})\n"
        "log = structlog.stdlib.get_logger('a.logger')\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", begin + program],
        cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S, check=False,
    )  # fmt: skip
    assert done.stdout == ""
    return done.stderr


@pytest.mark.parametrize("log_format", ["text", "json"])
@pytest.mark.parametrize("options", [(), ("--log-level", "debug")])
def test_what_is_spoken_is_told_to_nobody(log_format: str, options: tuple[str, ...]) -> None:
    with running_server("--log-format", log_format, *options) as server:
        speak(server)
        assert SAID not in server.log
        assert ("spoken" in server.log) == bool(options)


def test_what_is_spoken_is_told_where_somebody_asks_for_it() -> None:
    with running_server("--log-text", "--log-level", "debug", "--log-format", "json") as server:
        speak(server)
        (spoken,) = [line for line in objects(server.log) if line["event"] == "spoken"]
    assert spoken["text"] == SAID
    assert (spoken["segment"], spoken["voice"]) == (0, "en-us+f3")


def test_every_line_of_a_connection_says_which_one_it_is() -> None:
    with running_server("--log-level", "debug", "--log-format", "json") as server:
        speak(server)
        speak(server)
        told = objects(server.log)
    by_connection = {
        number: [line["event"] for line in told if line.get("connection") == number]
        for number in (1, 2)
    }
    for events in by_connection.values():
        assert {"asked", "spoken"} <= set(events)
    assert all(("connection" in line) == ("request" in line) for line in told)
    assert not any("connection" in line for line in told if line["logger"] == "server")


def test_a_key_in_a_url_does_not_reach_the_log() -> None:
    key = "a-key-of-the-tests-1"
    options = ("--log-level", "debug")
    with running_server(*options, env={"VOICE_API_KEYS": key}) as server:
        with connect(f"{server.websocket_url}?key={key}"):
            pass
        assert "path=/ws/stream" in server.log
        assert key not in server.log


def test_a_line_of_text_is_for_people() -> None:
    told = lines_of(
        "log.info('%s speaks', 'she', words=['a b', 3], rate=1.5, how='so so', no=None)"
    )
    date, _, rest = told.partition(" ")
    time, _, rest = rest.partition(" ")
    assert len(date.split("-")) == len(time.split(":")) == 3
    assert (
        rest == "INFO    a.logger: she speaks words=\"['a b', 3]\" rate=1.5 how='so so' no=None\n"
    )


def test_nothing_that_a_client_made_up_looks_like_another_line() -> None:
    told = lines_of("log.info('one\\ntwo', path='/a\\nb', what='\\x1b[31m')")
    assert len(told.splitlines()) == 1
    assert "\x1b" not in told


def test_an_object_has_what_a_line_has() -> None:
    (told,) = objects(
        lines_of("log.warning('%s speaks', 'she', of=object, n=3)", log_format="json")
    )
    assert told.pop("time").endswith("Z")
    assert told == {"event": "she speaks", "level": "warning", "logger": "a.logger",
                    "of": "<class 'object'>", "n": 3}  # fmt: skip


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_libraries_tell_in_the_same_form(log_format: str) -> None:
    program = "logging.getLogger('hypercorn').error('it is %s', 'so')\nlog.error('it is so')"
    theirs, ours = lines_of(program, log_format=log_format).splitlines()
    if log_format == "text":
        assert theirs.split()[2:] == ["ERROR", "hypercorn:", "it", "is", "so"]
        assert ours.split()[2:] == ["ERROR", "a.logger:", "it", "is", "so"]
    else:
        assert json.loads(theirs).keys() == json.loads(ours).keys()


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_an_error_keeps_its_traceback(log_format: str) -> None:
    program = "try: 1 / 0\nexcept ZeroDivisionError: log.exception('it failed')"
    for failing in (program, program.replace("log.", "logging.getLogger('a.logger').")):
        told = lines_of(failing, log_format=log_format)
        if log_format == "json":
            (line,) = objects(told)
            assert line["level"] == "error"
            told = line["exception"]
        assert "Traceback (most recent call last)" in told
        assert "ZeroDivisionError: division by zero" in told


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_an_error_that_nobody_catches_is_told_in_the_log(log_format: str) -> None:
    told = lines_of("raise ExceptionGroup('two', [ValueError('a'), ValueError('b')])",
                    log_format=log_format)  # fmt: skip
    if log_format == "json":
        (line,) = objects(told)
        assert line["level"] == "critical"
        told = line["exception"]
    assert "Traceback (most recent call last)" in told
    assert "ValueError: b" in told


PYTHONS_OWN = {
    "a warning": "import warnings; warnings.simplefilter('always'); warnings.warn('it may break')",
    "a finalizer": "class A:\n  def __del__(self): 1 / 0\nA()",
    "a thread": "import threading; t = threading.Thread(target=lambda: 1 / 0); t.start(); t.join()",
    "asyncio": "import asyncio\nasync def f(): raise ValueError\n"
    "async def g(): asyncio.get_running_loop().create_task(f()); await asyncio.sleep(0)\n"
    "asyncio.run(g())\nimport gc; gc.collect()",
    "Hypercorn": "from pipeline.net.http_server import HttpServer\nimport trio\n"
    "server = HttpServer(None)\ntrio.run(server._config.log.error, 'it fell')",
    "the end": "from pipeline.cli.logs import tell_end; tell_end('it ends')",
}


@pytest.mark.parametrize("program", PYTHONS_OWN.values(), ids=PYTHONS_OWN)
def test_every_line_is_an_object_whoever_speaks(program: str) -> None:
    """Python and libraries have ways of their own to standard error: 58 lines of a server's log
    that was to be JSON were Hypercorn's."""
    begin = program.replace("warnings.simplefilter('always'); ", "warnings.resetwarnings(); ")
    told = lines_of(begin, log_format="json")
    assert told
    assert all(line["level"] in {"warning", "error", "critical"} for line in objects(told))


def test_the_last_word_of_a_log_of_objects_is_one(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "server.py", "--log-format", "json", "--tls-key", str(tmp_path / "none")],
        cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    *_, last = objects(done.stderr)
    assert last["event"] == f"--tls-key: there is no file {tmp_path}/none"


async def test_the_model_thread_says_whose_segment_failed(caplog: pytest.LogCaptureFixture) -> None:
    import structlog  # noqa: PLC0415

    engine = TellingEngine()
    async with open_executor() as executor:
        await executor.add(engine)

        async def listen() -> None:
            structlog.contextvars.bind_contextvars(connection=17, request="mine")
            with (
                pytest.raises(SynthesisError),
                executor.open(engine, segment("^"), PlaybackClock()) as job,
            ):
                async for _ in job:
                    pass

        async with trio.open_nursery() as nursery:
            nursery.start_soon(listen)
    (record,) = [record for record in caplog.records if "telling failed" in str(record.msg)]
    assert "'connections': [17], 'requests': ['mine']" in str(record.msg)
