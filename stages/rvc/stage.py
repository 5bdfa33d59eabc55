"""The RVC stage: speech in, speech in the listener's voice, pitch and speed out, at 48 kHz.

Speech that is to stay as it is takes no turn on the model thread: it is only resampled.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import trio

from stages.audio.format import NO_SAMPLES, PIPELINE_RATE
from stages.audio.resample import Resampler
from stages.errors import SynthesisError
from stages.items import AudioChunk, SegmentFailed

if TYPE_CHECKING:
    from collections.abc import Callable

    from stages.audio.format import Samples
    from stages.engine import Engine, Job, ModelThread, Playback
    from stages.items import Segment, Speech, Style


async def convert(
    speech: trio.MemoryReceiveChannel[Speech],
    converted: trio.MemorySendChannel[Speech],
    converter_for: Callable[[Style], tuple[Engine, Style] | None],
    models: ModelThread,
    playback: Playback,
) -> None:
    """Convert each segment's speech on its way through, segment after segment, with the engine for
    its style and that engine's own style. None: it is only resampled."""
    with speech, converted:
        async for item in speech:
            end = item
            if isinstance(item, AudioChunk):
                found = converter_for(item.segment.style)
                if found is not None:
                    engine, style = found
                    with models.open(engine, replace(item.segment, style=style), playback) as job:
                        end = await _through_engine(item, speech, converted, job)
                else:
                    end = await _resampled(item, speech, converted)
            await converted.send(end)


async def _resampled(
    first: AudioChunk,
    speech: trio.MemoryReceiveChannel[Speech],
    converted: trio.MemorySendChannel[Speech],
) -> Speech:
    """Pass a segment on at 48 kHz; returns the item that ends it."""
    resampler = Resampler(first.sample_rate, PIPELINE_RATE)
    item: Speech = first
    while isinstance(item, AudioChunk):
        await _send(converted, item.segment, resampler.push(item.samples))
        if item.is_last:
            return _last(item.segment, resampler.flush())
        item = await speech.receive()
    await _send(converted, first.segment, resampler.flush())
    return item


async def _through_engine(
    first: AudioChunk,
    speech: trio.MemoryReceiveChannel[Speech],
    converted: trio.MemorySendChannel[Speech],
    job: Job,
) -> Speech:
    """Feed a segment to the engine and take from it at the same time; returns the item that
    ends the segment. Whichever side fails, the other is brought to the segment's end."""
    segment = first.segment
    end: Speech = _last(segment, NO_SAMPLES)

    async def feed() -> None:
        nonlocal end
        item: Speech = first
        while isinstance(item, AudioChunk):
            job.push(item)
            if item.is_last:
                return
            item = await speech.receive()
        job.push(_last(segment, NO_SAMPLES))
        end = item

    async with trio.open_nursery() as nursery:
        nursery.start_soon(feed)
        try:
            async for samples in job:
                await _send(converted, segment, samples)
        except SynthesisError as error:
            end = SegmentFailed(segment, error)
    return end


async def _send(
    converted: trio.MemorySendChannel[Speech], segment: Segment, samples: Samples
) -> None:
    if not len(samples):
        await trio.lowlevel.checkpoint()
        return
    if segment.timing.converted is None:
        segment.timing.converted = trio.current_time()
    await converted.send(AudioChunk(segment, samples, PIPELINE_RATE, is_last=False))


def _last(segment: Segment, samples: Samples) -> AudioChunk:
    return AudioChunk(segment, samples, PIPELINE_RATE, is_last=True)
