"""Contexts: several conversations on one socket, each with its own place, sound and failures."""

from __future__ import annotations

import base64
import itertools
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import trio
import trio.testing

from pipeline.close_code import CloseCode
from pipeline.context_peer import KEEP_ALIVE_S, PAD_S
from pipeline.dialects.cartesia_socket import Cartesia
from pipeline.dialects.dialect import Handshake
from pipeline.dialects.elevenlabs_sockets import MultiStreamInput
from pipeline.session import MAX_CONTEXTS, Session
from pipeline.voice_names import VoiceNames
from stages.errors import Disconnected
from tests.audio.listening import hear
from tests.fakes import VOICES, service, text_of
from tests.inline_models import InlineModels

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from trio.testing import MockClock

    from pipeline.dialects.dialect import Dialect, Message
    from pipeline.service import Service

NAMES = VoiceNames(VOICES, "plain", {})
RAW = {"container": "raw", "encoding": "pcm_f32le", "sample_rate": 48_000}
WITHIN_S = 0.1
"""The time in which a context that was cancelled gives its place back."""


class Client:
    """A client of a session, without a socket: `pipeline.session.Wire`."""

    def __init__(self) -> None:
        self._to_server, self._from_client = trio.open_memory_channel[str](1000)
        self._to_client, self._from_server = trio.open_memory_channel[dict[str, Any]](100_000)
        self.reads = trio.Event()
        self.reads.set()

    def charge(self, n_messages: int) -> None:
        """Take no notice."""

    async def receive(self) -> Message:
        try:
            return await self._from_client.receive()
        except trio.EndOfChannel:
            raise Disconnected from None

    async def send(self, message: Message) -> None:
        await self.reads.wait()
        await self._to_client.send(json.loads(message))

    async def say(self, **message: object) -> None:
        await self._to_server.send(json.dumps(message))

    async def hear(self) -> dict[str, Any]:
        """The next message."""
        return await self._from_server.receive()

    async def hear_until(self, key: str) -> list[dict[str, Any]]:
        """All messages up to one that has this key."""
        heard = [await self.hear()]
        while not heard[-1].get(key):
            heard.append(await self.hear())
        return heard

    def heard_by_now(self) -> list[dict[str, Any]]:
        """What has come and was not looked at."""
        heard = []
        while self._from_server.statistics().current_buffer_used:
            heard.append(self._from_server.receive_nowait())
        return heard


@asynccontextmanager
async def session(dialect: Dialect, server: Service) -> AsyncIterator[Client]:
    client = Client()
    own = Session(dialect, server)
    with own.begin():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(own.run, client)
            yield client
            nursery.cancel_scope.cancel()


def cartesia() -> Cartesia:
    return Cartesia(Handshake("/tts/websocket"), NAMES)


def elevenlabs(output_format: str = "pcm_48000", **query: str) -> MultiStreamInput:
    pairs = [("output_format", output_format), *query.items()]
    return MultiStreamInput(Handshake("/v1/text-to-speech/x/multi-stream-input", pairs), NAMES)


async def speak(client: Client, text: str, context: str = "A", **keys: object) -> None:
    """Say something in one of Cartesia's contexts, which goes on."""
    message = {"context_id": context, "transcript": text, "continue": True, "output_format": RAW}
    await client.say(**{**message, **keys})


def sound_in(heard: list[dict[str, Any]], context: str, key: str = "data") -> bytes:
    names = ("context_id", "contextId")
    ours = [each for each in heard if any(each.get(name) == context for name in names)]
    return b"".join(base64.b64decode(each[key]) for each in ours if each.get(key))


async def test_each_context_says_its_own_text() -> None:
    server = service()
    async with session(cartesia(), server) as client:
        for context, text in (("A", "first text."), ("B", "second one.")):
            await speak(client, text, context)
        for context in "AB":
            await speak(client, "", context, **{"continue": False})
        heard = await client.hear_until("done")
        heard += await client.hear_until("done")
    for context, text in (("A", "first text."), ("B", "second one.")):
        assert text_of(np.frombuffer(sound_in(heard, context), np.float32)) == text
    assert sorted(each["context_id"] for each in heard if each["done"]) == ["A", "B"]


