"""The choice of engines: from what was asked for and what this machine has.

A server without models runs on the built-in engine, says what it lacks and how to get it, and
never downloads anything by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, TypeAlias

from pipeline.cli import devices, processors
from pipeline.cli.find_piper import PIPER, FoundPiper, find_piper
from pipeline.cli.missing import SOPRANO, Missing, missing_for_rvc, missing_for_soprano
from pipeline.models.store import SOURCES
from pipeline.neural_voices import NeuralVoices
from pipeline.voices import Voices
from stages import rvc
from stages.errors import CannotStart
from stages.install_hints import install_hints
from stages.items import AUTO
from stages.rvc.voices.library import find_voices
from stages.tts.espeak.engine import EspeakEngine
from stages.tts.espeak.languages import Languages

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import torch

    from pipeline.cli.settings import SpeechSettings
    from stages.engine import Engine
    from stages.tts.piper.engine import PiperEngine
    from stages.tts.piper.voice_file import PiperVoiceFile
    from stages.tts.soprano.engine import SopranoEngine
    from stages.voices import Voice

    Synthesizer: TypeAlias = SopranoEngine | PiperEngine | EspeakEngine


@dataclass(frozen=True)
class Engines:
    """The engines to install, the preferred synthesizer first, and their voices."""

    synthesizers: tuple[Synthesizer, ...]
    voice_converters: tuple[Engine, ...]
    voices: Voices
    languages: Languages
    default_voice: str
    remarks: tuple[str, ...]
    """A line for each thing that is there and cannot be used as it is."""
    advice: str | None = None
    """A line about how to get a better engine, where none of it is there."""
    piper_voices: tuple[PiperVoiceFile, ...] = ()
    """The files of Piper's voices."""


def choose_engines(options: SpeechSettings, max_listeners: int) -> Engines:
    """The engines for these options on this machine, not loaded yet. Raises `CannotStart`.

    Their order is Soprano, Piper, espeak-ng. An option that names one does without those before
    it."""
    options.require("folder", "models", "voices", "rvc_webui")
    options.require("file or folder", "rvc_content")
    _check_device(options)
    espeak = _espeak(options)
    synthesizers: list[Synthesizer] = []
    no_soprano: Missing | None = None
    found = FoundPiper()
    if options.engine in {"auto", SOPRANO}:
        no_soprano = missing_for_soprano(options.models)
        if no_soprano is None:
            synthesizers.append(_soprano(options, max_listeners))
        elif options.engine == SOPRANO:
            raise CannotStart(f"{options.place_of('engine')}: {no_soprano}")
    if options.engine != espeak.name:
        found = find_piper(options, taken=lambda name: name == SOPRANO or espeak.voice(name))
        if found.engine is not None:
            synthesizers.append(found.engine)
        elif options.engine == PIPER:
            told = "; ".join([str(found.missing), *found.problems, *_left_out(options, found, ())])
            raise CannotStart(f"{options.place_of('engine')}: {told}")
    synthesizers.append(espeak)

    def unlisted(name: str) -> Voice | None:
        piper = None if found.engine is None else found.engine.voice(name)
        return piper or espeak.voice(name)

    listed = [voice for engine in synthesizers for voice in engine.voices()]
    voices = Voices(listed, unlisted)
    preferred = _default_voice(options, synthesizers, espeak.languages)
    voice_converters, rvc_remarks = _rvc(options, voices, preferred, synthesizers, max_listeners)
    remarks = [*found.problems, *rvc_remarks, *_left_out(options, found, voices.left_out)]
    default_voice = options.voice or preferred
    if default_voice not in voices:
        why = [str(each) for each in (found.missing, no_soprano) if each is not None]
        there_is = no_voice(default_voice, voices, options.espeak_languages)
        told = f"{options.place_of('voice')}: {there_is}"
        raise CannotStart("; ".join([told, *why, *remarks]))
    advice = None
    if found.missing is not None and found.missing.is_begun:
        remarks.insert(0, str(found.missing))
    if no_soprano is not None and no_soprano.is_begun:
        remarks.insert(0, str(no_soprano))
    elif no_soprano is not None:
        speaks = "Piper" if voices[preferred].engine == PIPER else "the built-in engine"
        advice = (
            f"{speaks} speaks; to get {no_soprano.engine}, a neural voice: {no_soprano.how}"
            f" (missing: {', '.join(no_soprano.parts)})"
        )
    return Engines(
        synthesizers=tuple(synthesizers),
        voice_converters=voice_converters,
        voices=voices,
        languages=espeak.languages,
        default_voice=default_voice,
        remarks=tuple(remarks),
        advice=advice,
        piper_voices=found.files,
    )


def _check_device(options: SpeechSettings) -> None:
    """Raises `CannotStart` for a GPU that is not there, whether or not an engine would use it."""
    if options.device.startswith("cuda"):
        problem = devices.gpu_problem(options.device, devices.torch_build(), devices.gpu_names())
        if problem is not None:
            raise CannotStart(f"{options.place_of('device')}: {problem}")


