"""The voices of Piper as a listener chooses them: one for each file, and for each speaker in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from stages.tts.piper.voice_file import SPEAKER_SIGN
from stages.voices import Voice, can_be_asked_for

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from stages.tts.piper.voice_file import PiperVoiceFile

ENGINE = "piper"

MAX_LISTED_SPEAKERS = 48
"""Of one file. Some have 900 of people who read a page each; all of them can be asked for."""


class FileSpeaker(NamedTuple):
    """A file, and which of its speakers speaks."""

    file: PiperVoiceFile
    speaker: int
    """Its number in the network, from 0."""
    name: str | None
    """None: it was not named, so it is the first."""


class PiperVoices:
    """All that can be asked for, by name."""

    def __init__(self, files: Sequence[PiperVoiceFile]) -> None:
        """Of files of one name the first counts."""
        self._files: dict[str, PiperVoiceFile] = {}
        for file in files:
            self._files.setdefault(file.name, file)

    def listed(self) -> Iterator[Voice]:
        """Each file, followed by its speakers if there are not too many."""
        for file in self._files.values():
            yield _voice(FileSpeaker(file, 0, None))
            speakers = file.config.speaker_id_map
            if file.config.num_speakers > 1 and len(speakers) <= MAX_LISTED_SPEAKERS:
                for name, number in speakers.items():
                    voice = _voice(FileSpeaker(file, number, name))
                    if can_be_asked_for(voice.name):
                        yield voice

    def speaking(self, name: str) -> FileSpeaker | None:
        """The file and speaker of this name, listed or not."""
        if name in self._files:
            return FileSpeaker(self._files[name], 0, None)
        name_of_file, _, speaker = name.partition(SPEAKER_SIGN)
        file = self._files.get(name_of_file)
        if file is None or file.config.num_speakers == 1:
            return None
        number = file.config.speaker_id_map.get(speaker)
        return None if number is None else FileSpeaker(file, number, speaker)

    def voice(self, name: str) -> Voice | None:
        """The same as it is told."""
        speaking = self.speaking(name)
        return None if speaking is None else _voice(speaking)


def _voice(speaking: FileSpeaker) -> Voice:
    file, _, speaker = speaking
    config = file.config
    language = config.language
    tag = (language.code or config.espeak.voice).lower().replace("_", "-")
    spoken = language.name_english or tag
    if language.country_english:
        spoken = f"{spoken} ({language.country_english})"
    kind = f"Piper, {config.audio.quality}" if config.audio.quality else "Piper"
    who = config.dataset or file.name
    return Voice(
        name=file.name if speaker is None else f"{file.name}{SPEAKER_SIGN}{speaker}",
        engine=ENGINE,
        language=tag,
        gender=None,
        description=f"{spoken}: {who}{'' if speaker is None else f', {speaker}'} ({kind})",
        sample_rate=config.audio.sample_rate,
        type="neural",
        licence=file.terms.licence,
        is_free=file.terms.is_free,
    )
