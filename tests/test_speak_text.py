"""Speaking without a socket: nothing is lost, and nothing is taken long before it is spoken."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import trio

from pipeline.speak_text import speak_text
from stages.errors import SynthesisError
from tests.fakes import InlineModels, service, text_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from trio.testing import MockClock


async def test_a_long_text_waits_for_its_speech_and_is_spoken_whole(
    autojump_clock: MockClock,
) -> None:
    """Standard input was held up by the bound on pending text, above which text is refused."""
    n_pieces, piece = 100, " " * 1990
    n_taken = 0
    heard = bytearray()

    async def texts() -> AsyncIterator[str]:
        nonlocal n_taken
        for number in range(n_pieces):
            await trio.lowlevel.checkpoint()
            n_taken += 1
            yield f"{number}, {piece}"

    async def play(data: bytes) -> None:
        heard.extend(data)
        n_spoken = text_of(np.frombuffer(heard, "<f4")).count(",")
        assert n_taken - n_spoken < 10
        await trio.sleep(1)

    server = service(max_pending_bytes=50_000)
    await speak_text(server, texts(), play, {})
    spoken = text_of(np.frombuffer(heard, "<f4"))
    assert spoken == "".join(f"{number}," for number in range(n_pieces))


async def test_a_failing_segment_ends_it(autojump_clock: MockClock) -> None:
    async def play(data: bytes) -> None:
        await trio.lowlevel.checkpoint()

    with pytest.raises(SynthesisError):
        await speak_text(service(InlineModels()), "One; t~o", play, {})
