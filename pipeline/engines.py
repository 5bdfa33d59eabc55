"""Which engines speak: what was asked for, what there is, and what to say of the rest.

A server without models runs on the built-in engine, says what it lacks and how to get it, and
never downloads anything by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING

from pipeline import processors
from pipeline.model_store import MANIFEST, SOURCES
from pipeline.voices import Voices
from stages import rvc
from stages.errors import CannotStart
from stages.remedies import remedies
from stages.rvc.library import find_voices
from stages.tts.espeak import EspeakEngine

if TYPE_CHECKING:
    from pathlib import Path

    import torch

    from pipeline.settings import SpeechSettings
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
    """What is missing, and what cannot be used, where it was not refused; a line each."""


def choose_engines(options: SpeechSettings, max_listeners: int) -> Engines:
    """What these options and this machine make of it. Raises `CannotStart`. Nothing is loaded."""
    try:
        espeak = EspeakEngine(options.espeak_languages, rate_wpm=options.espeak_rate)
    except ValueError as error:
        raise CannotStart(str(error)) from error
    voices = espeak.voices()
    default_voice = f"{options.espeak_languages[0]}+f3"
    synthesizers: tuple[Engine, ...] = (espeak,)
    lack = None if options.engine == espeak.name else why_not_soprano(options.models)
    if options.engine == SOPRANO and lack is not None:
        raise CannotStart(lack)
    if options.engine != espeak.name and lack is None:
        soprano = _soprano(options, max_listeners)
        synthesizers = (soprano, espeak)
        voices = (*soprano.voices(), *voices)
        default_voice = SOPRANO
    known = Voices(voices)
    voice_converters, rvc_remarks = _rvc(options, known, default_voice)
    remarks = (*([lack] if lack is not None else []), *rvc_remarks)
    if options.voice is not None:
        default_voice = options.voice
    if default_voice not in known:
        why = f" ({'; '.join(remarks)})" if remarks else ""
        msg = f"there is no voice {default_voice!r}{why}; there are {', '.join(known)}"
        raise CannotStart(msg)
    return Engines(synthesizers, voice_converters, known, default_voice, remarks)


def _rvc(
    options: SpeechSettings, voices: Voices, speaks_with: str
) -> tuple[tuple[Engine, ...], list[str]]:
    """RVC's engine, where there are voices for it and it lacks nothing; and what to say."""
    if options.rvc_webui is not None and not options.rvc_webui.is_dir():
        raise CannotStart(f"rvc_webui: there is no folder {options.rvc_webui}")
    speaks_with = options.rvc_speaks_with or speaks_with
    if speaks_with not in voices:
        msg = f"rvc_speaks_with: there is no voice {speaks_with!r}; there are {', '.join(voices)}"
        raise CannotStart(msg)
    lack = why_not_rvc(options)
    if lack is not None:
        found = find_voices([options.voices], options.rvc_webui).voices
        return (), [f"{len(found)} RVC voices are not offered: {lack}"] if found else []
    voices.offer_rvc(options.voices, options.rvc_webui, speaks_with)
    return (_rvc_engine(options, voices),), list(voices.problems)


def why_not_rvc(options: SpeechSettings) -> str | None:
    """What RVC lacks to convert, and the commands that get it; None: nothing."""
    lacks = [name for name in RVC_PACKAGES if find_spec(name) is None]
    ways = remedies()
    commands = [ways.packages] if lacks else []
    content = rvc_content(options)
    if not content.exists():
        lacks.append(f"{content}")
        if options.rvc_content is None:
            commands.append(ways.model("hubert"))
    if not lacks:
        return None
    how = f"; to get it: {ways.then.join(commands)}" if commands else ""
    return f"RVC lacks {', '.join(lacks)}{how}"


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


def why_not_soprano(models: Path) -> str | None:
    """What Soprano lacks to speak, and the commands that get it; None: nothing."""
    folder = soprano_folder(models)
    packages = [name for name in MODEL_PACKAGES if find_spec(name) is None]
    files = [name for name in SOURCES[SOPRANO].files if not (folder / name).is_file()]
    ways = remedies()
    commands = [ways.packages] if packages else []
    lacks = packages
    if files:
        has_other_files = folder.is_dir() and any(folder.iterdir())
        if has_other_files and not (folder / MANIFEST).exists():
            commands.append(f"mv {folder} {folder}.old")  # fetch replaces only what it fetched
        commands.append(ways.model(SOPRANO))
        what = ", ".join(files) if has_other_files else "the model"
        lacks = [f"{what} in {folder}", *packages]
    if not lacks:
        return None
    return f"Soprano lacks {', '.join(lacks)}; to get it: {ways.then.join(commands)}"


def soprano_folder(models: Path) -> Path:
    """Where Soprano's model lies."""
    return models / SOURCES[SOPRANO].folder


def _soprano(options: SpeechSettings, max_listeners: int) -> SopranoEngine:
    # Imported here: see `_runs_on`.
    from stages import accelerator  # noqa: PLC0415
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
    from stages import accelerator  # noqa: PLC0415

    accelerator.keep_kernels()  # no engine has computed anything yet
    accelerator.limit_threads(processors.available())
    device = accelerator.choose_device(options.device)
    return device, accelerator.choose_dtype(options.dtype, device)
