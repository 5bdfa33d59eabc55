"""libespeak-ng through ctypes: one text, its samples piece by piece, or its phonemes.

It keeps one state for the whole process, and some text makes it overrun its buffers, so it has a
process of its own (`stages/tts/espeak/child.py`).

Declarations and constants are those of ``speak_lib.h`` and ``espeak_ng.h`` (1.52.0).
"""

from __future__ import annotations

import ctypes
import os

from stages.tts.espeak.steady import write_steady

TYPE_CHECKING = False  # see wire.py
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TypeAlias

    from stages.tts.espeak.wire import ClauseFields, Mark

    OnSound: TypeAlias = Callable[[list[Mark], bytes], bool]

SAMPLE_RATE = 22_050
DATA_FOLDER = "espeak-ng-data"
"""The name that ``espeak_Initialize`` looks for under its ``path``."""

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


class EspeakRefusal(Exception):
    """The library does not do it, and says so."""


class Libespeak:
    """The library, set up with our edition of its voice data. One in a process, at a time."""

    def __init__(self, library: str, folder: bytes) -> None:
        """`folder` has the data in it. Raises `EspeakRefusal`."""
        self._languages = os.path.join(folder, DATA_FOLDER.encode(), b"lang")  # noqa: PTH118 - see steady.py
        self._added: set[str] = set()
        self._translating_as: str | None = None
        self._on_sound: OnSound | None = None
        self._error: BaseException | None = None
        self._library = ctypes.CDLL(library)
        self._callback = _Callback(self._take_sound)  # must live as long as it may be called
        for name, returns, *takes in _FUNCTIONS:
            function = getattr(self._library, name)
            function.restype, function.argtypes = returns, takes
        # It also sets this process's LC_CTYPE to C.UTF-8, which Python does as well.
        rate = self._library.espeak_Initialize(
            AUDIO_OUTPUT_SYNCHRONOUS, BUFFER_MS, folder, INITIALIZE_DONT_EXIT
        )
        if rate != SAMPLE_RATE:
            raise EspeakRefusal(f"espeak-ng could not be set up with {os.fsdecode(folder)}: {rate}")
        self._library.espeak_SetSynthCallback(self._callback)

    def choose(self, voice: str, language_file: bytes) -> None:
        """Choose a voice of a language, which also resets what the last text, perhaps broken off,
        left in the synthesizer: 80 µs, and 16 ms for Chinese, whose dictionary is read again."""
        self._translating_as = None
        name = voice.partition("+")[0]
        if name not in self._added:
            # Directly under lang/, and named as it is asked for: found at once, where the library
            # would first read all of its 230 voice files (2 ms, and 2 kB that it never frees).
            write_steady(language_file, os.path.join(self._languages, name.encode()))  # noqa: PTH118 - likewise
            self._added.add(name)
        _check(self._library.espeak_SetVoiceByName(voice.encode()), f"voice {voice!r}")

    def speak(
        self, text: bytes, *, words_per_minute: int, volume: int, flags: int, on_sound: OnSound
    ) -> None:
        """Speak a text in the voice that was just chosen; `on_sound` gets the marks in each buffer
        and its samples, and says whether to go on. `flags`: ``ENDPAUSE``, ``PHONEMES``."""
        library = self._library
        library.espeak_ng_SetRandSeed(RANDOM_SEED)
        _check(library.espeak_SetParameter(PARAMETER_RATE, words_per_minute, 0), "rate")
        _check(library.espeak_SetParameter(PARAMETER_VOLUME, volume, 0), "volume")
        self._on_sound, self._error = on_sound, None
        try:
            status = self._synthesize(text, flags)
        finally:
            self._on_sound = None
            error, self._error = self._error, None
        if error is not None:
            raise error
        _check(status, "text")

    def translate(
        self, voice: str, language_file: bytes, texts: list[bytes]
    ) -> Iterator[list[ClauseFields]]:
        """Each text's phonemes, clause by clause, as this voice would say them. What stands in
        double brackets is taken for phonemes. 3 µs and 1 µs for each character."""
        if voice != self._translating_as:
            self.choose(voice, language_file)
            self._translating_as = voice
        # Forgets the character that it has read ahead of a text that was broken off, and says what
        # brackets are.
        _check(self._synthesize(b"", PHONEMES), "text")
        return map(self._clauses, texts)

    def close(self) -> None:
        """Give back the library's memory."""
        self._library.espeak_Terminate()

    def _synthesize(self, text: bytes, flags: int) -> int:
        status: int = self._library.espeak_Synth(
            text, len(text) + 1, 0, POS_CHARACTER, 0, CHARS_UTF8 | flags, None, None
        )
        return status

    def _clauses(self, text: bytes) -> list[ClauseFields]:
        buffer = ctypes.create_string_buffer(text)
        begin = ctypes.addressof(buffer)
        place = ctypes.c_void_p(begin)
        clauses = []
        while place.value:
            phonemes = self._library.espeak_TextToPhonemes(ctypes.byref(place), CHARS_UTF8, IPA)
            # It has read one character ahead, which it keeps for the next clause.
            read = text if not place.value else text[: place.value - begin]
            clauses.append((len(read.decode()) - bool(place.value), phonemes or b""))
        return clauses

    def _take_sound(self, samples: int | None, n_samples: int, events: int | None) -> int:
        """Called by the library: 0 goes on, 1 breaks off."""
        if self._on_sound is None:
            return 0
        try:
            marks = list(_marks(events)) if events else []
            sound = ctypes.string_at(samples, 2 * n_samples) if samples and n_samples > 0 else b""
            return 0 if not (marks or sound) or self._on_sound(marks, sound) else 1
        except BaseException as error:  # noqa: BLE001 - ctypes would print and swallow it
            self._error = error
            return 1


def _marks(events: int) -> Iterator[Mark]:
    """The marks in a list of events."""
    size = ctypes.sizeof(_Event)
    while (event := _Event.from_address(events)).type != EVENT_LIST_TERMINATED:
        if event.type == EVENT_WORD:
            yield event.sample, max(0, event.text_position - 1)
        elif event.type == EVENT_END:
            yield event.sample, None
        events += size


def _check(status: int, what: str) -> None:
    if status != EE_OK:
        raise EspeakRefusal(f"espeak-ng refused the {what} (status {status})")
