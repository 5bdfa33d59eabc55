"""What a client may and may not send by RFC 6455: the catalogue of the Autobahn test suite's
fuzzing client, each of its cases under its number.

They are written anew, for a server that does not echo. Where the catalogue sends a text to get it
back, ours sends a flush of the same size, and is told that it was flushed; of any other text, and
of whatever is binary, the server says as JSON what is wrong. It takes 64 KiB in a message, so the
larger ones of group 9 end in 1009. Where the catalogue lets a server choose, the choice is ours.

Left out: 12 (90 cases) and 13 (126), which need permessage-deflate: this server agrees on no
extension, as a test shows, and then those cases are void. 9.9 and 9.10 (messages without an end)
are named in the catalogue, and not run; 8, 11 and the even numbers of group 7 are empty there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from tests.faults.autobahn_utf_8 import GREEK, SEQUENCES
from tests.faults.raw_frames import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, frame

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

Writes: TypeAlias = "Callable[[], Iterable[bytes | AfterPongs]]"
Cases: TypeAlias = "Iterator[tuple[str, Case]]"

FLUSH = b'{"flush": true}'
BINARY_BYTES = b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff"
MAX_PING = b"\xfe" * 125

KIB, MIB = 2**10, 2**20
MAX_MESSAGE_BYTES = 64 * KIB
"""What the protocol says that the server takes."""

HEADER_SIZES = (0, 125, 126, 127, 128, 65_535, 65_536)
"""Around those at which a frame's header grows."""


@dataclass(frozen=True)
class AfterPongs:
    """What follows is sent when so many pongs have come."""

    number: int


@dataclass(frozen=True)
class Case:
    """What is sent, and what comes of it."""

    writes: Writes
    """Made when they are needed: some have 16 MiB."""
    pongs: tuple[bytes, ...] = ()
    flushes: int = 0
    errors: int = 0
    ends_with: int | None = None
    """The close code; None: the connection goes on."""


def at_once(*frames: bytes) -> Writes:
    """All in one write."""
    return lambda: [b"".join(frames)]


def in_turn(*frames: bytes | AfterPongs) -> Writes:
    """Each in a write of its own."""
    return lambda: frames


def chopped(size: int, *frames: bytes) -> Writes:
    """In writes of so many bytes, whatever they cut."""
    data = b"".join(frames)
    return lambda: (data[at : at + size] for at in range(0, len(data), size))


def by_octets(*frames: bytes) -> Writes:
    """A byte in each write."""
    return chopped(1, *frames)


WAYS = (at_once, in_turn, by_octets)
"""In this order the catalogue goes through them."""


def padded(size: int) -> bytes:
    """A flush in a message of this size."""
    return FLUSH.ljust(size) if size else b""


def pieces(payload: bytes, size: int, opcode: int = TEXT) -> Iterator[bytes]:
    """A message in frames of this size."""
    for at in range(0, len(payload), size):
        is_last = at + size >= len(payload)
        yield frame(CONTINUATION if at else opcode, payload[at : at + size], fin=is_last)


def close(code: int, reason: bytes = b"") -> bytes:
    return frame(CLOSE, code.to_bytes(2, "big") + reason)


def framing() -> Cases:
    """Group 1: messages of all sizes that change the header, text and binary."""
    for number, size in enumerate(HEADER_SIZES, 1):
        text = frame(TEXT, padded(size))
        yield f"1.1.{number}", Case(at_once(text), flushes=size > 0, errors=size == 0)
        yield f"1.2.{number}", Case(at_once(frame(BINARY, b"\xfe" * size)), errors=1)
    yield "1.1.8", Case(chopped(997, frame(TEXT, padded(65_536))), flushes=1)
    yield "1.2.8", Case(chopped(997, frame(BINARY, b"\xfe" * 65_536)), errors=1)


def pings() -> Cases:
    """Group 2."""
    for number, payload in enumerate((b"", b"Hello, world!", BINARY_BYTES, MAX_PING), 1):
        yield f"2.{number}", Case(at_once(frame(PING, payload)), pongs=(payload,))
    yield "2.5", Case(at_once(frame(PING, MAX_PING + b"\xfe")), ends_with=1002)
    yield "2.6", Case(by_octets(frame(PING, MAX_PING)), pongs=(MAX_PING,))
    unasked = frame(PONG, b"nobody asked")
    yield "2.7", Case(in_turn(frame(PONG), close(1000)), ends_with=1000)
    yield "2.8", Case(in_turn(unasked, close(1000)), ends_with=1000)
    yield "2.9", Case(in_turn(unasked, frame(PING, b"asked")), pongs=(b"asked",))
    payloads = tuple(b"payload-%d" % number for number in range(10))
    ten = [frame(PING, payload) for payload in payloads]
    yield "2.10", Case(in_turn(*ten), pongs=payloads)
    yield "2.11", Case(by_octets(*ten), pongs=payloads)


