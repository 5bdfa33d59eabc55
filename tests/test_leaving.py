"""How a server leaves its listeners: a drain asks them to go, and may be taken back; at the end
each may finish what it is saying, and nothing is lost without a word."""

from __future__ import annotations

import base64
import itertools
import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import trio
from trio.testing import wait_all_tasks_blocked

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
from pipeline.leaving import Leaving
from pipeline.open_utterance import SILENT_S
from pipeline.session import Session
from pipeline.voice_names import VoiceNames
from stages.errors import Disconnected, Draining, GoneAway, Overloaded
from stages.items import Cancelled, Flushed, GoingAway, Staying
from tests.fakes import CANCEL, FLUSH, VOICES, ListPeer, converse, service, text_of, token
from tests.inline_models import InlineModels
from tests.test_metrics import figures_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from trio.testing import MockClock

    from pipeline.dialects.dialect import Dialect, Message
    from pipeline.service import Service

NAMES = VoiceNames(VOICES, "plain", {})
CHAR_S = 0.1
"""The time in which the fake engine makes a character's sound."""


def slow() -> Service:
    return service(InlineModels(itertools.repeat(CHAR_S)))


class Talk:
    """A conversation on a slow server, which runs beside a test."""

    def __init__(self, *said: Any, server: Service | None = None) -> None:  # noqa: ANN401 - messages
        self.server = server or slow()
        self.peer = ListPeer(*said, ends=False)
        self.code: CloseCode | None = None
        self.ended_at = math.inf

    async def hold(self) -> None:
        self.code = await converse(self.peer, self.server)
        self.ended_at = trio.current_time()

    @property
    def spoken(self) -> str:
        return text_of(self.peer.pcm)

    def told(self) -> list[GoingAway | Staying]:
        return [item for item in self.peer.heard if isinstance(item, GoingAway | Staying)]


# The end.


async def test_text_that_is_still_being_sent_is_spoken_up_to_its_flush(
    autojump_clock: MockClock,
) -> None:
    """A language model writes on while the server ends: four of four such listeners were cut off in
    mid-sentence. What comes behind the flush is refused, with a word."""
    talk = Talk(token("One, two; "))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(talk.hold)
        await trio.sleep(0.3)
        talk.server.leaving.close(60)
        for text in ("three, ", "four; ", "five."):
            await trio.sleep(1.5)
            talk.peer.say(token(text))
        talk.peer.say(FLUSH)
        await wait_all_tasks_blocked()
        talk.peer.say(token("Six. "), token("Seven."), FLUSH)
    assert talk.spoken == "One,two;three,four;five."
    assert talk.code is CloseCode.GOING_AWAY
    assert [item.number for item in talk.peer.heard_of(Flushed)] == [1]
    assert len(talk.peer.heard_of(GoneAway)) == 1, "the text that was refused, once"
    assert talk.told() == [GoingAway("closing", 60)]


async def test_who_says_nothing_is_closed_at_once(autojump_clock: MockClock) -> None:
    quiet, done = Talk(), Talk(token("All said."), FLUSH)
    done.server = quiet.server
    async with trio.open_nursery() as nursery:
        nursery.start_soon(quiet.hold)
        nursery.start_soon(done.hold)
        await trio.sleep(100)
        quiet.server.leaving.close(60)
    assert quiet.code is done.code is CloseCode.GOING_AWAY
    assert quiet.ended_at == done.ended_at == 100
    assert quiet.told() == done.told() == [GoingAway("closing", 60)]


async def test_text_without_a_flush_ends_by_silence(autojump_clock: MockClock) -> None:
    """Most native clients never flush. A pause of their language model does not end the utterance,
    a longer one does, once all that was said has been sent."""
    talk = Talk(token("One; "))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(talk.hold)
        await trio.sleep(0.2)
        talk.server.leaving.close(60)
        await trio.sleep(SILENT_S - 0.5)
        talk.peer.say(token("two; three, and a half"))
        await trio.sleep(SILENT_S + 0.1)
        assert talk.code is None, "some of it has not been sent"
    assert talk.spoken == "One;two;three,and a half"
    assert talk.code is CloseCode.GOING_AWAY


async def test_who_has_been_silent_long_enough_waits_no_longer(autojump_clock: MockClock) -> None:
    talk = Talk(token("One; and a wor"))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(talk.hold)
        await trio.sleep(100)
        talk.server.leaving.close(60)
    assert talk.spoken == "One;and a wor"
    assert talk.ended_at == pytest.approx(100 + len("and a wor") * CHAR_S, abs=2 * CHAR_S)


