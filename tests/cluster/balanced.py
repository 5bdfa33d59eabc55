"""Light servers behind HAProxy.

with running_cluster([4, 8, 24]) as cluster:
    cluster.url, cluster.servers[0].port
    cluster.kill(0)
    cluster.start(0)
"""

from __future__ import annotations

import re
import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from tests.cluster.balancer import running_balancer
from tests.server_process import HOST, running_server, wait_until, wyoming_port

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.cluster.balancer import Balancer
    from tests.server_process import ServerProcess

SERVER_OPTIONS = ("--trusted-proxies", HOST, "--engine", "espeak-ng")
"""Each server believes the balancer whose connections it passes on, and takes little to speak."""

_AGENT = re.compile(r"agent\S* on port (\d+) of ")


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