async def test_a_context_that_is_cancelled_frees_its_place_at_once() -> None:
    server = service(InlineModels(itertools.repeat(60.0)))  # an engine that takes a minute a step
    async with session(cartesia(), server) as client:
        assert server.n_listeners == 0
        await speak(client, "This will never be heard.")
        await trio.testing.wait_all_tasks_blocked()
        assert server.n_listeners == 1
        await client.say(context_id="A", cancel=True)
        with trio.fail_after(WITHIN_S):
            while server.n_listeners:
                await trio.sleep(0.001)
        assert client.heard_by_now() == []


async def test_a_context_that_has_ended_frees_its_place_at_once() -> None:
    server = service()
    async with session(elevenlabs(), server) as client:
        await client.say(text="Hello. ", context_id="A", flush=True)
        await client.say(context_id="A", close_context=True)
        heard = await client.hear_until("isFinal")
        assert server.n_listeners == 0, "when the client is told"
    assert [each for each in heard if each.get("isFinal")] == [
        {"isFinal": True, "contextId": "A"},
    ]


async def test_a_second_close_stops_a_context_at_once() -> None:
    server = service(InlineModels(itertools.repeat(60.0)))
    async with session(elevenlabs(), server) as client:
        await client.say(text="This will never be heard. ", context_id="A", flush=True)
        await client.say(context_id="A", close_context=True)
        await client.say(context_id="A", close_context=True)
        assert await client.hear() == {"isFinal": True, "contextId": "A"}
        assert server.n_listeners == 0
        await client.say(close_socket=True)


async def test_a_context_that_fails_disturbs_no_other() -> None:
    """The engine fails at ``~``. The error names its context, and nothing follows it."""
    server = service()
    async with session(cartesia(), server) as client:
        await speak(client, "good one. ", "B")
        await speak(client, "fails here~. and goes on.", "A", flush=True)
        await speak(client, "and more.", "A")
        heard = await client.hear_until("error_code")
        await speak(client, "still good.", "B", **{"continue": False})
        heard += await client.hear_until("done")
    errors = [n for n, each in enumerate(heard) if each["type"] == "error"]
    assert [heard[n]["context_id"] for n in errors] == ["A"]
    assert {each["context_id"] for each in heard[errors[0] + 1 :]} == {"B"}
    said = text_of(np.frombuffer(sound_in(heard, "B"), np.float32))
    assert said == "good one.still good."
    assert server.n_listeners == 0


async def test_a_flood_in_one_context_holds_up_no_other() -> None:
    """What is too much is refused in its own context alone."""
    server = service(InlineModels(itertools.repeat(1e-6)), max_pending_bytes=1000)
    async with session(cartesia(), server) as client:
        with trio.fail_after(60):
            await speak(client, "hello.", "B", **{"continue": False})
            for _ in range(100):
                await speak(client, "x" * 400 + ". ", "A")
            heard = await client.hear_until("done")
            while not {"A", "B"} <= {each["context_id"] for each in heard if each["done"]}:
                heard += await client.hear_until("done")
    ends = {each["context_id"]: each for each in heard if each["done"]}
    assert ends["A"]["error_code"] == "too_much_text"
    assert ends["B"]["type"] == "done"
    assert text_of(np.frombuffer(sound_in(heard, "B"), np.float32)) == "hello."


async def test_contexts_are_bounded_in_number() -> None:
    server = service(max_listeners=MAX_CONTEXTS + 1)
    async with session(cartesia(), server) as client:
        for n in range(MAX_CONTEXTS):
            await speak(client, "a", str(n))
        await speak(client, "a", "one too many")
        [error] = await client.hear_until("error_code")
        assert error["context_id"] == "one too many"
        assert (error["type"], error["status_code"]) == ("error", 503)
        assert server.n_listeners == MAX_CONTEXTS
        await client.say(context_id="0", cancel=True)
        await speak(client, "Yes.", "another", **{"continue": False})
        heard = await client.hear_until("done")
    assert text_of(np.frombuffer(sound_in(heard, "another"), np.float32)) == "Yes."
    assert server.n_listeners == 0, "all of them went with their socket"


