"""Rehearsals: what is said unheard so that the speed of a voice's engines is known, in the default
style at the start, and in others when a listener chooses one of whose engines nobody knows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog
import trio

from pipeline.playback import PlaybackClock
from stages.items import AudioChunk, Segment, Segmented, Speech, Timing
from stages.rvc.stage import convert
from stages.tts.stage import synthesize

if TYPE_CHECKING:
    from pipeline.service import Service
    from stages.items import Style

log = structlog.stdlib.get_logger(__name__)

TEXT = "I am ready when you are."
"""A second and a half: enough to measure, and little to wait for."""

IN_HAND_S = 30.0
"""The sound that nobody is taken to have before them, who is spoken to by a rehearsal: those who
listen come first."""


async def rehearse_what_is_chosen(service: Service) -> None:
    """Rehearse the styles that listeners choose and of whose engines nobody knows the speed, one
    after the other, until cancelled."""
    async for style in service.unknown_styles:
        if service.pace.factor(style) is None:
            try:
                await rehearse(service, style)
            except Exception:  # contained: the server speaks on without
                log.exception("a voice could not be rehearsed", voice=style.voice)


async def rehearse(service: Service, style: Style) -> None:
    """Speak in a style, and learn from it. A voice that cannot say this stays as it is: each
    listener is told what is wrong with it."""
    now = trio.current_time()
    segment = await service.said(Segment(0, TEXT, TEXT, style, Timing(arrived=now, cut=now)))
    to_tts, segments = trio.open_memory_channel[Segmented](1)
    to_converter, speech = trio.open_memory_channel[Speech](1)
    to_nobody, converted = trio.open_memory_channel[Speech](1)
    models, clock = service.executor, PlaybackClock()
    clock.sent(IN_HAND_S, now)
    try:
        async with trio.open_nursery() as nursery:
            start = nursery.start_soon
            start(synthesize, segments, to_converter, service.synthesizer_for, models, clock)
            start(convert, speech, to_nobody, service.converter_for, models, clock)
            with to_tts:
                await to_tts.send(segment)
            sound_s = 0.0
            async for item in converted:
                if isinstance(item, AudioChunk):
                    sound_s += item.duration_s
                    if item.is_last:
                        service.pace.spoken(segment, sound_s)
    finally:
        clock.has_left = True  # else it would count as a listener, whom others make way for
