"""The opt-in configuration, as query parameters and as messages, on a real socket."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import numpy as np
import pytest

from stages.audio import g711
from tests.audio.listening import hear_packets
from tests.faults.raw_client import UPGRADE, ask, websocket
from tests.faults.raw_frames import BINARY, TEXT, events, sound

if TYPE_CHECKING:
    from tests.server_process import ServerProcess

TEXT_TO_SAY = "Hello, world. How are you?"


async def say_with(server: ServerProcess, **config: object) -> tuple[bytes, int]:
    """The sound of the text under these settings, and how many samples that is."""
    query = urlencode({"events": "true"} | config)
    async with websocket(server.port, query) as client:
        ready = await client.next_event("ready")
        assert {key: ready[key] for key in config} == config
        await client.speak(TEXT_TO_SAY, flush=True)
        frames = await client.frames_until_event("flushed")
        await client.close()
    return sound(frames), frames[-1].json()["samples"]


RATES = [8000, 12000, 16000, 22050, 24000, 32000, 44100, 48000]


@pytest.mark.parametrize(
    ("encoding", "channels", "rate"), list(itertools.product(["f32le", "s16le"], [1, 2], RATES))
)
async def test_the_sound_has_the_form_that_was_asked_for(
    server: ServerProcess, encoding: str, channels: int, rate: int
) -> None:
    data, n_samples = await say_with(server, encoding=encoding, channels=channels, sample_rate=rate)
    reference, n_reference = await say_with(server)
    n_bytes = 4 if encoding == "f32le" else 2
    assert len(data) == n_samples * channels * n_bytes
    assert n_samples == pytest.approx(n_reference * rate / 48_000, abs=20)
    samples = np.frombuffer(data, "<f4" if encoding == "f32le" else "<i2").reshape(-1, channels)
    assert (samples[:, 0] == samples[:, -1]).all()
    if encoding == "s16le" and rate == 48_000:
        difference = samples[:, 0] / 32_768 - np.frombuffer(reference, "<f4")
        assert np.abs(difference).max() <= 1 / 32_767


async def test_g711_is_the_sound_in_a_byte_a_sample(server: ServerProcess) -> None:
    """As telephony has it, at 8 kHz."""
    linear, n_samples = await say_with(server, encoding="s16le", sample_rate=8000)
    for encoding, law in (("mulaw", g711.mulaw), ("alaw", g711.alaw)):
        data, n_coded = await say_with(server, encoding=encoding, sample_rate=8000)
        assert len(data) == n_coded == n_samples
        assert data == law(np.frombuffer(linear, "<i2")).tobytes()


@pytest.mark.parametrize(("channels", "rate"), [(1, 48_000), (2, 48_000), (1, 16_000)])
async def test_opus_is_a_packet_of_20_ms_a_message(
    server: ServerProcess, channels: int, rate: int
) -> None:
    """What discord.py's AudioSource.read() returns where is_opus() says so."""
    query = f"events=true&encoding=opus&channels={channels}&sample_rate={rate}"
    async with websocket(server.port, query) as client:
        assert (await client.next_event("ready"))["frame_ms"] == 20
        await client.speak(TEXT_TO_SAY, flush=True)
        frames = await client.frames_until_event("flushed")
        await client.close()
    packets = [frame.payload for frame in frames if frame.opcode == BINARY]
    assert frames[-1].json()["samples"] == len(packets) * rate // 50
    reference = np.frombuffer((await say_with(server))[0], "<f4")
    heard = hear_packets(packets, channels)
    look_ahead = 312
    assert len(reference) + look_ahead <= heard.shape[1] < len(reference) + look_ahead + 1000
    assert np.array_equal(heard[0], heard[-1])
    likeness = np.corrcoef(heard[0][look_ahead:][: len(reference)], reference)[0, 1]
    assert likeness > (0.98 if rate == 48_000 else 0.9)


@pytest.mark.parametrize("frame_ms", [10, 20, 60, 1000])
async def test_exact_frames_are_exact_and_the_last_is_padded(
    server: ServerProcess, frame_ms: int
) -> None:
    reference, _ = await say_with(server)
    async with websocket(server.port, f"events=true&frame_ms={frame_ms}") as client:
        await client.speak(TEXT_TO_SAY, flush=True)
        frames = await client.frames_until_event("flushed")
        await client.close()
    assert {len(f.payload) for f in frames if f.opcode == BINARY} == {48 * frame_ms * 4}
    data = sound(frames)
    assert data.startswith(reference)
    assert not any(data[len(reference) :])
    assert len(data) - len(reference) < 48 * frame_ms * 4
    assert frames[-1].json()["samples"] == len(data) // 4


