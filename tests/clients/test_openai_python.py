"""OpenAI's own Python package, unchanged, against our server."""

from __future__ import annotations

import asyncio
import base64
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

import numpy as np
import openai
import pytest

from tests.audio.listening import hear
from tests.listening.ear import Ear
from tests.server_process import PATIENCE_S, running_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stages.audio.format import Samples
    from tests.server_process import ServerProcess

KEY = "a-key-that-nobody-guesses"
VOICE = "en-us+f2"
"""One that the recogniser understands, and not the default."""

SENTENCES = (
    "Open the window before the meeting starts.",
    "The train to London leaves at noon.",
    "Nobody remembered the doctor's name.",
)
TEXT = " ".join(SENTENCES)

RATES = {"mp3": 48_000, "opus": 48_000, "aac": 48_000, "flac": 48_000, "wav": 24_000, "pcm": 24_000}
MOST_CODEC_SAMPLES = 4_000

Format = Literal["mp3", "opus", "aac", "flac", "wav", "pcm"]


@contextmanager
def client_of(server: ServerProcess, key: str = KEY) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(
        base_url=f"{server.http_url}/v1", api_key=key, timeout=PATIENCE_S, max_retries=0
    ) as client:
        yield client


@pytest.fixture(scope="module")
def guarded() -> Iterator[ServerProcess]:
    """A server with a key, an alias, and room for one listener."""
    options = ("--voice-aliases", f"nova={VOICE}", "--max-listeners", "1")
    with running_server(*options, env={"VOICE_API_KEYS": KEY}) as server:
        yield server
        assert "Traceback" not in server.log


@pytest.fixture(scope="module")
def client(guarded: ServerProcess) -> Iterator[openai.OpenAI]:
    with client_of(guarded) as client:
        yield client


@pytest.fixture(scope="module")
def expected(guarded: ServerProcess) -> Samples:
    """The text's sound at 48 kHz, from the server's other door."""
    answer = guarded.ask(
        "/api/speak",
        "POST",
        json={"text": TEXT, "format": "f32le", "voice": VOICE},
        headers={"authorization": f"Bearer {KEY}"},
    )
    return np.frombuffer(answer.content, np.float32)


def loudness(sound: Samples) -> float:
    return float(np.sqrt(np.mean(np.square(sound))))


def decoded(form: Format, data: bytes) -> Samples:
    if form == "pcm":
        return np.asarray(np.frombuffer(data, "<i2") / 32_768, np.float32)
    heard = hear(data)
    assert heard.sample_rate == RATES[form]
    return np.asarray(heard.sound[0], np.float32)


