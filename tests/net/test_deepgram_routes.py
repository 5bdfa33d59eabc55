"""Deepgram's HTTP route, on fake engines."""

from __future__ import annotations

import io
import wave
from typing import TYPE_CHECKING

import httpx
import numpy as np
import pytest

from pipeline.net.http_api import create_app
from tests.audio.listening import hear
from tests.fakes import service, sound_of

if TYPE_CHECKING:
    from trio.testing import MockClock


async def ask(query: str, body: object) -> httpx.Response:
    transport = httpx.ASGITransport(create_app(service()))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
        return await http.post(f"/v1/speak?{query}", json=body)


async def test_a_text_is_spoken_in_a_wav_file(autojump_clock: MockClock) -> None:
    """Keys that we do not have are ignored, in the URL and in the body."""
    query = "sample_rate=48000&encoding=linear16&model=aura-asteria-en&tag=a&tag=b&mip_opt_out=true"
    answer = await ask(query, {"text": "Hello!", "more": None})
    assert answer.status_code == 200
    with wave.open(io.BytesIO(answer.content)) as wav:
        heard = np.frombuffer(wav.readframes(wav.getnframes()), "<i2") / 32_767
    assert np.allclose(heard, sound_of("Hello!"), atol=1e-4)


@pytest.mark.parametrize(("encoding", "codec"), [("mulaw", "pcm_mulaw"), ("alaw", "pcm_alaw")])
async def test_telephone_sound_has_a_head_unless_it_is_to_be_bare(
    autojump_clock: MockClock, encoding: str, codec: str
) -> None:
    text = {"text": "Hello, there!"}
    file = (await ask(f"encoding={encoding}", text)).content
    bare = (await ask(f"encoding={encoding}&container=none", text)).content
    heard = hear(file)
    assert (heard.container, heard.codec, heard.sample_rate) == ("wav", codec, 8_000)
    assert file.endswith(bare)
    assert heard.sound.shape == (1, len(bare)) == (1, len(sound_of("Hello,there!")) // 6)


async def test_a_file_without_sound_has_its_head(autojump_clock: MockClock) -> None:
    answer = await ask("encoding=mulaw", {"text": "..."})
    assert answer.content.startswith(b"RIFF")


@pytest.mark.parametrize(
    ("query", "body", "named"),
    [
        ("", {}, "text"),
        ("", {"text": ""}, "text"),
        ("", {"text": "a" * 10_001}, "text"),
        ("encoding=ogg", {"text": "a"}, "encoding"),
        ("speed=x", {"text": "a"}, "speed"),
        ("encoding=opus&container=wav", {"text": "a"}, "container"),
    ],
)
async def test_an_error_has_the_shape_that_deepgrams_clients_read(
    autojump_clock: MockClock, query: str, body: object, named: str
) -> None:
    answer = await ask(query, body)
    error = answer.json()
    assert answer.status_code == 400
    assert set(error) == {"err_code", "err_msg", "request_id"}
    assert error["err_code"] == "BAD_MESSAGE"
    assert error["err_msg"].startswith(f"{named}: ")
