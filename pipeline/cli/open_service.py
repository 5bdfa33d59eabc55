"""The service that the options describe, with its engines installed on the model thread."""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import structlog
import trio

from pipeline.cli.engines import choose_engines, no_voice
from pipeline.cli.settings import SpeakSettings
from pipeline.dialects.native import MAX_PENDING_BYTES
from pipeline.executor import open_executor, tell_nobody
from pipeline.lexicon_file import LexiconFile
from pipeline.metrics import Metrics
from pipeline.rehearsal import rehearse, rehearse_together, rehearse_what_is_chosen
from pipeline.service import Service
from pipeline.voice_names import read_aliases
from stages.errors import CannotStart
from stages.items import Style
from stages.pitch_only import PitchOnlyConverter
from stages.segmenter import SegmenterOptions
from stages.toml_text import BadToml

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from pipeline.cli.settings import SpeechSettings
    from pipeline.executor import Tell
    from pipeline.holdings import Account
    from pipeline.leaving import Leaving
    from stages.items import PacingMode

log = structlog.stdlib.get_logger("server")


@asynccontextmanager
async def open_service(
    options: SpeechSettings,
    max_listeners: int,
    idle_timeout_s: float,
    *,
    tell: Tell = tell_nobody,
    preload: Sequence[str] = (),
    pacing: PacingMode = "smooth",
    account: Account | None = None,
    leaving: Leaving | None = None,
) -> AsyncIterator[Service]:
    """The service for these options, ready to admit listeners. `tell` gets the parts of the start,
    each as it begins. The voices to `preload` are read as well; raises `CannotStart` where one of
    them is not there. Where listeners are to hear no gap, or there may be several, it has spoken a
    little by then, and knows how fast it is."""
    lexicon = await trio.to_thread.run_sync(open_lexicon, options, abandon_on_cancel=True)
    # It imports torch, where an engine needs that.
    engines = await trio.to_thread.run_sync(
        choose_engines, options, max_listeners, abandon_on_cancel=True
    )
    for remark in engines.remarks:
        log.info("%s", remark)
    if engines.advice is not None:
        # Not at each use of `speak`.
        level = logging.DEBUG if isinstance(options, SpeakSettings) else logging.INFO
        log.log(level, "%s", engines.advice)
    try:
        aliases = read_aliases(options.voice_aliases, engines.voices)
    except ValueError as error:
        raise CannotStart(f"{options.place_of('voice_aliases')}: {error}") from None
    for name in preload:
        if name not in engines.voices:
            told = no_voice(name, engines.voices, options.espeak_languages)
            raise CannotStart(f"{options.place_of('preload')}: {told}")
    metrics = Metrics()
    async with open_executor(metrics) as executor, trio.open_nursery() as nursery:
        service = Service(
            executor=executor,
            synthesizers=engines.synthesizers,
            converter=PitchOnlyConverter(),
            voice_converters=engines.voice_converters,
            voices=engines.voices,
            style=Style(
                engines.default_voice,
                options.pitch_shift,
                language=options.language,
                speed=options.speed,
                volume=options.volume,
            ),
            segmentation=options.segmentation,
            aliases=aliases,
            languages=engines.languages,
            segmenter_options=SegmenterOptions(
                boundary_wait_s=options.boundary_wait_ms / 1000,
                hold_wait_s=options.hold_wait_ms / 1000,
                skip_markdown=options.skip_markdown,
                skip_emoji=options.skip_emoji,
                skip_thinking=options.skip_thinking,
                urls=options.urls,
                actions=options.actions,
            ),
            max_listeners=max_listeners,
            max_pending_bytes=MAX_PENDING_BYTES,
            idle_timeout_s=idle_timeout_s,
            metrics=metrics,
            pacing=pacing,
            account=account,
            leaving=leaving,
        )
        if lexicon is not None:
            service.words_for = lexicon.tables
            nursery.start_soon(lexicon.watch)
        for name in await service.install_engines(preload, tell):
            log.warning(
                "--preload: there is no room for %s beside the others (of RVC, --rvc-memory-mb %d);"
                " it is read when it is needed",
                name,
                options.rvc_memory_mb,
            )
        if pacing == "smooth" or max_listeners > 1:
            tell("the first words: speaking")
            for name in (service.style.voice, *preload):
                style = replace(service.style, voice=name)
                if service.pace.factor(style) is None:
                    await rehearse(service, style)
            if max_listeners > 1:
                await rehearse_together(service, service.style)
            nursery.start_soon(rehearse_what_is_chosen, service)
        _say_who_speaks(service)
        yield service
        nursery.cancel_scope.cancel()


def _say_who_speaks(service: Service) -> None:
    """Log the engine and the voice, and whose voice that is."""
    speaks, style = service.synthesizer_for(service.style)
    voice = service.voices[service.style.voice]
    if voice.speaks_with is None:
        voice = service.voices[style.voice]  # in another language than its own, another's
    log.info("%s speaks, on %s, as %s", speaks.name, speaks.runs_on, voice.name)
    if voice.type != "built-in":
        log.info("%s: %s", voice.name, voice.licence)


def open_lexicon(options: SpeechSettings) -> LexiconFile | None:
    """The words of `--lexicon`. Raises `CannotStart` where they cannot be taken."""
    options.require("file", "lexicon")
    if options.lexicon is None:
        return None
    try:
        return LexiconFile(options.lexicon)
    except BadToml as error:
        told = f"{options.place_of('lexicon')}: {options.lexicon}: {error}"
        raise CannotStart(told) from error
