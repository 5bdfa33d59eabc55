"""The built-in synthesizer: espeak-ng, in a process of its own, some hundred times real time.

One step speaks one segment whole (2 ms for a sentence), and its first sound leaves while the
step goes on. The same text and voice give bit-identical sound whatever was spoken before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stages.engine import Engine
from stages.errors import SynthesisError
from stages.tts.espeak.data import VARIANTS, WITH_OFFSET
from stages.tts.espeak.languages import Languages
from stages.tts.espeak.library import SAMPLE_RATE, borrow, give_back
from stages.tts.espeak.offset import OffsetRemover
from stages.tts.espeak.pace import NORMAL_WPM, pace_for
from stages.tts.espeak.phonemes import read_phoneme_data
from stages.tts.espeak.pieces import Pieces
from stages.tts.espeak.scripts import legible
from stages.tts.espeak.words import said_words
from stages.tts.espeak.writing import is_speakable, written_for
from stages.voices import Terms, Voice

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import TypeAlias

    import numpy as np
    import numpy.typing as npt

    from stages.engine import Request
    from stages.tts.espeak.data import Variant
    from stages.tts.espeak.languages import LanguageFile
    from stages.tts.espeak.library import EspeakLibrary, SoundMark

    _OnSound: TypeAlias = Callable[[npt.NDArray[np.int16]], bool]

ENGINE = "espeak-ng"

TERMS = Terms("nobody's voice: made by rules, free for every use", is_free=True)
"""Of what it says; the program is under the GPLv3."""

VOLUME = 80
"""The volume, of 100. At 100 loud voices exceed full scale (whisperf 38 000 of 32 767), where an
automatic gain reduces them and the text after them. At 80 the loudest reach 31 000."""

_PAUSE_MARKS = tuple(".,;:!?…。，、；：！？")

_VARIANTS = {variant.name: variant for variant in VARIANTS}


class EspeakEngine(Engine):
    """espeak-ng's voices of all its languages, as a synthesizer."""

    name = ENGINE
    sample_rate = SAMPLE_RATE
    takes_sounds = True

    def __init__(
        self, languages: Sequence[str] = ("en-us",), *, rate_wpm: int = NORMAL_WPM
    ) -> None:
        """Lists all variants of these languages. Refuses with a `ValueError` one that espeak-ng
        has not, and to have none; sets up nothing yet. It speaks 80 to 450 words a minute."""
        if not languages:
            raise ValueError("espeak-ng needs one language at least, such as 'en-us'")
        self.languages = Languages(languages)
        self._rate_wpm = rate_wpm
        self._pauses: dict[tuple[str, int], int] = {}
        self._library: EspeakLibrary | None = None

    @property
    def pid(self) -> int | None:
        """Of the process that has the library, which Piper's voices share."""
        return None if self._library is None else self._library.pid

    @property
    def n_restarts(self) -> int:
        """How often that process was started anew."""
        return 0 if self._library is None else self._library.n_restarts

    def voices(self) -> tuple[Voice, ...]:
        """Those that are listed: the chosen languages plain and with all variants, and every other
        language plain. They are named as espeak names them."""
        return tuple(_list_voices(self.languages))

    def voice(self, name: str) -> Voice | None:
        """The voice of this name, in any language and variant, listed or not."""
        name_of_language, plus, name_of_variant = name.partition("+")
        language = self.languages.get(name_of_language)
        variant = _VARIANTS.get(name_of_variant)
        if language is None or (plus and variant is None):
            return None
        return _voice(name, language, variant)

    def legible(self, text: str, language: str) -> str:
        """The text without what a voice of this language would name letter by letter, or by the
        number of each character."""
        return legible(text, language)

    def load(self) -> None:
        """Have the voice data laid out, as links in a temporary folder, and the process started."""
        self._library = borrow()
        read_phoneme_data()

    def install(self) -> None:
        """Say something unheard: the process is there then, and has read a dictionary."""
        language = next(iter(self.languages.chosen))
        self._speak("a", language, self._rate_wpm, lambda _sound: False, end_pause=False)

    def own_speed(self, speed: float) -> float:
        """Any, as far as its rate goes."""
        return pace_for(self._rate_wpm, speed).speed

    def step(self, batch: Sequence[Request]) -> None:
        """Speak each segment whole; one that cannot be spoken fails alone."""
        for request in batch:
            try:
                self._speak_request(request)
            except SynthesisError as error:
                request.fail(error)

    def close(self) -> None:
        """Give back the library, with its process and its data."""
        if self._library is not None:
            give_back(self._library)
            self._library = None

    def _speak_request(self, request: Request) -> None:
        segment = request.segment
        voice, speed = segment.style.voice, segment.style.speed
        if self.voice(voice) is None:
            raise SynthesisError(f"espeak-ng has no voice {voice!r}")
        written, has_phonemes = written_for(segment, self.languages)
        text = written.text
        if has_phonemes or is_speakable(text):
            _, _, variant = voice.partition("+")
            offset = OffsetRemover(SAMPLE_RATE) if variant in WITH_OFFSET else None
            rate_wpm = pace_for(self._rate_wpm, speed).rate_wpm
            pieces = Pieces(request, offset, self._lacking_pause(text, speed))
            # A reader would pause here, but not where a long sentence had to be cut.
            end_pause = text.endswith(_PAUSE_MARKS)
            marks: list[SoundMark] = []
            self._speak(
                text,
                voice,
                rate_wpm,
                pieces.take,
                end_pause=end_pause,
                has_phonemes=has_phonemes,
                on_mark=marks.append,
            )
            pieces.emit_rest()
            request.tell_words(said_words(marks, written, pieces.sound, pieces.n_skipped))
        if not request.is_dead:
            request.finish()

    def _lacking_pause(self, text: str, speed: float) -> int:
        """The samples that the pause at the end needs more than espeak makes it long at this speed;
        less than none where it makes it too long. Its pauses change as the square of the rate."""
        mark, pace = text[-1], pace_for(self._rate_wpm, speed)
        if mark not in _PAUSE_MARKS or pace.rate_wpm == self._rate_wpm:
            return 0
        wanted = self._pause(mark, self._rate_wpm) / pace.speed
        return round(wanted) - self._pause(mark, pace.rate_wpm)

    def _pause(self, mark: str, rate_wpm: int) -> int:
        """The samples of the pause that espeak makes behind a last mark, in any voice."""
        if (mark, rate_wpm) not in self._pauses:
            text = f"la{mark}"  # not a letter, whose stop could be that of an abbreviation
            without = self._n_samples(text, rate_wpm, end_pause=False)
            self._pauses[mark, rate_wpm] = self._n_samples(text, rate_wpm, end_pause=True) - without
        return self._pauses[mark, rate_wpm]

    def _n_samples(self, text: str, rate_wpm: int, *, end_pause: bool) -> int:
        n_samples = 0

        def count(sound: npt.NDArray[np.int16]) -> bool:
            nonlocal n_samples
            n_samples += len(sound)
            return True

        language = next(iter(self.languages.chosen))
        self._speak(text, language, rate_wpm, count, end_pause=end_pause)
        return n_samples

    def _speak(
        self,
        text: str,
        voice: str,
        rate_wpm: int,
        on_sound: _OnSound,
        *,
        end_pause: bool,
        has_phonemes: bool = False,
        on_mark: Callable[[SoundMark], None] | None = None,
    ) -> None:
        if self._library is None:
            raise SynthesisError("espeak-ng is not loaded")
        language = self.languages.get(voice.partition("+")[0])
        if language is None:
            raise SynthesisError(f"espeak-ng has no voice {voice!r}")
        self._library.speak(
            text,
            voice,
            language,
            words_per_minute=rate_wpm,
            volume=VOLUME,
            end_pause=end_pause,
            has_phonemes=has_phonemes,
            on_sound=on_sound,
            on_mark=on_mark,
        )


def _list_voices(languages: Languages) -> Iterator[Voice]:
    for name, language in languages.chosen.items():
        yield _voice(name, language)
        for variant in VARIANTS:
            yield _voice(f"{name}+{variant.name}", language, variant)
    chosen = set(languages.chosen.values())
    for language in languages.all:
        if language not in chosen:
            yield _voice(language.tag, language)


def _voice(name: str, language: LanguageFile, variant: Variant | None = None) -> Voice:
    description = "espeak-ng's own voice" if variant is None else f"espeak-ng {variant.description}"
    return Voice(
        name=name,
        engine=ENGINE,
        language=language.tag,
        gender="male" if variant is None else variant.gender,
        description=f"{language.title}: {description}",
        sample_rate=SAMPLE_RATE,
        licence=TERMS.licence,
        is_free=TERMS.is_free,
    )
