"""The TTS stage: segments in, their speech out, one segment after the other."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import trio

from stages.errors import SynthesisError
from stages.items import AudioChunk, Flush, Segment, SegmentFailed

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipeline.playback import PlaybackClock
    from stages.engine import Engine, Job, ModelThread
    from stages.items import Speech, Style

_SILENCE = np.empty(0, np.float32)


async def synthesize(
    segments: trio.MemoryReceiveChannel[Segment | Flush],
    speech: trio.MemorySendChannel[Speech],
    casting: Callable[[Style], tuple[Engine, str]],
    models: ModelThread,
    clock: PlaybackClock,
) -> None:
    """Speak each segment on the model thread, with the engine and the voice that `casting` has
    for its style. A segment that fails leaves a `SegmentFailed` in its place, and the next one is
    tried."""
    with segments, speech:
        async for item in segments:
            match item:
                case Flush():
                    await speech.send(item)
                case Segment(spoken=""):
                    rate = casting(item.style)[0].sample_rate
                    await speech.send(AudioChunk(item, _SILENCE, rate, is_last=True))
                case Segment():
                    engine, voice = casting(item.style)
                    spoken = replace(item, style=replace(item.style, voice=voice))
                    with models.open(engine, spoken, clock) as job:
                        await _speak(item, job, speech, engine.sample_rate)


async def _speak(
    segment: Segment,
    job: Job,
    speech: trio.MemorySendChannel[Speech],
    rate: int,
) -> None:
    try:
        async for samples in job:
            if segment.timing.speech is None:
                segment.timing.speech = trio.current_time()
            await speech.send(AudioChunk(segment, samples, rate, is_last=False))
    except SynthesisError as error:
        await speech.send(SegmentFailed(segment, error))
    else:
        await speech.send(AudioChunk(segment, _SILENCE, rate, is_last=True))
