"""What goes between us and espeak-ng's process: frames of bytes, which are checked as they come. A
process whose memory text can overrun must not be able to hand us objects.

Imported by both sides; the other one starts with each crash, so it imports what costs nothing.
Numbers are little-endian, text is UTF-8.
"""

from __future__ import annotations

import struct

TYPE_CHECKING = False  # as `typing` has it, whose import takes as long as a third of the start
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import TypeAlias

    Mark: TypeAlias = tuple[int, int | None]
    """A sample, and the character that is said there, or None: a clause ends."""
    ClauseFields: TypeAlias = tuple[int, bytes]
    """Where in the text a clause ends, in characters, and its phonemes."""

HEAD = struct.Struct("<BI")
"""What a frame is, and the bytes behind this head."""
MAX_FRAME_BYTES = 1 << 20
"""Of an answer. One buffer of sound is 2.6 kB, a text's phonemes some."""

# What is asked: one thing at a time.
SPEAK, TRANSLATE, BREAK_OFF = 1, 2, 3
# What is answered: `READY` at the start; then any number of `SOUND` or `PHONEMES`, and `DONE` or
# `REFUSED`, in words.
READY, SOUND, PHONEMES, DONE, REFUSED = 11, 12, 13, 14, 15

END_PAUSE, HAS_PHONEMES = 1, 2
"""Flags of `SPEAK`."""

_SPEECH = struct.Struct("<HHBHH")  # words a minute, volume, flags, two lengths
_LENGTH = struct.Struct("<I")
_LENGTHS = struct.Struct("<HH")
_N_MARKS = struct.Struct("<H")
_MARK = struct.Struct("<II")
_CLAUSE = struct.Struct("<II")
_NO_PLACE = 0xFFFFFFFF


def frame(kind: int, body: bytes = b"") -> bytes:
    """A whole frame."""
    return HEAD.pack(kind, len(body)) + body


def pack_speech(
    voice: str,
    language_file: bytes,
    text: bytes,
    *,
    words_per_minute: int,
    volume: int,
    flags: int,
) -> bytes:
    """The body of `SPEAK`."""
    name = voice.encode()
    head = _SPEECH.pack(words_per_minute, volume, flags, len(name), len(language_file))
    return b"".join((head, name, language_file, text))


def unpack_speech(body: bytes) -> tuple[str, bytes, bytes, int, int, int]:
    """What was packed."""
    words_per_minute, volume, flags, n_name, n_file = _SPEECH.unpack_from(body)
    at_file = _SPEECH.size + n_name
    at_text = at_file + n_file
    name = body[_SPEECH.size : at_file].decode()
    return name, body[at_file:at_text], body[at_text:], words_per_minute, volume, flags


def pack_texts(voice: str, language_file: bytes, texts: Sequence[bytes]) -> bytes:
    """The body of `TRANSLATE`."""
    name = voice.encode()
    parts = [_LENGTHS.pack(len(name), len(language_file)), name, language_file]
    for text in texts:
        parts += (_LENGTH.pack(len(text)), text)
    return b"".join(parts)


def unpack_texts(body: bytes) -> tuple[str, bytes, list[bytes]]:
    """What was packed."""
    n_name, n_file = _LENGTHS.unpack_from(body)
    at_file = _LENGTHS.size + n_name
    at = at_file + n_file
    name, language_file = body[_LENGTHS.size : at_file].decode(), body[at_file:at]
    texts = []
    while at < len(body):
        (length,) = _LENGTH.unpack_from(body, at)
        at += _LENGTH.size + length
        texts.append(body[at - length : at])
    return name, language_file, texts


def pack_sound(marks: Sequence[Mark], samples: bytes) -> bytes:
    """The body of `SOUND`: one buffer of 16-bit samples as the machine has them, and the marks in
    it."""
    parts = [_N_MARKS.pack(len(marks))]
    for sample, place in marks:
        parts.append(_MARK.pack(sample, _NO_PLACE if place is None else place))
    return b"".join((*parts, samples))


def unpack_sound(body: bytes) -> tuple[list[Mark], memoryview]:
    """What was packed. Raises `struct.error` or `ValueError` for what is no sound."""
    (n_marks,) = _N_MARKS.unpack_from(body)
    at_samples = _N_MARKS.size + n_marks * _MARK.size
    samples = memoryview(body)[at_samples:]
    if at_samples > len(body) or len(samples) % 2:
        raise ValueError("a buffer of sound is cut off")
    marks = _MARK.iter_unpack(body[_N_MARKS.size : at_samples])
    return [(sample, None if place == _NO_PLACE else place) for sample, place in marks], samples


def pack_phonemes(clauses: Iterable[ClauseFields]) -> bytes:
    """The body of `PHONEMES`: those of one text."""
    parts: list[bytes] = []
    for end, phonemes in clauses:
        parts += (_CLAUSE.pack(end, len(phonemes)), phonemes)
    return b"".join(parts)


def unpack_phonemes(body: bytes) -> Iterator[ClauseFields]:
    """What was packed. Raises `struct.error` or `ValueError` for what is none."""
    at = 0
    while at < len(body):
        end, length = _CLAUSE.unpack_from(body, at)
        at += _CLAUSE.size + length
        if at > len(body):
            raise ValueError("a clause is cut off")
        yield end, body[at - length : at]
