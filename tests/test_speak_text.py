"""Speaking without a socket: nothing is lost, and nothing is taken long before it is spoken."""

from __future__ import annotations

import contextlib
import itertools
from typing import TYPE_CHECKING

import numpy as np
import pytest
import trio

from pipeline.speak_text import speak_text
from stages.errors import Overloaded, SynthesisError
from stages.items import WordTimes
from tests.fakes import TellingEngine, service, sound_to, text_of
from tests.inline_models import InlineModels

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from trio.testing import MockClock

    from stages.items import Outgoing, Segmentation


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
            yield f"{'x' * (number % 5 + 1)}, {piece}"

    async def play(data: bytes) -> None:
        heard.extend(data)
        n_spoken = text_of(np.frombuffer(heard, "<f4")).count(",")
        assert n_taken - n_spoken < 10
        await trio.sleep(1)

    server = service(max_pending_bytes=50_000)
    await speak_text(server, texts(), sound_to(play), {})
    spoken = text_of(np.frombuffer(heard, "<f4"))
    assert spoken == "".join(f"{'x' * (number % 5 + 1)}," for number in range(n_pieces))


async def test_a_failing_segment_ends_it(autojump_clock: MockClock) -> None:
    async def play(data: bytes) -> None:
        await trio.lowlevel.checkpoint()

    with pytest.raises(SynthesisError):
        await speak_text(service(InlineModels()), "One; t~o", sound_to(play), {})


@pytest.mark.parametrize("told", [None, "eager"])
async def test_a_text_is_cut_as_its_engine_speaks_well(
    told: Segmentation | None, autojump_clock: MockClock
) -> None:
    """A whole text was cut as eagerly as a stream's, and Soprano got "Well," and "Yes!" alone; who
    runs the server may still want that."""
    engine = TellingEngine()
    engine.least_chars = 15
    heard = bytearray()

    async def play(data: bytes) -> None:
        await trio.lowlevel.checkpoint()
        heard.extend(data)

    server = service(synthesizer=engine, segmentation=told)
    await speak_text(server, "Well, yes. No, I think so. Good.", sound_to(play), {})
    spoken = text_of(np.frombuffer(heard, "<f4"))
    if told is None:
        assert spoken == "Well,yes. No, I think so.Good."
    else:
        assert spoken == "Well,yes.No,I think so.Good."


@pytest.mark.parametrize("closes_at", ["the start", "mid-speech"])
async def test_what_a_shutdown_cuts_off_is_not_taken_for_the_whole(
    closes_at: str, autojump_clock: MockClock
) -> None:
    """An HTTP answer of half the text was a 200 like any other."""
    server = service(InlineModels(itertools.repeat(0.1)))

    async def play(data: bytes) -> None:
        await trio.lowlevel.checkpoint()
        server.leaving.close()
        server.leaving.grace_over.set()

    async def text() -> AsyncIterator[str]:
        await trio.lowlevel.checkpoint()
        if closes_at == "the start":
            server.leaving.close()
            await trio.sleep(1)
        yield "One; two; three"

    with pytest.raises(Overloaded, match="shut down"):
        await speak_text(server, text(), sound_to(play), {})


@pytest.mark.parametrize("n_steps", range(15))
async def test_who_came_a_moment_too_early_to_be_turned_away_may_ask_another_server(
    n_steps: int, autojump_clock: MockClock
) -> None:
    """Between its place and its text, so many steps behind the end of the server, the text was
    refused as one's that has been spoken to: with a 500, behind which nobody asks again."""
    server = service()

    async def text() -> AsyncIterator[str]:
        server.leaving.close()
        for _ in range(n_steps):
            await trio.lowlevel.checkpoint()
        yield "One"

    with contextlib.suppress(Overloaded):
        await speak_text(server, text(), sound_to(sent_nowhere), {})


async def sent_nowhere(data: bytes) -> None:
    await trio.lowlevel.checkpoint()


async def test_what_is_spoken_while_a_server_shuts_down_is_whole(
    autojump_clock: MockClock,
) -> None:
    server = service(InlineModels(itertools.repeat(0.1)))
    heard = bytearray()

    async def play(data: bytes) -> None:
        await trio.lowlevel.checkpoint()
        heard.extend(data)
        server.leaving.close()

    await speak_text(server, "One; two; three", sound_to(play), {})
    assert text_of(np.frombuffer(heard, "<f4")) == "One;two;three"


async def test_words_are_heard_too_where_they_are_asked_for(autojump_clock: MockClock) -> None:
    heard: list[Outgoing] = []

    async def hear(item: Outgoing) -> None:
        await trio.lowlevel.checkpoint()
        heard.append(item)

    await speak_text(service(), "One two.", hear, {"words": True})
    words = [word.text for item in heard if isinstance(item, WordTimes) for word in item.words]
    assert words == ["One", "two."]
