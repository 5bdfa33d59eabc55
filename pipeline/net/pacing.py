"""The pace of a client's frames, so that one who sends a lot does not hold up the others.

A read of 4 KiB holds up to 682 WebSocket frames, and the library handles those that it need not
hand on (pongs, fragments) in one go: 4 ms at a time, for ever, if a client sends nothing else. So
the library gets a few frames per read. A client that keeps sending more frames than are ever spoken
floods: it shares one budget with all that do, while others would have to wait for them. And all
connections of a client together have a rate, whoever of them floods or does not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from pipeline.net.budgets import EachBudget, OwnBudget, SharedBudget

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipeline.net.stream import ClientStream

FRAMES_PER_READ = 4
"""A frame takes 6 to 200 microseconds, depending on what is in it."""

FRAMES_PER_S = 25.0
"""A client's own long-run rate: speech takes up four tokens a second, or twice that when it is
sped up."""

BURST_FRAMES = 60
"""The most of its own at once: fifteen seconds of speech, token by token. All clients may begin
with it in one moment, and what they say is to be spoken."""

CLIENT_FRAMES_PER_S = 1000.0
"""The rate of all connections of one address or key, within their own budgets: 250 conversations at
the pace of speech."""

CLIENT_BURST_FRAMES = 5000
"""The most of theirs at once: at 0.2 ms each a second of the loop. Without it whoever came back
again and again had a new connection's burst each time, and with 200 connections 5000 a second."""

FLOOD_FRAMES_PER_S = 1000.0
"""The rate of all together who have used up their own: at 0.2 ms each a fifth of the loop. Language
models yield up to 100 tokens a second, and a barge-in waits behind what was not read yet: twelve
that write at once are read as they write."""

HEAD_END = b"\r\n\r\n"

HAS_MASK = 0x80
MASK_BYTES = 4
SHORT_HEADER_BYTES = 2
EXTENDED_BYTES = {126: 2, 127: 8}
"""The length of an extended size, by the value in the size's place."""

MAX_HEADER_BYTES = SHORT_HEADER_BYTES + 8 + MASK_BYTES


class FrameScanner:
    """A finder of frame boundaries in the bytes of a client, its upgrade's head included (RFC
    6455, section 5.2). Pure. It judges nothing: the WebSocket library finds what is malformed."""

    def __init__(self) -> None:
        self._is_upgraded = False
        self._partial = b""  # the end of what was scanned: of a head or a header that goes on
        self._n_left = 0  # bytes of the current frame's payload

    def scan(self, data: bytes, max_frames: int) -> tuple[int, int]:
        """The number of these bytes to hand on, at most to the end of `max_frames`, and the number
        of frames that end in them. The rest is to be given again."""
        n_known = len(self._partial)
        data, self._partial = self._partial + data, b""
        at = n_frames = 0
        if not self._is_upgraded:
            end = data.find(HEAD_END)
            if end < 0:
                self._partial = data[1 - len(HEAD_END) :]
                return len(data) - n_known, 0
            self._is_upgraded = True
            at = end + len(HEAD_END)
        while at < len(data) and n_frames < max_frames:
            if not self._n_left:
                sizes = _frame_sizes(data[at : at + MAX_HEADER_BYTES])
                if sizes is None:
                    self._partial = data[at:]
                    return len(data) - n_known, n_frames
                n_header, self._n_left = sizes
                at += n_header
            step = min(self._n_left, len(data) - at)
            self._n_left -= step
            at += step
            n_frames += not self._n_left
        return at - n_known, n_frames


def _frame_sizes(begin: bytes) -> tuple[int, int] | None:
    """The bytes of the header and of the payload of a frame that begins like this; None: more of
    it is needed."""
    if len(begin) < SHORT_HEADER_BYTES:
        return None
    n_payload = begin[1] & ~HAS_MASK
    n_extended = EXTENDED_BYTES.get(n_payload, 0)
    n_header = SHORT_HEADER_BYTES + n_extended + (MASK_BYTES if begin[1] & HAS_MASK else 0)
    if len(begin) < n_header:
        return None
    if n_extended:
        n_payload = int.from_bytes(begin[SHORT_HEADER_BYTES:][:n_extended], "big")
    return n_header, n_payload


class FrameBudgets:
    """What the clients of a server may send beside what each connection has of its own."""

    def __init__(self) -> None:
        self.floods = SharedBudget(FLOOD_FRAMES_PER_S)
        self.clients = EachBudget(CLIENT_FRAMES_PER_S, CLIENT_BURST_FRAMES)


class FramePace:
    """The pace of one connection: as it likes up to its own budget and that of all connections of
    its client, and beyond its own as the budget allows that all floods share."""

    def __init__(
        self, stream: ClientStream, budgets: FrameBudgets, are_others: Callable[[], bool]
    ) -> None:
        """`budgets` are the server's; `are_others` says whether anybody would wait for this
        client."""
        self._stream = stream
        self._budgets = budgets
        self._are_others = are_others
        self._own = OwnBudget(FRAMES_PER_S, BURST_FRAMES)
        self._came_at = trio.current_time()
        self._n_more = 0

    def charge(self, n_frames: int) -> None:
        """Count so many more: what the last ones asked for costs as much."""
        self._n_more += n_frames

    def came(self) -> None:
        """Something has come. Until more is read it is the client that waits, be it for its turn or
        for what it sent to be spoken: that is no pause in which its budget grows."""
        self._came_at = trio.current_time()

    async def wait(self, n_frames: int) -> None:
        """Wait before more is read, after so many frames."""
        now = trio.current_time()
        self._own.hold(now - self._came_at)
        n_frames, self._n_more = n_frames + self._n_more, 0
        if not self._are_others():
            return
        is_own = self._own.charge(n_frames, now)
        budget = self._budgets.clients if is_own else self._budgets.floods
        wait_s = budget.charge(self._stream.who, n_frames, now)
        if wait_s or not is_own:
            await trio.sleep(wait_s or 0.0)
            self._own.hold(trio.current_time() - now)


class PacedStream(trio.abc.Stream):
    """A client's stream whose reads end after a few frames, at its pace."""

    def __init__(self, stream: ClientStream, pacer: FramePace) -> None:
        self._stream = stream
        self._pacer = pacer
        self._scanner = FrameScanner()
        self._n_taken = 0

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        await self._pacer.wait(self._n_taken)
        data = await self._stream.receive_some(max_bytes)
        self._pacer.came()
        n_bytes, n_frames = self._scanner.scan(data, FRAMES_PER_READ)
        self._stream.give_back(data[n_bytes:])
        self._n_taken = max(1, n_frames)  # a frame that comes in pieces is charged by the piece
        return data[:n_bytes]

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        await self._stream.aclose()
