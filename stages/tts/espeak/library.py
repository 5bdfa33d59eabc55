"""libespeak-ng in a process of its own: one text, its samples piece by piece, or its phonemes.

Some text ends that process. It is started anew then, and who was being spoken to hears nothing of
it: the text is spoken again from its beginning, to the very same samples, of which those are left
out that were handed out before. A text at which it ends twice is given up: it is what ends it.

There is one, for all who `borrow` it.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np
import structlog

from stages.errors import SynthesisError
from stages.temporary_folders import TemporaryFolder
from stages.tts.espeak import wire
from stages.tts.espeak.data import lay_out
from stages.tts.espeak.libespeak import SAMPLE_RATE
from stages.tts.espeak.process import EspeakDied, EspeakProcess

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

    from stages.tts.espeak.languages import LanguageFile

__all__ = ["SAMPLE_RATE", "Clause", "EspeakLibrary", "SoundMark", "borrow", "give_back"]

log = structlog.stdlib.get_logger(__name__)


class SoundMark(NamedTuple):
    """A place in the sound that belongs to one in the text."""

    sample: int
    place: int | None
    """The first character of the word that begins there; None: a clause ends, and the pause behind
    it."""


class Clause(NamedTuple):
    """The phonemes of a clause: what is spoken in one, up to a pause."""

    phonemes: str
    """IPA, with a space between words."""
    end: int
    """Where in the text the clause ends, with its mark and the spaces behind that."""


class _Sound(NamedTuple):
    """A buffer."""

    marks: list[SoundMark]
    samples: npt.NDArray[np.int16]


_Answer = TypeVar("_Answer")


class EspeakLibrary:
    """The library in its process, with our edition of its voice data. `borrow` has the only one."""

    def __init__(self) -> None:
        """Lays out the voice data, as links in a temporary folder, and starts the process. Raises
        `OSError`."""
        self._folder = TemporaryFolder("voice-server-espeak-")
        lay_out(self._folder.path)
        self._lock = threading.Lock()  # normally one thread calls it, and nobody waits
        self._process: EspeakProcess | None = EspeakProcess(self._folder.path)
        self.n_restarts = 0
        """How often its process ended and was started anew."""

    @property
    def pid(self) -> int | None:
        """Of its process; None: there is none at the moment."""
        process = self._process
        return None if process is None else process.pid

    def speak(
        self,
        text: str,
        voice: str,
        language: LanguageFile,
        *,
        words_per_minute: int,
        volume: int,
        end_pause: bool,
        has_phonemes: bool = False,
        on_sound: Callable[[npt.NDArray[np.int16]], bool],
        on_mark: Callable[[SoundMark], None] | None = None,
    ) -> None:
        """Speak plain text in a voice of a language, with phonemes in double brackets where it
        `has_phonemes`; `on_sound` gets each buffer and says whether to go on, and `on_mark` before
        it the marks in it. Raises `SynthesisError`."""
        flags = wire.END_PAUSE * end_pause | wire.HAS_PHONEMES * has_phonemes
        body = wire.pack_speech(
            voice,
            os.fsencode(language.path),
            text.encode(),
            words_per_minute=words_per_minute,
            volume=volume,
            flags=flags,
        )
        handed = _Handed(on_sound, on_mark)
        self._ask(wire.SPEAK, body, _sound, handed.again, voice)

    def translate(
        self, texts: Sequence[str], name: str, language: LanguageFile
    ) -> list[list[Clause]]:
        """Each text's phonemes, as a voice of this name and language would say them. What stands in
        double brackets is taken for phonemes. 0.1 ms, 3 µs for each text and 1 µs for each
        character. Raises `SynthesisError`."""
        body = wire.pack_texts(name, os.fsencode(language.path), [text.encode() for text in texts])
        said: list[list[Clause]] = []

        def again() -> Callable[[list[Clause]], bool]:
            said.clear()
            return take

        def take(clauses: list[Clause]) -> bool:
            said.append(clauses)
            return True

        def unpack(kind: int, body: bytes) -> list[Clause]:
            if kind != wire.PHONEMES or len(said) == len(texts):
                raise ValueError(f"an answer of kind {kind}")
            return _clauses(body, len(texts[len(said)]))

        self._ask(wire.TRANSLATE, body, unpack, again, name)
        return said

    def close(self) -> None:
        """End the process, and remove the data."""
        with self._lock:
            if self._process is not None:
                self._process.close()
                self._process = None
            self._folder.close()

    def _ask(
        self,
        request: int,
        body: bytes,
        unpack: Callable[[int, bytes], _Answer],
        again: Callable[[], Callable[[_Answer], bool]],
        voice: str,
    ) -> None:
        """Ask it, and once more should it end: it may have been harmed by what it was asked before,
        or ended by somebody. `again` begins each try."""
        with self._lock:
            for is_last in (False, True):
                try:
                    self._running().ask(request, body, unpack, again())
                    return
                except EspeakDied as died:
                    log.warning("espeak-ng's process has ended: %s", died, voice=voice)
                    if is_last or died.has_hung:  # a third try, or a second, would hold others up
                        self._start_ahead()
                        raise SynthesisError(
                            f"espeak-ng broke on this text in the voice {voice!r}: {died}"
                        ) from died

    def _running(self) -> EspeakProcess:
        """Its process, started anew if need be."""
        if self._process is None or self._process.has_ended:
            if self._process is not None:
                self._process.close()
                self._process = None
            try:
                self._process = EspeakProcess(self._folder.path)
            except OSError as error:
                msg = f"espeak-ng's process cannot be started: {error.strerror}"
                raise SynthesisError(msg) from error
            self.n_restarts += 1
        return self._process

    def _start_ahead(self) -> None:
        """Start it anew before it is needed."""
        try:
            self._running()
        except SynthesisError as error:  # told to whom it is needed for
            log.warning("%s", error)


class _Handed:
    """What was handed out of a text's sound: no try after the first hands it out again."""

    def __init__(
        self,
        on_sound: Callable[[npt.NDArray[np.int16]], bool],
        on_mark: Callable[[SoundMark], None] | None,
    ) -> None:
        self._on_sound = on_sound
        self._on_mark = on_mark
        self._n_marks = self._n_samples = 0
        self._known_marks = self._known_samples = 0  # of them, to come in this try

    def again(self) -> Callable[[_Sound], bool]:
        """Begin a try; what is returned takes its sound."""
        self._known_marks, self._known_samples = self._n_marks, self._n_samples
        return self._take

    def _take(self, sound: _Sound) -> bool:
        marks = sound.marks[self._known_marks :]
        samples = sound.samples[self._known_samples :]
        self._known_marks -= len(sound.marks) - len(marks)
        self._known_samples -= len(sound.samples) - len(samples)
        self._n_marks += len(marks)
        self._n_samples += len(samples)
        if self._on_mark is not None:
            for mark in marks:
                self._on_mark(mark)
        return self._on_sound(samples) if len(samples) else True