async def test_a_message_configures_as_the_query_does(server: ServerProcess) -> None:
    expected, n_samples = await say_with(server, encoding="s16le", sample_rate=16000)
    async with websocket(server.port) as client:
        config = {"encoding": "s16le", "sample_rate": 16000, "events": True}
        await client.say(config=config)
        ready = await client.next_event("ready")
        assert (ready["encoding"], ready["sample_rate"]) == ("s16le", 16000)
        await client.speak(TEXT_TO_SAY, flush=True)
        frames = await client.frames_until_event("flushed")
        await client.close()
    assert sound(frames) == expected
    assert frames[-1].json()["samples"] == n_samples


@pytest.mark.parametrize("key", ["encoding", "sample_rate", "channels", "frame_ms", "events"])
async def test_the_form_cannot_change_after_the_first_token(
    server: ServerProcess, key: str
) -> None:
    value = {
        "encoding": "s16le",
        "sample_rate": 8000,
        "channels": 2,
        "frame_ms": 20,
        "events": False,
    }[key]
    expected, _ = await say_with(server)
    async with websocket(server.port, "events=true") as client:
        await client.speak(TEXT_TO_SAY, flush=True)
        assert sound(await client.frames_until_event("flushed")) == expected
        await client.say(config={key: value, "pitch_shift": 7})
        error = await client.next_text()
        assert error["error"].startswith(key)
        assert (error["code"], error["fatal"]) == ("bad_message", False)
        await client.speak(TEXT_TO_SAY, flush=True)
        assert sound(await client.frames_until_event("flushed")) == expected
        await client.close()


async def test_style_may_change_at_any_time(server: ServerProcess) -> None:
    async with websocket(server.port, "events=true") as client:
        await client.next_event("ready")
        await client.speak("One ")
        await client.say(config={"pitch_shift": 5})
        await client.speak("two ")
        await client.say(config={"voice": "en-us+m1", "segmentation": "sentence"})
        await client.speak("three, ")
        await client.speak("four ", pitch_shift=-3)
        await client.say(flush=True)
        frames = await client.frames_until_event("flushed")
        await client.close()
    starts = events(frames, "segment_start")
    assert [(e["text"], e["pitch_shift"]) for e in starts] == [
        ("One ", 0),
        ("two ", 5),
        ("three, ", 5),
        ("four ", -3),
    ]
    assert [e["voice"] for e in events(frames, "ready")] == ["en-us+f3", "en-us+m1"]


async def test_without_events_there_are_none(server: ServerProcess) -> None:
    async with websocket(server.port) as client:
        await client.speak(TEXT_TO_SAY, flush=True)
        await client.say(cancel=True)
        await client.say(config={"pitch_shift": 2})
        await client.say("{")
        frames = await client.frames_until(lambda frame: frame.opcode == TEXT)
        assert "error" in frames[-1].json()
        await client.close()


BAD_QUERIES = [
    ("encoding=mp3", "encoding"),
    ("encoding=", "encoding"),
    ("sample_rate=44000", "sample_rate"),
    ("sample_rate=many", "sample_rate"),
    ("sample_rate=", "sample_rate"),
    ("channels=3", "channels"),
    ("frame_ms=5", "frame_ms"),
    ("encoding=opus&frame_ms=40", "frame_ms"),
    ("encoding=opus&sample_rate=22050", "sample_rate"),
    ("frame_ms=1e3000", "frame_ms"),
    ("events=perhaps", "events"),
    ("pitch_shift=nan", "pitch_shift"),
    ("pitch_shift=inf", "pitch_shift"),
    ("pitch_shift=25", "pitch_shift"),
    ("voice=nobody", "voice"),
    ("voice=", "voice"),
    ("voice=%ff%00", "voice"),
    ("segmentation=lazy", "segmentation"),
    ("seed=x", "seed"),
    ("seed=" + "9" * 400, "seed"),
    ("token=hello", "token"),
    ("unknown=1", "unknown"),
    ("Events=true", "Events"),
    ("%F0%9F%8E%88=1", "🎈"),
    ("events", "events"),
    ("k" * 10_000 + "=1", "k"),
]


@pytest.mark.parametrize(("query", "key"), BAD_QUERIES, ids=[q[:30] for q, _ in BAD_QUERIES])
async def test_a_bad_query_is_refused_by_name(server: ServerProcess, query: str, key: str) -> None:
    head = f"GET /ws/stream?{query} HTTP/1.1\r\n".encode()
    response = await ask(server.port, head + UPGRADE + b"\r\n")
    assert response.status == 400
    assert key in response.json()["error"]
    assert response.json()["code"] in {"bad_message", "unknown_voice"}


@pytest.mark.parametrize(
    "query", ["", "events=1", "events=True", "events=false", "pitch_shift=-2.5"]
)
async def test_a_good_query_is_taken(server: ServerProcess, query: str) -> None:
    async with websocket(server.port, query) as client:
        await client.speak("Hello", flush=True)
        await client.frames_until(lambda frame: frame.opcode == BINARY)
        await client.close()
