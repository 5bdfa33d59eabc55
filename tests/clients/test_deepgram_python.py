"""Deepgram's own Python package, unchanged, against our server."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from deepgram import AsyncDeepgramClient, DeepgramClient
from deepgram.core.api_error import ApiError
from deepgram.environment import DeepgramClientEnvironment
from deepgram.speak.v1.types import SpeakV1Text
from deepgram.speak.v2.types import (
    SpeakV2Configure,
    SpeakV2Interrupt,
    SpeakV2InterruptPlaybackOffset,
    SpeakV2Speak,
)
from websockets.exceptions import ConnectionClosedOK, InvalidStatus

from stages.audio.encoders.plain import G711_TAGS, g711_wav_head
from tests.audio.listening import hear
from tests.listening.ear import Ear
from tests.server_process import PATIENCE_S, running_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from deepgram.speak.v1.socket_client import V1SocketClient
    from deepgram.speak.v2.socket_client import V2SocketClient

    from tests.server_process import ServerProcess

pytestmark = pytest.mark.filterwarnings(
    "ignore:websockets:DeprecationWarning"  # the package imports old names first
)

KEY = "a-key-that-nobody-guesses"
MODEL = "aura-2-helena-en"
VOICE = "en-us+f2"
"""One that the recogniser understands, and not the default."""

SENTENCES = (
    "Open the window before the meeting starts. ",
    "The train to London leaves at noon. ",
    "Nobody remembered the doctor's name. ",
)
STORY = "It was a dark and stormy night, and the rain fell in torrents. " * 40


def environment(server: ServerProcess) -> DeepgramClientEnvironment:
    ws = server.http_url.replace("http", "ws")
    base = server.http_url
    return DeepgramClientEnvironment(base=base, production=ws, agent=ws, agent_rest=base)


@pytest.fixture(scope="module")
def guarded() -> Iterator[ServerProcess]:
    """A server with a key, where a voice of theirs is one of ours."""
    options = ("--voice-aliases", f"{MODEL}={VOICE}")
    with running_server(*options, env={"VOICE_API_KEYS": KEY}) as server:
        yield server
        assert "Traceback" not in server.log
        assert KEY not in server.log


@pytest.fixture(scope="module")
def client(guarded: ServerProcess) -> DeepgramClient:
    return DeepgramClient(api_key=KEY, environment=environment(guarded), timeout=PATIENCE_S)


@pytest.fixture(scope="module")
def spoken(guarded: ServerProcess) -> Callable[[str], bytes]:
    """A text's sound as 16 bit at 24 kHz, from the server's other door."""

    def speak(text: str) -> bytes:
        asked = {"text": text, "format": "s16le", "voice": VOICE, "sample_rate": 24_000}
        headers = {"authorization": f"Bearer {KEY}"}
        answer = guarded.ask("/api/speak", "POST", json=asked, headers=headers)
        assert answer.status_code == 200, answer.text
        return answer.content

    return speak


def until(socket: V1SocketClient | V2SocketClient, kind: str) -> tuple[bytes, list[Any]]:
    """The sound and the messages up to the first of a kind, and this."""
    sound, messages = b"", []
    while True:
        message = socket.recv()
        if isinstance(message, bytes):
            sound += message
            continue
        messages.append(message)
        if message.type == kind:
            return sound, messages


def rest(socket: V1SocketClient | V2SocketClient) -> list[Any]:
    """What comes until the server closes, as it must."""
    messages = []
    try:
        while True:
            messages.append(socket.recv())
    except ConnectionClosedOK:
        return messages


def test_v1_speaks_all_in_order_and_tells_each_flush_once(
    client: DeepgramClient, spoken: Callable[[str], bytes]
) -> None:
    """The sound is that of our own door, so its length, loudness and order are right. A flush with
    nothing to say, which LiveKit sends as it closes, is told as well."""
    with client.speak.v1.connect(model=MODEL, encoding="linear16", sample_rate=24_000) as socket:
        assert until(socket, "Metadata")[1][0].model_name == VOICE
        for number in range(2):
            for word in "".join(SENTENCES).split():
                socket.send_text(SpeakV1Text(text=f"{word} "))
            socket.send_flush()
            sound, [flushed] = until(socket, "Flushed")
            assert sound == spoken("".join(SENTENCES))
            assert flushed.sequence_id == 2 * number
            socket.send_flush()
            assert until(socket, "Flushed")[0] == b""
        socket.send_text(SpeakV1Text(text="Good bye!"))
        socket.send_close()
        assert b"".join(rest(socket)) == spoken("Good bye!")


def test_v1_hears_nothing_late_behind_a_clear(
    client: DeepgramClient, spoken: Callable[[str], bytes]
) -> None:
    """Neither old sound nor the old `Flushed`, and what is said right behind it is spoken."""
    with client.speak.v1.connect(model=MODEL, encoding="linear16", sample_rate=24_000) as socket:
        until(socket, "Metadata")
        for _ in range(3):
            socket.send_text(SpeakV1Text(text=STORY))
            socket.send_flush()
            assert isinstance(socket.recv(), bytes)
            socket.send_clear()
            socket.send_text(SpeakV1Text(text="Yes, what is it?"))
            socket.send_flush()
            _, [cleared] = until(socket, "Cleared")
            sound, [flushed] = until(socket, "Flushed")
            assert sound == spoken("Yes, what is it?")
            assert flushed.sequence_id == cleared.sequence_id + 1


def test_v1_on_the_telephone_is_understood(
    client: DeepgramClient, tmp_path_factory: pytest.TempPathFactory
) -> None:
    text = "".join(SENTENCES).strip()
    with client.speak.v1.connect(model=MODEL, encoding="mulaw", sample_rate=8_000) as socket:
        socket.send_text(SpeakV1Text(text=text))
        socket.send_flush()
        sound, _ = until(socket, "Flushed")
    backwards = " ".join(map(str.strip, reversed(SENTENCES)))
    ear = Ear([*SENTENCES, text, backwards], tmp_path_factory.mktemp("grammar"))
    heard = hear(g711_wav_head(G711_TAGS["mulaw"], 8_000) + sound).sound[0]
    assert ear.understand(np.asarray(heard, np.float32), 8_000) == text


def test_v1_warns_of_what_it_does_not_know(client: DeepgramClient) -> None:
    with client.speak.v1.connect(model=MODEL) as socket:
        until(socket, "Metadata")
        socket._websocket.send('{"type": "Shout"}')  # noqa: SLF001 - it has no method for it
        _, [warning] = until(socket, "Warning")
        assert "Shout" in warning.description
        socket.send_flush()
        until(socket, "Flushed")


def test_v2_has_turns_and_tells_what_was_heard_of_one_that_was_interrupted(
    client: DeepgramClient, spoken: Callable[[str], bytes]
) -> None:
    with client.speak.v2.connect(model="flux-heather-en", sample_rate=24_000) as socket:
        until(socket, "Connected")
        socket.send_interrupt()
        until(socket, "Warning")

    with client.speak.v2.connect(model=MODEL, sample_rate=24_000) as socket:
        until(socket, "Connected")
        for token in ("Hel", "lo th", "ere!", " How are", " you?"):
            socket.send_speak(SpeakV2Speak(text=token))
        socket.send_flush()
        sound, messages = until(socket, "SpeechMetadata")
        assert sound == spoken("Hello there! How are you?")
        assert [message.type for message in messages] == [
            "SpeechStarted", "Flushed", "SpeechMetadata",
        ]  # fmt: skip
        length_ms = len(sound) / 48
        assert messages[-1].audio_duration_ms == round(length_ms)

        socket.send_speak(SpeakV2Speak(text=STORY))
        late = b""
        while len(late) / 48 < 2_000:
            message = socket.recv()
            late += message if isinstance(message, bytes) else b""
        at_ms = round(length_ms) + 1_500
        offset = SpeakV2InterruptPlaybackOffset(type="time_ms", value=at_ms)
        socket.send_configure(SpeakV2Configure(speed=1.5))
        socket.send_interrupt(SpeakV2Interrupt(playback_offset=offset))
        socket.send_speak(SpeakV2Speak(text="Yes?"))
        socket.send_flush()
        _, messages = until(socket, "SpeechInterrupted")
        told = {message.type: message for message in messages}
        assert told["ConfigureSuccess"].applied.speed == 1.5
        interrupted = told["SpeechInterrupted"]
        assert interrupted.audio_played_ms == at_ms
        assert interrupted.text_spoken + interrupted.text_remaining == STORY
        assert 5 < len(interrupted.text_spoken) < 60

        sound, messages = until(socket, "SpeechMetadata")
        assert len(sound) < len(spoken("Yes?"))
        socket.send_close()
        [totals] = rest(socket)
        assert totals.total_audio_duration_ms == pytest.approx(at_ms + len(sound) / 48, abs=1)


@pytest.mark.parametrize(
    ("asked", "read_as"),
    [
        ({}, ("mp3", 24_000)),
        ({"encoding": "linear16"}, ("wav", 24_000)),
        ({"encoding": "mulaw", "container": "wav"}, ("wav", 8_000)),
        ({"encoding": "opus", "bit_rate": 32_000}, ("ogg", 48_000)),
        ({"encoding": "flac", "sample_rate": 48_000}, ("flac", 48_000)),
        ({"encoding": "aac"}, ("aac", 24_000)),
    ],
)
def test_over_http_each_form_is_the_whole_text(
    client: DeepgramClient,
    spoken: Callable[[str], bytes],
    asked: dict[str, Any],
    read_as: tuple[str, int],
) -> None:
    text = "".join(SENTENCES)
    pieces = client.speak.v1.audio.generate(text=text, model=MODEL, **asked)
    heard = hear(b"".join(pieces))
    expected = np.frombuffer(spoken(text), "<i2") / 32_768
    assert (heard.container, heard.sample_rate) == read_as
    length_s = heard.sound.shape[1] / heard.sample_rate
    assert length_s == pytest.approx(len(expected) / 24_000, abs=0.1)
    assert np.std(heard.sound) == pytest.approx(np.std(expected), rel=0.2)


def test_over_http_bare_sound_is_that_of_our_own_door(
    client: DeepgramClient, spoken: Callable[[str], bytes]
) -> None:
    form: dict[str, Any] = {"encoding": "linear16", "container": "none", "sample_rate": 24_000}
    for version in (client.speak.v1, client.speak.v2):
        pieces = version.audio.generate(text="Hello!", model=MODEL, **form)
        assert b"".join(pieces) == spoken("Hello!")


def test_an_error_over_http_says_what_was_wrong(client: DeepgramClient) -> None:
    with pytest.raises(ApiError) as refused:
        b"".join(client.speak.v1.audio.generate(text="Hello!", encoding="opus", container="wav"))
    assert refused.value.status_code == 400
    assert refused.value.body["err_msg"].startswith("container: ")


def test_a_key_is_needed_and_may_be_a_token_of_access(guarded: ServerProcess) -> None:
    wrong = DeepgramClient(api_key="no", environment=environment(guarded))
    with pytest.raises(InvalidStatus, match="401"), wrong.speak.v1.connect(model=MODEL):
        pass
    with pytest.raises(ApiError) as refused:
        b"".join(wrong.speak.v1.audio.generate(text="Hello!"))
    assert refused.value.status_code == 401
    assert refused.value.body["err_code"] == "UNAUTHORIZED"
    by_token = DeepgramClient(access_token=KEY, environment=environment(guarded))
    with by_token.speak.v1.connect(model=MODEL) as socket:
        until(socket, "Metadata")
    assert b"".join(by_token.speak.v1.audio.generate(text="Hello!"))


def test_the_asynchronous_client_hears_the_same(
    guarded: ServerProcess, spoken: Callable[[str], bytes]
) -> None:
    async def speak() -> bytes:
        client = AsyncDeepgramClient(api_key=KEY, environment=environment(guarded))
        sound = b""
        async with client.speak.v1.connect(model=MODEL, sample_rate=24_000) as socket:
            await socket.send_text(SpeakV1Text(text="Hello!"))
            await socket.send_close()
            async for message in socket:
                sound += message if isinstance(message, bytes) else b""
        return sound

    assert asyncio.run(speak()) == spoken("Hello!")
