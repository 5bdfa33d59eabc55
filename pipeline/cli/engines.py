"""The choice of engines: from what was asked for and what this machine has.

A server without models runs on the built-in engine, says what it lacks and how to get it, and
never downloads anything by itself.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.util import find_spec
from typing import TYPE_CHECKING

from pipeline.cli import devices, processors
from pipeline.models.store import MANIFEST, SOURCES
from pipeline.voices import Voices
from stages import rvc
from stages.errors import CannotStart
from stages.install_hints import install_hints
from stages.items import AUTO
from stages.rvc.voices.library import find_voices
from stages.tts.espeak.engine import EspeakEngine
from stages.tts.espeak.languages import Languages

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import torch

    from pipeline.cli.settings import SpeechSettings
    from stages.engine import Engine
    from stages.tts.soprano.engine import SopranoEngine

SOPRANO = "soprano"
"""The name of the engine, of its voice, and of its model in the store."""

SOPRANO_PACKAGES = ("torch", "transformers", SOPRANO)
RVC_PACKAGES = ("torch", "transformers", "scipy", "parselmouth")
"""Packages that the engines import and the light set lacks."""


@dataclass(frozen=True)
class Engines:
    """The engines to install, the preferred synthesizer first, and their voices."""

    synthesizers: tuple[Engine, ...]
    voice_converters: tuple[Engine, ...]
    voices: Voices
    languages: Languages
    default_voice: str
    remarks: tuple[str, ...]
    """A line for each thing that is there and cannot be used as it is."""
    advice: str | None = None
    """A line about how to get a better engine, where none of it is there."""


@dataclass(frozen=True)
class Missing:
    """The files and packages that an engine lacks, and the commands that get them."""

    engine: str
    parts: tuple[str, ...]
    how: str
    """The commands, in one line."""
    is_begun: bool
    """Whether some of it is there, so that somebody wants the engine."""

    def __str__(self) -> str:
        return f"{self.engine} lacks {', '.join(self.parts)}; to get it: {self.how}"


def choose_engines(options: SpeechSettings, max_listeners: int) -> Engines:
    """The engines for these options on this machine, not loaded yet. Raises `CannotStart`."""
    options.require("folder", "models", "voices", "rvc_webui")
    options.require("file or folder", "rvc_content")
    if options.device.startswith("cuda"):
        problem = devices.gpu_problem(options.device, devices.torch_build(), devices.gpu_names())
        if problem is not None:
            raise CannotStart(f"{options.place_of('device')}: {problem}")
    try:
        espeak = EspeakEngine(options.espeak_languages, rate_wpm=options.espeak_rate)
    except ValueError as error:
        raise CannotStart(f"{options.place_of('espeak_languages')}: {error}") from error
    synthesizers: tuple[EspeakEngine | SopranoEngine, ...] = (espeak,)
    default_voice = f"{options.espeak_languages[0]}+f3"
    missing = None
    if options.engine != espeak.name:
        missing = _missing_for_soprano(options.models)
        if missing is None:
            synthesizers = (_soprano(options, max_listeners), espeak)
            default_voice = SOPRANO
        elif options.engine == SOPRANO:
            raise CannotStart(f"{options.place_of('engine')}: {missing}")
    if options.language not in {None, AUTO} and options.language not in espeak.languages:
        msg = f"{options.place_of('language')}: no voice speaks {options.language!r}"
        if (language := espeak.languages.called(options.language or "")) is not None:
            msg = f"{msg}; {language.title} is {language.tag}"
        raise CannotStart(f"{msg}; `check` lists the languages")
    listed = [voice for engine in synthesizers for voice in engine.voices()]
    voices = Voices(listed, espeak.voice)
    voice_converters, remarks = _rvc(options, voices, default_voice)
    if options.voice is not None:
        default_voice = options.voice
    if default_voice not in voices:
        why = [] if missing is None else [str(missing)]
        there_is = no_voice(default_voice, voices, options.espeak_languages)
        told = f"{options.place_of('voice')}: {there_is}"
        raise CannotStart("; ".join([told, *why, *remarks]))
    advice = None
    if missing is not None and missing.is_begun:
        remarks = [str(missing), *remarks]
    elif missing is not None:
        advice = (
            f"the built-in engine speaks; to get {missing.engine}, a neural voice: {missing.how}"
            f" (missing: {', '.join(missing.parts)})"
        )
    return Engines(
        synthesizers=synthesizers,
        voice_converters=voice_converters,
        voices=voices,
        languages=espeak.languages,
        default_voice=default_voice,
        remarks=tuple(remarks),
        advice=advice,
    )


def no_voice(name: str, voices: Voices, languages: Sequence[str]) -> str:
    """A sentence: there is no such voice, these have similar names, and these there are; of
    espeak-ng's those of the chosen languages."""
    near = get_close_matches(name, voices, n=2)
    language = Languages(languages).called(name)
    hint = "; there are "
    if near:
        hint = f", did you mean {' or '.join(near)}? There are "
    elif language is not None:
        tag = language.tag
        hint = f"; for {language.title} choose --voice {tag} or --language {tag}. There are "
    own = [
        voice.name
        for voice in voices.values()
        if voice.engine != EspeakEngine.name or voice.language in languages
    ]
    there = f"{', '.join(own)}, and one for each language's tag, as de for German"
    return f"there is no voice {name!r}{hint}{there}"


