"""The door: it accepts all who come, at once, and looks at each before it costs anything.

Nobody waits in the kernel's queue, where those who come often would stand before all others. Who
has left already is closed on the spot; who may be served at once is; and of the others, whose
address floods, those who have asked for something wait their turn (`pipeline.net.visitors`), and
those who have not are kept aside for a while without a task, since most of them never will.
"""

from __future__ import annotations

import errno
import os
import selectors
import socket
from collections import OrderedDict
from typing import TYPE_CHECKING, NamedTuple

import structlog
import trio

from pipeline.net.access import MONITORED
from pipeline.net.stream import RESET_ON_CLOSE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from pipeline.net.crowd import Crowd

log = structlog.stdlib.get_logger(__name__)

BATCH = 32
"""Connections that are taken before all others get the loop: at 10 to 30 microseconds each."""

LOOK_BYTES = 24
URGENT = tuple(f"GET {path} ".encode() for path in sorted(MONITORED))
"""How a monitor's request begins. Under TLS it cannot be seen."""

SILENT_FOR_S = 1.0
"""How long somebody is kept aside: a round trip, and another for a packet that was lost. Who then
is still there is served in turn all the same; some connect long before they ask."""

CAPACITY_ERRNOS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS})
RETRY_AFTER_S = 0.05
COMPLAIN_EVERY_S = 60.0

COST, COST_ALONE = 1.0, 0.2
"""What a connection counts for while somebody listens, and while nobody would have to wait."""

LOOK = socket.MSG_PEEK | socket.MSG_DONTWAIT


class Guest(NamedTuple):
    """Somebody at the door."""

    tcp: socket.socket
    address: str
    let_in: Callable[[socket.socket, str, float], None]
    """Serves the socket of this address, after so many seconds."""


class Door:
    """What accepts the connections of a server."""

    def __init__(self, crowd: Crowd, are_listeners: Callable[[], bool]) -> None:
        self._crowd = crowd
        self._are_listeners = are_listeners
        self._silent = _Silent()
        self._complain_at = 0.0

    async def accept(
        self,
        listener: trio.SocketListener,
        serve: Callable[[socket.socket, str, float], Awaitable[None]],
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Accept until cancelled; each is served by this, in a task of its own, which closes it."""
        async with listener, trio.open_nursery() as nursery:

            def let_in(tcp: socket.socket, address: str, wait_s: float) -> None:
                nursery.start_soon(serve, tcp, address, wait_s)

            # Trio's own sockets have a checkpoint in each accept, and so do not take a batch.
            with socket.socket(fileno=os.dup(listener.socket.fileno())) as plain:
                plain.setblocking(False)
                task_status.started()
                while True:
                    await trio.lowlevel.wait_readable(plain)
                    try:
                        self._take(plain, let_in)
                    except BlockingIOError:
                        pass
                    except OSError as error:  # or else of the one connection alone: accept(2)
                        if error.errno in CAPACITY_ERRNOS:
                            await self._make_room(error)

    async def watch(self) -> None:
        """Take up those who were kept aside, once they have asked for something, until
        cancelled."""
        with self._silent:
            while True:
                await self._silent.wait()
                now = trio.current_time()
                for guest in self._silent.ready(BATCH):
                    first = look(guest.tcp)
                    if first == b"":
                        self._close(guest, "gone")
                    else:
                        self._give_turn(guest, first or b"", self.cost(), now)
                for guest in self._silent.overdue(now - SILENT_FOR_S):
                    self._give_turn(guest, b"", self.cost(), now)

    def cost(self) -> float:
        """What a connection counts for now."""
        return COST if self._are_listeners() else COST_ALONE

    def _take(
        self, listener: socket.socket, let_in: Callable[[socket.socket, str, float], None]
    ) -> None:
        cost, now = self.cost(), trio.current_time()
        for _ in range(BATCH):
            tcp, address = listener.accept()
            guest = Guest(tcp, address[0], let_in)
            first = look(tcp)
            if first == b"":
                self._close(guest, "gone")
            elif self._crowd.charge(guest.address, cost, now):
                let_in(tcp, guest.address, 0.0)
            elif first is not None:
                self._give_turn(guest, first, cost, now)
            else:
                if len(self._silent) >= self._crowd.room.silent:
                    self._close(self._silent.oldest(), "silent")
                self._silent.add(guest, now)

    def _give_turn(self, guest: Guest, first: bytes, cost: float, now: float) -> None:
        wait_s = self._crowd.turn(guest.address, cost, now, is_urgent=first.startswith(URGENT))
        if wait_s is None:
            reset(guest.tcp)
        else:
            guest.let_in(guest.tcp, guest.address, wait_s)

    def _close(self, guest: Guest, reason: str) -> None:
        self._crowd.shed[reason] += 1
        reset(guest.tcp)

    async def _make_room(self, error: OSError) -> None:
        """There is no descriptor left, or no memory."""
        now = trio.current_time()
        if now >= self._complain_at:
            self._complain_at = now + COMPLAIN_EVERY_S
            log.warning("cannot accept connections", reason=error.strerror)
        self._crowd.drop_unfinished()
        await trio.sleep(RETRY_AFTER_S)


class _Silent:
    """Those who were kept aside, the oldest first."""

    def __init__(self) -> None:
        self._since: OrderedDict[Guest, float] = OrderedDict()
        self._selector = selectors.DefaultSelector()
        self._has_come = trio.Event()

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        for guest in self._since:
            guest.tcp.close()
        self._selector.close()

    def __len__(self) -> int:
        return len(self._since)

    def add(self, guest: Guest, now: float) -> None:
        self._since[guest] = now
        self._selector.register(guest.tcp, selectors.EVENT_READ, guest)
        self._has_come.set()

    def oldest(self) -> Guest:
        """The one that is there for longest, which is let go."""
        guest = next(iter(self._since))
        self._let_go(guest)
        return guest

    async def wait(self) -> None:
        """Until something has come from one of them, or the oldest is there for too long."""
        if not self._since:
            self._has_come = trio.Event()
            await self._has_come.wait()
        oldest_since = next(iter(self._since.values()))
        with trio.move_on_at(oldest_since + SILENT_FOR_S):
            await trio.lowlevel.wait_readable(self._selector.fileno())

    def ready(self, most: int) -> list[Guest]:
        """Those from whom something has come, who are let go."""
        guests: list[Guest] = [key.data for key, _ in self._selector.select(0)[:most]]
        for guest in guests:
            self._let_go(guest)
        return guests

    def overdue(self, before: float) -> list[Guest]:
        """Those who have been there since before, who are let go."""
        guests = []
        while self._since and next(iter(self._since.values())) <= before:
            guests.append(self.oldest())
        return guests

    def _let_go(self, guest: Guest) -> None:
        del self._since[guest]
        self._selector.unregister(guest.tcp)


def look(tcp: socket.socket) -> bytes | None:
    """The first bytes that have come, which stay there; empty: the client has left. None: nothing
    has come yet."""
    try:
        return tcp.recv(LOOK_BYTES, LOOK)
    except BlockingIOError:
        return None
    except OSError:
        return b""


def reset(tcp: socket.socket) -> None:
    """Close with an RST, of which nothing is kept."""
    tcp.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
    tcp.close()
