"""What comes over a connection before a dialect sees it: a request's head and body, the frames of
a WebSocket, Wyoming's events. An input is a byte that says which, one for the sizes of the reads it
comes in, and what comes."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import h11
import trio

from pipeline.dialects.error_shapes import HttpError, error_answer
from pipeline.dialects.wyoming_events import EventReader, decode, type_of
from pipeline.holdings import Account
from pipeline.net.access import Access
from pipeline.net.keys import read_keys
from pipeline.net.pacing import FrameScanner
from pipeline.net.request_head import MAX_HEAD_BYTES, Refused, RequestReader, check_upgrade
from pipeline.net.upload_rules import upload_target
from stages.errors import ProtocolError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.net.request_head import HttpRequest
    from pipeline.net.stream import ClientStream

ROOM_BYTES = 1_000_000
"""For one client: more than any request that is read whole."""

REFUSALS = {*range(400, 500), 501}
"""Statuses: the client's fault, but for a transfer coding that nobody has (RFC 9112, 6.1)."""

ACCESSES = (
    Access(),
    Access(keys=read_keys(None, "a-key-of-16-chars")),
    Access(hosts=["a.b"], origins=["c://d"]),
)


def run(data: bytes) -> None:
    """Dispatch on the first byte."""
    if len(data) > 1:
        (_request, _frames, _events)[data[0] % 3](data[2:], data[1])


def _reads(data: bytes, size: int) -> Iterator[bytes]:
    """In reads of so many bytes; 0: all at once."""
    size = size or len(data) or 1
    return (data[at : at + size] for at in range(0, len(data), size))


class _Client:
    """`ClientStream` as far as a `RequestReader` uses it."""

    def __init__(self, reads: Iterator[bytes]) -> None:
        self._reads = reads
        self.sent = b""
        self.holder = Account(ROOM_BYTES).open()

    async def receive_some(self) -> bytes:
        return next(self._reads, b"")

    async def send_all(self, data: bytes) -> None:
        self.sent += data


def _request(data: bytes, size: int) -> None:
    """It is taken or refused, the same however it comes; and what is taken can be read again, as
    the one request that it is."""
    cut, whole = _outcome(data, size), _outcome(data, 0)
    if isinstance(whole, Refused) or isinstance(cut, Refused):
        # Which of its faults is seen first may depend on the reads.
        for refused in filter(lambda each: isinstance(each, Refused), (cut, whole)):
            _check_refusal(cast("Refused", refused))
        return
    assert (cut is None) is (whole is None)
    if whole is None or cut is None:
        return
    assert (cut.method, cut.target) == (whole.method, whole.target)
    for request in (cut, whole):
        _check_request(request)


def _outcome(data: bytes, size: int) -> HttpRequest | Refused | None:
    client = cast("ClientStream", _Client(_reads(data, size)))
    reader = RequestReader(client, lambda request: upload_target(request) is not None)
    try:
        return trio.run(reader.read)
    except Refused as refused:
        return refused


def _check_request(request: HttpRequest) -> None:
    assert request.path.isascii()
    again = h11.Connection(h11.SERVER)
    again.receive_data(request.raw + bytes(request.n_to_come))
    head = again.next_event()
    assert isinstance(head, h11.Request)
    assert (head.method, head.target) == (request.head.method, request.head.target)
    assert len(request.raw) <= 2 * MAX_HEAD_BYTES + 2**17
    if not request.is_upgrade:
        event = again.next_event()
        while isinstance(event, h11.Data):
            event = again.next_event()
        assert isinstance(event, h11.EndOfMessage)
        assert not again.trailing_data[0]
    for check in (check_upgrade, *(each.check for each in ACCESSES)):
        try:
            check(request)
        except Refused as refused:
            _check_refusal(refused)


def _check_refusal(refused: Refused) -> None:
    assert refused.status in REFUSALS
    assert 0 < len(str(refused)) < 1000
    status, _ = error_answer("/", HttpError(refused.status, refused.code, str(refused)))
    h11.Connection(h11.SERVER).send(
        h11.Response(status_code=status, headers=[*refused.headers])  # such as h11 can send
    )


def _frames(data: bytes, size: int) -> None:
    """Every byte is handed on, in order, and the boundaries do not depend on the reads."""
    assert _boundaries(data, size, 4) == _boundaries(data, 0, 1)


def _boundaries(data: bytes, size: int, most: int) -> int:
    """The number of frames that end in this."""
    scanner, n_frames, n_bytes = FrameScanner(), 0, 0
    for read in _reads(data, size):
        left = read
        while left:
            n_taken, n_ended = scanner.scan(left, most)
            assert 0 <= n_taken <= len(left)
            assert 0 <= n_ended <= most
            assert n_taken or n_ended  # else the client would never get on
            left = left[n_taken:]
            n_bytes += n_taken
            n_frames += n_ended
    assert n_bytes == len(data)
    return n_frames


def _events(data: bytes, size: int) -> None:
    """Events are the stretches between their ends, and do not depend on the reads."""
    cut, whole = _read_events(data, size), _read_events(data, 0)
    assert cut == whole
    assert data.startswith(b"".join(whole[0]))
    for event in whole[0]:
        try:
            assert decode(event).type == type_of(event)
        except ProtocolError as error:
            assert len(str(error)) < 1000


def _read_events(data: bytes, size: int) -> tuple[list[bytes], bool]:
    """The events, and whether there is an error behind them."""
    reader, events = EventReader(), []
    try:
        for read in _reads(data, size):
            reader.feed(read)
            while (event := reader.next_event()) is not None:
                events.append(event)
    except ProtocolError:
        return events, True
    return events, False
