"""LiveKit's plugins, unchanged, against the server: whole texts, streams, and an interruption."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

import aiohttp
from common import KEY, SENTENCES, check, server
from livekit.plugins import cartesia, deepgram, elevenlabs, openai

if TYPE_CHECKING:
    from collections.abc import Iterator

    from livekit.agents import tts


def services(port: int, session: aiohttp.ClientSession) -> Iterator[tuple[str, tts.TTS]]:
    base = f"http://127.0.0.1:{port}"
    yield (
        "Deepgram v1",
        deepgram.TTS(base_url=f"{base}/v1/speak", api_key=KEY, http_session=session),
    )
    yield (
        "Deepgram Flux",
        deepgram.TTSv2(base_url=f"{base}/v2/speak", api_key=KEY, http_session=session),
    )
    yield (
        "ElevenLabs",
        elevenlabs.TTS(
            base_url=f"{base}/v1", api_key=KEY, encoding="pcm_24000", http_session=session
        ),
    )
    yield (
        "ElevenLabs, MP3",
        elevenlabs.TTS(base_url=f"{base}/v1", api_key=KEY, http_session=session),
    )
    yield "Cartesia", cartesia.TTS(base_url=base, api_key=KEY, http_session=session)
    yield "OpenAI", openai.TTS(base_url=f"{base}/v1", api_key=KEY)


async def whole(service: tts.TTS) -> bytes:
    async with service.synthesize(" ".join(SENTENCES)) as stream:
        return b"".join([bytes(event.frame.data) async for event in stream])


async def streamed(service: tts.TTS) -> bytes:
    """Word by word, as an agent has it from a language model."""
    async with service.stream() as stream:
        for sentence in SENTENCES:
            for word in sentence.split():
                stream.push_text(word + " ")
                await asyncio.sleep(0.01)
        stream.flush()
        stream.end_input()
        return b"".join([bytes(event.frame.data) async for event in stream])


async def interrupted(service: tts.TTS) -> None:
    """The listener speaks: the agent closes the stream in the middle, and asks again at once."""
    async with service.stream() as stream:
        stream.push_text(" ".join(SENTENCES) + " ")
        stream.flush()
        async for _ in stream:
            break


async def main(wanted: list[str]) -> None:
    with server() as port:
        async with aiohttp.ClientSession() as session:
            for name, service in services(port, session):
                if wanted and not any(word.lower() in name.lower() for word in wanted):
                    continue
                async with asyncio.timeout(60):
                    check(f"LiveKit, {name}: whole", await whole(service))
                    if service.capabilities.streaming:
                        check(f"LiveKit, {name}: streamed", await streamed(service))
                        await interrupted(service)
                        check(f"LiveKit, {name}: after an interruption", await streamed(service))
                    await service.aclose()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
