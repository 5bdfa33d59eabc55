"""A real server in a process of its own, on a port that was free.

    with running_server("--max-listeners", "1") as server: ...
    async with open_server("--write-stall-s", "1") as server: ...

It is ready when the context is entered and gone when it is left, by force if it must be.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import psutil
import trio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

ROOT = Path(__file__).parent.parent
HOST = "127.0.0.1"

PATIENCE_S = 240.0
"""How long a test waits for what is to come at once, and for the next sign of progress: only a
hang takes longer, on however busy a machine. Less than pytest's `faulthandler_timeout`, so that
the test itself can say what it waited for."""

ENDS_WITHIN_S = 15.0
"""At the end of a test, when nobody looks at how it ends any more: the grace, and some."""

LOOK_EVERY_S = 0.01

WITHOUT_TORCH = """
import runpy, sys
sys.modules["torch"] = None
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
"""For ``python -c``: runs the program that is named behind it as if torch were not installed."""

_LISTENING = re.compile(r"listening on port (\d+) of ")
_WYOMING = re.compile(r"Wyoming on port (\d+) of ")


def wait_until(holds: Callable[[], bool], what: str) -> None:
    """Until this holds. Raises `TimeoutError`, which says what was waited for, where it does not
    come to that."""
    give_up_at = time.monotonic() + PATIENCE_S
    while not holds():
        if time.monotonic() > give_up_at:
            raise TimeoutError(what)
        time.sleep(LOOK_EVERY_S)


def free_port() -> int:
    """A port that nobody listens on, for what cannot tell which one it was given."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


class ServerProcess:
    """A server that listens. What it has logged so far is in `log`."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.port = 0
        self.program = "server.py"
        self.host = HOST
        self._process = process
        self._log = log
        self._info = psutil.Process(process.pid)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def log(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace")

    @property
    def status(self) -> int | None:
        """The exit status; None while it runs."""
        return self._process.poll()

    @property
    def websocket_url(self) -> str:
        return f"ws://{self.host}:{self.port}/ws/stream"

    @property
    def http_url(self) -> str:
        return f"http://{self.host}:{self.port}"

    def ask(self, path: str, method: str = "GET", **options: Any) -> httpx.Response:  # noqa: ANN401 - as httpx has them
        """The answer to a request, made by an ordinary client with a test's patience."""
        return httpx.request(method, self.http_url + path, timeout=PATIENCE_S, **options)

    def rss_bytes(self) -> int:
        """Memory that is resident."""
        return self._info.memory_info().rss

    def n_fds(self) -> int:
        """Open file descriptors."""
        return self._info.num_fds()

    def n_threads(self) -> int:
        return self._info.num_threads()

    def cpu_s(self) -> float:
        """Processor time that all its threads have used."""
        times = self._info.cpu_times()
        return times.user + times.system

    def kill(self) -> None:
        """Let it be gone at once, as kill -9 does."""
        self._process.kill()

    def signal(self, number: signal.Signals = signal.SIGTERM) -> None:
        self._process.send_signal(number)

    async def wait(self) -> int:
        """Until it has ended by itself; its exit status."""
        with trio.fail_after(PATIENCE_S):
            while (status := self._process.poll()) is None:
                await trio.sleep(LOOK_EVERY_S)
        return status

    def wait_listening(self) -> None:
        """Until it listens. Raises `RuntimeError`, with its log, if it does not come to that."""
        give_up_at = time.monotonic() + PATIENCE_S
        while (found := _LISTENING.search(self.log)) is None:
            if self.status is not None or time.monotonic() > give_up_at:
                msg = f"the server does not listen (status {self.status}):\n{self.log}"
                raise RuntimeError(msg)
            time.sleep(LOOK_EVERY_S)
        self.port = int(found.group(1))

    def end(self) -> None:
        """End it, by force if need be."""
        if self.status is None:
            self._process.terminate()
            try:
                self._process.wait(ENDS_WITHIN_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
        self._process.wait()


def wyoming_port(server: ServerProcess) -> int:
    """The port of a server that was given ``--wyoming-port 0``."""
    found = _WYOMING.search(server.log)
    assert found is not None, server.log
    return int(found.group(1))


@contextmanager
def running_server(
    *options: str,
    env: dict[str, str] | None = None,
    descriptors: int | None = None,
    program: str = "server.py",
) -> Iterator[ServerProcess]:
    """Start ``server.py --port 0``, or a program like it, with these options and environment
    variables, and no more than so many file descriptors."""
    limit = [] if descriptors is None else ["sh", "-c", f'ulimit -n {descriptors}; exec "$@"', "sh"]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("VOICE_")}
    with tempfile.TemporaryDirectory(prefix="server-test-") as folder:
        log = Path(folder) / "log"
        # Without the models that whoever runs the tests has in this folder.
        models = Path(folder) / "models"
        models.mkdir()
        clean["VOICE_MODELS"] = str(models)
        with log.open("wb") as errors:
            process = subprocess.Popen(
                [*limit, sys.executable, program, "--port", "0", *options],
                cwd=ROOT,
                env=clean | (env or {}),
                stdin=subprocess.DEVNULL,
                stdout=errors,
                stderr=subprocess.STDOUT,
            )
        server = ServerProcess(process, log)
        server.program = program
        try:
            server.wait_listening()
            yield server
        finally:
            server.end()


@asynccontextmanager
async def open_server(
    *options: str, env: dict[str, str] | None = None, descriptors: int | None = None
) -> AsyncIterator[ServerProcess]:
    """The same for a Trio program, whose loop goes on meanwhile."""
    running = running_server(*options, env=env, descriptors=descriptors)
    server = await trio.to_thread.run_sync(running.__enter__)
    try:
        yield server
    finally:
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(running.__exit__, None, None, None)
