"""Sounds of the International Phonetic Alphabet as espeak-ng's own mnemonics, by language.

espeak-ng takes mnemonics in double brackets, ``[['wUst3]]``, and no IPA. What each mnemonic of a
language sounds like is read from its data: ``phontab`` has the mnemonics of 134 tables, which build
on each other, and ``phonindex`` their programs, which begin with the IPA where the mnemonic itself
does not tell it (formats: ``synthdata.c`` and ``phoneme.h`` of 1.52.0). A sound that a language has
not is said as the nearest that it has.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import espeakng_loader

from stages.text.lexicon import ipa as sounds

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

WORD_PHONEMES = 24
"""The most in one word. The library writes a word's phonemes into 200 bytes without a look at
their end, and may cut a clause where there is no space for 75."""

_TABLE = struct.Struct("<BB2x32s")
"""In ``phontab``: how many phonemes, the number of the table that this one adds to (from 1; 0:
none), and its name."""
_PHONEME = struct.Struct("<4s4xHBB4x")
"""The mnemonic, the place of its program, its code and its type."""
_NO_SOUNDS = {0, 1, 9, 15}
"""Types: pauses, stress and tones, virtual ones, and those that the language has not."""
_CHANGE, _IPA_NAME = 0x01, 0x0D
"""Operations of programs."""
_RETURN = 0x0001
_PLAIN_LENGTHS = {0: 1, 1: 1, 9: 2, 10: 4}
"""The words of an instruction by its kind, but for conditions, and for sounds, which end a
program."""
_VOWEL = 2
_LENGTHEN = ":"
_STRESS = frozenset("',")
_MARKS = _STRESS | {_LENGTHEN}

_MNEMONIC_SOUNDS = dict(
    zip(
        "#&*038:;?@[ABCDEGHIJLMNOPQRSTUVWXYZg~",
        "ʰæɾɒɜɵːʲʔə\N{COMBINING BRIDGE BELOW}ɑβçðɛɢħɪɟɫɱŋɔɸɣʀʃθʊʌœχøʒɡ\N{COMBINING TILDE}",
        strict=True,
    )
)
"""What the characters of a mnemonic stand for where it has no IPA of its own; others stand for
themselves."""


_NO_TIES = str.maketrans(
    "", "", "\N{COMBINING DOUBLE INVERTED BREVE}\N{COMBINING DOUBLE BREVE BELOW}"
)


class _Phoneme(NamedTuple):
    mnemonic: str
    program: int
    code: int
    type: int


@dataclass(frozen=True)
class Phonemes:
    """The phonemes of one language."""

    mnemonics: Mapping[str, str]
    """By their IPA, with its marks apart; all sounds of the alphabet are among them."""
    longest: int
    """Characters of IPA that one mnemonic stands for, at most."""

    def written(self, ipa: str) -> str:
        """Words of IPA, each in double brackets. A word without a stress gets one in front, as
        people leave it out of short words; one of which nothing would be heard is left out."""
        words = [
            mnemonics if not _STRESS.isdisjoint(mnemonics) else ["'", *mnemonics]
            for word in sounds.ordered(ipa).translate(_NO_TIES).split()
            if not _MARKS.issuperset(mnemonics := list(self._mnemonics(word)))
        ]
        return " ".join(
            f"[[{'|'.join(word[first : first + WORD_PHONEMES])}]]"
            for word in words
            for first in range(0, len(word), WORD_PHONEMES)
        )

    def _mnemonics(self, word: str) -> Iterator[str]:
        at = 0
        while at < len(word):
            for length in range(min(self.longest, len(word) - at), 0, -1):
                found = self.mnemonics.get(word[at : at + length])
                if found is not None:
                    yield from filter(None, found.split("|"))
                    at += length
                    break
            else:
                at += 1  # a detail, or a tie


@cache
def read_phoneme_data() -> tuple[bytes, Sequence[int]]:
    """All languages' tables, and the programs of their phonemes. Read once, and before anybody
    speaks: later there may be no file descriptor left."""
    data = Path(espeakng_loader.get_data_path())
    index = (data / "phonindex").read_bytes()
    return (data / "phontab").read_bytes(), struct.unpack(f"<{len(index) // 2}H", index)


@cache
def phonemes_of(table: str) -> Phonemes:
    """The phonemes of a table, which languages name; it takes some milliseconds, once."""
    own = _mnemonics_of(table)
    mnemonics = {sound: _nearest(sound, own, frozenset()) for sound in sounds.NEAR} | own
    mnemonics |= {sounds.PRIMARY: "'", sounds.SECONDARY: ",", sounds.LONG: _LENGTHEN}
    return Phonemes(mnemonics, longest=max(map(len, mnemonics)))


def _nearest(sound: str, own: Mapping[str, str], tried: frozenset[str]) -> str:
    """Mnemonics for a sound, with bars between them; empty where nothing is like it."""
    if sound in own:
        return own[sound]
    others = sounds.NEAR.get(sound, ())
    for other in others:
        if other in own:
            return own[other]
    tried |= {sound}
    for other in others:
        parts = [other] if other in sounds.NEAR else list(other.replace(sounds.LONG, ""))
        if tried.isdisjoint(parts):
            mnemonics = [_nearest(part, own, tried) for part in parts]
            if all(mnemonics):
                return "|".join(mnemonics)
    return ""


def _mnemonics_of(table: str) -> dict[str, str]:
    """The mnemonic of each sound that a table has. Of several the one that spells the sound by
    itself counts, then the shortest, then the first: the others are its variants."""
    phontab, programs = read_phoneme_data()
    best: dict[str, tuple[bool, int, int, str]] = {}
    for phoneme in _phonemes(phontab, table):
        if phoneme.type in _NO_SOUNDS or (phoneme.type == _VOWEL and "#" in phoneme.mnemonic):
            continue  # such vowels become others where they are stressed
        named = _named(programs, phoneme.program)
        if named is None:
            continue
        sound = sounds.ordered(named or _spelt(phoneme))
        if sound and sounds.ALPHABET.issuperset(sound):
            rank = (bool(named), len(phoneme.mnemonic), phoneme.code, phoneme.mnemonic)
            best[sound] = min(best.get(sound, rank), rank)
    for sound, rank in list(best.items()):
        best.setdefault(sounds.without_details(sound), rank)
    return {sound: mnemonic for sound, (*_, mnemonic) in best.items()}


def _phonemes(phontab: bytes, table: str) -> list[_Phoneme]:
    """The phonemes of a table, with those of the tables that it adds to."""
    tables: list[tuple[str, int, int, int]] = []  # name, base, place, phonemes
    at = 4
    for _ in range(phontab[0]):
        n_phonemes, base, name = _TABLE.unpack_from(phontab, at)
        at += _TABLE.size
        tables.append((_text(name), base, at, n_phonemes))
        at += n_phonemes * _PHONEME.size
    number = next((n for n, (name, *_) in enumerate(tables, 1) if name == table), 0)
    chain = []
    while number:
        _, base, at, n_phonemes = tables[number - 1]
        chain.append(phontab[at : at + n_phonemes * _PHONEME.size])
        number = base
    phonemes: dict[int, _Phoneme] = {}
    for records in reversed(chain):
        for mnemonic, program, code, type_ in _PHONEME.iter_unpack(records):
            phonemes[code] = _Phoneme(_text(mnemonic), program, code, type_)
    return list(phonemes.values())


def _named(programs: Sequence[int], at: int) -> str | None:
    """The IPA that a program gives whatever stands around it; empty where it gives none, and None
    where it makes another phoneme of this one."""
    while at:
        kind, operation = programs[at] >> 12, programs[at] >> 8
        if operation == _IPA_NAME:
            n_bytes = programs[at] & 0xFF
            words = programs[at + 1 : at + 1 + (n_bytes + 1) // 2]
            name = b"".join(word.to_bytes(2, "big") for word in words)
            return _text(name.lstrip(bytes(range(0x20)))).strip()  # a byte of flags may come first
        if operation == _CHANGE:
            return None
        if kind not in _PLAIN_LENGTHS or programs[at] == _RETURN:
            break
        at += _PLAIN_LENGTHS[kind]
    return ""


def _spelt(phoneme: _Phoneme) -> str:
    """The IPA of a mnemonic that tells its sound: digits behind its first character, and what
    follows a slash, tell variants apart."""
    mnemonic = phoneme.mnemonic.partition("/")[0]
    letters = mnemonic[:1] + "".join(char for char in mnemonic[1:] if not char.isdigit())
    return "".join(_MNEMONIC_SOUNDS.get(char, char) for char in letters)


def _text(data: bytes) -> str:
    return data.rstrip(b"\0").decode()
