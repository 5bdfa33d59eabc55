"""Light servers behind a real HAProxy, configured as deploy/haproxy/configure.py does it.

with running_cluster([4, 8, 24]) as cluster:
    cluster.url, cluster.servers[0].port
    cluster.kill(0)
    cluster.start(0)
"""

from __future__ import annotations

import csv
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from deploy.haproxy.configure import configuration, read_options
from tests.server_process import (
    ENDS_WITHIN_S,
    HOST,
    LOOK_EVERY_S,
    PATIENCE_S,
    running_server,
    wyoming_port,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tests.server_process import ServerProcess

SERVER_OPTIONS = ("--trusted-proxies", HOST, "--engine", "espeak-ng")
"""Each server believes the balancer whose connections it passes on, and takes little to speak."""

PATIENT = ("--check", "60s")
"""A server is not given up because other tests have the processors. One that is dead is noticed
all the same, and one that hangs with the default, which can be given behind it."""

CERTIFICATE = "certificate", "key"
"""The parts of the one file that HAProxy wants."""

_AGENT = re.compile(r"agent\S* on port (\d+) of ")


def find_haproxy() -> str | None:
    """HAProxy's program, which Debian has where only root looks."""
    return shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin:/usr/local/sbin")


def wait_until(holds: Callable[[], bool], what: str, patience_s: float = PATIENCE_S) -> None:
    """Until this holds. Raises `TimeoutError` where it does not come to that."""
    give_up_at = time.monotonic() + patience_s
    while not holds():
        if time.monotonic() > give_up_at:
            raise TimeoutError(what)
        time.sleep(LOOK_EVERY_S)


def free_port() -> int:
    """A port that nobody listens on: HAProxy cannot tell which one it was given."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


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
            parts = Path(__file__).parent.parent / "tls"
            pem = folder / "name.pem"
            pem.write_text("".join((parts / f"{name}.pem").read_text() for name in CERTIFICATE))
            redirect = "--redirect", f"{HOST}:{self.plain_port}"
            self._options += ["--certificate", str(pem), *redirect]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace")

    @property
    def url(self) -> str:
        """Of HTTP; what comes behind it is a path."""
        return f"{'https' if self.is_tls else 'http'}://{HOST}:{self.port}"

    @property
    def websocket_url(self) -> str:
        return f"{'wss' if self.is_tls else 'ws'}://{HOST}:{self.port}/ws/stream"

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
            try:
                self._process.wait(ENDS_WITHIN_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

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
        rows = csv.DictReader(self.tell("show stat").removeprefix("# ").splitlines())
        [row] = [row for row in rows if (row["pxname"], row["svname"]) == ("speech", "BACKEND")]
        return int(row["qcur"])

    def stats(self, backend: str = "speech") -> dict[str, dict[str, str]]:
        """What it knows of each server of a backend, by its name."""
        rows = csv.DictReader(self.tell("show stat").removeprefix("# ").splitlines())
        return {
            row["svname"]: row
            for row in rows
            if row["pxname"] == backend and row["svname"] not in {"FRONTEND", "BACKEND"}
        }


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


class Cluster:
    """Light servers and the balancer before them. Servers are known by their number, from 0."""

    def __init__(self, places: Sequence[int], options: Sequence[str]) -> None:
        self.places = tuple(places)
        self.balancer: Balancer
        self._options = options
        self._running = [ExitStack() for _ in places]
        self._started: dict[int, ServerProcess] = {}
        self._ports: dict[int, tuple[str, ...]] = {}

    @property
    def url(self) -> str:
        """The balancer's, of HTTP."""
        return self.balancer.url

    @property
    def websocket_url(self) -> str:
        """The balancer's."""
        return self.balancer.websocket_url

    @property
    def port(self) -> int:
        """The balancer's."""
        return self.balancer.port

    @property
    def servers(self) -> list[ServerProcess]:
        """Each as it was last started."""
        return [self._started[n] for n in range(len(self.places))]

    @property
    def addresses(self) -> list[str]:
        """The servers, as configure.py's ``--server`` takes them."""
        return [
            f"{HOST}:{server.port},places={places},wyoming={wyoming_port(server)}"
            f",agent={agent_port(server)}"
            for server, places in zip(self.servers, self.places, strict=True)
        ]

    def start(self, n: int) -> None:
        """Start a server, again at its ports where it ran before, and wait until it listens."""
        self._running[n].close()
        ports = self._ports.get(n, ("--wyoming-port", "0", "--agent-port", "0"))
        options = ("--max-listeners", str(self.places[n]), *SERVER_OPTIONS, *self._options)
        running = running_server(*options, *ports)
        server = self._started[n] = self._running[n].enter_context(running)
        self._ports[n] = (
            *("--port", str(server.port)),
            *("--wyoming-port", str(wyoming_port(server))),
            *("--agent-port", str(agent_port(server))),
        )

    def kill(self, n: int) -> None:
        """End a server as the kernel does that has no memory left: kill -9."""
        self.servers[n].signal(signal.SIGKILL)

    def terminate(self, n: int) -> None:
        """Let a server end as it should: SIGTERM."""
        self.servers[n].signal(signal.SIGTERM)

    def stop(self, n: int) -> None:
        """Let a server hang: SIGSTOP."""
        self.servers[n].signal(signal.SIGSTOP)

    def go_on(self, n: int) -> None:
        """Let a server that hung go on: SIGCONT."""
        self.servers[n].signal(signal.SIGCONT)

    def drain(self, n: int) -> None:
        """Let a server take no newcomers: SIGUSR1."""
        self.servers[n].signal(signal.SIGUSR1)

    def stay(self, n: int) -> None:
        """Take a drain back: SIGUSR2."""
        self.servers[n].signal(signal.SIGUSR2)

    def reload(self) -> None:
        """Let HAProxy read its configuration anew."""
        self.balancer.reload()

    def status(self, n: int) -> str:
        """What the balancer thinks of a server: UP, DOWN, DRAIN, and more words behind it."""
        return self._row(n)["status"]

    def sessions(self, n: int) -> int:
        """How many the balancer has with a server now."""
        return int(self._row(n)["scur"])

    def wait_for_status(self, n: int, word: str) -> None:
        """Until the balancer thinks so of a server, beyond a doubt."""
        wait_until(lambda: self.status(n) == word, f"server {n} is not {word}")

    def wait_for_sessions(self, n: int, number: int) -> None:
        """Until the balancer has so many with a server."""
        wait_until(lambda: self.sessions(n) == number, f"server {n} has not {number} sessions")

    def end(self) -> None:
        """End the servers, those that hang too."""
        for n, stack in enumerate(self._running):
            if n in self._started and self.servers[n].status is None:
                self.go_on(n)
            stack.close()

    def _row(self, n: int) -> dict[str, str]:
        return self.balancer.stats()[f"{HOST}:{self.servers[n].port}"]


def agent_port(server: ServerProcess) -> int:
    """The port of a server that was given ``--agent-port 0``."""
    found = _AGENT.search(server.log)
    assert found is not None, server.log
    return int(found.group(1))


@contextmanager
def running_cluster(
    places: Sequence[int],
    *,
    server_options: Sequence[str] = (),
    balancer_options: Sequence[str] = (),
    tls: bool = False,
) -> Iterator[Cluster]:
    """Start as many servers as there are numbers of places, side by side, and a balancer. All are
    gone when the context is left."""
    cluster = Cluster(places, server_options)
    try:
        with ThreadPoolExecutor(len(places)) as pool:
            list(pool.map(cluster.start, range(len(places))))
        with running_balancer(cluster.addresses, *balancer_options, tls=tls) as cluster.balancer:
            for n in range(len(places)):
                cluster.wait_for_status(n, "UP")
            yield cluster
    finally:
        cluster.end()
