"""Which engines speak: what was asked for, what there is, and what to say of the rest.

A server without models runs on the built-in engine, says what it lacks and how to get it, and
never downloads anything by itself.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.util import find_spec
from typing import TYPE_CHECKING

from pipeline.cli import processors
from pipeline.models.store import MANIFEST, SOURCES
from pipeline.voices import Voices
from stages import rvc
from stages.errors import CannotStart
from stages.install_hints import install_hints
from stages.rvc.voices.library import find_voices
from stages.tts.espeak.engine import EspeakEngine

if TYPE_CHECKING:
    from pathlib import Path

    import torch

    from pipeline.cli.settings import SpeechSettings
    from stages.engine import Engine
    from stages.tts.soprano.engine import SopranoEngine

SOPRANO = "soprano"
"""The name of the engine, of its voice, and of its model in the store."""

MODEL_PACKAGES = ("torch", "transformers", SOPRANO)
"""What the full set of packages has and the light one lacks."""

RVC_PACKAGES = ("torch", "transformers", "scipy", "parselmouth")
"""Likewise, for RVC."""


@dataclass(frozen=True)
class Engines:
    """What is to be installed, the preferred one first."""

    synthesizers: tuple[Engine, ...]
    voice_converters: tuple[Engine, ...]
    voices: Voices
    default_voice: str
    remarks: tuple[str, ...]
    """What cannot be used as it is, where it was not refused; a line each."""
    advice: str | None = None
    """How to get a better engine, where nobody has tried to; one line."""


@dataclass(frozen=True)
class Lack:
    """What an engine lacks, and the commands that get it."""

    engine: str
    what: tuple[str, ...]
    commands: tuple[str, ...]
    is_begun: bool
    """Some of it is there: somebody wants the engine."""

    @property
    def how(self) -> str:
        """The commands, in one line."""
        return install_hints().then.join(self.commands)

    def __str__(self) -> str:
        return f"{self.engine} lacks {', '.join(self.what)}; to get it: {self.how}"


def choose_engines(options: SpeechSettings, max_listeners: int) -> Engines:
    """What these options and this machine make of it. Raises `CannotStart`. Nothing is loaded."""
    _check_paths(options)
    try:
        espeak = EspeakEngine(options.espeak_languages, rate_wpm=options.espeak_rate)
    except ValueError as error:
        raise CannotStart(f"{options.place_of('espeak_languages')}: {error}") from error
    voices = espeak.voices()
    default_voice = f"{options.espeak_languages[0]}+f3"
    synthesizers: tuple[Engine, ...] = (espeak,)
    lack = None if options.engine == espeak.name else why_not_soprano(options.models)
    if options.engine == SOPRANO and lack is not None:
        raise CannotStart(f"{options.place_of('engine')}: {lack}")
    if options.engine != espeak.name and lack is None:
        soprano = _soprano(options, max_listeners)
        synthesizers = (soprano, espeak)
        voices = (*soprano.voices(), *voices)
        default_voice = SOPRANO
    known = Voices(voices)
    voice_converters, rvc_remarks = _rvc(options, known, default_voice)
    remarks = rvc_remarks if lack is None else [str(lack), *rvc_remarks]
    if options.voice is not None:
        default_voice = options.voice
    if default_voice not in known:
        told = f"{options.place_of('voice')}: {_no_voice(default_voice, known)}"
        raise CannotStart("; ".join([told, *remarks]))
    advice = None
    if lack is not None and not lack.is_begun:
        remarks = rvc_remarks
        missing = ", ".join(lack.what)
        advice = (
            f"the built-in engine speaks; to get {lack.engine}, a neural voice: {lack.how}"
            f" (missing: {missing})"
        )
    return Engines(synthesizers, voice_converters, known, default_voice, tuple(remarks), advice)


def _check_paths(options: SpeechSettings) -> None:
    """Raises `CannotStart` for a folder that somebody named and that is not there; those that
    nobody named may be missing."""
    folders = {
        "models": options.models,
        "voices": options.voices,
        "rvc_webui": options.rvc_webui,
    }
    for name, folder in folders.items():
        if name in options.model_fields_set and folder is not None and not folder.is_dir():
            raise CannotStart(f"{options.place_of(name)}: there is no folder {folder}")
    content = options.rvc_content
    if content is not None and not content.exists():
        raise CannotStart(f"{options.place_of('rvc_content')}: there is no {content}")


def _no_voice(name: str, voices: Voices) -> str:
    """That there is none of this name, what it is like, and which there are."""
    near = get_close_matches(name, voices, n=2)
    hint = f", did you mean {' or '.join(near)}? There are " if near else "; there are "
    return f"there is no voice {name!r}{hint}{', '.join(voices)}"


def _rvc(
    options: SpeechSettings, voices: Voices, speaks_with: str
) -> tuple[tuple[Engine, ...], list[str]]:
    """RVC's engine, where there are voices for it and it lacks nothing; and what to say."""
    speaks_with = options.rvc_speaks_with or speaks_with
    if speaks_with not in voices:
        place = options.place_of("rvc_speaks_with")
        raise CannotStart(f"{place}: {_no_voice(speaks_with, voices)}")
    lack = why_not_rvc(options)
    if lack is not None:
        found = find_voices([options.voices], options.rvc_webui).voices
        return (), [f"{len(found)} RVC voices are not offered: {lack}"] if found else []
    voices.offer_rvc(options.voices, options.rvc_webui, speaks_with)
    return (_rvc_engine(options, voices),), list(voices.problems)


