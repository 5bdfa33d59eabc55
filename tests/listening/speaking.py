"""Sentences that the pipeline speaks, and what comes out of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import trio

from pipeline.speak_text import speak_text
from stages.items import PcmFrame, WordTimes

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from pipeline.service import Service
    from stages.audio.format import Samples
    from stages.items import Outgoing
    from stages.word_clock import Word

SENTENCES = (
    "Open the window before the meeting starts.",
    "My brother bought seven yellow apples.",
    "The train to London leaves at noon.",
    "Please turn off the kitchen light.",
    "She plays the piano every evening.",
    "Water freezes when the weather is cold.",
    "The children are sleeping upstairs.",
    "Nobody remembered the doctor's name.",
    "Put the heavy box on the table.",
    "Our garden has a small green gate.",
)


class Spoken(NamedTuple):
    """What a listener gets of a text."""

    sound: Samples
    words: list[Word]
    """Only where they were asked for."""


async def speak(service: Service, *tokens: str, **config: str | float) -> Samples:
    """What the pipeline makes of these tokens, as float32."""
    return (await hear(service, *tokens, **config)).sound


async def hear(service: Service, *tokens: str, **config: str | float) -> Spoken:
    """The same with its words."""
    pcm = bytearray()
    words: list[Word] = []

    async def texts() -> AsyncIterator[str]:
        for token in tokens:
            await trio.lowlevel.checkpoint()
            yield token

    async def collect(item: Outgoing) -> None:
        await trio.lowlevel.checkpoint()
        match item:
            case PcmFrame(data=data):
                pcm.extend(data)
            case WordTimes(words=told):
                words.extend(told)

    await speak_text(service, texts(), collect, config)
    if config.get("encoding") == "s16le":
        return Spoken(np.frombuffer(pcm, "<i2").astype(np.float32) / np.float32(32768), words)
    return Spoken(np.frombuffer(pcm, "<f4"), words)