def reserved() -> Cases:
    """Groups 3 and 4: bits and opcodes that mean nothing yet. No ping behind them is answered."""
    flush, ping = frame(TEXT, FLUSH), frame(PING)
    yield "3.1", Case(at_once(frame(TEXT, FLUSH, rsv=1)), ends_with=1002)
    for number, way in enumerate(WAYS, 2):
        odd = frame(TEXT, FLUSH, rsv=number)
        yield f"3.{number}", Case(way(flush, odd, ping), flushes=1, ends_with=1002)
    yield "3.5", Case(at_once(frame(BINARY, BINARY_BYTES, rsv=5)), ends_with=1002)
    yield "3.6", Case(at_once(frame(PING, b"Hello, world!", rsv=6)), ends_with=1002)
    yield "3.7", Case(at_once(frame(CLOSE, rsv=7)), ends_with=1002)
    for group, opcodes in ((1, range(3, 8)), (2, range(11, 16))):
        payloads = (b"", b"a payload", b"", FLUSH, FLUSH)
        odds = [frame(*pair) for pair in zip(opcodes, payloads, strict=True)]
        for number, odd in enumerate(odds[:2], 1):
            yield f"4.{group}.{number}", Case(at_once(odd), ends_with=1002)
        for number, odd, way in zip(
            (3, 4, 5), odds[2:], (at_once, at_once, by_octets), strict=True
        ):
            sent = way(flush, odd, ping)
            yield f"4.{group}.{number}", Case(sent, flushes=1, ends_with=1002)


def fragments() -> Cases:
    """Group 5: messages in pieces, and what comes between them."""
    half, rest = FLUSH[:7], FLUSH[7:]
    begin, end = frame(TEXT, half, fin=False), frame(CONTINUATION, rest)
    stray, endless = frame(CONTINUATION, FLUSH), frame(CONTINUATION, FLUSH, fin=False)
    whole, ping = frame(TEXT, FLUSH), frame(PING, b"between")
    for number, opcode in ((1, PING), (2, PONG)):
        sent = at_once(frame(opcode, b"a", fin=False), frame(CONTINUATION, b"b"))
        yield f"5.{number}", Case(sent, ends_with=1002)
    for number, way in enumerate(WAYS):
        yield f"5.{3 + number}", Case(way(begin, end), flushes=1)
        yield f"5.{6 + number}", Case(way(begin, ping, end), flushes=1, pongs=(b"between",))
        yield f"5.{9 + number}", Case(way(stray, whole), ends_with=1002)
        yield f"5.{12 + number}", Case(way(endless, whole), ends_with=1002)
    yield "5.15", Case(at_once(begin, end, endless, whole), flushes=1, ends_with=1002)
    yield "5.16", Case(in_turn(endless, begin, end, endless, begin, end), ends_with=1002)
    yield "5.17", Case(in_turn(stray, begin, end, stray, begin, end), ends_with=1002)
    yield "5.18", Case(at_once(begin, frame(TEXT, rest)), ends_with=1002)
    first, second = frame(PING, b"first"), frame(PING, b"second")
    parts = [*pieces(FLUSH, 3)]
    once = in_turn(
        b"".join((*parts[:2], first)), AfterPongs(1), b"".join((*parts[2:4], second, parts[4]))
    )
    each = in_turn(*parts[:2], first, AfterPongs(1), *parts[2:4], second, parts[4])
    for number, sent in ((19, once), (20, each)):
        yield f"5.{number}", Case(sent, flushes=1, pongs=(b"first", b"second"))


def utf_8() -> Cases:
    """Group 6: text that is UTF-8, or is not. What is neither JSON is an error of its own."""
    yield "6.1.1", Case(at_once(frame(TEXT)), errors=1)
    empty, end = frame(TEXT, fin=False), frame(CONTINUATION)
    yield "6.1.2", Case(in_turn(empty, frame(CONTINUATION, fin=False), end), errors=1)
    yield "6.1.3", Case(in_turn(empty, frame(CONTINUATION, FLUSH, fin=False), end), flushes=1)
    text = "Hello-µ@ßöäüàá-UTF-8!!".encode()
    yield "6.2.1", Case(at_once(frame(TEXT, text)), errors=1)
    yield "6.2.2", Case(in_turn(*pieces(text, len("Hello-µ@ßöä".encode()))), errors=1)
    yield "6.2.3", Case(in_turn(*pieces(text, 1)), errors=1)
    yield "6.2.4", Case(in_turn(*pieces(GREEK, 1)), errors=1)
    surrogate, beyond = (GREEK + odd + b"edited" for odd in (b"\xed\xa0\x80", b"\xf4\x90\x80\x80"))
    yield "6.3.1", Case(at_once(frame(TEXT, surrogate)), ends_with=1007)
    yield "6.3.2", Case(in_turn(*pieces(surrogate, 1)), ends_with=1007)
    # The message has no end here: it is to fail at the byte that no character has.
    ping = frame(PING, b"still there?")
    for number, good, bad in ((1, 11, 15), (2, 12, 13)):
        begin = frame(TEXT, beyond[:good], fin=False)
        odd = frame(CONTINUATION, beyond[good:bad], fin=False)
        sent = in_turn(begin, ping, AfterPongs(1), odd)
        yield f"6.4.{number}", Case(sent, pongs=(b"still there?",), ends_with=1007)
        whole = frame(TEXT, beyond)
        rest = len(beyond)
        sent = in_turn(whole[: good - rest], whole[good - rest : bad - rest])
        yield f"6.4.{number + 2}", Case(sent, ends_with=1007)
    for group, sequences in enumerate(SEQUENCES, 5):
        for number, (payload, is_valid) in enumerate(sequences, 1):
            ends_with = None if is_valid else 1007
            sent = at_once(frame(TEXT, payload))
            yield f"6.{group}.{number}", Case(sent, errors=is_valid, ends_with=ends_with)


