"""The TTS stage: segments in, their speech out, one segment after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import trio

from stages.errors import SynthesisError
from stages.items import AudioChunk, Flush, Segment, SegmentFailed

if TYPE_CHECKING:
    from collections.abc import Callable

    from stages.engine import Engine, ModelThread
    from stages.items import Speech, Style
    from stages.playback import PlaybackClock

_SILENCE = np.empty(0, np.float32)


async def synthesize(
    segments: trio.MemoryReceiveChannel[Segment | Flush],
    speech: trio.MemorySendChannel[Speech],
    engine_of: Callable[[Style], Engine],
    models: ModelThread,
    clock: PlaybackClock,
) -> None:
    """Speak each segment with its voice's engine, on the model thread. A segment that fails
    leaves a `SegmentFailed` in its place, and the next one is tried."""
    with segments, speech:
        async for item in segments:
            match item:
                case Flush():
                    await speech.send(item)
                case Segment(spoken=""):
                    rate = engine_of(item.style).sample_rate
                    await speech.send(AudioChunk(item, _SILENCE, rate, is_last=True))
                case Segment():
                    await _speak(item, speech, engine_of(item.style), models, clock)


async def _speak(
    segment: Segment,
    speech: trio.MemorySendChannel[Speech],
    engine: Engine,
    models: ModelThread,
    clock: PlaybackClock,
) -> None:
    rate = engine.sample_rate
    try:
        with models.open(engine, segment, clock) as job:
            async for samples in job:
                if segment.timing.speech is None:
                    segment.timing.speech = trio.current_time()
                await speech.send(AudioChunk(segment, samples, rate, is_last=False))
    except SynthesisError as error:
        await speech.send(SegmentFailed(segment, error))
    else:
        await speech.send(AudioChunk(segment, _SILENCE, rate, is_last=True))
