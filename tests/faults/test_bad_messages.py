"""Fault 8: messages that break the protocol. Each is answered, and the session lives."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING

import pytest

from tests.faults.raw_client import Closed, RawWebSocket, only_websocket, wait_for_place, websocket
from tests.faults.raw_frames import BINARY, CLOSE, CONTINUATION, TEXT, events, frame, sound

if TYPE_CHECKING:
    from tests.server_process import ServerProcess

DEEP = 30_000

# Each with a word that its error has to name.
BAD = [
    ("", "message"),
    (" ", "message"),
    ("{", "message"),
    ("hello", "message"),
    ('{"token": "a"', "message"),
    ('{"token": "a"} {"token": "b"}', "message"),
    ("{'token': 'a'}", "message"),
    ('{"token": "a",}', "message"),
    ("null", "message"),
    ("true", "message"),
    ("17", "message"),
    ('"token"', "message"),
    ("[]", "message"),
    ('[{"token": "a"}]', "message"),
    ("NaN", "message"),
    ("\ufeff{}", "message"),
    ('{"token": "a\nb"}', "message"),  # a bare line break in a string
    ("[" * DEEP, "message"),
    ("[" * DEEP + "]" * DEEP, "message"),
    ('{"a":' * 5_000 + "1" + "}" * 5_000, "message"),
    ('{"\\ud800": 1}', "message"),
    ('{"token": "\\x41"}', "message"),
    ('{"token": "a\\u0000b"}', "token"),
    ('{"token": null}', "token"),
    ('{"token": 7}', "token"),
    ('{"token": ["a"]}', "token"),
    ('{"token": {"text": "a"}}', "token"),
    ('{"token": true}', "token"),
    ('{"token": "a", "pitch_shift": NaN}', "pitch_shift"),
    ('{"token": "a", "pitch_shift": Infinity}', "pitch_shift"),
    ('{"token": "a", "pitch_shift": -Infinity}', "pitch_shift"),
    ('{"token": "a", "pitch_shift": 1e999}', "pitch_shift"),
    ('{"token": "a", "pitch_shift": 1e308}', "pitch_shift"),
    ('{"token": "a", "pitch_shift": ' + "9" * 300 + "}", "pitch_shift"),
    ('{"token": "a", "pitch_shift": ' + "9" * 5_000 + "}", "message"),
    ('{"token": "a", "pitch_shift": 24.001}', "pitch_shift"),
    ('{"token": "a", "pitch_shift": -25}', "pitch_shift"),
    ('{"token": "a", "pitch_shift": "7"}', "pitch_shift"),
    ('{"token": "a", "pitch_shift": true}', "pitch_shift"),
    ('{"token": "a", "pitch_shift": [1]}', "pitch_shift"),
    ('{"flush": 1}', "flush"),
    ('{"flush": "true"}', "flush"),
    ('{"flush": null}', "flush"),
    ('{"cancel": "yes"}', "cancel"),
    ('{"cancel": true, "played_ms": -1}', "played_ms"),
    ('{"cancel": true, "played_ms": NaN}', "played_ms"),
    ('{"cancel": true, "played_ms": 1e999}', "played_ms"),
    ('{"cancel": true, "played_ms": "1"}', "played_ms"),
    ('{"tokens": "a"}', "tokens"),
    ('{"token": "a", "Flush": true}', "Flush"),
    ('{"token": "a", "": true}', ""),
    ('{"config": null}', "config"),
    ('{"config": []}', "config"),
    ('{"config": "events"}', "config"),
    ('{"config": {"event": true}}', "config.event"),
    ('{"config": {"events": "true"}}', "config.events"),
    ('{"config": {"events": 1}}', "config.events"),
    ('{"config": {"voice": "nobody"}}', "voice"),
    ('{"config": {"voice": ""}}', "config.voice"),
    ('{"config": {"voice": 1}}', "config.voice"),
    ('{"config": {"voice": null}}', "config.voice"),
    ('{"config": {"voice": "' + "v" * 300 + '"}}', "config.voice"),
    ('{"config": {"encoding": "mp3"}}', "config.encoding"),
    ('{"config": {"encoding": "F32LE"}}', "config.encoding"),
    ('{"config": {"sample_rate": 44000}}', "config.sample_rate"),
    ('{"config": {"sample_rate": "48000"}}', "config.sample_rate"),
    ('{"config": {"sample_rate": 48000.5}}', "config.sample_rate"),
    ('{"config": {"sample_rate": 1e400}}', "config.sample_rate"),
    ('{"config": {"channels": 0}}', "config.channels"),
    ('{"config": {"channels": 3}}', "config.channels"),
    ('{"config": {"channels": true}}', "config.channels"),
    ('{"config": {"frame_ms": 9}}', "config.frame_ms"),
    ('{"config": {"frame_ms": 1001}}', "config.frame_ms"),
    ('{"config": {"frame_ms": 20.5}}', "config.frame_ms"),
    ('{"config": {"pitch_shift": 25}}', "config.pitch_shift"),
    ('{"config": {"pitch_shift": NaN}}', "config.pitch_shift"),
    ('{"config": {"segmentation": "none"}}', "config.segmentation"),
    ('{"config": {"seed": "x"}}', "config.seed"),
    ('{"config": {"seed": 9223372036854775808}}', "config.seed"),
    ('{"config": {"seed": ' + "9" * 300 + "}}", "config.seed"),
    ('{"config": {"seed": 1.5}}', "config.seed"),
]


async def assert_it_speaks(client: RawWebSocket, n_flushes: int = 1) -> None:
    await client.speak("Hello", flush=True)
    frames = await client.frames_until_event("flushed")
    assert len(sound(frames)) > 4 * 4_800
    assert [e["text"] for e in events(frames, "segment_start")] == ["Hello"]
    assert events(frames, "flushed")[0]["flush"] == n_flushes


def short(text: str) -> str:
    return ascii(text if len(text) < 60 else f"{text[:50]}... {len(text)}")[1:-1]


@pytest.mark.parametrize(("message", "names"), BAD, ids=[short(message) for message, _ in BAD])
async def test_a_bad_message_is_answered_and_changes_nothing(
    server: ServerProcess, message: str, names: str
) -> None:
    async with websocket(server.port, "events=true") as client:
        await client.next_event("ready")
        await client.say(message)
        answer = await client.next_text()
        assert names in answer["error"]
        assert answer["code"] in {"bad_message", "unknown_voice"}
        assert answer["fatal"] is False
        assert len(json.dumps(answer)) < 2_000
        await assert_it_speaks(client)
        await client.close()


@pytest.mark.parametrize("data", [b"", b"\0", b'{"token": "a"}', bytes(65_536)])
async def test_a_binary_message_is_answered_and_changes_nothing(
    server: ServerProcess, data: bytes
) -> None:
    async with websocket(server.port, "events=true") as client:
        await client.next_event("ready")
        await client.send_frame(BINARY, data)
        answer = await client.next_text()
        assert "binary" in answer["error"]
        assert (answer["code"], answer["fatal"]) == ("bad_message", False)
        await assert_it_speaks(client)
        await client.close()


async def test_every_bad_message_of_many_is_answered_in_order(server: ServerProcess) -> None:
    async with websocket(server.port, "events=true") as client:
        await client.next_event("ready")
        for message, _ in BAD:
            await client.say(message)
        for message, names in BAD:
            answer = await client.next_text()
            assert names in answer["error"], short(message)
        await assert_it_speaks(client)
        await client.close()


async def test_the_text_of_a_bad_message_is_not_spoken(server: ServerProcess) -> None:
    async with websocket(server.port, "events=true") as client:
        await client.say('{"token": "One", "pitch_shift": 99}')
        await client.say('{"token": "Two", "flsh": true}')
        await client.say('{"token": "Three", "config": {"voice": "nobody"}}')
        await assert_it_speaks(client)
        await client.close()


async def test_an_error_does_not_repeat_a_long_key(server: ServerProcess) -> None:
    """An unknown key of 64 KiB made an error of more, whose frame had a header of ten bytes
    and so was not aligned."""
    async with websocket(server.port) as client:
        await client.say('{"' + "k" * 65_500 + '": 1}')
        answer = await client.next_frame()
        assert answer.json()["code"] == "bad_message"
        assert answer.n_bytes % 4 == 0
        assert answer.n_bytes < 4_000
        await client.close()


HARMLESS = [
    "{}",
    " \n\t{ } ",
    '{"token": ""}',
    '{"flush": false}',
    '{"cancel": false}',
    '{"pitch_shift": 0}',
    '{"pitch_shift": -0.0}',
    '{"pitch_shift": 2.4e1}',
    '{"config": {}}',
    '{"token": "\\ud83c\\udf88"}',
    '{"token": " \\u200b\\u2060\\ufeff\\u00ad"}',
    '{"token": "\\ud83d"}',
    '{"token": "\\udc00\\ud800"}',
    '{"token": "\\u0001\\u0005\\u001b[0m"}',
    '{"token": "\\uffff\\ufffe\\udbff\\udfff"}',
    '{"token": "(?!)"}',
    '{"played_ms": 100}',
]


@pytest.mark.parametrize("message", HARMLESS, ids=[short(message) for message in HARMLESS])
async def test_harmless_input_is_no_error(server: ServerProcess, message: str) -> None:
    """Simple clients feed every message that they get to a PCM parser."""
    async with websocket(server.port) as client:
        await client.say(message)
        await client.say(flush=True)
        await client.speak("Hello", flush=True)
        frames = await client.frames_until(lambda frame: frame.n_bytes > 4_000)
        await client.close()
    assert all(frame.opcode == BINARY for frame in frames)


async def test_a_key_that_comes_twice_counts_once(server: ServerProcess) -> None:
    async with websocket(server.port, "events=true") as client:
        await client.say('{"token": "One", "token": "Hello"}')
        await client.say(flush=True)
        event = await client.next_event("segment_start")
        assert event["text"] in {"One", "Hello"}
        await client.close()


PROTOCOL_BREACHES = {
    "bad UTF-8": (frame(TEXT, b'{"token": "\xff"}'), 1007),
    "UTF-8 cut short": (frame(TEXT, b'{"token": "\xf0\x9f\x8e'), 1007),
    "a surrogate in UTF-8": (frame(TEXT, b'{"token": "\xed\xa0\x80"}'), 1007),
    "no mask": (b"\x81\x02{}", 1002),
    "a reserved opcode": (frame(0x3, b""), 1002),
    "a reserved bit": (frame(TEXT, b"{}", rsv=4), 1002),
    "a continuation of nothing": (frame(CONTINUATION, b"{}"), 1002),
    "a message inside a message": (frame(TEXT, b"{", fin=False) + frame(TEXT, b"}"), 1002),
    "a long ping": (frame(0x9, bytes(126)), 1002),
    "a ping in pieces": (frame(0x9, b"", fin=False), 1002),
    "a close with half a code": (frame(CLOSE, b"\x03"), 1002),
    "a close with a code that nobody may send": (frame(CLOSE, b"\x03\xed"), 1002),
    "a close with a bad reason": (frame(CLOSE, b"\x03\xe8\xff"), 1007),
}


@pytest.mark.parametrize(("data", "code"), PROTOCOL_BREACHES.values(), ids=list(PROTOCOL_BREACHES))
async def test_a_breach_of_the_websocket_protocol_ends_the_connection_and_frees_the_place(
    narrow_server: ServerProcess, data: bytes, code: int
) -> None:
    """The RFC asks for a close with a code only where it can be; the library gives none."""
    async with only_websocket(narrow_server.port) as client:
        await client.speak("This is being spoken. " * 20)
        await client.next_frame()
        await client.send(data)
        with contextlib.suppress(Closed):
            assert await client.next_close() == code
    await wait_for_place(narrow_server.port)