@pytest.mark.parametrize("form", RATES)
def test_each_format_is_the_whole_text_in_order_and_as_loud(
    client: openai.OpenAI,
    expected: Samples,
    form: Format,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    answer = client.audio.speech.create(
        model="gpt-4o-mini-tts",
        voice="nova",
        input=TEXT,
        response_format=form,
        instructions="Be cheerful.",
    )
    sound, rate = decoded(form, answer.content), RATES[form]
    more = len(sound) - len(expected) * rate // 48_000
    assert abs(more) < MOST_CODEC_SAMPLES
    assert loudness(sound) == pytest.approx(loudness(expected), rel=0.1)
    choices = [*SENTENCES, TEXT, " ".join(reversed(SENTENCES))]
    ear = Ear(choices, tmp_path_factory.mktemp("grammar"))
    assert ear.understand(sound, rate) == TEXT


def test_a_voice_may_be_an_object_and_one_that_nobody_has_is_the_default(
    client: openai.OpenAI,
) -> None:
    def pcm(voice: str | dict[Literal["id"], str]) -> bytes:
        create = client.audio.speech.create
        asked = {"model": "tts-1", "input": "Hello!", "response_format": "pcm", "voice": voice}
        return bytes(create(**asked).content)  # type: ignore[arg-type]  # of the SDK's 13 voices

    assert pcm({"id": "nova"}) == pcm("nova") == pcm(VOICE)
    assert pcm("shimmer") == pcm("en-us+f3") != pcm("nova")


def test_a_speed_makes_it_shorter(client: openai.OpenAI) -> None:
    lengths = [
        len(
            client.audio.speech.create(
                model="tts-1", voice="nova", input=TEXT, response_format="pcm", speed=speed
            ).content
        )
        for speed in (0.5, 1.0, 2.0, 4.0)
    ]
    assert lengths[0] > lengths[1] > lengths[2] == lengths[3]


def test_kokoros_keys_are_had(client: openai.OpenAI) -> None:
    def pcm(**extra: object) -> bytes:
        return client.audio.speech.create(
            model="kokoro",
            voice="af_heart",  # Kokoro's
            input="Bonjour tout le monde.",
            response_format="pcm",
            extra_body=extra,
        ).content

    plain = pcm()
    assert pcm(lang_code="a", normalization_options={"normalize": True}) == plain
    assert pcm(lang_code="f") != plain
    assert loudness(decoded("pcm", pcm(volume_multiplier=0.5))) == pytest.approx(
        loudness(decoded("pcm", plain)) / 2, rel=0.05
    )


STORY = "It was a dark and stormy night, and the rain fell in torrents. " * 150


def spoken_s(server: ServerProcess) -> float:
    """Seconds of speech that have been handed to the kernel since the start."""
    headers = {"authorization": f"Bearer {KEY}"}
    text = server.ask("/metrics", headers=headers).text
    found = re.findall(r"^voice_speech_seconds_total\{.*\} (\S+)$", text, re.MULTILINE)
    return sum(map(float, found))


def test_sound_comes_while_the_rest_is_still_being_spoken(
    guarded: ServerProcess, client: openai.OpenAI
) -> None:
    """And what the client does not read is not spoken."""
    before = spoken_s(guarded)
    with client.audio.speech.with_streaming_response.create(
        model="tts-1", voice="nova", input=STORY, response_format="pcm"
    ) as answer:
        pieces = answer.iter_bytes()
        n_bytes = len(next(pieces))
        at_first = spoken_s(guarded) - before
        n_bytes += sum(map(len, pieces))
    length_s = n_bytes / 2 / 24_000
    assert spoken_s(guarded) - before == pytest.approx(length_s, rel=0.01)
    assert at_first < length_s / 2


def test_the_asynchronous_client_hears_the_same(
    guarded: ServerProcess, client: openai.OpenAI
) -> None:
    async def stream() -> bytes:
        async with (
            openai.AsyncOpenAI(base_url=f"{guarded.http_url}/v1", api_key=KEY) as other,
            other.audio.speech.with_streaming_response.create(
                model="tts-1", voice="nova", input=TEXT, response_format="opus"
            ) as answer,
        ):
            return b"".join([piece async for piece in answer.iter_bytes()])

    plain = client.audio.speech.create(
        model="tts-1", voice="nova", input=TEXT, response_format="opus"
    )
    heard, same = (decoded("opus", data) for data in (asyncio.run(stream()), plain.content))
    assert np.array_equal(heard, same)


def test_events_are_parsed_line_by_line(client: openai.OpenAI) -> None:
    with client.audio.speech.with_streaming_response.create(
        model="gpt-4o-mini-tts", voice="nova", input=TEXT, stream_format="sse"
    ) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        events = [line for line in answer.iter_lines() if line]
    assert all(line.startswith('data: {"type": "speech.audio.') for line in events)
    deltas = re.findall(r'"audio": "([^"]*)"', "".join(events))
    assert hear(b"".join(map(base64.b64decode, deltas))).container == "mp3"
    assert "speech.audio.done" in events[-1]


def test_models_are_listed(client: openai.OpenAI) -> None:
    names = [model.id for model in client.models.list()]
    assert "tts-1" in names
    assert client.models.retrieve("gpt-4o-mini-tts").id == "gpt-4o-mini-tts"


def test_errors_are_exceptions_with_our_words(client: openai.OpenAI) -> None:
    def ask(text: str) -> object:
        return client.audio.speech.create(model="tts-1", voice="nova", input=text)

    with pytest.raises(openai.BadRequestError, match=r"input: .* 10000 characters") as too_long:
        ask("a" * 10_001)
    assert (too_long.value.param, too_long.value.code) == ("input", "bad_message")
    with pytest.raises(openai.BadRequestError, match="nothing to speak"):
        ask(" ")
    with pytest.raises(openai.APIStatusError, match="the body is over 65536 bytes") as too_large:
        ask("a" * 70_000)
    assert (too_large.value.status_code, too_large.value.type) == (413, "invalid_request_error")
    with pytest.raises(openai.NotFoundError, match="Not Found"):
        client.embeddings.create(model="none", input="Hello!")


def test_a_wrong_key_is_an_exception_and_so_is_a_full_server(
    guarded: ServerProcess, client: openai.OpenAI
) -> None:
    with (
        client_of(guarded, "wrong-key-of-somebody") as stranger,
        pytest.raises(openai.AuthenticationError, match="not one of ours"),
    ):
        stranger.models.list()
    with client.audio.speech.with_streaming_response.create(
        model="tts-1", voice="nova", input=STORY, response_format="wav"
    ) as answer:
        pieces = answer.iter_bytes()
        next(pieces)
        with pytest.raises(openai.InternalServerError, match="places are taken") as full:
            client.audio.speech.create(model="tts-1", voice="nova", input="Hello!")
        assert full.value.status_code == 503
        del pieces  # which closes the answer, unread


# The client opens its socket in a way that websockets has deprecated.
@pytest.mark.filterwarnings("ignore:connect:DeprecationWarning")
def test_the_realtime_client_has_a_text_read_out(
    guarded: ServerProcess, client: openai.OpenAI, expected: Samples
) -> None:
    """What Open WebUI does with aiohttp, by OpenAI's own client."""
    pcm = b""
    with client.realtime.connect(model="gpt-realtime") as connection:
        assert connection.recv().type == "session.created"
        output = {"format": {"type": "audio/pcm", "rate": 24_000}, "voice": "nova"}
        session = {"type": "realtime", "audio": {"output": output}, "instructions": "Read."}
        connection.session.update(session=session)  # type: ignore[arg-type]  # a plain dict
        assert connection.recv().type == "session.updated"
        content = [{"type": "input_text", "text": TEXT}]
        item = {"type": "message", "role": "user", "content": content}
        connection.response.create(response={"input": [item]})  # type: ignore[arg-type]  # likewise
        assert connection.recv().type == "response.created"
        for event in connection:
            if event.type == "response.output_audio.delta":
                pcm += base64.b64decode(event.delta)
            elif event.type == "response.done":
                assert event.response.status == "completed"
                break
    assert abs(len(pcm) // 2 - len(expected) // 2) < 100
    sound = decoded("pcm", pcm)
    assert loudness(sound) == pytest.approx(loudness(expected), rel=0.05)
