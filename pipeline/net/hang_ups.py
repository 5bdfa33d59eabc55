"""Hang-ups: that a client has gone, seen without first reading all that it sent before.

The kernel tells at once that a client has closed its side (``EPOLLRDHUP``, epoll_ctl(2), on Linux),
if all that it sent fits into our buffer. If not, its last words are still with its own kernel: that
says that nobody is there any more when it is sent something. So clients of whom something waits to
be read are sent a sign of life, which a living one ignores. Elsewhere a hang-up shows where it
always does, behind the last byte.
"""

from __future__ import annotations

import contextlib
import select
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from trio.socket import SocketType

CAN_BE_TOLD = hasattr(select, "EPOLLRDHUP")
if CAN_BE_TOLD:
    import fcntl
    import termios

LOOK_EVERY_S = 0.25
"""How often it is looked whether something waits to be read: 1 microsecond for each client."""


@dataclass(eq=False, slots=True)
class _Client:
    show_life: Callable[[], None]
    hung_up: trio.Event = field(default_factory=trio.Event)
    was_behind: bool = False


class HangUps:
    """The hang-ups of a server's clients."""

    def __init__(self) -> None:
        self._epoll = select.epoll() if CAN_BE_TOLD else None
        self._clients: dict[int, _Client] = {}  # by descriptor

    async def watch(self) -> None:
        """Tell those who wait, until cancelled. Then nobody is told any more."""
        if self._epoll is None:
            return
        with self._epoll as epoll:
            look_at = trio.current_time()
            while True:
                with trio.move_on_at(look_at):
                    await trio.lowlevel.wait_readable(epoll.fileno())
                for descriptor, _ in epoll.poll(0):
                    if descriptor in self._clients:
                        self._clients[descriptor].hung_up.set()
                if trio.current_time() >= look_at:
                    look_at = trio.current_time() + LOOK_EVERY_S
                    for descriptor, client in list(self._clients.items()):
                        is_behind = _n_unread(descriptor) > 0
                        if is_behind and client.was_behind:
                            client.show_life()
                        client.was_behind = is_behind

    async def wait(self, socket: SocketType, show_life: Callable[[], None]) -> None:
        """Return once the client has closed its side, or its connection is broken. `show_life`
        begins to send it something that it need not answer."""
        client = _Client(show_life)
        with self._telling(socket.fileno(), client):
            await client.hung_up.wait()

    @contextlib.contextmanager
    def _telling(self, descriptor: int, client: _Client) -> Iterator[None]:
        epoll = self._epoll
        if epoll is None or epoll.closed or descriptor == -1:
            yield
            return
        epoll.register(descriptor, select.EPOLLRDHUP | select.EPOLLONESHOT)
        self._clients[descriptor] = client
        try:
            yield
        finally:
            # A socket that was closed is forgotten, and another may have its number by now.
            if self._clients.get(descriptor) is client:
                del self._clients[descriptor]
                if not epoll.closed:
                    with contextlib.suppress(OSError):
                        epoll.unregister(descriptor)


def _n_unread(descriptor: int) -> int:
    """The bytes that can be read from a socket; none from one that is closed."""
    try:
        told = fcntl.ioctl(descriptor, termios.FIONREAD, bytes(4))
    except OSError:
        return 0
    n_bytes: int = struct.unpack("i", told)[0]
    return n_bytes
