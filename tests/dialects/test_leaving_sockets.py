"""How a server leaves the sockets of each dialect: each in its own words, and no utterance cut."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import trio

from pipeline.close_code import CloseCode
from pipeline.dialects.cartesia_socket import Cartesia
from pipeline.dialects.deepgram.speak_v1 import DeepgramV1
from pipeline.dialects.deepgram.speak_v2 import DeepgramV2
from pipeline.dialects.dialect import Handshake
from pipeline.dialects.elevenlabs_sockets import MultiStreamInput, StreamInput
from pipeline.dialects.native import Native
from pipeline.dialects.openai_realtime import Realtime
from pipeline.dialects.wyoming import Wyoming
from pipeline.dialects.wyoming_events import decode, encode
from pipeline.leaving import TOLD_AFTER_S
from pipeline.open_utterance import SILENT_S
from pipeline.voice_names import VoiceNames
from stages.errors import Draining, GoneAway
from tests.fakes import VOICES, text_of
from tests.talks import Visit, slow

if TYPE_CHECKING:
    from collections.abc import Callable

    from trio.testing import MockClock

    from pipeline.dialects.dialect import Dialect, Message

NAMES = VoiceNames(VOICES, "plain", {})

RAW = {"container": "raw", "encoding": "pcm_f32le", "sample_rate": 48_000}
PCM = [("output_format", "pcm_48000")]


def cartesia_says(transcript: str, *, goes_on: bool = True, **more: object) -> dict[str, object]:
    asked = {"context_id": "A", "transcript": transcript, "output_format": RAW}
    return {**asked, "continue": goes_on, **more}


def wyoming_says(kind: str, **data: object) -> bytes:
    return encode(kind, data)


SPEAKERS: dict[str, tuple[Callable[[], Dialect], list[Any], list[Any]]] = {
    "native": (
        lambda: Native(Handshake("/ws/stream"), NAMES),
        [{"token": "One, two; "}],
        [{"token": "three; "}, {"token": "four."}, {"flush": True}],
    ),
    "cartesia": (
        lambda: Cartesia(Handshake("/tts/websocket"), NAMES),
        [cartesia_says("One, two; "), cartesia_says("half; ", flush=True)],
        [cartesia_says("three; "), cartesia_says("four.", goes_on=False)],
    ),
    "elevenlabs": (
        lambda: StreamInput(Handshake("/v1/text-to-speech/x/stream-input", PCM), NAMES),
        [{"text": " "}, {"text": "One, two; "}, {"text": "half; ", "flush": True}],
        [{"text": "three; "}, {"text": "four. "}, {"text": ""}],
    ),
    "elevenlabs, auto mode": (
        lambda: StreamInput(
            Handshake("/v1/text-to-speech/x/stream-input", [*PCM, ("auto_mode", "true")]), NAMES
        ),
        [{"text": " "}, {"text": "One, two. "}],
        [{"text": "Three. "}, {"text": "Four. "}, {"text": ""}],
    ),
    "elevenlabs, contexts": (
        lambda: MultiStreamInput(Handshake("/v1/text-to-speech/x/multi-stream-input", PCM), NAMES),
        [{"text": "One, two; ", "context_id": "A"}],
        [
            {"text": "three; ", "context_id": "A", "flush": True},
            {"text": "four. ", "context_id": "A"},
            {"close_context": True, "context_id": "A"},
        ],
    ),
    "deepgram 1": (
        lambda: DeepgramV1(Handshake("/v1/speak"), NAMES),
        [{"type": "Speak", "text": "One, two; "}],
        [{"type": "Speak", "text": "three; four."}, {"type": "Flush"}],
    ),
    "deepgram 2": (
        lambda: DeepgramV2(Handshake("/v2/speak"), NAMES),
        [{"type": "Speak", "text": "One, two; "}],
        [{"type": "Speak", "text": "three; four."}, {"type": "Close"}],
    ),
    "wyoming": (
        lambda: Wyoming(NAMES),
        [wyoming_says("synthesize-start"), wyoming_says("synthesize-chunk", text="One, two; ")],
        [wyoming_says("synthesize-chunk", text="three."), wyoming_says("synthesize-stop")],
    ),
    "wyoming, before its first word": (
        lambda: Wyoming(NAMES),
        [wyoming_says("synthesize-start")],
        [wyoming_says("synthesize-chunk", text="One."), wyoming_says("synthesize-stop")],
    ),
}
"""For each dialect what a client says before and after the server is told to end."""


@pytest.mark.parametrize("name", SPEAKERS)
async def test_each_dialects_utterance_is_spoken_to_its_end(
    name: str, autojump_clock: MockClock
) -> None:
    """As it is where no server ends: to the sample. A flush in the middle of a text ends it in none
    that has an end of its own: LiveKit sends ElevenLabs a flush behind each sentence."""
    make, before, behind = SPEAKERS[name]

    async def said(*, closes: bool) -> Visit:
        visit = Visit(make(), slow())
        async with trio.open_nursery() as nursery:
            await nursery.start(visit.hold)
            visit.socket.say(*before)
            await trio.sleep(0.5)
            if closes:
                visit.server.leaving.close(60)
            for message in behind:
                await trio.sleep(SILENT_S * 0.6)
                visit.socket.say(message)
            if not closes:
                await trio.sleep(30)
                nursery.cancel_scope.cancel()
        return visit

    whole, ended = await said(closes=False), await said(closes=True)
    assert ended.socket.sound() == whole.socket.sound() != b""
    assert ended.code is CloseCode.GOING_AWAY
    assert not [each for each in ended.socket.read() if "error" in each or "error_code" in each]
    assert not [each for each in ended.socket.heard if b'"error"' in _bytes(each)]


def _bytes(message: Message) -> bytes:
    return message.encode() if isinstance(message, str) else message


LATE: dict[str, tuple[list[Any], Any]] = {
    "cartesia": ([cartesia_says("One; and a wor")], cartesia_says("d.")),
    "elevenlabs": ([{"text": " "}, {"text": "One; and a wor"}], {"text": "d. "}),
    "elevenlabs, contexts": (
        [{"text": "One; and a wor", "context_id": "A"}],
        {"text": "d. ", "context_id": "A"},
    ),
}
"""What is said in time and what comes too late, in the dialects whose clients take an error for the
end of a text."""


@pytest.mark.parametrize("name", LATE)
async def test_text_that_comes_too_late_cuts_off_nothing(
    name: str, autojump_clock: MockClock
) -> None:
    """It comes behind so long a silence that the text before it counted as ended. That is spoken to
    its end all the same, and then the client is told what was not."""
    make, _, _ = SPEAKERS[name]
    in_time, too_late = LATE[name]

    async def said(*late: Any) -> Visit:  # noqa: ANN401 - JSON
        visit = Visit(make(), slow())
        async with trio.open_nursery() as nursery:
            await nursery.start(visit.hold)
            visit.socket.say(*in_time)
            await trio.sleep(100)
            visit.server.leaving.close(60)
            await trio.sleep(0.3)
            visit.socket.say(*late)
        return visit

    punctual, late = await said(), await said(too_late)
    assert late.socket.sound() == punctual.socket.sound() != b""
    assert late.code is CloseCode.GOING_AWAY
    assert [each for each in late.socket.read() if {"error", "error_code"} & each.keys()]


async def test_a_response_of_openais_is_done_and_the_next_one_fails(
    autojump_clock: MockClock,
) -> None:
    """Who is not told would wait for its end for ever."""
    visit = Visit(Realtime(Handshake("/v1/realtime"), NAMES), slow())

    def ask(text: str) -> dict[str, Any]:
        response = {"input": [{"content": [{"type": "input_text", "text": text}]}]}
        return {"type": "response.create", "response": response}

    async with trio.open_nursery() as nursery:
        nursery.start_soon(visit.hold)
        visit.socket.say(ask("One; two."))
        await trio.sleep(0.3)
        visit.server.leaving.close(60)
        while not any(each["type"] == "response.done" for each in visit.socket.read()):
            await trio.sleep(0.01)
    [done] = [each for each in visit.socket.read() if each["type"] == "response.done"]
    assert done["response"]["status"] == "completed"
    assert visit.code is CloseCode.GOING_AWAY

    dialect = Realtime(Handshake("/v1/realtime"), NAMES)
    list(dialect.hear(json.dumps(ask("Too late."))))
    told = [json.loads(message) for message in dialect.tell("", GoneAway("it closes"))]
    assert [each["type"] for each in told] == ["error", "response.done"]


async def test_a_wyoming_client_is_told_behind_its_sound_what_was_not_spoken(
    autojump_clock: MockClock,
) -> None:
    """An error in the middle would be taken for that of the utterance which is being spoken."""
    visit = Visit(Wyoming(NAMES), slow())
    async with trio.open_nursery() as nursery:
        await nursery.start(visit.hold)
        visit.socket.say(wyoming_says("synthesize", text="One; two."))
        await trio.sleep(0.3)
        visit.server.leaving.close(60)
        await trio.sleep(0.1)
        visit.socket.say(wyoming_says("synthesize", text="Three."))
    kinds = [decode(_bytes(message)).type for message in visit.socket.heard]
    assert kinds[-2:] == ["audio-stop", "error"]


@pytest.mark.parametrize("make", [DeepgramV1, DeepgramV2])
async def test_deepgrams_word_for_leaving_is_a_warning(
    make: Callable[..., Dialect], autojump_clock: MockClock
) -> None:
    """Clients log it and go on."""
    visit = Visit(make(Handshake("/v1/speak"), NAMES), slow())
    async with trio.open_nursery() as nursery:
        await nursery.start(visit.hold)
        await trio.sleep(0.1)
        visit.server.leaving.drain()
        await trio.sleep(2 * TOLD_AFTER_S)
        visit.server.leaving.stay()
        await trio.sleep(0.1)
        visit.server.leaving.close(7)
    warnings = [each for each in visit.socket.read() if each["type"] == "Warning"]
    assert [each["code"] for each in warnings] == ["GOING_AWAY"] * 2
    assert "drained" in warnings[0]["description"]
    assert "within 7 s" in warnings[1]["warn_msg"]


async def test_the_native_words_for_it(autojump_clock: MockClock) -> None:
    """Who has not asked for events gets the sound and nothing else."""
    server = slow()
    told = Visit(Native(Handshake("/ws/stream", [("events", "true")]), NAMES), server)
    plain = Visit(Native(Handshake("/ws/stream"), NAMES), server)
    async with trio.open_nursery() as nursery:
        for visit in (told, plain):
            await nursery.start(visit.hold)
            visit.socket.say({"token": "One."}, {"flush": True})
        await trio.sleep(1)
        server.leaving.drain()
        await trio.sleep(2 * TOLD_AFTER_S)
        server.leaving.stay()
        await trio.sleep(1)
        server.leaving.close(2.5)
    words = [each for each in told.socket.read() if each["event"] in {"going_away", "staying"}]
    assert words == [
        {"event": "going_away", "reason": "draining", "grace_ms": None},
        {"event": "staying"},
        {"event": "going_away", "reason": "closing", "grace_ms": 2500},
    ]
    assert plain.socket.read() == []
    assert text_of(np.frombuffer(plain.socket.sound(), "<f4")) == "One."


async def test_a_socket_between_two_conversations_is_closed_by_a_drain(
    autojump_clock: MockClock,
) -> None:
    """It waits in a client's pool: its next text would hold up the drain, and can be said
    elsewhere. One with an open context lives, and takes further ones, until the last has ended."""
    server = slow()
    pooled, busy, late = (Visit(Cartesia(Handshake("/tts"), NAMES), server) for _ in range(3))
    async with trio.open_nursery() as nursery:
        for visit in (pooled, busy):
            await nursery.start(visit.hold)
        busy.socket.say(cartesia_says("One; "))
        await trio.sleep(1)
        server.leaving.drain()
        await trio.sleep(2 * TOLD_AFTER_S)
        assert (pooled.code, busy.code) == (CloseCode.GOING_AWAY, None)
        busy.socket.say(cartesia_says("Two.", goes_on=False, context_id="B"))
        await trio.sleep(10)
        assert [each["context_id"] for each in busy.socket.read() if each["done"]] == ["B"]
        busy.socket.say(cartesia_says("three.", goes_on=False))
    assert busy.code is CloseCode.GOING_AWAY
    with pytest.raises(Draining), late.session.begin():
        pass


async def test_a_socket_that_was_not_asked_to_leave_yet_takes_a_conversation(
    autojump_clock: MockClock,
) -> None:
    """Its client knows nothing of the drain, and would take a refusal for an error."""
    server = slow()
    visit = Visit(Cartesia(Handshake("/tts"), NAMES), server)
    async with trio.open_nursery() as nursery:
        await nursery.start(visit.hold)
        server.leaving.drain()
        await trio.sleep(TOLD_AFTER_S / 2)
        visit.socket.say(cartesia_says("One.", goes_on=False))
    assert {each["type"] for each in visit.socket.read()} == {"chunk", "done"}
    assert visit.code is CloseCode.GOING_AWAY


async def test_a_socket_whose_drain_is_taken_back_in_time_lives(autojump_clock: MockClock) -> None:
    server = slow()
    visit = Visit(Cartesia(Handshake("/tts"), NAMES), server)
    async with trio.open_nursery() as nursery:
        await nursery.start(visit.hold)
        visit.socket.say(cartesia_says("One; "))
        await trio.sleep(1)
        server.leaving.drain()
        await trio.sleep(2 * TOLD_AFTER_S)
        server.leaving.stay()
        visit.socket.say(cartesia_says("two.", goes_on=False))
        await trio.sleep(100)
        assert visit.code is None
        server.leaving.drain()
    assert visit.code is CloseCode.GOING_AWAY
