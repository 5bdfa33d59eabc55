"""Turns for clients on the loop: nobody's frames come by the hundred while others wait to be heard.

A read of 4 KiB holds up to 682 frames, and the WebSocket library deals with those that it need
not hand on (pongs, fragments) in one go: 4 ms at a time, for ever, if a client sends nothing else.
So what a client sent is handed to the library a few frames at a time. And one that keeps sending
more than a language model ever does is slowed down, if there are others who would wait for it. So
are those who knock at the port again and again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipeline.net.stream import Stream

FRAMES_A_TURN = 4
"""A frame takes 6 to 200 microseconds, by what is in it."""

FRAMES_PER_S = 250.0
"""In the long run, beside others: twice what the quickest common language models yield, at 0.2 ms
each a twentieth of the loop."""

BURST_FRAMES = 1000
"""At once: an answer of ten minutes that has been written already, token by token."""

CONNECTIONS_PER_S = 100.0
"""In the long run, while somebody listens: at 0.7 ms each for one that comes to nothing, a
fifteenth of the loop."""

BURST_CONNECTIONS = 200
"""At once: everybody comes back after a network was away."""

IN_VAIN_COST = 9
IN_VAIN_S = 1.0
"""Connections that a WebSocket counts for in addition if it ends within this time and nothing was
said: the upgrade, its ten tasks and its close take 5 ms. One that idled for long has paid."""

LONGEST_WAIT_S = 1.0
"""That what others did before can cost whoever comes next."""

HEAD_END = b"\r\n\r\n"

HAS_MASK = 0x80
MASK_BYTES = 4
SHORT_HEADER_BYTES = 2
EXTENDED_BYTES = {126: 2, 127: 8}
"""By what stands in place of the size: how long the size is behind it."""


class Pace:
    """So many a second, and so many at once. Pure."""

    def __init__(self, per_s: float, burst: int) -> None:
        self._each_s = 1 / per_s
        self._burst_s = burst / per_s
        self._paid_until = 0.0

    def charge(self, n: int, now: float) -> float:
        """Take these on; returns for how many seconds there should be no more."""
        paid_until = max(self._paid_until, now) + n * self._each_s
        self._paid_until = min(paid_until, now + self._burst_s + LONGEST_WAIT_S)
        return max(0.0, self._paid_until - now - self._burst_s)


class FrameCutter:
    """Finds where frames end in what a client sends behind the head of its upgrade (RFC 6455,
    section 5.2). Pure. It judges nothing: what is wrong the WebSocket library finds out."""

    def __init__(self) -> None:
        self._head = b""  # the end of what came, as long as the upgrade's head is not over
        self._is_upgraded = False
        self._header = b""  # of a frame, as far as it has come
        self._n_left = 0  # of a frame's payload

    def cut(self, data: bytes, max_frames: int) -> tuple[int, int]:
        """How many of these bytes to hand on, which is what there is up to the end of so many
        frames, and how many frames end there. The rest is to be given again."""
        at = n_frames = 0
        if not self._is_upgraded:
            at = self._skip_head(data)
        while at < len(data) and n_frames < max_frames:
            if not self._n_left:
                at = self._read_header(data, at)
                if self._header:  # and it is not whole yet
                    break
            step = min(self._n_left, len(data) - at)
            self._n_left -= step
            at += step
            n_frames += not self._n_left
        return at, n_frames

    def _skip_head(self, data: bytes) -> int:
        known = self._head + data
        end = known.find(HEAD_END)
        if end < 0:
            self._head = known[1 - len(HEAD_END) :]
            return len(data)
        self._is_upgraded = True
        return end + len(HEAD_END) - len(self._head)

    def _read_header(self, data: bytes, at: int) -> int:
        """Go on with a frame's header; afterwards none is held if it was whole."""
        while True:
            wanted = _header_bytes(self._header) - len(self._header)
            if not wanted:
                break
            part = data[at : at + wanted]
            if not part:
                return at
            self._header += part
            at += len(part)
        header, self._header = self._header, b""
        self._n_left = _payload_bytes(header)
        return at


def _header_bytes(header: bytes) -> int:
    """How long a header is that begins like this, as far as one can tell."""
    if len(header) < SHORT_HEADER_BYTES:
        return SHORT_HEADER_BYTES
    mask = MASK_BYTES if header[1] & HAS_MASK else 0
    return SHORT_HEADER_BYTES + EXTENDED_BYTES.get(header[1] & ~HAS_MASK, 0) + mask


def _payload_bytes(header: bytes) -> int:
    size = header[1] & ~HAS_MASK
    extended = header[SHORT_HEADER_BYTES : SHORT_HEADER_BYTES + EXTENDED_BYTES.get(size, 0)]
    return int.from_bytes(extended, "big") if extended else size


class FairStream(trio.abc.Stream):
    """A client's stream for the WebSocket library: what it reads comes in turns."""

    def __init__(self, stream: Stream, are_others: Callable[[], bool]) -> None:
        """`are_others` tells whether anybody would wait for this client."""
        self._stream = stream
        self._are_others = are_others
        self._cutter = FrameCutter()
        self._pace = Pace(FRAMES_PER_S, BURST_FRAMES)
        self._n_taken = 0

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """See `trio.abc.ReceiveStream`."""
        if self._are_others():
            wait_s = self._pace.charge(self._n_taken, trio.current_time())
            if wait_s:
                await trio.sleep(wait_s)
        data = await self._stream.receive_some(max_bytes)
        n_bytes, n_frames = self._cutter.cut(data, FRAMES_A_TURN)
        self._stream.give_back(data[n_bytes:])
        self._n_taken = max(1, n_frames)  # one that comes in pieces is paid for by the piece
        return data[:n_bytes]

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """See `trio.abc.SendStream`."""
        await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        """See `trio.abc.SendStream`."""
        await self._stream.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        """See `trio.abc.AsyncResource`."""
        await self._stream.aclose()


class PacedListener(trio.abc.Listener[trio.SocketStream]):
    """A door through which not too many come at once. Who waits does so in the kernel's queue, in
    the order of coming."""

    def __init__(
        self, listener: trio.SocketListener, pace: Pace, are_others: Callable[[], bool]
    ) -> None:
        """Doors of one house share a `pace`; `are_others` is as for `FairStream`."""
        self._listener = listener
        self._pace = pace
        self._are_others = are_others
        self._n_taken = 0

    async def accept(self) -> trio.SocketStream:
        """See `trio.abc.Listener`."""
        if self._are_others():
            await trio.sleep(self._pace.charge(self._n_taken, trio.current_time()))
        stream = await self._listener.accept()
        self._n_taken = 1
        return stream

    async def aclose(self) -> None:
        """See `trio.abc.AsyncResource`."""
        await self._listener.aclose()
