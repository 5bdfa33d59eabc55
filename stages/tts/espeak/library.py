"""libespeak-ng through ctypes: one text, its samples piece by piece, or its phonemes.

It keeps one state for the whole process, so it is set up once, for all who `borrow` it.

Declarations and constants are those of ``speak_lib.h`` and ``espeak_ng.h`` (1.52.0).
"""

from __future__ import annotations

import ctypes
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import espeakng_loader
import numpy as np

from stages.errors import SynthesisError
from stages.temporary_folders import TemporaryFolder
from stages.tts.espeak.data import DataFolder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy.typing as npt

    from stages.tts.espeak.languages import LanguageFile

SAMPLE_RATE = 22_050

AUDIO_OUTPUT_SYNCHRONOUS = 2
"""Callbacks on the calling thread; ``espeak_Synth`` returns when all is said."""
BUFFER_MS = 60
"""Sound in each callback; less is not allowed (``speech.c``, ``min_buffer_length``)."""
INITIALIZE_DONT_EXIT = 0x8000
"""A missing file is an error, and does not end the whole process."""
CHARS_UTF8 = 1
PHONEMES = 0x0100
"""Take what stands in double brackets for phonemes."""
ENDPAUSE = 0x1000
"""End with the pause that the text's last mark would have before more text."""
IPA = 0x02
"""Of phonemes: their names in the International Phonetic Alphabet."""
POS_CHARACTER = 1
PARAMETER_RATE = 1
PARAMETER_VOLUME = 2
EE_OK = 0
"""Also where the callback broke off."""
RANDOM_SEED = 1
"""The seed of the breath in whispers. The library would seed itself from the clock."""

EVENT_LIST_TERMINATED = 0
EVENT_WORD = 1
EVENT_END = 5

_INT, _UINT, _CHARS, _POINTER = ctypes.c_int, ctypes.c_uint, ctypes.c_char_p, ctypes.c_void_p


class _Event(ctypes.Structure):
    """``espeak_EVENT``."""

    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", ctypes.c_char * 8),
    )


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


_Callback = ctypes.CFUNCTYPE(_INT, _POINTER, _INT, _POINTER)
_FUNCTIONS = (
    ("espeak_Initialize", _INT, _INT, _INT, _CHARS, _INT),
    ("espeak_SetSynthCallback", None, _Callback),
    ("espeak_SetVoiceByName", _INT, _CHARS),
    ("espeak_SetParameter", _INT, _INT, _INT, _INT),
    ("espeak_ng_SetRandSeed", None, ctypes.c_long),
    ("espeak_Synth", _INT, _CHARS, ctypes.c_size_t, _UINT, _INT, _UINT, _UINT, _POINTER, _POINTER),
    ("espeak_TextToPhonemes", _CHARS, ctypes.POINTER(_POINTER), _INT, _INT),
    ("espeak_Terminate", _INT),
)
"""Names, types of results and of arguments."""