async def test_who_flushes_is_waited_for(autojump_clock: MockClock) -> None:
    """Its language model may call a tool in the middle of a reply, for as long as the grace is."""
    talk = Talk(token("One."), FLUSH, token("Two; "))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(talk.hold)
        await trio.sleep(3)
        talk.server.leaving.close(60)
        await trio.sleep(10 * SILENT_S)
        talk.peer.say(token("three."), FLUSH)
    assert talk.spoken == "One.Two;three."
    assert talk.ended_at < 4 + 10 * SILENT_S


async def test_a_slow_reader_gets_all_and_may_still_be_sending(autojump_clock: MockClock) -> None:
    """While it has not taken all that was made, it is not silent, but busy."""
    talk = Talk(token("One; "))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(talk.hold)
        await trio.sleep(2)
        talk.peer.stop_reading()
        talk.peer.say(token("two; three; "))
        await trio.sleep(1)
        talk.server.leaving.close(60)
        await trio.sleep(10 * SILENT_S)
        talk.peer.say(token("four."), FLUSH)
        await wait_all_tasks_blocked()
        talk.peer.say(token("Five."))
        await trio.sleep(1)
        assert talk.peer.unread == 0, "also while it does not read"
        talk.peer.go_on_reading()
    assert talk.spoken == "One;two;three;four."
    assert len(talk.peer.heard_of(GoneAway)) == 1
    assert talk.code is CloseCode.GOING_AWAY


async def test_a_barge_in_ends_the_utterance_and_the_conversation(
    autojump_clock: MockClock,
) -> None:
    """Who interrupts has heard enough; what it says next is for another server."""
    talk = Talk(token("A long story; and more; and more; and more"))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(talk.hold)
        await trio.sleep(1.55)
        talk.server.leaving.close(60)
        await trio.sleep(0.1)
        began = trio.current_time()
        talk.peer.say(CANCEL, token("Something else."), FLUSH)
    assert len(talk.peer.heard_of(Cancelled)) == 1
    assert "else" not in talk.spoken
    assert len(talk.peer.heard_of(GoneAway)) == 1
    assert talk.code is CloseCode.GOING_AWAY
    assert talk.ended_at == pytest.approx(began, abs=2 * CHAR_S)


async def test_a_client_that_ends_its_text_in_the_grace_is_spoken_to(
    autojump_clock: MockClock,
) -> None:
    talk = Talk(token("One; two"))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(talk.hold)
        await trio.sleep(0.1)
        talk.server.leaving.close(60)
        talk.peer.say(token(" and three."))
        talk.peer.hang_up()
    assert talk.spoken == "One;two and three."
    assert talk.ended_at < SILENT_S + CHAR_S


@pytest.mark.parametrize("grace_s", [0, 5])
async def test_what_goes_on_behind_the_grace_is_left(
    grace_s: float, autojump_clock: MockClock
) -> None:
    talk = Talk(token("A long story; and more"))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(talk.hold)
        await trio.sleep(0.5)
        talk.server.leaving.close(grace_s)
        for _ in range(int(grace_s)):
            await trio.sleep(1)
            talk.peer.say(token(" and more,"))
        talk.server.leaving.grace_over.set()
    assert talk.code is CloseCode.GOING_AWAY
    assert talk.ended_at == 0.5 + grace_s


async def test_a_text_that_is_refused_anyway_is_told_of_as_ever(autojump_clock: MockClock) -> None:
    """Blank text and a barge-in behind the end are no text that was lost."""
    talk = Talk(token("One."), FLUSH)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(talk.hold)
        await trio.sleep(0.1)
        talk.server.leaving.close(60)
        talk.peer.say(token(" \n"))
    assert talk.spoken == "One."
    assert talk.peer.heard_of(GoneAway) == []


# A drain.


async def test_a_drain_asks_once_and_lets_everybody_speak_on(autojump_clock: MockClock) -> None:
    talk = Talk(token("One."), FLUSH)
    leaving = talk.server.leaving
    async with trio.open_nursery() as nursery:
        nursery.start_soon(talk.hold)
        await trio.sleep(1)
        leaving.drain()
        leaving.drain()
        await trio.sleep(1000)
        talk.peer.say(token("Two."), FLUSH)
        await trio.sleep(1)
        assert (talk.spoken, talk.code) == ("One.Two.", None)
        leaving.stay()
        await wait_all_tasks_blocked()
        leaving.drain()
        await wait_all_tasks_blocked()
        leaving.close(60)
    asked = GoingAway("draining")
    assert talk.told() == [asked, Staying(), asked, GoingAway("closing", 60)]
    assert talk.code is CloseCode.GOING_AWAY


async def test_who_comes_in_as_a_drain_begins_is_told_too(autojump_clock: MockClock) -> None:
    """It was admitted a moment before."""
    talk = Talk()
    talk.server.leaving.drain()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(talk.hold)
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert talk.told() == [GoingAway("draining")]


