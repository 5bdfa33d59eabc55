"""What a client may and may not send by RFC 6455, under the numbers that the Autobahn test suite
gives to it: groups 1 to 7 and 10. The cases are written anew, for a server that does not echo: of
a message that it takes, ours says that it was flushed, or what is wrong with it as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.faults.raw_frames import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, frame

if TYPE_CHECKING:
    from collections.abc import Iterator

FLUSH = b'{"flush": true}'
SIZES = (0, 125, 126, 127, 128, 65_535, 65_536)


@dataclass(frozen=True)
class Case:
    """What is sent, and what comes of it."""

    sent: bytes
    chop: int | None = None
    """Bytes in each write; None: all in one."""
    pongs: tuple[bytes, ...] = ()
    flushes: int = 0
    errors: int = 0
    ends_with: int | None = None
    """The close code; None: the connection goes on."""


def padded(size: int) -> bytes:
    """A flush in a message of this size."""
    return FLUSH.ljust(size) if size else b""


def pieces(payload: bytes, size: int, opcode: int = TEXT, between: bytes = b"") -> bytes:
    """A message in frames of this size, with other frames between them."""
    parts = [payload[at : at + size] for at in range(0, len(payload), size)]
    frames = [
        frame(CONTINUATION if at else opcode, part, fin=at == len(parts) - 1)
        for at, part in enumerate(parts)
    ]
    return between.join(frames)


def close(code: int, reason: bytes = b"") -> bytes:
    return frame(CLOSE, code.to_bytes(2, "big") + reason)


def framing() -> Iterator[tuple[str, Case]]:
    """Group 1: messages of all sizes that change the header, text and binary."""
    for number, size in enumerate(SIZES, 1):
        text = Case(frame(TEXT, padded(size)), flushes=size > 0, errors=size == 0)
        yield f"1.1.{number}", text
        yield f"1.2.{number}", Case(frame(BINARY, bytes(size)), errors=1)
    yield "1.1.8", Case(frame(TEXT, padded(65_536)), chop=997, flushes=1)
    yield "1.2.8", Case(frame(BINARY, bytes(65_536)), chop=997, errors=1)


def pings() -> Iterator[tuple[str, Case]]:
    """Group 2."""
    for number, payload in enumerate((b"", b"Hello!", b"\x00\xff\xfe\xfd", b"\xfe" * 125), 1):
        yield f"2.{number}", Case(frame(PING, payload), pongs=(payload,))
    yield "2.5", Case(frame(PING, b"\xfe" * 126), ends_with=1002)
    yield "2.6", Case(frame(PING, b"\xfe" * 125), chop=1, pongs=(b"\xfe" * 125,))
    yield "2.7", Case(frame(PONG))
    yield "2.8", Case(frame(PONG, b"unasked for"))
    yield "2.9", Case(frame(PONG, b"unasked for") + frame(PING, b"asked"), pongs=(b"asked",))
    payloads = tuple(b"payload-%d" % number for number in range(10))
    ten = b"".join(frame(PING, payload) for payload in payloads)
    yield "2.10", Case(ten, pongs=payloads)
    yield "2.11", Case(ten, chop=1, pongs=payloads)


def reserved() -> Iterator[tuple[str, Case]]:
    """Groups 3 and 4: bits and opcodes that mean nothing yet."""
    flush, ping = frame(TEXT, FLUSH), frame(PING)
    yield "3.1", Case(frame(TEXT, FLUSH, rsv=1), ends_with=1002)
    for number, chop in enumerate((None, 20, 1), 2):
        sent = flush + frame(TEXT, FLUSH, rsv=number) + ping
        yield f"3.{number}", Case(sent, chop=chop, flushes=1, ends_with=1002)
    yield "3.5", Case(frame(BINARY, b"a", rsv=5), ends_with=1002)
    yield "3.6", Case(frame(PING, b"a", rsv=6), ends_with=1002)
    yield "3.7", Case(frame(CLOSE, b"\x03\xe8", rsv=7), ends_with=1002)
    for group, opcodes in ((1, range(3, 8)), (2, range(11, 16))):
        first, second, third, fourth, fifth = (frame(opcode, b"") for opcode in opcodes)
        name = f"4.{group}."
        yield name + "1", Case(first, ends_with=1002)
        yield name + "2", Case(second[:1] + frame(TEXT, b"payload")[1:], ends_with=1002)
        for number, odd, chop in ((3, third, None), (4, fourth, None), (5, fifth, 1)):
            sent = flush + odd + ping
            yield name + str(number), Case(sent, chop=chop, flushes=1, ends_with=1002)


def fragments() -> Iterator[tuple[str, Case]]:
    """Group 5: messages in pieces, and what comes between them."""
    half, rest = FLUSH[:7], FLUSH[7:]
    begin, end = frame(TEXT, half, fin=False), frame(CONTINUATION, rest)
    stray, endless = frame(CONTINUATION, FLUSH), frame(CONTINUATION, FLUSH, fin=False)
    whole, ping = frame(TEXT, FLUSH), frame(PING, b"between")
    yield "5.1", Case(frame(PING, b"a", fin=False) + frame(CONTINUATION, b"b"), ends_with=1002)
    yield "5.2", Case(frame(PONG, b"a", fin=False) + frame(CONTINUATION, b"b"), ends_with=1002)
    for number, chop in enumerate((None, len(begin), 1)):
        yield f"5.{3 + number}", Case(begin + end, chop=chop, flushes=1)
        sent = begin + ping + end
        yield f"5.{6 + number}", Case(sent, chop=chop, flushes=1, pongs=(b"between",))
        yield f"5.{9 + number}", Case(stray + whole, chop=chop, ends_with=1002)
        yield f"5.{12 + number}", Case(endless + whole, chop=chop, ends_with=1002)
    yield "5.15", Case(begin + end + endless + whole, flushes=1, ends_with=1002)
    yield "5.16", Case((endless + whole) * 2, ends_with=1002)
    yield "5.17", Case((stray + whole) * 2, ends_with=1002)
    yield "5.18", Case(begin + frame(TEXT, rest), ends_with=1002)
    for number, chop in ((19, None), (20, 1)):
        sent = pieces(FLUSH, 3, between=ping)
        yield f"5.{number}", Case(sent, chop=chop, flushes=1, pongs=(b"between",) * 4)


GREEK = "κόσμε".encode()

GOOD_UTF_8 = {
    "6.2": "Hello-µ@ßöäüàá-UTF-8!!".encode(),
    "6.5": GREEK,
    "6.7": b"\x00\xc2\x80\xe0\xa0\x80\xf0\x90\x80\x80",
    "6.9": b"\x7f\xdf\xbf\xef\xbf\xbf\xf4\x8f\xbf\xbf",
    "6.11": b"\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbd\xf4\x8f\xbf\xbf",
    "6.22": b"\xef\xbf\xbe\xef\xbf\xbf\xf0\x9f\xbf\xbe\xf4\x8f\xbf\xbf",
    "6.23": b"\xef\xbf\xb9\xef\xbf\xbd\xe2\x80\x8b",
}

BAD_UTF_8 = {
    "6.3": GREEK + b"\xed\xa0\x80" + b"edited",
    "6.4": GREEK + b"\xf4\x90\x80\x80",
    "6.6": GREEK[:-1],
    "6.8-five": b"\xf8\x88\x80\x80\x80",
    "6.8-six": b"\xfc\x84\x80\x80\x80\x80",
    "6.10": b"\xf7\xbf\xbf\xbf",
    "6.12": b"\x80\xbf\x80\xbf",
    "6.13": b"\xc0 \xc1 \xdf ",
    "6.14": b"\xe0\xa0",
    "6.15": b"\xc0\xe0\x80\xf0\x80\x80",
    "6.16": b"\xfe\xfe\xff\xff",
    "6.17": b"\xe0\x80\xaf",
    "6.18": b"\xf0\x8f\xbf\xbf",
    "6.19": b"\xc0\x80",
    "6.20": b"\xed\xa0\x80",
    "6.21": b"\xed\xa0\x80\xed\xb0\x80",
}


def utf_8() -> Iterator[tuple[str, Case]]:
    """Group 6: each in one frame, and in frames of a byte, which part its characters."""
    yield "6.1.1", Case(frame(TEXT), errors=1)
    empty = frame(TEXT, fin=False) + frame(CONTINUATION, fin=False) + frame(CONTINUATION)
    yield "6.1.2", Case(empty, errors=1)
    middle = frame(CONTINUATION, FLUSH, fin=False)
    sent = frame(TEXT, fin=False) + middle + frame(CONTINUATION)
    yield "6.1.3", Case(sent, flushes=1)
    for name, payload in GOOD_UTF_8.items():
        yield f"{name}.1", Case(frame(TEXT, payload), errors=1)  # it is no JSON
        yield f"{name}.2", Case(pieces(payload, 1), errors=1)
    for name, payload in BAD_UTF_8.items():
        yield f"{name}.1", Case(frame(TEXT, payload), ends_with=1007)
        yield f"{name}.2", Case(pieces(payload, 1), ends_with=1007)


def closing() -> Iterator[tuple[str, Case]]:
    """Group 7."""
    flush = frame(TEXT, FLUSH)
    yield "7.1.1", Case(flush + close(1000), flushes=1, ends_with=1000)
    yield "7.1.2", Case(close(1000) * 2, ends_with=1000)
    yield "7.1.3", Case(close(1000) + frame(PING), ends_with=1000)
    yield "7.1.4", Case(close(1000) + flush, ends_with=1000)
    in_mid_message = frame(TEXT, FLUSH[:7], fin=False) + close(1000)
    yield "7.1.5", Case(in_mid_message + frame(CONTINUATION, FLUSH[7:]), ends_with=1000)
    yield "7.1.6", Case(frame(TEXT, padded(256 * 1024)) + close(1000) + frame(PING), ends_with=1009)
    yield "7.3.1", Case(frame(CLOSE), ends_with=1005)
    yield "7.3.2", Case(frame(CLOSE, b"\x03"), ends_with=1002)
    yield "7.3.3", Case(close(1000), ends_with=1000)
    yield "7.3.4", Case(close(1000, b"Hello World!"), ends_with=1000)
    yield "7.3.5", Case(close(1000, b"*" * 123), ends_with=1000)
    yield "7.3.6", Case(close(1000, b"*" * 124), ends_with=1002)
    yield "7.5.1", Case(close(1000, BAD_UTF_8["6.3"]), ends_with=1007)
    codes = (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999)
    for number, code in enumerate(codes, 1):
        yield f"7.7.{number}", Case(close(code), ends_with=code)
    for number, code in enumerate((0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999), 1):
        yield f"7.9.{number}", Case(close(code), ends_with=1002)
    for number, code in enumerate((5000, 65_535), 1):
        yield f"7.13.{number}", Case(close(code), ends_with=1002)


def in_pieces_by_itself() -> Iterator[tuple[str, Case]]:
    """Group 10: as a client's library parts what is long."""
    yield "10.1.1", Case(pieces(padded(65_536), 1300), flushes=1)


CATALOGUE = {
    name: case
    for group in (framing, pings, reserved, fragments, utf_8, closing, in_pieces_by_itself)
    for name, case in group()
}
