"""libespeak-ng in the tests' own process, which can ask it what the server's engines do not."""

from __future__ import annotations

import ctypes
import os
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import espeakng_loader

from stages.tts.espeak.data import lay_out
from stages.tts.espeak.languages import Languages
from stages.tts.espeak.libespeak import CHARS_UTF8, Libespeak

if TYPE_CHECKING:
    from collections.abc import Iterator


class LibespeakHere(Libespeak):
    """It takes languages by name, and gives phonemes in other alphabets."""

    def __init__(self, folder: Path) -> None:
        lay_out(folder)
        super().__init__(espeakng_loader.get_library_path(), bytes(folder))
        self._languages_known = Languages()

    def take_phonemes(self, name: str) -> None:
        """Choose a language; what stands in double brackets is taken for phonemes from now on."""
        language = self._languages_known.get(name)
        assert language is not None
        list(self.translate(name, os.fsencode(language.path), []))

    def clauses_as(self, text: str, alphabet: int) -> list[tuple[str, int]]:
        """The phonemes of each clause in one of the library's alphabets, and how many characters of
        the text it has left by then."""
        encoded = text.encode()
        buffer = ctypes.create_string_buffer(encoded)
        begin = ctypes.addressof(buffer)
        place = ctypes.c_void_p(begin)
        clauses = []
        while place.value:
            said = self._library.espeak_TextToPhonemes(ctypes.byref(place), CHARS_UTF8, alphabet)
            rest = b"" if not place.value else encoded[place.value - begin :]
            clauses.append((said.decode(), len(rest.decode())))
        return clauses


@contextmanager
def libespeak_here() -> Iterator[LibespeakHere]:
    """The library, set up until the context is left."""
    with TemporaryDirectory(prefix="espeak-") as folder:
        here = LibespeakHere(Path(folder))
        yield here
        here.close()
