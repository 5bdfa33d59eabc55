"""The Cartesia SDK as it is."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from cartesia import AsyncCartesia, AuthenticationError, Cartesia, UnprocessableEntityError

from tests.audio.listening import hear
from tests.clients.test_elevenlabs import KEY, STORY, likeness, pcm
from tests.clients.test_seed_samples import TEXT, words
from tests.server_process import PATIENCE_S, running_server

if TYPE_CHECKING:
    from cartesia.resources.tts import WebSocketContext

    from tests.server_process import ServerProcess

# It opens its socket in a way that websockets is to lose.
pytestmark = pytest.mark.filterwarnings("ignore:connect.. must be used as:DeprecationWarning")

VOICE = "6ccbfb76-1fc6-48f7-b71d-91ac6298247b"
MODEL = "sonic-3"
RAW: Any = {"container": "raw", "encoding": "pcm_s16le", "sample_rate": 24_000}
AN_ID: Any = {"mode": "id", "id": VOICE}
WISHES: Any = {"model_id": MODEL, "voice": AN_ID, "output_format": RAW, "timeout": PATIENCE_S}


@pytest.fixture
def client(server: ServerProcess) -> Cartesia:
    return Cartesia(
        api_key="any",
        base_url=server.http_url,
        websocket_base_url=f"ws://{server.host}:{server.port}",
        timeout=PATIENCE_S,
    )


def sound_of(context: WebSocketContext) -> bytes:
    """All sound of a context, up to its end."""
    sound = b""
    for event in context.receive():
        assert event.type in {"chunk", "timestamps", "flush_done", "done"}, event
        if event.type == "chunk":
            sound += event.audio or b""
    return sound


def test_what_is_said_is_heard(client: Cartesia, server: ServerProcess) -> None:
    answer = client.tts.generate(
        model_id=MODEL, transcript=TEXT, voice=AN_ID, output_format=RAW, language="en"
    )
    assert answer.read() == pcm(server, TEXT, language="en")


def test_an_mp3_is_heard(client: Cartesia, server: ServerProcess) -> None:
    form: Any = {"container": "mp3", "sample_rate": 44_100, "bit_rate": 128_000}
    answer = client.tts.generate(
        model_id=MODEL, transcript=TEXT, voice=VOICE, output_format=form
    ).read()
    sound = np.frombuffer(pcm(server, TEXT, sample_rate=44_100), "<i2") / 32767
    assert likeness(hear(answer).sound[0], sound) > 0.98


def test_a_wav_is_heard(client: Cartesia, server: ServerProcess) -> None:
    """Their examples ask for float32."""
    form: Any = {"container": "wav", "encoding": "pcm_f32le", "sample_rate": 24_000}
    answer = client.tts.generate(
        model_id=MODEL, transcript=TEXT, voice=AN_ID, output_format=form, speed="fast"
    ).read()
    assert answer[44:] == pcm(server, TEXT, speed=1.25)


def test_loudness_and_speed_are_as_asked_for(client: Cartesia, server: ServerProcess) -> None:
    answer = client.tts.generate(
        model_id=MODEL,
        transcript=TEXT,
        voice=AN_ID,
        output_format=RAW,
        generation_config={"speed": 0.8, "volume": 0.5, "emotion": "calm"},
    ).read()
    loud = np.frombuffer(pcm(server, TEXT, speed=0.8), "<i2").astype(float)
    quiet = np.frombuffer(answer, "<i2")
    np.testing.assert_allclose(quiet, loud / 2, atol=1)


def test_events_have_sound_and_times(client: Cartesia, server: ServerProcess) -> None:
    events = list(
        client.tts.generate_sse(
            model_id=MODEL, transcript=TEXT, voice=AN_ID, output_format=RAW, add_timestamps=True
        )
    )
    sound = b"".join(event.audio or b"" for event in events if event.type == "chunk")
    assert sound == pcm(server, TEXT)
    times = [event.word_timestamps for event in events if event.type == "timestamps"]
    assert [word for each in times for word in each.words] == TEXT.split()
    assert events[-1].type == "done"


def test_words_are_heard_as_one_text(client: Cartesia, server: ServerProcess) -> None:
    with client.tts.websocket_connect() as connection:
        for _ in range(2):  # a socket is used again
            context = connection.context(**WISHES)
            for word in words(TEXT):
                context.push(word)
            context.no_more_inputs()
            assert sound_of(context) == pcm(server, TEXT)


def test_times_of_words_count_from_their_contexts_start(client: Cartesia) -> None:
    with client.tts.websocket_connect() as connection:
        context = connection.context(add_timestamps=True, **WISHES)
        context.push(TEXT)
        context.no_more_inputs()
        heard = list(context.receive())
    times = [event.word_timestamps for event in heard if event.type == "timestamps"]
    assert [word for each in times if each for word in each.words] == TEXT.split()
    starts = [start for each in times if each for start in each.start]
    ends = [end for each in times if each for end in each.end]
    n_bytes = sum(len(event.audio or b"") for event in heard if event.type == "chunk")
    assert starts == sorted(starts)
    assert all(end <= after for end, after in zip(ends, starts[1:], strict=False))
    assert n_bytes / 48_000 - 1 < ends[-1] <= n_bytes / 48_000 + 0.001


def test_two_contexts_do_not_hear_each_other(client: Cartesia, server: ServerProcess) -> None:
    texts = ["Hello from the first.", "And a word from the second, which is longer."]
    with client.tts.websocket_connect() as connection:
        contexts = [
            connection.context(model_id=MODEL, voice=voice, output_format=RAW, timeout=PATIENCE_S)
            for voice in ("en-us+f1", "en-us+m1")
        ]
        for context, text in zip(contexts, texts, strict=True):
            context.push(text)
            context.no_more_inputs()
        heard = [sound_of(context) for context in contexts]
    voices = ("en-us+f1", "en-us+m1")
    assert heard == [
        pcm(server, text, voice=voice) for text, voice in zip(texts, voices, strict=True)
    ]


def test_behind_a_cancel_the_next_context_is_heard_whole(
    client: Cartesia, server: ServerProcess
) -> None:
    """A stray ``done`` of the first would end the second, whose sound was lost."""
    with client.tts.websocket_connect() as connection:
        first = connection.context(**WISHES)
        first.push(STORY)
        assert next(first.receive()).type == "chunk"
        first.cancel()
        second = connection.context(**WISHES)
        second.push("Yes?")
        second.no_more_inputs()
        heard = list(second.receive())
    ours = [event for event in heard if event.context_id == second._context_id]  # noqa: SLF001 - it shows it nowhere else
    others = [event for event in heard if event not in ours]
    assert {event.type for event in others} <= {"chunk"}, "what was on its way"
    assert b"".join(e.audio or b"" for e in ours if e.type == "chunk") == pcm(server, "Yes?")
    n_bytes = sum(len(event.audio or b"") for event in others if event.type == "chunk")
    assert n_bytes < len(pcm(server, STORY)) / 4, "it was stopped"


def test_a_flush_is_told(client: Cartesia) -> None:
    with client.tts.websocket_connect() as connection:
        context = connection.context(**WISHES)
        context.push("One.", flush=True)
        context.push("Two.", flush=True)
        context.no_more_inputs()
        kinds = [(event.type, getattr(event, "flush_id", None)) for event in context.receive()]
    assert [kind for kind in kinds if kind[0] != "chunk"] == [
        ("flush_done", 1),
        ("flush_done", 2),
        ("done", None),
    ]


def test_a_failure_is_told_and_the_socket_lives(client: Cartesia, server: ServerProcess) -> None:
    with client.tts.websocket_connect() as connection:
        bad: Any = {**RAW, "sample_rate": 11_025}
        context = connection.context(
            model_id=MODEL, voice=AN_ID, output_format=bad, timeout=PATIENCE_S
        )
        context.push("Hello.")
        [error] = context.receive()
        assert error.type == "error"
        assert "sample_rate" in str(error)
        context = connection.context(**WISHES)
        context.push("Hello.")
        context.no_more_inputs()
        assert sound_of(context) == pcm(server, "Hello.")


def test_errors_over_http_say_what_was_wrong(client: Cartesia) -> None:
    with pytest.raises(UnprocessableEntityError, match="transcript"):
        client.tts.generate(model_id=MODEL, transcript="", voice=AN_ID, output_format=RAW)


def test_a_key_that_is_missing_is_told_in_their_words() -> None:
    with running_server(env={"VOICE_API_KEYS": KEY}) as server:
        wrong = Cartesia(api_key="not-one-of-our-keys", base_url=server.http_url, max_retries=0)
        with pytest.raises(AuthenticationError, match="unauthorized"):
            wrong.tts.generate(model_id=MODEL, transcript="Hi", voice=VOICE, output_format=RAW)
        right = Cartesia(api_key=KEY, base_url=server.http_url)
        answer = right.tts.generate(model_id=MODEL, transcript="Hi", voice=VOICE, output_format=RAW)
        assert answer.read()


def test_the_asyncio_client_hears_the_same(server: ServerProcess) -> None:
    async def listen() -> bytes:
        client = AsyncCartesia(
            api_key="any",
            base_url=server.http_url,
            websocket_base_url=f"ws://{server.host}:{server.port}",
        )
        async with client.tts.websocket_connect() as connection:
            context = connection.context(model_id=MODEL, voice=AN_ID, output_format=RAW)
            for word in words(TEXT):
                await context.push(word)
            await context.no_more_inputs()
            sound = b""
            async for event in context.receive():
                sound += (event.audio or b"") if event.type == "chunk" else b""
            return sound

    assert asyncio.run(listen()) == pcm(server, TEXT)
