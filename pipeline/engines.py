"""Which engines speak: what was asked for, what there is, and what to say of the rest.

A server without models runs on the built-in engine, says what it lacks and how to get it, and
never downloads anything by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING

from pipeline.model_store import MANIFEST, SOURCES
from stages.errors import CannotStart
from stages.tts.espeak import EspeakEngine

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.settings import SpeechSettings
    from stages.engine import Engine
    from stages.tts.soprano.engine import SopranoEngine
    from stages.voices import Voice

SOPRANO = "soprano"
"""The name of the engine, of its voice, and of its model in the store."""

MODEL_PACKAGES = ("torch", "transformers", SOPRANO)
"""What `make setup` installs and the light set of packages lacks."""


@dataclass(frozen=True)
class Engines:
    """What is to be installed, the preferred one first."""

    synthesizers: tuple[Engine, ...]
    voices: dict[str, Voice]
    default_voice: str
    why_not_soprano: str | None
    """What it lacks, where it was not refused."""


def choose_engines(options: SpeechSettings, max_listeners: int) -> Engines:
    """What these options and this machine make of it. Raises `CannotStart`. Nothing is loaded."""
    try:
        espeak = EspeakEngine(options.espeak_languages, rate_wpm=options.espeak_rate)
    except ValueError as error:
        raise CannotStart(str(error)) from error
    voices = {voice.name: voice for voice in espeak.voices()}
    default_voice = f"{options.espeak_languages[0]}+f3"
    synthesizers: tuple[Engine, ...] = (espeak,)
    lack = None if options.engine == espeak.name else why_not_soprano(options.models)
    if options.engine == SOPRANO and lack is not None:
        raise CannotStart(lack)
    if options.engine != espeak.name and lack is None:
        soprano = _soprano(options, max_listeners)
        synthesizers = (soprano, espeak)
        voices = {voice.name: voice for voice in soprano.voices()} | voices
        default_voice = SOPRANO
    if options.voice is not None:
        default_voice = options.voice
    if default_voice not in voices:
        why = f" ({lack})" if default_voice == SOPRANO and lack is not None else ""
        msg = f"there is no voice {default_voice!r}{why}; there are {', '.join(voices)}"
        raise CannotStart(msg)
    return Engines(synthesizers, voices, default_voice, lack)


def why_not_soprano(models: Path) -> str | None:
    """What Soprano lacks to speak, and the commands that get it; None: nothing."""
    folder = soprano_folder(models)
    packages = [name for name in MODEL_PACKAGES if find_spec(name) is None]
    files = [name for name in SOURCES[SOPRANO].files if not (folder / name).is_file()]
    commands = ["make setup"] if packages else []
    lacks = packages
    if files:
        has_other_files = folder.is_dir() and any(folder.iterdir())
        if has_other_files and not (folder / MANIFEST).exists():
            commands.append(f"mv {folder} {folder}.old")  # fetch replaces only what it fetched
        commands.append(f".venv/bin/python server.py fetch {SOPRANO}")
        what = ", ".join(files) if has_other_files else "the model"
        lacks = [f"{what} in {folder}", *packages]
    if not lacks:
        return None
    return f"Soprano lacks {', '.join(lacks)}; to get it: {' && '.join(commands)}"


def soprano_folder(models: Path) -> Path:
    """Where Soprano's model lies."""
    return models / SOURCES[SOPRANO].folder


def _soprano(options: SpeechSettings, max_listeners: int) -> SopranoEngine:
    # Imported here: torch takes two seconds, and the light set of packages has none.
    from stages import accelerator  # noqa: PLC0415
    from stages.tts.soprano.engine import SopranoEngine  # noqa: PLC0415
    from stages.tts.soprano.model import SopranoOptions  # noqa: PLC0415
    from stages.tts.soprano.sampling import Sampling  # noqa: PLC0415

    device = accelerator.choose_device(options.device)
    return SopranoEngine(
        soprano_folder(options.models),
        SopranoOptions(
            device=device,
            dtype=accelerator.choose_dtype(options.dtype, device),
            chunk_states=options.soprano_chunk_size,
            sampling=Sampling(
                options.soprano_temperature,
                options.soprano_top_p,
                options.soprano_repetition_penalty,
            ),
            n_slots=max_listeners,
        ),
    )
