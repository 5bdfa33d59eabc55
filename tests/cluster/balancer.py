"""A real HAProxy, configured as deploy/haproxy/configure.py does it.

with running_balancer(["127.0.0.1:8765,places=4"]) as balancer:
    balancer.url, balancer.stats()
"""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from deploy.haproxy.configure import configuration
from deploy.haproxy.options import read_options
from tests.haproxy import certificate, find_haproxy, rows_of
from tests.server_process import HOST, PATIENCE_S, free_port, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PATIENT = ("--check", "60s")
"""A server is not given up because other tests have the processors. One that is dead is noticed
all the same, and one that hangs with the default, which can be given behind it."""


class Balancer:
    """A HAProxy, as a master and its worker. What it has logged so far is in `log`."""

    def __init__(self, folder: Path, options: Sequence[str], *, tls: bool) -> None:
        self.port, self.wyoming_port, self.plain_port, self.metrics_port = (
            free_port() for _ in range(4)
        )
        self.is_tls = tls
        self.config = folder / "haproxy.cfg"
        self._log = folder / "haproxy.log"
        self._socket = folder / "admin.sock"
        self._options = [
            "--no-root",
            *PATIENT,
            *("--bind", f"{HOST}:{self.port}"),
            *("--wyoming", f"{HOST}:{self.wyoming_port}"),
            *("--metrics", f"{HOST}:{self.metrics_port}"),
            *("--socket", str(self._socket)),
            *options,
        ]
        if tls:
            pem = folder / "name.pem"
            pem.write_text(certificate())
            redirect = "--redirect", f"{HOST}:{self.plain_port}"
            self._options += ["--certificate", str(pem), *redirect]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace")

    def wait_for_log(self, text: str) -> None:
        """Until it has logged this, which it does at a request's end."""
        wait_until(lambda: text in self.log, f"{text!r} is not logged")

    @property
    def url(self) -> str:
        """Of HTTP; what comes behind it is a path."""
        return f"{'https' if self.is_tls else 'http'}://{HOST}:{self.port}"

    def configure(self, servers: Sequence[str]) -> None:
        """Write the configuration for these servers, as ``--server`` takes them."""
        asked = [*self._options, *(word for text in servers for word in ("--server", text))]
        self.config.write_text(configuration(read_options(asked)))

    def start(self) -> None:
        """Start it, and wait until it listens."""
        program = find_haproxy()
        assert program is not None, "HAProxy is not installed"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [program, "-W", "-f", str(self.config)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self._wait_for_worker(but="")

    def end(self) -> None:
        """End it and all that go through it."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(PATIENCE_S)

    def reload(self) -> None:
        """Let a new worker read the configuration anew and take all newcomers, while the old one
        serves those whom it has."""
        assert self._process is not None
        before = self.info()["Pid"]
        self._process.send_signal(signal.SIGUSR2)
        self._wait_for_worker(but=before)

    def _wait_for_worker(self, but: str) -> None:
        """Until a worker answers, but for one of this process id, and the master hears signals."""

        def answers() -> bool:
            assert self._process is not None
            assert self._process.poll() is None, self.log
            try:
                return self.info()["Pid"] != but and _hears(self._process.pid, signal.SIGUSR2)
            except (OSError, KeyError):
                return False

        wait_until(answers, f"a worker of HAProxy:\n{self.log}")

    def tell(self, command: str) -> str:
        """The answer on its socket to a command."""
        with socket.socket(socket.AF_UNIX) as stream:
            stream.settimeout(PATIENCE_S)
            stream.connect(str(self._socket))
            stream.sendall(command.encode() + b"\n")
            answer = b""
            while data := stream.recv(65536):
                answer += data
        return answer.decode()

    def info(self) -> dict[str, str]:
        """About the worker that takes newcomers."""
        lines = self.tell("show info").splitlines()
        return dict(line.split(": ", 1) for line in lines if ": " in line)

    def n_waiting(self) -> int:
        """How many wait for a place."""
        return int(self._rows("speech")["BACKEND"]["qcur"])

    def stats(self, backend: str = "speech") -> dict[str, dict[str, str]]:
        """What it knows of each server of a backend, by its name."""
        rows = self._rows(backend)
        return {name: row for name, row in rows.items() if name not in {"FRONTEND", "BACKEND"}}

    def _rows(self, proxy: str) -> dict[str, dict[str, str]]:
        return rows_of(self.tell("show stat"), proxy)


@contextmanager
def running_balancer(
    servers: Sequence[str], *options: str, tls: bool = False
) -> Iterator[Balancer]:
    """HAProxy before servers that run, each as ``--server`` takes it, with these options of
    deploy/haproxy/configure.py."""
    with tempfile.TemporaryDirectory(prefix="haproxy-test-") as folder:
        balancer = Balancer(Path(folder), options, tls=tls)
        balancer.configure(servers)
        try:
            balancer.start()
            yield balancer
        finally:
            balancer.end()


def _hears(pid: int, number: signal.Signals) -> bool:
    """Whether a process has a handler of a signal: before, a master of HAProxy loses it."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    caught = re.search(r"SigCgt:\s*([0-9a-f]+)", status)
    return caught is not None and bool(int(caught[1], 16) >> (number - 1) & 1)
