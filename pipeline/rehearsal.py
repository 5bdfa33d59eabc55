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

TEXT = "I am ready when you are."
"""A second and a half: enough to measure, and little to wait for."""


async def rehearse(service: Service) -> None:
    """Speak in the default style, and learn from it. A voice that cannot say this stays as it is:
    each listener is told what is wrong with it."""
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
        with to_tts:
            await to_tts.send(segment)
        sound_s = 0.0
        async for item in converted:
            if isinstance(item, AudioChunk):
                sound_s += item.duration_s
                if item.is_last:
                    service.pace.spoken(segment, sound_s)
