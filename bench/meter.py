"""What a server holds, and what it and its clients use."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import psutil

from bench.common import Result, busy_seconds

if TYPE_CHECKING:
    import ssl
    from collections.abc import Sequence

    from bench.serving import Server

KB_PER_MB = 1024


def with_children(server: Server) -> list[psutil.Process]:
    """Its own process and espeak-ng's."""
    return [server.process, *server.process.children()]


class Holdings(NamedTuple):
    """What a server holds."""

    rss_kb: float
    n_fds: int
    n_tasks: int
    """Trio's."""

    @classmethod
    def of(cls, server: Server, tls: ssl.SSLContext | None = None) -> Holdings:
        """Those of now."""
        _, metrics = server.get("/metrics", tls)
        found = re.search(r"^voice_tasks (\d+)", metrics, re.MULTILINE)
        if found is None:
            raise RuntimeError("the server does not tell of its tasks")
        rss_kb = sum(each.memory_info().rss for each in with_children(server)) / KB_PER_MB
        return cls(rss_kb, server.process.num_fds(), int(found[1]))


class Meter:
    """CPU and memory between its making and `read`; CPU in cores, so 1.0 is one of them busy."""

    def __init__(self, server: Server, clients: Sequence[psutil.Process] = ()) -> None:
        """`clients`: processes of them beside this one."""
        self._server = server
        self._clients = [psutil.Process(), *clients]
        self._at = time.perf_counter()
        self._cpu = self._cpu_s()

    def read(self) -> Result:
        """`others_cpu` is everything else on this machine: near 0, or distrust the figures."""
        wall_s = time.perf_counter() - self._at
        server, client, everything = (
            (now - then) / wall_s for now, then in zip(self._cpu_s(), self._cpu, strict=True)
        )
        return {
            "wall_s": round(wall_s, 2),
            "server_cpu": round(server, 3),
            "client_cpu": round(client, 3),
            "others_cpu": round(max(0.0, everything - server - client), 3),
            "server_rss_mb": round(self._rss_mb(), 1),
            "server_rss_peak_mb": round(self._rss_peak_kb() / KB_PER_MB, 1),
        }

    def _cpu_s(self) -> tuple[float, float, float]:
        server = sum(sum(each.cpu_times()[:2]) for each in with_children(self._server))
        clients = sum(sum(each.cpu_times()[:2]) for each in self._clients)
        return server, clients, busy_seconds()

    def _rss_mb(self) -> float:
        n_bytes = sum(each.memory_info().rss for each in with_children(self._server))
        return float(n_bytes) / KB_PER_MB**2

    def _rss_peak_kb(self) -> int:
        peak_kb = 0
        for each in with_children(self._server):
            status = Path(f"/proc/{each.pid}/status").read_text()
            peak_kb += int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0])
        return peak_kb
