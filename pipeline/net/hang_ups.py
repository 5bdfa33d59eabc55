"""Hang-ups: that a client has closed its side, seen without first reading all that it sent before.

The kernel tells of it at once (``EPOLLRDHUP``, epoll_ctl(2)), on Linux. Elsewhere a hang-up shows
where it always does, behind the last byte.
"""

from __future__ import annotations

import contextlib
import select
from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trio.socket import SocketType

CAN_BE_TOLD = hasattr(select, "EPOLLRDHUP")


class HangUps:
    """The hang-ups of a server's clients."""

    def __init__(self) -> None:
        self._epoll = select.epoll() if CAN_BE_TOLD else None
        self._waiting: dict[int, trio.Event] = {}  # by descriptor

    async def watch(self) -> None:
        """Tell those who wait, until cancelled. Then nobody is told any more."""
        if self._epoll is None:
            return
        with self._epoll:
            while True:
                await trio.lowlevel.wait_readable(self._epoll.fileno())
                for descriptor, _ in self._epoll.poll(0):
                    if descriptor in self._waiting:
                        self._waiting[descriptor].set()

    async def wait(self, client: SocketType) -> None:
        """Return once the client has closed its side, or its connection is broken."""
        descriptor, hung_up = client.fileno(), trio.Event()
        with self._telling(descriptor, hung_up):
            await hung_up.wait()

    @contextlib.contextmanager
    def _telling(self, descriptor: int, hung_up: trio.Event) -> Iterator[None]:
        epoll = self._epoll
        if epoll is None or epoll.closed or descriptor == -1:
            yield
            return
        epoll.register(descriptor, select.EPOLLRDHUP | select.EPOLLONESHOT)
        self._waiting[descriptor] = hung_up
        try:
            yield
        finally:
            # A socket that was closed is forgotten, and another may have its number by now.
            if self._waiting[descriptor] is hung_up:
                del self._waiting[descriptor]
                if not epoll.closed:
                    with contextlib.suppress(OSError):
                        epoll.unregister(descriptor)
