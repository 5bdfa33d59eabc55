"""Fault 10: flushes without text, by the thousand, and in mid-word."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.faults.raw_client import websocket
from tests.faults.raw_frames import events, is_event, sound

if TYPE_CHECKING:
    from tests.server_process import ServerProcess


async def test_a_flush_of_nothing_is_answered(server: ServerProcess) -> None:
    async with websocket(server.port, "events=true") as client:
        for number in (1, 2, 3):
            await client.say(flush=True)
            flushed = await client.next_event("flushed")
            assert (flushed["flush"], flushed["samples"]) == (number, 0)
        await client.close()


async def test_a_thousand_flushes_are_answered_once_each_and_in_order(
    server: ServerProcess,
) -> None:
    async with websocket(server.port, "events=true") as client:
        for _ in range(1000):
            await client.say(flush=True)
        numbers = [(await client.next_event("flushed"))["flush"] for _ in range(1000)]
        assert numbers == list(range(1, 1001))
        await client.speak("Still here", flush=True)
        assert (await client.next_event("flushed"))["samples"] > 0
        await client.close()


async def test_flushes_among_text_lose_and_repeat_nothing(server: ServerProcess) -> None:
    said = [f"word{i}" for i in range(200)]
    async with websocket(server.port, "events=true&sample_rate=8000&encoding=s16le") as client:
        for text in said:
            await client.speak(text, flush=True)
            await client.say(flush=True)
        frames = await client.frames_until(
            lambda frame: is_event("flushed")(frame) and frame.json()["flush"] == 400
        )
        await client.close()

    assert [event["text"] for event in events(frames, "segment_start")] == said
    assert [event["flush"] for event in events(frames, "flushed")] == list(range(1, 401))
    n_samples = 0
    for frame in frames:
        n_samples += len(sound([frame])) // 2
        if is_event("flushed")(frame):
            assert frame.json()["samples"] == n_samples
        if is_event("segment_start")(frame):
            assert frame.json()["sample_offset"] == n_samples
    ends = events(frames, "segment_end")
    assert [end["segment"] for end in ends] == list(range(200))
    assert sum(end["samples"] for end in ends) == n_samples


async def test_a_flush_in_mid_word_speaks_both_halves(server: ServerProcess) -> None:
    async with websocket(server.port, "events=true") as client:
        await client.speak("Hel", flush=True)
        await client.speak("lo", flush=True)
        frames = [
            *await client.frames_until_event("flushed"),
            *await client.frames_until_event("flushed"),
        ]
        await client.close()

    starts = events(frames, "segment_start")
    assert [event["text"] for event in starts] == ["Hel", "lo"]
    first, second = events(frames, "flushed")
    assert 0 < first["samples"] < second["samples"] == len(sound(frames)) // 4
    assert starts[1]["sample_offset"] == first["samples"]


async def test_a_flush_does_not_wait_for_a_mark_that_waits(server: ServerProcess) -> None:
    async with websocket(server.port, "events=true") as client:
        await client.speak("It costs 3.", flush=True)
        await client.speak("14 euros", flush=True)
        first = await client.frames_until_event("flushed")
        second = await client.frames_until_event("flushed")
        await client.close()
    assert [e["text"] for e in events(first, "segment_start")] == ["It costs 3."]
    assert [e["text"] for e in events(second, "segment_start")] == ["14 euros"]


async def test_text_without_sound_is_flushed_too(server: ServerProcess) -> None:
    async with websocket(server.port, "events=true") as client:
        for text in (" ", "...", "🎈🎈", "(", "\n\n", "<think>hm</think>"):
            await client.speak(text, flush=True)
            frames = await client.frames_until_event("flushed")
            assert sound(frames) == b""
            assert "".join(e["text"] for e in events(frames, "segment_start")) == text
        await client.close()