async def test_a_drain_that_is_taken_back_wakes_nobody(autojump_clock: MockClock) -> None:
    leaving = Leaving()
    gone = []

    async def wait() -> None:
        await leaving.asked()
        gone.append(trio.current_time())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait)
        await wait_all_tasks_blocked()
        leaving.drain()
        leaving.stay()
        await trio.sleep(1)
        assert not gone
        leaving.drain()
    assert gone == [1]


async def test_a_drain_turns_newcomers_away_and_says_so(autojump_clock: MockClock) -> None:
    server = service()
    reasons = [server.not_ready_because]
    server.leaving.drain()
    reasons.append(server.not_ready_because)
    with pytest.raises(Draining) as refused:
        server.check_room()
    assert refused.value.retry_after_s > 0
    with server.admit(is_here=True):
        assert server.n_listeners == 1
    assert figures_of(server)("voice_draining") == 1
    assert figures_of(server)("voice_refused_total", reason="draining") == 1
    server.leaving.stay()
    reasons.append(server.not_ready_because)
    server.check_room()
    server.leaving.drain()
    server.leaving.close()
    reasons.append(server.not_ready_because)
    with pytest.raises(Overloaded), server.admit(is_here=True):
        pass
    assert reasons == [None, "draining", None, "the server is shutting down"]


# On a socket, in each dialect.


class Socket:
    """A client's socket: `pipeline.session.Wire`. It keeps all that it is sent."""

    def __init__(self) -> None:
        self.heard: list[Message] = []
        self._to_server, self._from_client = trio.open_memory_channel[Any](1000)

    def charge(self, n_messages: int) -> None:
        """Take no notice."""

    async def receive(self) -> Message:
        try:
            message = await self._from_client.receive()
        except trio.EndOfChannel:
            raise Disconnected from None
        return message if isinstance(message, bytes) else json.dumps(message)

    async def send(self, message: Message) -> None:
        await trio.lowlevel.checkpoint()
        self.heard.append(message)

    def say(self, *messages: Any) -> None:  # noqa: ANN401 - JSON, or an event's bytes
        for message in messages:
            self._to_server.send_nowait(message)

    def read(self) -> list[dict[str, Any]]:
        """The messages that are JSON."""
        return [json.loads(message) for message in self.heard if isinstance(message, str)]

    def sound(self) -> bytes:
        """All sound, in whatever it came."""
        return b"".join(map(_sound_in, self.heard))


def _sound_in(message: Message) -> bytes:
    if isinstance(message, str):
        fields = json.loads(message)
        coded = fields.get("data") or fields.get("audio") or fields.get("delta") or ""
        return base64.b64decode(coded) if isinstance(coded, str) else b""
    if not message.startswith(b"{"):
        return message
    head, _, rest = message.partition(b"\n")
    lengths = json.loads(head)
    return rest[lengths.get("data_length") or 0 :] if lengths.get("payload_length") else b""


class Visit:
    """A session on a server, which runs beside a test."""

    def __init__(self, dialect: Dialect, server: Service) -> None:
        self.socket, self.server = Socket(), server
        self.session = Session(dialect, server)
        self.code: CloseCode | None = None

    async def hold(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        with self.session.begin(looks=False):
            task_status.started()
            self.code = await self.session.run(self.socket)


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
        await trio.sleep(0.1)
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
        await trio.sleep(1)
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
        await trio.sleep(1)
        assert (pooled.code, busy.code) == (CloseCode.GOING_AWAY, None)
        busy.socket.say(cartesia_says("Two.", goes_on=False, context_id="B"))
        await trio.sleep(10)
        assert [each["context_id"] for each in busy.socket.read() if each["done"]] == ["B"]
        busy.socket.say(cartesia_says("three.", goes_on=False))
    assert busy.code is CloseCode.GOING_AWAY
    with pytest.raises(Draining), late.session.begin():
        pass


async def test_a_socket_whose_drain_is_taken_back_in_time_lives(autojump_clock: MockClock) -> None:
    server = slow()
    visit = Visit(Cartesia(Handshake("/tts"), NAMES), server)
    async with trio.open_nursery() as nursery:
        await nursery.start(visit.hold)
        visit.socket.say(cartesia_says("One; "))
        await trio.sleep(1)
        server.leaving.drain()
        await trio.sleep(1)
        server.leaving.stay()
        visit.socket.say(cartesia_says("two.", goes_on=False))
        await trio.sleep(100)
        assert visit.code is None
        server.leaving.drain()
    assert visit.code is CloseCode.GOING_AWAY
