"""Cancelling on a real socket: what was not sent is dropped, and the session goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.faults.raw_client import websocket
from tests.faults.raw_frames import BINARY, events, sound

if TYPE_CHECKING:
    from tests.server_process import ServerProcess

SPEECH = "".join(f"This is sentence number {i} of a speech. " for i in range(50))
SMALL = 4096


async def test_after_the_answer_comes_new_sound_only(server: ServerProcess) -> None:
    async with websocket(server.port, "events=true") as client:
        await client.speak("Something new.", flush=True)
        expected = sound(await client.frames_until_event("flushed"))
        await client.close()

    async with websocket(server.port, "events=true", receive_buffer=SMALL) as client:
        n_samples = 0
        for _ in range(5):
            await client.speak(SPEECH, pitch_shift=0)
            await client.next_event("segment_start")
            frames = [await client.next_frame()]
            await client.say(cancel=True)
            await client.speak("Something new.", flush=True)
            frames += await client.frames_until_event("cancelled")
            n_samples += len(sound(frames)) // 4
            cancelled = frames[-1].json()
            assert cancelled["samples"] == n_samples
            told = cancelled["text_spoken"] + cancelled["text_remaining"]
            # The reply before it is told too while it may still be heard.
            assert told.removeprefix("Something new.") == SPEECH

            frames = await client.frames_until_event("flushed")
            assert sound(frames) == expected
            (start,) = events(frames, "segment_start")
            assert (start["text"], start["sample_offset"]) == ("Something new.", n_samples)
            n_samples += len(expected) // 4
            assert frames[-1].json()["samples"] == n_samples
        await client.close()


async def test_a_token_in_the_same_message_is_new_text(server: ServerProcess) -> None:
    async with websocket(server.port, "events=true", receive_buffer=SMALL) as client:
        await client.speak(SPEECH)
        await client.next_event("segment_start")
        await client.say(cancel=True, token="Something new", flush=True)
        cancelled = await client.next_event("cancelled")
        frames = await client.frames_until_event("flushed")
        assert [e["text"] for e in events(frames, "segment_start")] == ["Something new"]
        assert sound(frames)
        assert cancelled["text_spoken"] + cancelled["text_remaining"] == SPEECH
        await client.close()


async def test_it_works_without_events(server: ServerProcess) -> None:
    async with websocket(server.port, "events=true") as client:
        await client.speak("Something new.", flush=True)
        expected = sound(await client.frames_until_event("flushed"))
        await client.close()

    async with websocket(server.port, receive_buffer=SMALL) as client:
        await client.speak(SPEECH)
        await client.next_frame()
        await client.say(cancel=True)
        await client.speak("Something new.", flush=True)
        heard = b""
        while not heard.endswith(expected):
            frame = await client.next_frame()
            assert frame.opcode == BINARY
            heard += frame.payload
            assert len(heard) < 20 * len(expected)  # and not the speech, which is longer
        await client.close()


async def test_played_ms_says_which_text_was_heard(server: ServerProcess) -> None:
    async with websocket(server.port, "events=true") as client:
        await client.speak(SPEECH, flush=True)
        frames = await client.frames_until_event("flushed")
        ends = events(frames, "segment_end")
        starts = events(frames, "segment_start")
        heard_whole = 7
        played_ms = (ends[heard_whole]["sample_offset"] + 1) / 48
        await client.say(cancel=True, played_ms=played_ms)
        cancelled = await client.next_event("cancelled")
        assert cancelled["text_spoken"] == "".join(e["text"] for e in starts[:heard_whole])
        assert cancelled["text_spoken"] + cancelled["text_remaining"] == SPEECH
        assert cancelled["samples"] == len(sound(frames)) // 4

        # From here on it counts anew.
        await client.speak("One two three four five six.", flush=True)
        await client.frames_until_event("flushed")
        await client.say(cancel=True, played_ms=500)
        cancelled = await client.next_event("cancelled")
        assert cancelled["text_spoken"].startswith("One")
        assert cancelled["text_remaining"].endswith("six.")
        await client.close()


@pytest.mark.parametrize("played_ms", [0, 1e12, 1.7e308])
async def test_all_or_nothing_was_heard(server: ServerProcess, played_ms: float) -> None:
    async with websocket(server.port, "events=true") as client:
        await client.speak(SPEECH, flush=True)
        await client.frames_until_event("flushed")
        await client.say(cancel=True, played_ms=played_ms)
        cancelled = await client.next_event("cancelled")
        assert cancelled["text_spoken"] == ("" if played_ms == 0 else SPEECH)
        assert cancelled["text_remaining"] == (SPEECH if played_ms == 0 else "")
        await client.close()


async def test_text_that_was_not_cut_yet_is_told_as_not_heard(server: ServerProcess) -> None:
    async with websocket(server.port, "events=true") as client:
        await client.speak("no boundary in ")
        await client.speak("this text")
        await client.say(cancel=True)
        cancelled = await client.next_event("cancelled")
        assert cancelled["text_spoken"] == ""
        assert cancelled["text_remaining"] == "no boundary in this text"
        assert cancelled["samples"] == 0
        await client.say(flush=True)
        frames = await client.frames_until_event("flushed")
        assert sound(frames) == b""
        await client.close()


async def test_cancelling_nothing_is_answered_each_time(server: ServerProcess) -> None:
    async with websocket(server.port, "events=true") as client:
        for _ in range(300):
            await client.say(cancel=True)
        for _ in range(300):
            cancelled = await client.next_event("cancelled")
            assert (cancelled["text_spoken"], cancelled["text_remaining"]) == ("", "")
        await client.speak("Still here", flush=True)
        assert (await client.next_event("flushed"))["samples"] > 0
        await client.close()


async def test_cancels_in_quick_succession_lose_no_text(server: ServerProcess) -> None:
    """Each answer accounts for the text since the one before it, whatever stage it was in."""
    async with websocket(server.port, "events=true") as client:
        texts = [f"Text number {i}. With a second sentence, and more" for i in range(100)]
        for text in texts:
            await client.speak(text)
            await client.say(cancel=True)
        n_samples = 0
        for text in texts:
            frames = await client.frames_until_event("cancelled")
            n_samples += len(sound(frames)) // 4
            cancelled = frames[-1].json()
            assert cancelled["text_spoken"] + cancelled["text_remaining"] == text
            assert cancelled["samples"] == n_samples
        await client.close()


async def test_exact_frames_begin_anew(server: ServerProcess) -> None:
    query = "events=true&frame_ms=20&encoding=s16le&sample_rate=16000"
    async with websocket(server.port, query, receive_buffer=SMALL) as client:
        await client.speak(SPEECH)
        await client.next_event("segment_start")
        await client.say(cancel=True)
        cancelled = await client.next_event("cancelled")
        assert cancelled["samples"] % 320 == 0
        await client.speak("Something new.", flush=True)
        frames = await client.frames_until_event("flushed")
        assert events(frames, "segment_start")[0]["sample_offset"] == cancelled["samples"]
        assert {len(frame.payload) for frame in frames if frame.opcode == BINARY} == {640}
        await client.close()