def _sound(kind: int, body: bytes) -> _Sound:
    if kind != wire.SOUND:
        raise ValueError(f"an answer of kind {kind}")
    marks, samples = wire.unpack_sound(body)
    return _Sound([SoundMark(*mark) for mark in marks], np.frombuffer(samples, np.int16))


def _clauses(body: bytes, length: int) -> list[Clause]:
    """The clauses of a text of this length."""
    clauses = [
        Clause(phonemes.decode(errors="ignore"), end)
        for end, phonemes in wire.unpack_phonemes(body)
    ]
    ends = [clause.end for clause in clauses]
    if ends != sorted(ends) or ends[-1:] != [length]:
        raise ValueError("clauses do not end where their text does")
    return clauses


_lending = threading.Lock()
_lent: EspeakLibrary | None = None
_n_borrowers = 0


def borrow() -> EspeakLibrary:
    """The library of this process, which everybody shares who speaks with it. On any thread."""
    global _lent, _n_borrowers  # noqa: PLW0603 - as there is one libespeak-ng in a process
    with _lending:
        if _lent is None:
            _lent = EspeakLibrary()
        _n_borrowers += 1
        return _lent


def give_back(library: EspeakLibrary) -> None:
    """Need a borrowed library no more. The last one closes it."""
    global _lent, _n_borrowers  # noqa: PLW0603
    with _lending:
        _n_borrowers -= 1
        if _n_borrowers == 0:
            _lent = None
            library.close()