def _espeak(options: SpeechSettings) -> EspeakEngine:
    """The built-in engine. Raises `CannotStart` for a language that it does not speak."""
    try:
        espeak = EspeakEngine(options.espeak_languages, rate_wpm=options.espeak_rate)
    except ValueError as error:
        raise CannotStart(f"{options.place_of('espeak_languages')}: {error}") from error
    if options.language not in {None, AUTO} and options.language not in espeak.languages:
        msg = f"{options.place_of('language')}: no voice speaks {options.language!r}"
        if (language := espeak.languages.called(options.language or "")) is not None:
            msg = f"{msg}; {language.title} is {language.tag}"
        raise CannotStart(f"{msg}; `check` lists the languages")
    return espeak


def _default_voice(
    options: SpeechSettings, synthesizers: Sequence[Synthesizer], languages: Languages
) -> str:
    """Who speaks where the options name no voice: of the first engine that has one for the
    server's language."""
    preferred = synthesizers[0]
    if preferred.name == SOPRANO:
        return SOPRANO
    if preferred.name == PIPER:
        voices = preferred.voices()
        by_language = NeuralVoices(voices, languages)
        first, asked = options.espeak_languages[0], options.language
        any_region = first.partition("-")[0]  # another region's voice, before none
        for name in [first, any_region] if asked is None or asked == AUTO else [asked, first]:
            voice = by_language.find(name)
            if voice is not None:
                return voice.name
        if options.engine == PIPER:
            return voices[0].name
    return f"{options.espeak_languages[0]}+f3"


def _left_out(
    options: SpeechSettings, found: FoundPiper, converted: Sequence[Voice]
) -> Iterator[str]:
    """A line about the voices that are not offered, since their terms are not known to be free."""
    told = [f"{file.name} ({file.terms.licence})" for file in found.left_out]
    told += [f"{voice.name} ({voice.licence})" for voice in converted]
    if told:
        yield f"{options.place_of('free_voices_only')} leaves out {'; '.join(told)}"


def no_voice(name: str, voices: Voices, languages: Sequence[str]) -> str:
    """A sentence: there is no such voice, these have similar names, and these there are; of
    espeak-ng's those of the chosen languages."""
    near = get_close_matches(name, voices, n=2)
    language = Languages(languages).called(name.partition("+")[0])
    hint = "; there are "
    if near:
        hint = f", did you mean {' or '.join(near)}? There are "
    elif language is not None:
        tag = language.tag
        fetch = f"{install_hints().fetch} piper {tag.partition('-')[0]}"
        hint = (
            f"; for {language.title} choose --voice {tag} or --language {tag}, or a neural voice"
            f" of those that this lists: {fetch}. There are "
        )
    own = [
        voice.name
        for voice in voices.values()
        if voice.engine != EspeakEngine.name or voice.language in languages
    ]
    there = f"{', '.join(own)}, and one for each language's tag, as de for German"
    return f"there is no voice {name!r}{hint}{there}"


def _rvc(
    options: SpeechSettings,
    voices: Voices,
    speaks_with: str,
    synthesizers: Sequence[Synthesizer],
    max_listeners: int,
) -> tuple[tuple[Engine, ...], list[str]]:
    """RVC's engine, or none where it lacks something; and remarks."""
    speaks_with = options.rvc_speaks_with or speaks_with
    if speaks_with not in voices:
        place = options.place_of("rvc_speaks_with")
        raise CannotStart(f"{place}: {no_voice(speaks_with, voices, options.espeak_languages)}")
    missing = missing_for_rvc(_rvc_content(options))
    if missing is not None:
        voices.lacks = missing.for_clients
        found = find_voices([options.voices], options.rvc_webui).voices
        return (), [f"{len(found)} RVC voices are not offered: {missing}"] if found else []
    free_only = options.free_voices_only
    voices.offer_rvc(options.voices, options.rvc_webui, speaks_with, free_only=free_only)
    in_rates = tuple(sorted({engine.sample_rate for engine in synthesizers}))
    engine = _rvc_engine(options, voices, in_rates, n_slots=max_listeners + max_listeners // 4 + 1)
    return (engine,), list(voices.problems)


def _rvc_content(options: SpeechSettings) -> Path:
    """The file or folder of the content model."""
    return options.rvc_content or options.models / SOURCES["hubert"].folder / rvc.HUBERT_FILE


def _rvc_engine(
    options: SpeechSettings, voices: Voices, in_rates: tuple[int, ...], *, n_slots: int
) -> Engine:
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
            in_rates=in_rates,
            n_slots=n_slots,
            graphs=options.graphs,
            torch_compile=options.torch_compile,
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
            graphs=options.graphs,
            torch_compile=options.torch_compile,
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
