"""libespeak-ng through ctypes: one call, one text, its samples piece by piece.

Declarations and constants are those of ``speak_lib.h`` and ``espeak_ng.h`` (1.52.0).
"""

from __future__ import annotations

import ctypes
import threading
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import espeakng_loader
import numpy as np

from stages.errors import SynthesisError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import numpy.typing as npt

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


_Callback = ctypes.CFUNCTYPE(_INT, _POINTER, _INT, _POINTER)
_FUNCTIONS = (
    ("espeak_Initialize", _INT, _INT, _INT, _CHARS, _INT),
    ("espeak_SetSynthCallback", None, _Callback),
    ("espeak_SetVoiceByName", _INT, _CHARS),
    ("espeak_SetParameter", _INT, _INT, _INT, _INT),
    ("espeak_ng_SetRandSeed", None, ctypes.c_long),
    ("espeak_Synth", _INT, _CHARS, ctypes.c_size_t, _UINT, _INT, _UINT, _UINT, _POINTER, _POINTER),
    ("espeak_Terminate", _INT),
)
"""Names, types of results and of arguments."""


class EspeakLibrary:
    """The library, set up with one folder of voice data. It keeps one state for the whole process,
    so only one of ours may be in it at a time."""

    _lock: ClassVar = threading.Lock()  # normally there is one, and nobody waits for it
    _user: ClassVar[EspeakLibrary | None] = None

    def __init__(self, data_folder: Path) -> None:
        self._data_folder = data_folder
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
        *,
        words_per_minute: int,
        volume: int,
        end_pause: bool,
        has_phonemes: bool = False,
        on_sound: Callable[[npt.NDArray[np.int16]], bool],
        on_mark: Callable[[SoundMark], None] | None = None,
    ) -> None:
        """Speak plain text, with phonemes in double brackets where it `has_phonemes`; `on_sound`
        gets each buffer and says whether to go on, and `on_mark` before it the marks in it."""
        with self._lock:
            self._take_over()
            library = self._library
            library.espeak_ng_SetRandSeed(RANDOM_SEED)
            # Also resets what the last text, perhaps broken off, left in the synthesizer.
            _check(library.espeak_SetVoiceByName(voice.encode()), f"voice {voice!r}")
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

    def close(self) -> None:
        """Give back the library's memory."""
        with self._lock:
            if EspeakLibrary._user is self:
                EspeakLibrary._user = None
                self._library.espeak_Terminate()

    def _take_over(self) -> None:
        if EspeakLibrary._user is self:
            return
        if EspeakLibrary._user is not None:
            EspeakLibrary._user = None
            self._library.espeak_Terminate()
        # It also sets this process's LC_CTYPE to C.UTF-8, which Python does as well.
        rate = self._library.espeak_Initialize(
            AUDIO_OUTPUT_SYNCHRONOUS, BUFFER_MS, bytes(self._data_folder), INITIALIZE_DONT_EXIT
        )
        if rate != SAMPLE_RATE:
            raise SynthesisError(f"espeak-ng could not be set up with {self._data_folder}: {rate}")
        self._library.espeak_SetSynthCallback(self._callback)
        EspeakLibrary._user = self

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
