"""The HTTP routes on a real socket, and what clients do to connections there."""

from __future__ import annotations

import io
import wave
from typing import TYPE_CHECKING

import numpy as np
import pytest
import trio

from tests.faults.figures import wait_for_descriptors
from tests.faults.raw_client import ask, connected, get, parse_response, post, websocket
from tests.faults.raw_frames import events, sound

if TYPE_CHECKING:
    from tests.server_process import ServerProcess

HELLO = "Hello, world. How are you?"


async def spoken(server: ServerProcess, query: str) -> bytes:
    async with websocket(server.port, "events=true&" + query) as client:
        await client.speak(HELLO, flush=True)
        frames = await client.frames_until_event("flushed")
        assert len(events(frames, "flushed")) == 1
        await client.close()
    return sound(frames)


@pytest.mark.parametrize("sample_rate", [8000, 24000, 48000])
@pytest.mark.parametrize("form", ["wav", "s16le", "f32le"])
async def test_speak_answers_with_the_sound_that_the_websocket_gives(
    server: ServerProcess, form: str, sample_rate: int
) -> None:
    encoding = "f32le" if form == "f32le" else "s16le"
    expected = await spoken(server, f"encoding={encoding}&sample_rate={sample_rate}")
    request = post("/api/speak", {"text": HELLO, "format": form, "sample_rate": sample_rate})
    response = await ask(server.port, request)
    assert response.status == 200
    body = response.body
    if form == "wav":
        assert response.headers["content-type"] == "audio/wav"
        with wave.open(io.BytesIO(body)) as wav:
            assert wav.getparams()[:3] == (1, 2, sample_rate)
            body = wav.readframes(wav.getnframes())
    assert body == expected


async def test_speak_takes_a_voice_and_a_pitch(server: ServerProcess) -> None:
    plain = await ask(server.port, post("/api/speak", {"text": HELLO}))
    for change in ({"voice": "en-us+m1"}, {"pitch_shift": 4}):
        other = await ask(server.port, post("/api/speak", {"text": HELLO} | change))
        assert other.status == 200
        assert other.body != plain.body


async def test_nothing_to_say_is_answered_with_no_sound(server: ServerProcess) -> None:
    for text in ("...", "🎈"):
        response = await ask(server.port, post("/api/speak", {"text": text}))
        assert response.status == 200
        with wave.open(io.BytesIO(response.body)) as wav:
            assert wav.readframes(wav.getnframes()) == b""


async def test_half_a_character_is_no_error(server: ServerProcess) -> None:
    bodies = [b'{"text": "Hi \\ud83d there"}', b'{"text": "Hi  there"}']
    heard = [await ask(server.port, post("/api/speak", body)) for body in bodies]
    assert [response.status for response in heard] == [200, 200]
    assert heard[0].body == heard[1].body


async def test_words_are_said_as_the_request_says(server: ServerProcess) -> None:
    said, same = [
        await ask(server.port, post("/api/speak", body))
        for body in (
            {"text": "I like nginx.", "lexicon": {"Nginx": "engine x"}},
            {"text": "I like engine x."},
        )
    ]
    assert said.status == 200
    assert said.body == same.body


async def test_a_long_text_comes_back_whole(server: ServerProcess) -> None:
    text = "".join(f"Sentence number {i}. " for i in range(60))
    response = await ask(
        server.port, post("/api/speak", {"text": text, "format": "f32le", "sample_rate": 8000})
    )
    samples = np.frombuffer(response.body, "<f4")
    assert len(samples) > 60 * 8000
    assert np.isfinite(samples).all()


