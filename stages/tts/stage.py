"""The TTS stage: segments in, their speech out, one segment after the other."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import trio

from stages.audio.format import NO_SAMPLES
from stages.errors import SynthesisError
from stages.items import AudioChunk, Flush, Segment, SegmentFailed
from stages.resume import Resume
from stages.tts.word_times import Envelope, Timescale, estimated_words, told_words

if TYPE_CHECKING:
    from collections.abc import Callable

    from stages.engine import Engine, Job, ModelThread, Playback
    from stages.errors import ServerError
    from stages.items import Segmented, Speech, Style


def _nothing() -> None:
    """Whatever there is is spoken."""


async def synthesize(
    segments: trio.MemoryReceiveChannel[Segmented],
    speech: trio.MemorySendChannel[Speech],
    synthesizer_for: Callable[[Style], tuple[Engine, Style]],
    models: ModelThread,
    playback: Playback,
    *,
    refuses: Callable[[], ServerError | None] = _nothing,
) -> None:
    """Speak each segment on the model thread, with the engine for its style and that engine's
    own style. A segment that fails leaves a `SegmentFailed` in its place, and the next one is
    tried. `refuses` says, as each begins, why it is not to be spoken."""
    with segments, speech:
        async for item in segments:
            match item:
                case Flush() | Resume():
                    await speech.send(item)
                case Segment():
                    if (refusal := refuses()) is not None:
                        await speech.send(SegmentFailed(item, refusal))
                        continue
                    engine, style = synthesizer_for(item.speaking_style)
                    rate = engine.sample_rate
                    own_speed = engine.own_speed(style.speed)
                    # Who speaks faster pauses less. What is stretched afterwards is so with it.
                    pause_s = item.pause_s / own_speed
                    if item.pause_s:
                        silence = np.zeros(round(pause_s * rate), np.float32)
                        await speech.send(AudioChunk(item, silence, rate, is_last=False))
                    if not item.spoken:
                        await speech.send(AudioChunk(item, NO_SAMPLES, rate, is_last=True))
                        continue
                    scale = Timescale(rate, pause_s, style.speed / own_speed)
                    with models.open(engine, replace(item, style=style), playback) as job:
                        await _speak(item, job, speech, scale)


async def _speak(
    segment: Segment,
    job: Job,
    speech: trio.MemorySendChannel[Speech],
    scale: Timescale,
) -> None:
    rate, envelope = scale.sample_rate, Envelope(scale.sample_rate)
    try:
        async for samples in job:
            if segment.timing.speech is None:
                segment.timing.speech = trio.current_time()
                if job.length_s is not None:
                    segment.timing.length_s = scale.seconds(job.length_s * rate)
            await speech.send(AudioChunk(segment, samples, rate, is_last=False))
            if not _wind(segment, job, scale):
                envelope.push(samples)
    except SynthesisError as error:
        await speech.send(SegmentFailed(segment, error))
    else:
        if segment.timing.speech is None and "skipped" not in segment.remarks:
            segment.remarks.append("skipped")
        if not _wind(segment, job, scale):
            segment.clock.wind(partial(estimated_words, segment, envelope, scale))
        await speech.send(AudioChunk(segment, NO_SAMPLES, rate, is_last=True))


def _wind(segment: Segment, job: Job, scale: Timescale) -> bool:
    """Let the segment's words be known if the engine has told of them; says whether it has."""
    if job.words:
        segment.clock.wind(partial(told_words, segment, job.words, scale))
    return bool(job.words)