def _rvc(
    options: SpeechSettings, voices: Voices, speaks_with: str
) -> tuple[tuple[Engine, ...], list[str]]:
    """RVC's engine, or none where it lacks something; and remarks."""
    speaks_with = options.rvc_speaks_with or speaks_with
    if speaks_with not in voices:
        place = options.place_of("rvc_speaks_with")
        raise CannotStart(f"{place}: {no_voice(speaks_with, voices, options.espeak_languages)}")
    missing = _missing_for_rvc(options)
    if missing is not None:
        found = find_voices([options.voices], options.rvc_webui).voices
        return (), [f"{len(found)} RVC voices are not offered: {missing}"] if found else []
    voices.offer_rvc(options.voices, options.rvc_webui, speaks_with)
    return (_rvc_engine(options, voices),), list(voices.problems)


def _missing_for_rvc(options: SpeechSettings) -> Missing | None:
    content = _rvc_content(options)
    files = [] if content.exists() else [str(content)]
    get_files = [install_hints().model(content.parent)]
    return _missing("RVC", RVC_PACKAGES, files, get_files, is_begun=True)


def _missing_for_soprano(models: Path) -> Missing | None:
    folder = models / SOURCES[SOPRANO].folder
    files = [name for name in SOURCES[SOPRANO].files if not (folder / name).is_file()]
    is_begun = folder.is_dir() and any(folder.iterdir())
    get_files = [install_hints().model(folder)]
    if is_begun and not (folder / MANIFEST).exists():  # fetch replaces only what it fetched
        old = shlex.quote(f"{folder}.old")
        get_files.insert(0, f"mv {shlex.quote(str(folder))} {old}")
    told = [f"{', '.join(files) if is_begun else 'the model'} in {folder}"] if files else []
    return _missing("Soprano", SOPRANO_PACKAGES, told, get_files, is_begun=is_begun)


def _missing(
    engine: str, needed: tuple[str, ...], files: list[str], get_files: list[str], *, is_begun: bool
) -> Missing | None:
    """The missing files, and the packages that are not installed; None: nothing is missing."""
    packages = [name for name in needed if find_spec(name) is None]
    if not files and not packages:
        return None
    commands = [install_hints().packages] * bool(packages) + get_files * bool(files)
    return Missing(engine, (*files, *packages), install_hints().then.join(commands), is_begun)


def _rvc_content(options: SpeechSettings) -> Path:
    """The file or folder of the content model."""
    return options.rvc_content or options.models / SOURCES["hubert"].folder / rvc.HUBERT_FILE


def _rvc_engine(options: SpeechSettings, voices: Voices) -> Engine:
    from stages.rvc.engine import RvcEngine, RvcOptions  # noqa: PLC0415 - imports torch

    device, dtype = _device_and_dtype(options)
    return RvcEngine(
        voices.entries,
        RvcOptions(
            content=_rvc_content(options),
            rmvpe=options.models / SOURCES["rmvpe"].folder / rvc.RMVPE_FILE,
            device=device,
            dtype=dtype,
            block_frames=options.rvc_block_ms // 10,
            max_voice_bytes=options.rvc_memory_mb * 1_000_000,
        ),
    )


def _soprano(options: SpeechSettings, max_listeners: int) -> SopranoEngine:
    from stages.neural import accelerator  # noqa: PLC0415 - imports torch
    from stages.tts.soprano.engine import SopranoEngine  # noqa: PLC0415 - likewise
    from stages.tts.soprano.model import SopranoOptions  # noqa: PLC0415 - likewise
    from stages.tts.soprano.sampling import Sampling  # noqa: PLC0415 - likewise

    device, dtype = _device_and_dtype(options)
    return SopranoEngine(
        options.models / SOURCES[SOPRANO].folder,
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


def _device_and_dtype(options: SpeechSettings) -> tuple[torch.device, torch.dtype]:
    """The device and the precision that these options mean here."""
    # Imported here: torch takes two seconds, and the light set of packages has none.
    from stages.neural import accelerator  # noqa: PLC0415 - imports torch

    accelerator.keep_kernels()  # no engine has computed anything yet
    accelerator.limit_threads(processors.available())
    device = accelerator.choose_device(options.device)
    return device, accelerator.choose_dtype(options.dtype, device)
