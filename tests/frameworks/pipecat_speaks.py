"""Pipecat's services, unchanged, against the server: two sentences, and an interruption."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

import aiohttp
from common import KEY, RATE, SENTENCES, check, server
from pipecat.frames.frames import (
    EndFrame,
    ErrorFrame,
    Frame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    TTSAudioRawFrame,
    TTSStoppedFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.services.cartesia.tts import CartesiaTTSService
from pipecat.services.deepgram.flux.tts import DeepgramFluxTTSService
from pipecat.services.deepgram.tts import DeepgramHttpTTSService, DeepgramTTSService
from pipecat.services.elevenlabs.tts import ElevenLabsHttpTTSService, ElevenLabsTTSService
from pipecat.services.openai.tts import OpenAITTSService
from pipecat.workers.runner import WorkerRunner

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipecat.services.ai_service import AIService


class Listener(FrameProcessor):
    """Keeps the sound, and knows when a turn is over."""

    def __init__(self) -> None:
        super().__init__()
        self.sound = bytearray()
        self.errors: list[str] = []
        self.heard = asyncio.Event()
        self.stopped = asyncio.Event()

    def begin(self) -> None:
        self.sound.clear()
        self.heard.clear()
        self.stopped.clear()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        match frame:
            case TTSAudioRawFrame():
                self.sound += frame.audio
                self.heard.set()
            case TTSStoppedFrame():
                self.stopped.set()
        await self.push_frame(frame, direction)


class Errors(FrameProcessor):
    """Keeps the errors, which go upstream."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[str] = []

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, ErrorFrame):
            self.told.append(frame.error)
        await self.push_frame(frame, direction)


def services(port: int, session: aiohttp.ClientSession) -> Iterator[tuple[str, AIService]]:
    http, ws = f"http://127.0.0.1:{port}", f"ws://127.0.0.1:{port}"
    yield "Deepgram v1", DeepgramTTSService(api_key=KEY, base_url=ws)
    yield (
        "Deepgram, HTTP",
        DeepgramHttpTTSService(api_key=KEY, base_url=http, aiohttp_session=session),
    )
    yield "Deepgram Flux", DeepgramFluxTTSService(api_key=KEY, url=f"{ws}/v2/speak")
    voice = ElevenLabsTTSService.Settings(voice="21m00Tcm4TlvDq8ikWAM")
    yield "ElevenLabs", ElevenLabsTTSService(api_key=KEY, url=ws, settings=voice)
    yield (
        "ElevenLabs, HTTP",
        ElevenLabsHttpTTSService(
            api_key=KEY,
            base_url=http,
            aiohttp_session=session,
            settings=ElevenLabsHttpTTSService.Settings(voice="21m00Tcm4TlvDq8ikWAM"),
        ),
    )
    voice = CartesiaTTSService.Settings(voice="a0e99841-438c-4a64-b679-ae501e7d6091")
    yield (
        "Cartesia",
        CartesiaTTSService(api_key=KEY, url=f"{ws}/tts/websocket", settings=voice),
    )
    voice = OpenAITTSService.Settings(voice="alloy")
    yield "OpenAI", OpenAITTSService(api_key=KEY, base_url=f"{http}/v1", settings=voice)


async def reply(worker: PipelineWorker, sentences: tuple[str, ...]) -> None:
    """What a language model's service sends."""
    texts = [LLMTextFrame(word + " ") for sentence in sentences for word in sentence.split()]
    await worker.queue_frames([LLMFullResponseStartFrame(), *texts, LLMFullResponseEndFrame()])


async def speak(name: str, service: AIService) -> None:
    errors, listener = Errors(), Listener()
    worker = PipelineWorker(
        Pipeline([errors, service, listener]),
        params=PipelineParams(audio_out_sample_rate=RATE, enable_metrics=False),
    )
    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    running = asyncio.create_task(runner.run())
    await reply(worker, SENTENCES)
    await listener.stopped.wait()
    await asyncio.sleep(0.5)  # nothing may come late
    check(f"Pipecat, {name}", bytes(listener.sound))

    listener.begin()
    await reply(worker, SENTENCES)
    await listener.heard.wait()
    await worker.queue_frame(InterruptionFrame())
    await asyncio.sleep(0.5)
    listener.begin()
    await reply(worker, SENTENCES)
    await listener.stopped.wait()
    await asyncio.sleep(0.5)
    check(f"Pipecat, {name}: after an interruption", bytes(listener.sound))

    await worker.queue_frame(EndFrame())
    await running
    assert not errors.told, errors.told


async def main(wanted: list[str]) -> None:
    with server() as port:
        async with aiohttp.ClientSession() as session:
            for name, service in services(port, session):
                if wanted and not any(word.lower() in name.lower() for word in wanted):
                    continue
                async with asyncio.timeout(60):
                    await speak(name, service)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
