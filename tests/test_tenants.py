"""What a key may use, on fake engines: its text, its sound, its places and its voices."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import trio

from pipeline.connection import hold_conversation
from pipeline.dialects.cartesia_socket import Cartesia
from pipeline.dialects.deepgram.speak_v1 import DeepgramV1
from pipeline.dialects.deepgram.speak_v2 import DeepgramV2
from pipeline.dialects.dialect import Handshake
from pipeline.dialects.elevenlabs_sockets import StreamInput
from pipeline.dialects.openai_realtime import Realtime
from pipeline.session import Session
from pipeline.tenants import Limits, Tenant
from pipeline.usage import Caller
from pipeline.voice_names import VoiceNames
from stages.errors import LimitReached, UnknownVoice
from stages.items import ClientMessage, Flushed, SegmentEnded, SegmentFailed
from tests.fakes import CANCEL, FLUSH, SAMPLES_PER_CHAR, VOICES, ListPeer, service, text_of, token

if TYPE_CHECKING:
    from trio.testing import MockClock

    from pipeline.dialects.dialect import Dialect, Message
    from pipeline.service import Service

MORNING = 20_000 * 86_400 + 8 * 3600.0
NIGHT = "2024-10-05T00:00:00Z"
SECONDS_PER_CHAR = SAMPLES_PER_CHAR / 48_000

MOST_UNDER_WAY = 12
"""Segments that lie between the one that is sent and the one that begins: docs/keys.md."""


def clocked_service(max_listeners: int = 10) -> Service:
    """A service whose day has begun eight hours ago."""
    server = service(max_listeners=max_listeners)
    server.places.wall_clock = lambda: MORNING
    return server


async def speak_to(peer: ListPeer, server: Service, tenant: Tenant) -> None:
    conversation = server.new_conversation("eager", tenant)
    conversation.configure({"events": True})
    with server.admit(conversation.style, Caller(tenant)) as usage:
        await hold_conversation(peer, server, conversation, usage)


async def test_text_beyond_the_days_characters_is_refused_and_what_was_taken_in_is_spoken(
    autojump_clock: MockClock,
) -> None:
    """Told once for the whole reply, of which nothing is spoken with a hole in it; the next reply,
    which is shorter, still fits."""
    tenant = Tenant("bot", Limits(characters_a_day=20))
    server = clocked_service()
    peer = ListPeer(
        token("Hello there! "), token("More than fits."), token("Ha!"), FLUSH, token("Yes!"), FLUSH
    )
    await speak_to(peer, server, tenant)
    assert text_of(peer.pcm) == "Hello there!Yes!"
    [error] = peer.heard_of(LimitReached)
    assert (error.limit, error.most, error.ends) == ("characters_a_day", 20, NIGHT)
    assert error.retry_after_s == pytest.approx(16 * 3600, abs=1)
    assert "20 characters a day" in str(error)
    assert NIGHT in str(error)
    assert tenant.used(MORNING)[0] == 17


async def test_a_client_that_never_flushes_is_heard_again_on_the_next_day(
    autojump_clock: MockClock,
) -> None:
    """Its reply was being refused until a flush, which never came."""
    tenant = Tenant("bot", Limits(characters_a_day=5))
    now = MORNING
    server = service()
    server.places.wall_clock = lambda: now
    peer = ListPeer(token("Too long. "), ends=False)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(speak_to, peer, server, tenant)
        await trio.sleep(1)
        peer.say(token("Hm."))
        await trio.sleep(1)
        assert len(peer.heard_of(LimitReached)) == 1
        assert not len(peer.pcm)
        now += 86_400
        peer.say(token("Oh! "), CANCEL, token("Ah! "))
        await trio.sleep(1)
        assert len(peer.heard_of(LimitReached)) == 2  # that day has five characters, too
        tenant.limits = Limits(characters_a_day=50)
        peer.say(token("Now!"))
        peer.hang_up()
    assert text_of(peer.pcm).endswith("Now!")
    assert len(peer.heard_of(LimitReached)) == 2


async def test_segments_that_have_begun_are_spoken_to_their_end_and_no_further_ones(
    autojump_clock: MockClock,
) -> None:
    """Those that are under way when the limit is reached are few, however much text waits. Each of
    the others is told of, in its place, and text that comes later is not taken in."""
    tenant = Tenant("bot", Limits(audio_seconds_a_day=2 * SECONDS_PER_CHAR))
    server = clocked_service()
    peer = ListPeer(token(", ".join(["One, two"] * 40)), FLUSH, ends=False)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(speak_to, peer, server, tenant)
        await trio.sleep(60)
        peer.say(token("Four! "), token("Five!"), FLUSH)
        await trio.sleep(60)
        peer.hang_up()
    failed = peer.heard_of(SegmentFailed)
    ends = peer.heard_of(SegmentEnded)
    n_spoken = len(ends) - len(failed)
    assert 1 <= n_spoken <= MOST_UNDER_WAY
    assert [each.segment.index for each in failed] == list(range(n_spoken, 80))
    assert text_of(peer.pcm) == ("One,two," * 40)[: len(peer.pcm) // SAMPLES_PER_CHAR]
    assert [len(each.segment.spoken) * SAMPLES_PER_CHAR for each in ends[:n_spoken]] == [
        each.n_samples for each in ends[:n_spoken]
    ]
    assert {type(each.error) for each in failed} == {LimitReached}
    [refused] = peer.heard_of(LimitReached)
    assert refused.limit == "audio_seconds_a_day"


async def test_sound_that_a_barge_in_cuts_off_counts_as_far_as_it_was_sent(
    autojump_clock: MockClock,
) -> None:
    tenant = Tenant("bot", Limits(audio_seconds_a_day=100))
    server = clocked_service()
    peer = ListPeer(token("Hello there! "), ends=False)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(speak_to, peer, server, tenant)
        await trio.sleep(1)
        peer.say(CANCEL)
        peer.hang_up()
    assert tenant.used(MORNING)[1] == pytest.approx(len(peer.pcm) / 48_000)
    assert len(peer.pcm)


async def test_a_key_has_places_of_its_own(autojump_clock: MockClock) -> None:
    """One key that is full keeps out nobody else, and gets its place back whatever ends it."""
    tenant, other = Tenant("bot", Limits(listeners=1)), Tenant("other")
    server = clocked_service()
    with server.admit(caller=Caller(tenant)):
        with pytest.raises(LimitReached, match="1 times at once") as refused:
            server.check_room(tenant=tenant)
        assert (refused.value.limit, refused.value.ends) == ("listeners", None)
        with server.admit(caller=Caller(other)), server.admit():
            assert server.n_listeners == 3
    with pytest.raises(KeyError), server.admit(caller=Caller(tenant)):
        raise KeyError
    with server.admit(caller=Caller(tenant)):
        pass
    assert server.n_listeners == 0


async def test_usage_is_counted_by_the_name_of_the_key(autojump_clock: MockClock) -> None:
    tenant = Tenant("bot", Limits(characters_a_day=4, listeners=1))
    server = clocked_service()
    peer = ListPeer(token("Hi! "), token("Ho, too long. "), FLUSH)
    await speak_to(peer, server, tenant)
    with server.admit(caller=Caller(tenant)), pytest.raises(LimitReached):
        server.check_room(tenant=tenant)
    told = server.metrics.render().decode()
    for line in (
        'voice_key_conversations_total{key="bot"} 2.0',
        'voice_key_characters_total{key="bot"} 4.0',
        f'voice_key_audio_seconds_total{{key="bot"}} {300 / 48_000}',
        'voice_key_refused_total{key="bot",limit="characters_a_day"} 1.0',
        'voice_key_refused_total{key="bot",limit="listeners"} 1.0',
    ):
        assert line in told


# Voices.


@pytest.mark.parametrize(
    ("patterns", "name", "is_allowed"),
    [
        (("anna",), "anna", True),
        (("anna",), "annabel", False),
        (("en-*",), "en-us+f3", True),
        (("en-*",), "de", False),
        (("de", "en-??"), "en-gb", True),
        (("anna [v2]",), "anna [v2]", True),  # a name, though it is a pattern, too
        (("Anna",), "anna", False),
        (None, "anna", True),
    ],
)
def test_voices_are_named_or_described(
    patterns: tuple[str, ...] | None, name: str, *, is_allowed: bool
) -> None:
    assert Tenant("bot", Limits(voices=patterns)).allows(name) is is_allowed


@pytest.mark.parametrize(
    ("patterns", "default"),
    [
        (None, "plain"),
        (("o*", "plain"), "plain"),  # the server's, wherever it stands
        (("nobody", "other"), "other"),
        (("o*",), "other"),
        (("nobody",), "plain"),  # which it may not have
    ],
)
def test_the_first_voice_that_a_key_may_have_speaks_where_it_chooses_none(
    patterns: tuple[str, ...] | None, default: str
) -> None:
    names = VoiceNames(VOICES, "plain", {}).of(Tenant("bot", Limits(voices=patterns)))
    assert names.default == default


def test_an_alias_of_a_voice_that_a_key_may_not_have_is_none() -> None:
    aliases = {"Alloy": "plain", "Nova": "other"}
    names = VoiceNames(VOICES, "plain", aliases).of(Tenant("bot", Limits(voices=("other",))))
    assert names.aliases == {"Nova": "other"}
    for asked in ("alloy", "nova", "plain", "other", "nobody", None):
        assert names.find(asked) == "other"


async def test_a_voice_that_a_key_may_not_have_is_refused_at_any_time(
    autojump_clock: MockClock,
) -> None:
    """In mid-conversation, too; who speaks with one as it is taken away goes on."""
    tenant = Tenant("bot", Limits(voices=("other",)))
    server = clocked_service()
    conversation = server.new_conversation("eager", tenant)
    assert conversation.style.voice == "other"
    with pytest.raises(UnknownVoice, match="this key may not speak with 'plain'"):
        conversation.configure({"voice": "plain"})
    conversation.take(token("Hello."))
    with pytest.raises(UnknownVoice):
        conversation.take(ClientMessage(config={"voice": "plain"}))
    assert conversation.style.voice == "other"
    tenant.limits = Limits(voices=("plain",))
    conversation.take(ClientMessage(config={"speed": 1.5}))
    assert conversation.ready.style.voice == "other"


async def test_a_key_without_a_voice_is_told_so(autojump_clock: MockClock) -> None:
    tenant = Tenant("bot", Limits(voices=("gone",)))
    server = clocked_service()
    style = server.new_conversation("eager", tenant).style
    with pytest.raises(UnknownVoice), server.admit(style, Caller(tenant)):
        pass
    assert server.n_listeners == tenant.n_listeners == 0


# What other services' clients are told on their sockets.


def limit_of(dialect: Dialect, context: str = "") -> list[dict[str, Any]]:
    """The messages about a text of a conversation that is beyond a limit."""
    refusal = Tenant("bot", Limits(characters_a_day=1)).refuses_text(2, MORNING)
    assert refusal is not None
    told = dialect.tell(context, refusal)
    return [json.loads(message) for message in told if isinstance(message, str)]


NAMES = VoiceNames(VOICES, "plain", {})


def test_openais_response_fails() -> None:
    dialect = Realtime(Handshake("/v1/realtime"), NAMES)
    asked = {"type": "response.create", "response": {"input": [{"content": [{"text": "Hello!"}]}]}}
    list(dialect.hear(json.dumps(asked)))
    error, done = limit_of(dialect)
    assert error["error"]["code"] == "limit_reached"
    assert (done["type"], done["response"]["status"]) == ("response.done", "failed")
    assert list(dialect.tell("", Flushed(1, 0))) == []  # of the response that is told of


def test_cartesias_context_fails_with_429() -> None:
    dialect = Cartesia(Handshake("/tts/websocket"), NAMES)
    form = {"container": "raw", "encoding": "pcm_f32le", "sample_rate": 48_000}
    asked = {"context_id": "A", "transcript": "Hello!", "output_format": form}
    list(dialect.hear(json.dumps(asked)))
    [error] = limit_of(dialect, "A")
    assert (error["status_code"], error["error_code"]) == (429, "limit_reached")


def test_elevenlabs_and_deepgrams_sockets_tell_it_as_an_error_and_a_warning() -> None:
    path = "/v1/text-to-speech/x/stream-input"
    [error] = limit_of(StreamInput(Handshake(path), NAMES))
    assert error["code"] == "limit_reached"
    for kind in (DeepgramV1, DeepgramV2):
        [error] = limit_of(kind(Handshake("/v1/speak"), NAMES))
        assert (error["type"], error["code"]) == ("Warning", "LIMIT_REACHED")


async def test_a_context_takes_a_place_of_the_key_and_gives_it_back(
    autojump_clock: MockClock,
) -> None:
    """One beyond them is told so, and the others go on."""
    tenant, server = Tenant("bot", Limits(listeners=1)), clocked_service()
    names = server.names_for(tenant)
    endings: list[str] = []
    server.places.keep_usage = lambda usage: endings.append(usage.ended)
    session = Session(Cartesia(Handshake("/tts/websocket"), names), server, Caller(tenant))
    form = {"container": "raw", "encoding": "pcm_f32le", "sample_rate": 48_000}
    to_server, client = trio.open_memory_channel[str](10)
    wire = ContextWire(client)

    async def say(context: str, **keys: object) -> None:
        message = {"context_id": context, "transcript": "Hello! ", "output_format": form}
        await to_server.send(json.dumps({**message, "continue": True, **keys}))

    with session.begin():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(session.run, wire)
            await say("A")
            await say("B")
            await trio.sleep(1)
            assert [each["context_id"] for each in wire.errors] == ["B"]
            assert wire.errors[0]["error_code"] == "limit_reached"
            assert tenant.n_listeners == 1
            await say("A", cancel=True)
            await say("C", **{"continue": False})
            await trio.sleep(1)
            assert len(wire.errors) == 1
            assert tenant.n_listeners == 0
            await say("D")
            await trio.sleep(1)
            nursery.cancel_scope.cancel()
    assert endings == ["dropped", "finished", "left"]
    assert tenant.n_listeners == server.n_listeners == 0


class ContextWire:
    """A socket: `pipeline.session.Wire`."""

    def __init__(self, client: trio.MemoryReceiveChannel[str]) -> None:
        self.errors: list[dict[str, Any]] = []
        self.receive = client.receive

    def charge(self, n_messages: int) -> None:
        """Take no notice."""

    async def send(self, message: Message) -> None:
        await trio.lowlevel.checkpoint()
        told = json.loads(message)
        if told["type"] == "error":
            self.errors.append(told)
