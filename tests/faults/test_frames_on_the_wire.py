"""What simple clients rely on: every frame, header included, is a multiple of four bytes long,
and sound comes in whole messages of whole samples."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.faults.raw_client import websocket
from tests.faults.raw_frames import BINARY, CLOSE, TEXT, events, sound

if TYPE_CHECKING:
    from tests.faults.raw_frames import Frame
    from tests.server_process import ServerProcess

TEXTS = [
    "Hi.",
    "A",
    "Hello, my dear world! How are you? Fine; thank you... (Really.)",
    "Ünïcödé, 日本語。 And emoji 🎈, too.",
    "word " * 100,
    "x" * 450,
    "1, 2, 3, 4, 5, 6, 7, 8, 9, 10.",
]


def assert_aligned(frames: list[Frame]) -> None:
    for frame in frames:
        assert frame.opcode in {TEXT, BINARY}
        assert frame.is_final
        assert frame.n_bytes % 4 == 0
        if frame.opcode == BINARY:
            n_samples, rest = divmod(len(frame.payload), 4)
            assert rest == 0
            assert 32 <= n_samples <= 16_383


@pytest.mark.parametrize("query", ["", "events=true", "channels=2", "sample_rate=8000"])
async def test_every_frame_is_aligned(server: ServerProcess, query: str) -> None:
    async with websocket(server.port, query) as client:
        for i, text in enumerate(TEXTS):
            await client.speak(text, pitch_shift=i % 3, flush=True)
        await client.say('{"token": 1}')  # answered once the text before it was taken in
        frames = await client.frames_until(lambda frame: b'"error"' in frame.payload)
        await client.speak("The end.", flush=True)
        while len(frames) < 40:
            frames.append(await client.next_frame())
        await client.close()
    assert_aligned(frames)


async def test_errors_of_every_length_are_aligned(server: ServerProcess) -> None:
    async with websocket(server.port) as client:
        for size in range(1, 160):
            await client.say({"k" * size: 1})
            frame = await client.next_frame()
            assert "k" * size in frame.json()["error"]
            assert_aligned([frame])
        await client.close()


async def test_a_long_answer_to_a_cancel_is_aligned(server: ServerProcess) -> None:
    """From 64 KiB on, a frame's header has ten bytes."""
    text = "One sentence. " + "and so on " * 6_000
    async with websocket(server.port, "events=true", receive_buffer=4096) as client:
        for extra in range(5):
            await client.speak(text)
            await client.speak("more " * 2_000 + "m" * extra, cancel=False)
            await client.say(cancel=True, played_ms=0)
            frames = await client.frames_until_event("cancelled")
            answer = frames[-1].json()
            assert answer["text_spoken"] == ""
            assert answer["text_remaining"] == text + "more " * 2_000 + "m" * extra
            assert frames[-1].n_bytes > 65_536
            assert frames[-1].n_bytes % 4 == 0
        await client.close()


async def test_sound_is_float32_within_one(server: ServerProcess) -> None:
    async with websocket(server.port, "events=true") as client:
        for pitch_shift in (0, 12, -12, 24):
            await client.speak("What a loud voice this is!", pitch_shift=pitch_shift, flush=True)
        frames = []
        for _ in range(4):
            frames += await client.frames_until_event("flushed")
        await client.close()
    samples = np.frombuffer(sound(frames), "<f4")
    assert events(frames, "flushed")[-1]["samples"] == len(samples)
    assert np.isfinite(samples).all()
    assert np.abs(samples).max() <= 1
    assert np.abs(samples).max() > 0.1


@pytest.mark.parametrize(("opcode", "payload", "code"), [(3, b"", 1002), (TEXT, b"\xff", 1007)])
async def test_a_breach_in_mid_speech_is_told_between_frames(
    server: ServerProcess, opcode: int, payload: bytes, code: int
) -> None:
    async with websocket(server.port, receive_buffer=4096) as client:
        await client.speak("and so on " * 2_000, flush=True)
        await client.next_frame()
        await client.send_frame(opcode, payload)
        frames = await client.frames_until(lambda frame: frame.opcode == CLOSE)
        assert {frame.opcode for frame in frames[:-1]} <= {BINARY}
        assert frames[-1].close_code == code
        assert frames[-1].payload[2:].decode()  # what was wrong
        assert await client.read_to_end() == b""
