"""Rehearsals: what is said unheard so that the speed of a voice's engines is known, in the default
style at the start, and in others when a listener chooses one of whose engines nobody knows it."""

from __future__ import annotations

import math
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


ENOUGH_WORK_S = 0.4
"""What engines should have worked before anybody asks for how many they are quick enough: several
times what a busy machine's hiccup may add (`pipeline.real_time.HICCUP_S`)."""

MOST_TOGETHER = 4
"""Sentences that are said for that at the most. An engine to which they are still too little speaks
to a hundred at least."""


async def rehearse_together(service: Service, style: Style) -> None:
    """Once a style has been rehearsed alone, and where that was little work, do it again for
    several at once, as those are spoken to whose number is to be known."""
    meters = service.executor.meters
    worked_s = sum(meters[engine].worked_s for engine, _ in service.engines_for(style))
    if worked_s <= 0:
        return
    async with trio.open_nursery() as nursery:
        for _ in range(min(MOST_TOGETHER, math.ceil(ENOUGH_WORK_S / worked_s) - 1)):
            nursery.start_soon(_say, service, style)


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
    said = await _say(service, style)
    if said is not None:
        service.pace.spoken(*said)


async def _say(service: Service, style: Style) -> tuple[Segment, float] | None:
    """Speak in a style; what was said to its end, and how long that takes to hear."""
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
            sound_s, has_ended = 0.0, False
            async for item in converted:
                if isinstance(item, AudioChunk):
                    sound_s += item.duration_s
                    has_ended |= item.is_last
    finally:
        clock.has_left = True  # else it would count as a listener, whom others make way for
    return (segment, sound_s) if has_ended else None