class EspeakLibrary:
    """The library, with our edition of its voice data. `borrow` has the only one."""

    def __init__(self) -> None:
        """Lays out the voice data, as links in a temporary folder; sets nothing up yet."""
        self._folder = TemporaryFolder("voice-server-espeak-")
        self._data = DataFolder(self._folder.path)
        self._lock = threading.Lock()  # normally one thread calls it, and nobody waits
        self._is_set_up = False
        self._translating_as: str | None = None
        self._on_sound: Callable[[npt.NDArray[np.int16]], bool] | None = None
        self._on_mark: Callable[[SoundMark], None] | None = None
        self._error: BaseException | None = None
        self._library = ctypes.CDLL(espeakng_loader.get_library_path())
        self._callback = _Callback(self._take_sound)  # must live as long as it may be called
        for name, returns, *takes in _FUNCTIONS:
            function = getattr(self._library, name)
            function.restype, function.argtypes = returns, takes

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
        it the marks in it."""
        with self._lock:
            self._translating_as = None
            self._choose(voice, language)
            library = self._library
            library.espeak_ng_SetRandSeed(RANDOM_SEED)
            _check(library.espeak_SetParameter(PARAMETER_RATE, words_per_minute, 0), "rate")
            _check(library.espeak_SetParameter(PARAMETER_VOLUME, volume, 0), "volume")
            encoded = text.encode()
            flags = CHARS_UTF8 | ENDPAUSE * end_pause | PHONEMES * has_phonemes
            self._on_sound, self._on_mark, self._error = on_sound, on_mark, None
            try:
                status = library.espeak_Synth(
                    encoded, len(encoded) + 1, 0, POS_CHARACTER, 0, flags, None, None
                )
            finally:
                self._on_sound = self._on_mark = None
                error, self._error = self._error, None
            if error is not None:
                raise error
            _check(status, "text")

    @contextmanager
    def translating(
        self, name: str, language: LanguageFile
    ) -> Iterator[Callable[[str], list[Clause]]]:
        """What translates text into phonemes, as a voice of this name and language would say it.
        What stands in double brackets is taken for phonemes. 3 µs and 1 µs for each character."""
        with self._lock:
            if name != self._translating_as:
                self._translating_as = None  # should it be refused
                self._choose(name, language)
                self._translating_as = name
            # Forgets the character that it has read ahead of a text that was broken off, and says
            # what brackets are.
            flags = CHARS_UTF8 | PHONEMES
            status = self._library.espeak_Synth(b"", 1, 0, POS_CHARACTER, 0, flags, None, None)
            _check(status, "text")
            yield self._translate

    def close(self) -> None:
        """Give back the library's memory, and remove the data."""
        with self._lock:
            if self._is_set_up:
                self._is_set_up, self._translating_as = False, None
                self._library.espeak_Terminate()
            self._folder.close()

    def _choose(self, voice: str, language: LanguageFile) -> None:
        """Choose a voice, which also resets what the last text, perhaps broken off, left in the
        synthesizer: 80 µs, and 16 ms for Chinese, whose dictionary is read again."""
        self._data.add(voice.partition("+")[0], language.path)
        if not self._is_set_up:
            # It also sets this process's LC_CTYPE to C.UTF-8, which Python does as well.
            folder = self._data.folder
            rate = self._library.espeak_Initialize(
                AUDIO_OUTPUT_SYNCHRONOUS, BUFFER_MS, bytes(folder), INITIALIZE_DONT_EXIT
            )
            if rate != SAMPLE_RATE:
                raise SynthesisError(f"espeak-ng could not be set up with {folder}: {rate}")
            self._library.espeak_SetSynthCallback(self._callback)
            self._is_set_up = True
        _check(self._library.espeak_SetVoiceByName(voice.encode()), f"voice {voice!r}")

    def _translate(self, text: str) -> list[Clause]:
        encoded = text.encode()
        buffer = ctypes.create_string_buffer(encoded)
        begin = ctypes.addressof(buffer)
        place = ctypes.c_void_p(begin)
        clauses = []
        while place.value:
            phonemes = self._library.espeak_TextToPhonemes(ctypes.byref(place), CHARS_UTF8, IPA)
            # It has read one character ahead, which it keeps for the next clause.
            read = encoded if not place.value else encoded[: place.value - begin]
            end = len(read.decode()) - bool(place.value)
            clauses.append(Clause((phonemes or b"").decode(errors="ignore"), end))
        return clauses

    def _take_sound(self, samples: int | None, n_samples: int, events: int | None) -> int:
        """Called by the library: 0 goes on, 1 breaks off."""
        if self._on_sound is None:
            return 0
        try:
            if events and self._on_mark is not None:
                for mark in _marks(events):
                    self._on_mark(mark)
            if not samples or n_samples <= 0:
                return 0
            sound = np.frombuffer(ctypes.string_at(samples, 2 * n_samples), np.int16)
            return 0 if self._on_sound(sound) else 1
        except BaseException as error:  # noqa: BLE001 - ctypes would print and swallow it
            self._error = error
            return 1


def _marks(events: int) -> Iterator[SoundMark]:
    """The marks in a list of events."""
    size = ctypes.sizeof(_Event)
    while (event := _Event.from_address(events)).type != EVENT_LIST_TERMINATED:
        if event.type == EVENT_WORD:
            yield SoundMark(event.sample, max(0, event.text_position - 1))
        elif event.type == EVENT_END:
            yield SoundMark(event.sample, None)
        events += size


def _check(status: int, what: str) -> None:
    if status != EE_OK:
        raise SynthesisError(f"espeak-ng refused the {what} (status {status})")


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