async def test_places_are_those_of_the_server() -> None:
    server = service(max_listeners=1)
    async with session(elevenlabs(), server) as client:
        await client.say(text=" ", context_id="A")
        await client.say(text=" ", context_id="B")
        error, final = await client.hear(), await client.hear()
        assert (error["code"], error["contextId"]) == ("overloaded", "B")
        assert final == {"isFinal": True, "contextId": "B"}


async def test_a_slow_engine_does_not_look_dead(autojump_clock: MockClock) -> None:
    """Pipecat gives a service up that sends no sound for 3.0 s, and it counts nothing else."""
    server = service(InlineModels(itertools.repeat(7.0)))
    async with session(elevenlabs(), server) as client:
        await client.say(text="Hi ", context_id="A", flush=True)
        heard_at = trio.current_time()
        for _ in range(3):
            message = await client.hear()
            assert not any(base64.b64decode(message["audio"])), "silence"
            assert message["audio"]
            assert trio.current_time() - heard_at <= KEEP_ALIVE_S + 0.1
            heard_at = trio.current_time()


async def test_a_client_that_waits_for_nothing_hears_no_silence(autojump_clock: MockClock) -> None:
    server = service()
    async with session(elevenlabs(), server) as client:
        await client.say(text="Hi ", context_id="A", flush=True)
        await trio.sleep(60)
        sound = sound_in(client.heard_by_now(), "A", "audio")
        await trio.sleep(60)
        assert client.heard_by_now() == []
    assert len(sound) == 2 * len("Hi") * 100


async def test_an_mp3_is_one_run_and_holds_nothing_back_at_a_flush() -> None:
    """Two flushes in one context: all its sound comes without waiting for more text, and together
    it is one stream to a decoder."""
    server = service()
    data = b""

    def heard_s() -> float:
        return hear(data, "mp3").sound.shape[1] / 44_100 if data else 0.0

    text = "hello " * 49 + "hello"
    spoken_s = len(text) * 100 / 48_000
    async with session(elevenlabs("mp3_44100_128"), server) as client:
        with trio.fail_after(60):
            for n_flushes in (1, 2):
                await client.say(text=text, context_id="A", flush=True)
                while heard_s() < n_flushes * spoken_s:
                    data += sound_in([await client.hear()], "A", "audio")
            await client.say(context_id="A", close_context=True)
            data += sound_in(await client.hear_until("isFinal"), "A", "audio")
    assert heard_s() < 2 * (spoken_s + PAD_S) + PAD_S
    assert b"ID3" not in data
    assert b"Xing" not in data
    assert b"Info" not in data


@pytest.mark.parametrize("turn", range(8))  # Trio shuffles who goes first
async def test_at_a_shutdown_the_socket_closes_behind_its_last_context(
    turn: int, autojump_clock: MockClock
) -> None:
    """Two tasks wait for that, each for its own reason, while contexts end one by one. The second
    to wake took the first one's signal away, and the socket stayed open until it was idle."""
    models = InlineModels(itertools.repeat(1.0))
    server, client = service(models, idle_timeout_s=2.0), Client()
    own = Session(elevenlabs(), server)
    codes = []

    async def run() -> None:
        codes.append(await own.run(client))

    with own.begin():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(run)
            for name in "abc":
                await client.say(text=f"{name * 10 * (ord(name) - 96)}. ", context_id=name)
            await trio.sleep(5)  # longer than the idle timeout, which waits for them as well
            server.leaving.close()
    assert codes == [CloseCode.GOING_AWAY]


async def test_at_a_shutdown_each_context_has_its_last_word(autojump_clock: MockClock) -> None:
    """The last one to end closed the socket, while the others still waited for their turn to send
    theirs: with eight contexts two or three never heard that they were over."""
    names = [f"c{number}" for number in range(8)]
    server = service()
    async with session(elevenlabs(), server) as client:
        for name in names:
            await client.say(text=f"This is {name}. ", context_id=name)
        await trio.sleep(1)  # all of it has been spoken, and the contexts are open
        client.reads = trio.Event()
        server.leaving.close()
        await trio.sleep(1)  # all have ended, and nobody could send
        client.reads.set()
        heard: list[dict[str, Any]] = []
        for _ in names:
            heard += await client.hear_until("isFinal")
    assert sorted(each["contextId"] for each in heard if each.get("isFinal")) == names
