"""A rehearsal: what the default voice says unheard at the start, so that its speed is known."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from pipeline.playback import PlaybackClock
from stages.items import AudioChunk, Flush, Segment, Speech, Timing
from stages.rvc.stage import convert
from stages.tts.stage import synthesize

if TYPE_CHECKING:
    from pipeline.service import Service

TEXT = "One moment, please: this is how I speak."
"""Two and a half seconds, of which as much is spoken as the measurement needs."""


async def rehearse(service: Service) -> None:
    """Speak in the default style until its real-time factor is known. A voice that cannot say this
    is as it was: each listener is told what is wrong with it."""
    now, style = trio.current_time(), service.style
    segment = await service.said(Segment(0, TEXT, TEXT, style, Timing(arrived=now, cut=now)))
    to_tts, segments = trio.open_memory_channel[Segment | Flush](1)
    to_converter, speech = trio.open_memory_channel[Speech](1)
    to_nobody, converted = trio.open_memory_channel[Speech](1)
    models, clock = service.executor, PlaybackClock()
    async with trio.open_nursery() as nursery:
        start = nursery.start_soon
        start(synthesize, segments, to_converter, service.synthesizer_for, models, clock)
        start(convert, speech, to_nobody, service.converter_for, models, clock)
        await to_tts.send(segment)
        async for item in converted:
            is_over = not isinstance(item, AudioChunk) or item.is_last
            if is_over or service.pace.factor(style) is not None:
                nursery.cancel_scope.cancel()
