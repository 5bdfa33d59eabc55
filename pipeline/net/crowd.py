"""Everybody who is connected, and how many more may come: fewer than there are file descriptors,
of which engines, uploads and answers need some."""

from __future__ import annotations

import resource
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import structlog

from pipeline.net.addresses import TrustedProxies
from pipeline.net.visitors import ConnectionPace, Unfinished
from stages.errors import Overloaded

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.net.stream import ClientStream

log = structlog.stdlib.get_logger(__name__)

ENOUGH_DESCRIPTORS = 65_536
"""What a limit is raised to at most: some systems have none."""

RESERVED = 32
"""Descriptors for what is open anyhow: sockets that listen, pipes, libraries, the log."""
RESERVED_PART = 8
"""And one in so many, for engines' files, uploads and encoders."""

MAX_UNFINISHED = 1024
MAX_SILENT = 512
"""However many descriptors there are: each takes memory, too."""


class Room(NamedTuple):
    """How many connections there may be, of each kind."""

    asked: int
    """Whose request has been read."""
    unfinished: int
    """Whose request has not."""
    silent: int
    """Of addresses that flood, from which nothing has come yet."""

    @classmethod
    def below(cls, n_descriptors: int) -> Room:
        """The room that so many descriptors leave."""
        n_left = max(8, n_descriptors - RESERVED - n_descriptors // RESERVED_PART)
        return cls(n_left // 2, min(n_left // 4, MAX_UNFINISHED), min(n_left // 8, MAX_SILENT))


def raise_descriptor_limit() -> int:
    """The number of descriptors that this process may have from now on: as many as it may ask for
    without being root."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = ENOUGH_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, ENOUGH_DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        soft = most
    return ENOUGH_DESCRIPTORS if soft == resource.RLIM_INFINITY else soft


class Crowd:
    """The connections of one server."""

    def __init__(self, room: Room, trusted: TrustedProxies | None = None) -> None:
        self.room = room
        self.trusted = TrustedProxies() if trusted is None else trusted
        self.shed: Counter[str] = Counter()
        """Connections that were closed unserved, by the reason."""
        self._pace = ConnectionPace()
        self._unfinished: Unfinished[ClientStream] = Unfinished()
        self._streams: set[ClientStream] = set()

    @property
    def n_open(self) -> int:
        """Connections that are being served, or wait to be."""
        return len(self._streams)

    @property
    def n_unfinished(self) -> int:
        """Those among them whose requests have not been read yet."""
        return len(self._unfinished)

    @contextmanager
    def visit(self, stream: ClientStream) -> Iterator[None]:
        """One more connection, for which another may have to leave."""
        if len(self._unfinished) >= self.room.unfinished:
            self.drop_unfinished()
        self._streams.add(stream)
        self._unfinished.add(stream, stream.peer)
        try:
            yield
        finally:
            self._unfinished.discard(stream)
            self._streams.discard(stream)

    def drop_unfinished(self) -> None:
        """Close the connection that had longest to ask for something, of the address that has most
        of such."""
        if not len(self._unfinished):
            return
        victim = self._unfinished.victim()
        self._unfinished.discard(victim)
        self.shed["unfinished"] += 1
        victim.abort()

    def told(self, stream: ClientStream, peer: str) -> None:
        """A trusted proxy has told the client's address."""
        stream.peer = stream.who = peer
        self._unfinished.add(stream, peer)

    def asked(self, stream: ClientStream, *, is_urgent: bool = False) -> None:
        """The client's request has been read. Raises `Overloaded` where nobody can be served any
        more, unless that `is_urgent`."""
        n_asked = len(self._streams) - len(self._unfinished)
        if n_asked >= self.room.asked and not is_urgent:
            self.shed["full"] += 1
            raise Overloaded(f"{n_asked} connections are open, the most")
        self._unfinished.discard(stream)

    def charge(self, address: str, n: float, now: float) -> bool:
        """Count so many connections of an address; whether they may be served at once."""
        return address in self.trusted or self._pace.charge(address, n, now)

    def turn(self, address: str, n: float, now: float, *, is_urgent: bool) -> float | None:
        """The seconds after which a connection may be served that may not be at once. None: it is
        to be closed."""
        wait_s = self._pace.turn(address, n, now, is_urgent=is_urgent)
        self.shed["pace"] += wait_s is None
        return wait_s

    def abort(self) -> None:
        """Cut all off. Cancelling would not: sends are shielded from it."""
        for stream in self._streams:
            stream.abort()