BAD_BODIES = [
    ({"text": "Hi", "voice": "nobody"}, "voice"),
    ({"text": "Hi", "voice": ""}, "voice"),
    ({"text": "Hi", "pitch_shift": 25}, "pitch_shift"),
    ({"text": "Hi", "pitch_shift": "1"}, "pitch_shift"),
    ({"text": "Hi", "pitch_shift": float("nan")}, "pitch_shift"),
    ({"text": "Hi", "pitch_shift": float("inf")}, "pitch_shift"),
    ({"text": "Hi", "format": "ogg"}, "format"),
    ({"text": " "}, "text: there is nothing to speak"),
    ({"text": "Hi", "sample_rate": 1}, "sample_rate"),
    ({"text": "Hi", "seed": "x"}, "seed"),
    ({"text": "Hi", "speed": 3}, "speed"),
    ({"text": "a\0b"}, "text"),
    ({"text": "a" * 10_001}, "text"),
    ({"text": 1}, "text"),
    ({"text": None}, "text"),
    ({}, "text"),
    ([], ""),
    ("text", ""),
    (None, ""),
    (b"", ""),
    (b"{", ""),
    (b"\xff\xfe", ""),
    (b"[" * 60_000, ""),
    ({"text": "Hi", "lexicon": {"x": {"ipa": "a1"}}}, "lexicon.x.ipa"),
    ({"text": "Hi", "lexicon": {str(n): "x" for n in range(201)}}, "200"),
    (b'{"text": "a", "\\ud800": 1}', ""),
    (b'{"text": "a", "voice": "\\ud800"}', "voice"),
    (b'{"text": "a", "pitch_shift": 1e999}', "pitch_shift"),
    (b'{"text": "a", "seed": ' + b"9" * 5_000 + b"}", ""),
]


@pytest.mark.parametrize(
    ("body", "names"), BAD_BODIES, ids=[ascii(body)[:50] for body, _ in BAD_BODIES]
)
async def test_a_bad_body_is_refused_by_name(
    server: ServerProcess, body: object, names: str
) -> None:
    response = await ask(server.port, post("/api/speak", body))
    assert response.status == 422
    answer = response.json()
    assert names in answer["error"]
    assert answer["code"]
    assert len(response.body) < 2_000


async def test_what_is_not_served_is_not_found(server: ServerProcess) -> None:
    for path in ("/nothing", "/api", "/api/speak/", "/../etc/passwd", "/%2e%2e/%00"):
        assert (await ask(server.port, get(path))).status in {404, 307}, path
    assert (await ask(server.port, get("/api/speak"))).status == 405
    assert (await ask(server.port, post("/api/voices", {}))).status == 405


async def test_the_voices_are_told(server: ServerProcess) -> None:
    answer = (await ask(server.port, get("/api/voices"))).json()
    assert answer["default"] in [voice["name"] for voice in answer["voices"]]


async def test_a_second_request_on_a_connection_is_not_answered(server: ServerProcess) -> None:
    """Neither wrongly nor at all, and the first one's answer says so."""
    first = post("/api/speak", {"text": HELLO})
    alone = await ask(server.port, first)
    for second in (get("/health/live"), first, b"GET /ws/stream HTTP/1.1\r\n\r\n", b"\r\n", b"x"):
        response = await ask(server.port, first + second)
        assert response.body == alone.body
        assert response.headers["connection"] == "close"
        assert response.rest == b""


async def test_a_request_that_comes_while_the_first_is_answered_does_no_harm(
    server: ServerProcess,
) -> None:
    first = post("/api/speak", {"text": HELLO * 20})
    alone = await ask(server.port, first)
    async with connected(server.port, receive_buffer=4096) as connection:
        await connection.send(first)
        await connection.read_more()
        await connection.send(get("/health/live") * 100)
        response = parse_response(await connection.read_to_end())
    assert response.body == alone.body


