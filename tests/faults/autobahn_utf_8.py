"""Byte sequences that are UTF-8 or are not, as Markus Kuhn's decoder test (UTF-8-test.txt) has
them, in the order in which the Autobahn test suite takes them: its groups 6.5 to 6.23."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable

Sequences: TypeAlias = list[tuple[bytes, bool]]
"""Each with whether it is UTF-8."""

GREEK = "κ\N{GREEK SMALL LETTER OMICRON WITH OXIA}σμε".encode()
"""Characters of two bytes, and one of three."""

WHOLE_AFTER = (2, 5, 7, 9, 11)
"""So many bytes of it end with a character."""

WITHOUT_THEIR_LAST = [
    bytes.fromhex(text)
    for text in ("c0", "e080", "f08080", "f8808080", "fc80808080",
                 "df", "efbf", "f7bfbf", "fbbfbfbf", "fdbfbfbfbf")
]  # fmt: skip

BYTES_THAT_GO_ON = bytes(range(0x80, 0xBF)).hex()

HIGH_SURROGATES = ("eda080", "edadbf", "edae80", "edafbf")


def good(*texts: str) -> Sequences:
    return [(bytes.fromhex(text), True) for text in texts]


def bad(*texts: str) -> Sequences:
    return [(bytes.fromhex(text), False) for text in texts]


def lonely(first: int, last: int) -> tuple[bytes, bool]:
    """Bytes that begin a character, and a space behind each."""
    return b"".join(bytes((byte, 0x20)) for byte in range(first, last)), False


def points(codes: Iterable[int]) -> Sequences:
    return [(chr(code).encode(), True) for code in codes]


SEQUENCES: tuple[Sequences, ...] = (
    # 6.5: characters of every length
    [
        (text.encode(), True)
        for text in ("hello$world", "hello¢world", "hello€world", "hello𤭢world", GREEK.decode())
    ],
    # 6.6: the beginnings of a word
    [(GREEK[:size], size in WHOLE_AFTER) for size in range(1, len(GREEK) + 1)],
    # 6.7, 6.8: the first of each length; five and six bytes are none
    good("00", "c280", "e0a080", "f0908080"),
    bad("f888808080", "fc8480808080"),
    # 6.9, 6.10: the last of each length; those of four, five and six bytes lie beyond Unicode
    good("7f", "dfbf", "efbfbf", "f48fbfbf"),
    bad("f7bfbfbf", "fbbfbfbfbf", "fdbfbfbfbfbf"),
    # 6.11: beside the surrogates, and at the end of Unicode
    good("ed9fbf", "ee8080", "efbfbd", "f48fbfbf") + bad("f4908080"),
    # 6.12: bytes that go on where nothing began
    bad("80", "bf", *("80bf80bf80bf"[:end] for end in (4, 6, 8, 10, 12)), BYTES_THAT_GO_ON),
    # 6.13: bytes that begin, and nothing goes on
    [
        lonely(*ends)
        for ends in ((0xC0, 0xDF), (0xE0, 0xEF), (0xF0, 0xF7), (0xF8, 0xFB), (0xFC, 0xFD))
    ],
    # 6.14, 6.15: the last byte is missing; and all those one after the other
    [(sequence, False) for sequence in WITHOUT_THEIR_LAST],
    [(b"".join(WITHOUT_THEIR_LAST), False)],
    # 6.16: bytes that are nowhere
    bad("fe", "ff", "fefeffff"),
    # 6.17 to 6.19: characters that are longer than they need be
    bad("c0af", "e080af", "f08080af", "f8808080af", "fc80808080af"),
    bad("c1bf", "e09fbf", "f08fbfbf", "f887bfbfbf", "fc83bfbfbfbf"),
    bad("c080", "e08080", "f0808080", "f880808080", "fc8080808080"),
    # 6.20, 6.21: surrogates, single and in pairs
    bad(*HIGH_SURROGATES, "edb080", "edbe80", "edbfbf"),
    bad(*(high + low for high in HIGH_SURROGATES for low in ("edb080", "edbfbf"))),
    # 6.22: the last two of each plane, which are no characters and may yet be sent
    points(plane << 16 | last for plane in range(17) for last in (0xFFFE, 0xFFFF)),
    # 6.23: specials
    points(range(0xFFF9, 0x10000)),
)