def why_not_rvc(options: SpeechSettings) -> Lack | None:
    """What RVC lacks to convert; None: nothing."""
    lacks = [name for name in RVC_PACKAGES if find_spec(name) is None]
    commands = [install_hints().packages] if lacks else []
    content = rvc_content(options)
    if not content.exists():
        lacks.append(f"{content}")
        commands.append(install_hints().model(content.parent))
    return Lack("RVC", tuple(lacks), tuple(commands), is_begun=True) if lacks else None


def rvc_content(options: SpeechSettings) -> Path:
    """Where the content model lies."""
    return options.rvc_content or options.models / SOURCES["hubert"].folder / rvc.HUBERT_FILE


def _rvc_engine(options: SpeechSettings, voices: Voices) -> Engine:
    # Imported here: see `_runs_on`.
    from stages.rvc.engine import RvcEngine, RvcOptions  # noqa: PLC0415

    device, dtype = _runs_on(options)
    return RvcEngine(
        voices.entries,
        RvcOptions(
            content=rvc_content(options),
            rmvpe=options.models / SOURCES["rmvpe"].folder / rvc.RMVPE_FILE,
            device=device,
            dtype=dtype,
            block_frames=options.rvc_block_ms // 10,
            max_voice_bytes=options.rvc_memory_mb * 1_000_000,
        ),
    )


def why_not_soprano(models: Path) -> Lack | None:
    """What Soprano lacks to speak; None: nothing."""
    folder = soprano_folder(models)
    packages = [name for name in MODEL_PACKAGES if find_spec(name) is None]
    files = [name for name in SOURCES[SOPRANO].files if not (folder / name).is_file()]
    has_files = folder.is_dir() and any(folder.iterdir())
    commands = [install_hints().packages] if packages else []
    lacks = packages
    if files:
        if has_files and not (folder / MANIFEST).exists():
            old = shlex.quote(f"{folder}.old")  # fetch replaces only what it fetched
            commands.append(f"mv {shlex.quote(str(folder))} {old}")
        commands.append(install_hints().model(folder))
        what = ", ".join(files) if has_files else "the model"
        lacks = [f"{what} in {folder}", *packages]
    return Lack("Soprano", tuple(lacks), tuple(commands), is_begun=has_files) if lacks else None


def soprano_folder(models: Path) -> Path:
    """Where Soprano's model lies."""
    return models / SOURCES[SOPRANO].folder


def _soprano(options: SpeechSettings, max_listeners: int) -> SopranoEngine:
    # Imported here: see `_runs_on`.
    from stages.neural import accelerator  # noqa: PLC0415
    from stages.tts.soprano.engine import SopranoEngine  # noqa: PLC0415
    from stages.tts.soprano.model import SopranoOptions  # noqa: PLC0415
    from stages.tts.soprano.sampling import Sampling  # noqa: PLC0415

    device, dtype = _runs_on(options)
    return SopranoEngine(
        soprano_folder(options.models),
        SopranoOptions(
            device=device,
            dtype=accelerator.with_its_range(dtype),
            chunk_states=options.soprano_chunk_size,
            sampling=Sampling(
                options.soprano_temperature,
                options.soprano_top_p,
                options.soprano_repetition_penalty,
            ),
            n_slots=max_listeners,
        ),
    )


def _runs_on(options: SpeechSettings) -> tuple[torch.device, torch.dtype]:
    # Imported here: torch takes two seconds, and the light set of packages has none.
    from stages.neural import accelerator  # noqa: PLC0415

    accelerator.keep_kernels()  # no engine has computed anything yet
    accelerator.limit_threads(processors.available())
    device = accelerator.choose_device(options.device)
    return device, accelerator.choose_dtype(options.dtype, device)
