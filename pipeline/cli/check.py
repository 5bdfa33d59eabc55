"""The command ``server.py check``: the devices, models, engines and voices of this machine, with
those that the server would use."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING

from pipeline.cli import devices, processors
from pipeline.cli.closed_streams import require_output
from pipeline.cli.engines import choose_engines
from pipeline.cli.find_piper import PIPER
from pipeline.cli.open_service import open_lexicon
from pipeline.cli.progress import StartProgress
from pipeline.cli.terminal import LAST_LINE
from pipeline.models.errors import StoreError
from pipeline.models.store import MANIFEST, SOURCES, problems, read_manifest
from stages.errors import ServerError
from stages.install_hints import install_hints
from stages.items import Style
from stages.tts.piper.voice_file import SPEAKER_SIGN

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from pipeline.cli.engines import Engines
    from pipeline.cli.settings import SpeechSettings
    from pipeline.executor import Tell
    from pipeline.models.store import ModelSource
    from stages.tts.piper.voice_file import PiperVoiceFile
    from stages.voices import Terms, Voice


def check(options: SpeechSettings) -> None:
    """Write each part to standard output as it is found out. Raises `ServerError` where the server
    could not start."""
    require_output()
    _write("devices", _devices())
    for source in SOURCES.values():
        _write(f"model {source.name}", _model(source, options.models))
    lexicon = open_lexicon(options)
    if lexicon is not None:
        _write("lexicon", [f"{lexicon.path}: {len(lexicon.lexicon)} words"])
    with StartProgress() as progress:
        engines = choose_engines(options, max_listeners=1)
        _write("engines", _engines(engines))
        piper_voices = map(_piper_voice, engines.piper_voices)
        _write("voices", [*piper_voices, *_voices(engines.voices)])
        failures = _load(engines, progress)
    _write("would be used", failures or _use(engines))
    if failures:
        raise ServerError("; ".join(failures))


def _write(title: str, lines: Iterator[str] | list[str]) -> None:
    LAST_LINE.clear()
    sys.stdout.write(title + "\n" + "".join(f"  {line}\n" for line in lines))
    sys.stdout.flush()


def _devices() -> Iterator[str]:
    yield devices.describe_gpus()
    if find_spec("torch") is None:
        yield f"no torch: only espeak-ng and Piper can run; to get it: {install_hints().packages}"
        return
    import torch  # noqa: PLC0415 - two seconds

    from stages.neural import accelerator  # noqa: PLC0415 - imports torch, too

    accelerator.limit_threads(processors.available())
    yield f"torch {torch.__version__}, {torch.get_num_threads()} threads"
    for wanted in ("cpu", *(f"cuda:{number}" for number in range(torch.cuda.device_count()))):
        device = torch.device(wanted)
        dtype = accelerator.choose_dtype("auto", device)
        yield f"{wanted}: {accelerator.describe(device, dtype)}"


def _model(source: ModelSource, models: Path) -> Iterator[str]:
    folder = models / source.folder
    if not folder.is_dir():
        yield f"not in {folder}; to get it: {install_hints().model(folder)}"
        return
    try:
        manifest = read_manifest(folder)
    except StoreError as error:
        yield str(error)
        return
    if manifest is None:
        yield f"{folder}, not fetched by us: it has no {MANIFEST}"
        return
    found = problems(source, models)
    state = "whole" if not found else "NOT whole"
    yield f"{folder}, {state}: commit {manifest.commit} of {manifest.repo}"
    yield from found


def _engines(engines: Engines) -> Iterator[str]:
    for engine in engines.synthesizers:
        yield engine.name
    yield from (engine.name for engine in engines.voice_converters)
    yield from engines.remarks
    if engines.advice is not None:
        yield engines.advice


def _piper_voice(file: PiperVoiceFile) -> str:
    """With its speakers, each of whom is a voice in the lists of clients."""
    config = file.config
    language = config.language.code or config.espeak.voice
    words = [config.language.name_english, language, f"by {PIPER}"]
    speakers = list(config.speaker_id_map)
    if config.num_speakers > 1:
        example = f", such as {file.name}{SPEAKER_SIGN}{speakers[0]}" if speakers else ""
        words.append(f"{config.num_speakers} speakers{example}")
    words += [f"{config.audio.sample_rate} Hz", _terms(file.terms)]
    return f"{file.name}: {', '.join(filter(None, words))}"


def _terms(told: Terms | Voice) -> str:
    return f"{'free' if told.is_free else 'not known to be free'}: {told.licence}"


def _voices(voices: Mapping[str, Voice]) -> Iterator[str]:
    # The voices from the user's folders come before the many built-in ones.
    for voice in sorted(voices.values(), key=lambda voice: voice.type == "built-in"):
        if voice.engine == PIPER:
            continue  # told by its file
        words = [voice.description, voice.language or "", f"by {voice.engine}"]
        if voice.version is not None:
            words.append(f"{voice.version}, {voice.sample_rate} Hz")
            words.append("with an index" if voice.has_index else "without an index")
        if voice.type != "built-in":
            words.append(_terms(voice))
        yield f"{voice.name}: {', '.join(filter(None, words))}"


def _load(engines: Engines, tell: Tell) -> list[str]:
    """Read each engine's files, and the Piper voice that would speak, as the server would; returns
    what went wrong."""
    failures = []
    voice = engines.voices[engines.default_voice]
    speaks = engines.voices[voice.speaks_with or voice.name]
    for engine in (*engines.synthesizers, *engines.voice_converters):
        tell(f"{engine.reads or engine.name}: reading")
        try:
            engine.load()
            if engine.name == speaks.engine == PIPER:
                engine.load_voice(speaks, Style(speaks.name)).result()
        except ServerError as error:
            failures.append(str(error))
        finally:
            engine.close()
    return failures


def _use(engines: Engines) -> Iterator[str]:
    voice = engines.voices[engines.default_voice]
    all_engines = *engines.synthesizers, *engines.voice_converters
    runs = {engine.name: engine.runs_on for engine in all_engines}
    if voice.speaks_with is not None:
        base = engines.voices[voice.speaks_with]
        yield f"{base.engine}, on {runs[base.engine]}, speaks as {base.name}; converted by"
    yield f"{voice.engine}, on {runs[voice.engine]}, as {voice.name}"
