"""Piper's voices on this machine, as the options allow them, and their engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.cli.missing import missing_for_piper
from stages.tts.piper.voice_files import find_voice_files

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipeline.cli.missing import Missing
    from pipeline.cli.settings import SpeechSettings
    from stages.tts.piper.engine import PiperEngine
    from stages.tts.piper.voice_file import PiperVoiceFile

PIPER = "piper"
"""The name of the engine, and of its folder under the models folder."""


@dataclass(frozen=True)
class FoundPiper:
    """The engine and its voices."""

    engine: PiperEngine | None = None
    """None where it lacks something, or has no voice."""
    files: tuple[PiperVoiceFile, ...] = ()
    """The voices that it speaks with."""
    left_out: tuple[PiperVoiceFile, ...] = ()
    """Those that are not free, where only free ones are offered."""
    problems: tuple[str, ...] = ()
    """A line for each file that cannot be used."""
    missing: Missing | None = None


def find_piper(options: SpeechSettings, taken: Callable[[str], object]) -> FoundPiper:
    """What there is for these options. `taken` tells the names that other voices have."""
    folder = options.models / PIPER
    found = find_voice_files(folder)
    problems = list(found.problems)
    files: list[PiperVoiceFile] = []
    left_out: list[PiperVoiceFile] = []
    for file in found.voices.values():
        if taken(file.name):
            problems.append(f"{file.model} has the name of a built-in voice, {file.name}")
        elif options.free_voices_only and not file.terms.is_free:
            left_out.append(file)
        else:
            files.append(file)
    missing = missing_for_piper(folder, has_voice=bool(files))
    engine = None
    if missing is None:
        from stages.tts.piper.engine import PiperEngine  # noqa: PLC0415 - imports onnxruntime

        engine = PiperEngine(files)
    return FoundPiper(engine, tuple(files), tuple(left_out), tuple(problems), missing)
