"""The neural voices by language: which of them speaks text that the voice chosen does not."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from stages.tts.espeak.languages import LanguageFile, Languages
    from stages.voices import Voice


class _NeuralSpeaker(NamedTuple):
    voice: Voice
    tag: str
    language: LanguageFile | None
    """What its tag means: ``de-de`` and ``de-at`` mean one."""


class NeuralVoices:
    """The first neural voice of each engine in each language, in the order of the voices."""

    def __init__(self, voices: Iterable[Voice], languages: Languages) -> None:
        """`languages` knows which tags mean one language."""
        self._languages = languages
        speakers: dict[tuple[str, str], _NeuralSpeaker] = {}
        for voice in voices:
            if voice.type == "neural" and (tag := voice.language) is not None:
                speaker = _NeuralSpeaker(voice, tag, languages.find(tag))
                speakers.setdefault((voice.engine, tag), speaker)
        self._speakers = tuple(speakers.values())

    def find(self, tag: str, engine: str | None = None) -> Voice | None:
        """A voice that speaks the language of this tag, which is in lower case: of this engine if
        there is one, and in the region that it names."""
        language = self._languages.find(tag)
        fitting: list[tuple[bool, bool, _NeuralSpeaker]] = []
        for speaker in self._speakers:
            is_exact = f"{speaker.tag}-".startswith(f"{tag}-")
            if is_exact or (language is not None and speaker.language == language):
                fitting.append((speaker.voice.engine == engine, is_exact, speaker))
        best = max(fitting, key=lambda each: each[:2], default=None)  # the first of those alike
        return None if best is None else best[2].voice