async def test_an_upgrade_behind_a_request_is_not_mistaken(server: ServerProcess) -> None:
    upgrade = (
        b"GET /ws/stream HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n"
        b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    response = await ask(server.port, get("/health/live") + upgrade)
    assert response.json() == {"status": "ok", "reason": None}
    assert response.rest == b""


async def test_a_client_may_ask_before_it_sends_its_body(server: ServerProcess) -> None:
    request = post("/api/speak", {"text": HELLO}, "Expect: 100-continue")
    head, body = request.split(b"\r\n\r\n", 1)
    async with connected(server.port) as connection:
        await connection.send(head + b"\r\n\r\n")
        await connection.read_head()
        assert connection.buffer.startswith(b"HTTP/1.1 100 ")
        await connection.send(body)
        response = parse_response(await connection.read_to_end())
    assert response.status == 200
    assert response.body == (await ask(server.port, post("/api/speak", {"text": HELLO}))).body


async def test_a_client_that_does_not_wait_for_the_go_ahead_is_answered(
    server: ServerProcess,
) -> None:
    request = post("/api/speak", {"text": HELLO}, "Expect: 100-continue")
    assert (await ask(server.port, request)).status == 200


async def test_a_chunked_body_is_read(server: ServerProcess) -> None:
    body = b'{"text": "Hello"}'
    chunks = b"".join(b"1\r\n" + bytes([byte]) + b"\r\n" for byte in body) + b"0\r\n\r\n"
    head = (
        b"POST /api/speak HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n"
    )
    assert (await ask(server.port, head + chunks)).status == 200


async def test_http_1_0_is_answered(server: ServerProcess) -> None:
    assert (await ask(server.port, b"GET /health/live HTTP/1.0\r\n\r\n")).status == 200


async def test_hundreds_of_requests_leave_no_descriptor(server: ServerProcess) -> None:
    n_fds = server.n_fds()
    limiter = trio.CapacityLimiter(20)

    async def one() -> None:
        async with limiter:
            assert (await ask(server.port, get("/health/live"))).status == 200

    async with trio.open_nursery() as nursery:
        for _ in range(300):
            nursery.start_soon(one)
    await wait_for_descriptors(server, n_fds)


async def test_a_client_that_closes_its_side_gets_no_half_file_as_a_whole_one(
    server: ServerProcess,
) -> None:
    """Its work is stopped as if it had gone; it used to get a 200 with an empty WAV."""
    async with connected(server.port) as connection:
        await connection.send(post("/api/speak", {"text": "A long story, " * 700}))
        connection.half_close()
        answer = parse_response(await connection.read_to_end())
    assert answer.status == 499
    assert "closed its side" in answer.json()["error"]
    assert answer.json()["code"] == "client_gone"


@pytest.mark.parametrize("target", ["/", "/web/page.js", "/web/page.css"])
async def test_the_connection_ends_behind_a_file(server: ServerProcess, target: str) -> None:
    """Files were sent, and the connection stayed for as long as the client did."""
    answer = await ask(server.port, get(target))
    assert answer.status == 200
    assert len(answer.body) == int(answer.headers["content-length"])


JSON_ROUTES = {
    "/api/speak": (422, ("error", "code")),
    "/v1/audio/speech": (400, ("error",)),
    "/dev/captioned_speech": (400, ("error",)),
    "/v1/text-to-speech/anyone": (422, ("detail",)),
    "/v1/text-to-speech/anyone/stream/with-timestamps": (422, ("detail",)),
    "/tts/bytes": (422, ("error_code", "title", "message")),
    "/tts/sse": (422, ("error_code", "title", "message")),
    "/v1/speak": (400, ("err_code", "err_msg", "request_id")),
    "/v2/speak": (400, ("err_code", "err_msg", "request_id")),
}
"""Each with the status of a bad request and the keys of an error, as its service has them."""


@pytest.mark.parametrize("path", JSON_ROUTES)
@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"[" * 60_000, "nested too deeply"),
        (b'{"a": ' + b"9" * 5_000 + b"}", "a number in it is too large"),
        (b'{"text": "\xff"}', "not UTF-8"),
        (b"{", "JSON decode error"),
    ],
    ids=["deep", "huge", "bytes", "cut"],
)
async def test_json_that_cannot_be_read_is_a_bad_request_with_a_reason(
    server: ServerProcess, path: str, body: bytes, why: str
) -> None:
    """FastAPI answered 400 to the first three, and that there was an error parsing the body."""
    status, keys = JSON_ROUTES[path]
    response = await ask(server.port, post(path, body))
    assert response.status == status
    assert tuple(response.json()) == keys
    assert why in response.body.decode()


GUARDS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
}


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (get("/"), 200),
        (get("/web/page.js"), 200),
        (get("/docs"), 200),
        (get("/docs/files/swagger-ui.css"), 200),
        (get("/openapi.json"), 200),
        (get("/health/live"), 200),
        (get("/metrics"), 200),
        (get("/api/voices"), 200),
        (post("/api/speak", {"text": "Hi!"}), 200),
        (post("/api/speak", {}), 422),
        (get("/nothing"), 404),
        (get("/ws/stream"), 426),
        (get("/").replace(b"localhost", b"evil.example"), 403),
        (b"GET / HTTP/1.0\r\nno header\r\n\r\n", 400),
    ],
)
async def test_all_answers_have_what_guards_browsers(
    server: ServerProcess, request_: bytes, status: int
) -> None:
    """Not only the page: whatever is answered may be opened in a browser."""
    response = await ask(server.port, request_)
    assert response.status == status
    assert {name: response.headers.get(name) for name in GUARDS} == GUARDS
    rules = response.headers["content-security-policy"].split("; ")
    assert {"default-src 'none'", "frame-ancestors 'none'"} <= set(rules)
    assert "unsafe" not in str(rules)