def closing() -> Cases:
    """Group 7. Nothing behind a close is answered."""
    flush, ping, normal = frame(TEXT, FLUSH), frame(PING), close(1000)
    begin, end = frame(TEXT, FLUSH[:7], fin=False), frame(CONTINUATION, FLUSH[7:])
    yield "7.1.1", Case(in_turn(flush, normal), flushes=1, ends_with=1000)
    yield "7.1.2", Case(in_turn(normal, frame(CLOSE)), ends_with=1000)
    yield "7.1.3", Case(in_turn(normal, ping), ends_with=1000)
    yield "7.1.4", Case(in_turn(normal, flush), ends_with=1000)
    yield "7.1.5", Case(in_turn(begin, normal, end), ends_with=1000)
    large = frame(TEXT, padded(256 * KIB))
    yield "7.1.6", Case(in_turn(large, flush, normal, ping), ends_with=1009)
    payloads = {
        b"": 1005,
        b"a": 1002,
        b"\x03\xe8": 1000,
        b"\x03\xe8Hello World!": 1000,
        b"\x03\xe8" + b"*" * 123: 1000,
        b"\x03\xe8" + b"*" * 124: 1002,
    }
    for number, (payload, code) in enumerate(payloads.items(), 1):
        yield f"7.3.{number}", Case(at_once(frame(CLOSE, payload)), ends_with=code)
    bad_reason = close(1000, GREEK + b"\xed\xa0\x80edited")
    yield "7.5.1", Case(at_once(bad_reason), ends_with=1007)
    codes = (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999)
    for number, code in enumerate(codes, 1):
        yield f"7.7.{number}", Case(at_once(close(code)), ends_with=code)
    for number, code in enumerate((0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999), 1):
        yield f"7.9.{number}", Case(at_once(close(code)), ends_with=1002)
    for number, code in enumerate((5000, 65_535), 1):
        yield f"7.13.{number}", Case(at_once(close(code)), ends_with=1002)


def limits() -> Cases:
    """Group 9: large messages, in one frame, in many, and in many writes; and many messages."""
    for group, opcode in ((1, TEXT), (2, BINARY)):
        for number, size in enumerate((64 * KIB, 256 * KIB, MIB, 4 * MIB, 8 * MIB, 16 * MIB), 1):
            yield f"9.{group}.{number}", large_message(opcode, size)
        for number, size in enumerate((4**exponent for exponent in range(3, 12)), 1):
            yield f"9.{group + 2}.{number}", large_message(opcode, 4 * MIB, in_frames_of=size)
        for number, size in enumerate((2**exponent for exponent in range(6, 12)), 1):
            yield f"9.{group + 4}.{number}", large_message(opcode, MIB, in_writes_of=size)
        for number, size in enumerate((0, 16, 64, 256, 1024, 4096), 1):
            yield f"9.{group + 6}.{number}", many_messages(opcode, size)


def large_message(
    opcode: int, size: int, *, in_frames_of: int | None = None, in_writes_of: int | None = None
) -> Case:
    def writes() -> Iterable[bytes | AfterPongs]:
        payload = padded(size) if opcode == TEXT else b"\xfe" * size
        frames = pieces(payload, in_frames_of or size, opcode)
        return chopped(in_writes_of, *frames)() if in_writes_of else frames

    if size > MAX_MESSAGE_BYTES:
        return Case(writes, ends_with=1009)
    return Case(writes, flushes=opcode == TEXT, errors=opcode == BINARY)


def many_messages(opcode: int, size: int) -> Case:
    message = frame(opcode, padded(size) if opcode == TEXT else b"\xfe" * size)
    if opcode == TEXT and size:
        return Case(in_turn(*[message] * 1000), flushes=1000)
    return Case(in_turn(*[message] * 1000), errors=1000)


def in_pieces_by_itself() -> Cases:
    """Group 10: as a client's library parts what is long."""
    yield "10.1.1", Case(in_turn(*pieces(padded(65_536), 1300)), flushes=1)


GROUPS = (framing, pings, reserved, fragments, utf_8, closing, limits, in_pieces_by_itself)

CATALOGUE = {name: case for group in GROUPS for name, case in group()}
