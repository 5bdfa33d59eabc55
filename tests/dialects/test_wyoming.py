"""Wyoming's events: what each means, what is answered, and what is refused."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import pytest

from pipeline.close_code import CloseCode
from pipeline.dialects.dialect import Close, Finish, Open, Say, Tell
from pipeline.dialects.wyoming import MAX_UTTERANCES, Wyoming, home_assistants_tag
from pipeline.dialects.wyoming_events import MAX_EVENT_BYTES, EventReader, decode, encode, type_of
from pipeline.voice_names import VoiceNames
from stages.errors import Overloaded, ProtocolError, SynthesisError
from stages.items import ClientMessage, Flushed, PcmFrame, SegmentFailed
from stages.voices import Voice
from tests.fakes import segment

if TYPE_CHECKING:
    from pipeline.dialects.dialect import Action
    from stages.items import Answer, Outgoing

VOICES = {
    name: Voice(name, "engine", language, None, f"{language} voice", 22_050)
    for name, language in (("anna", "de"), ("bert", "en-us"), ("chen", "cmn"), ("dora", None))
}
SOUND = PcmFrame(bytes(960), 480, None)
FLUSH = Say(ClientMessage(flush=True))
PLAIN = {"voice": "bert", "language": None, "speaker": None}


def wyoming() -> Wyoming:
    return Wyoming(VoiceNames(VOICES, "bert", {"alloy": "anna"}))


def hear(dialect: Wyoming, kind: str, **data: object) -> list[Action]:
    return list(dialect.hear(encode(kind, data)))


def told(dialect: Wyoming, *items: Outgoing | Answer) -> list[tuple[str, dict[str, Any]]]:
    """The types and the data of the events for what a conversation sends."""
    events = []
    for item in items:
        for message in dialect.tell("", item):
            assert isinstance(message, bytes)
            event = decode(message)
            events.append((event.type, dict(event.data)))
    return events


def told_types(dialect: Wyoming, *items: Outgoing | Answer) -> list[str]:
    return [kind for kind, _ in told(dialect, *items)]


def test_a_text_opens_a_conversation_and_is_spoken_to_its_end() -> None:
    assert hear(wyoming(), "synthesize", text="Hello!") == [
        Open({"encoding": "s16le", "events": True}),
        Say(ClientMessage(config=PLAIN)),
        Say(ClientMessage(token="Hello!")),
        FLUSH,
    ]


def test_nothing_but_text_opens_a_conversation() -> None:
    """Home Assistant asks every 30 s what there is: that takes nobody's place."""
    dialect = wyoming()
    for kind in ("describe", "ping", "select-program", "audio-chunk", "transcribe"):
        assert not any(isinstance(action, Open) for action in hear(dialect, kind))


@pytest.mark.parametrize(
    ("voice", "manner"),
    [
        (None, PLAIN),
        ({}, PLAIN),
        ({"name": None}, PLAIN),
        ({"name": "anna"}, PLAIN | {"voice": "anna"}),
        ({"name": "anna", "language": "en_US"}, PLAIN | {"voice": "anna"}),
        ({"name": "anna", "speaker": "12"}, PLAIN | {"voice": "anna", "speaker": 12}),
        ({"name": "anna", "speaker": "loud"}, PLAIN | {"voice": "anna"}),
        ({"name": "anna", "speaker": "9" * 5000}, PLAIN | {"voice": "anna"}),
        ({"name": "Alloy"}, PLAIN | {"voice": "anna"}),
        ({"name": "nobody"}, PLAIN),
        ({"language": "pt_BR"}, PLAIN | {"language": "pt-br"}),
        ({"language": ""}, PLAIN),
    ],
)
def test_a_voice_is_found_by_name_or_by_language(
    voice: dict[str, str] | None, manner: dict[str, object]
) -> None:
    for kind, data in (("synthesize", {"text": "Hello!"}), ("synthesize-start", {})):
        _, said, *_ = hear(wyoming(), kind, voice=voice, **data)
        assert said == Say(ClientMessage(config=manner))


def test_a_voice_holds_for_one_text_alone() -> None:
    dialect = wyoming()
    hear(dialect, "synthesize", text="Hallo!", voice={"name": "anna", "speaker": "3"})
    again, *_ = hear(dialect, "synthesize", text="Hello!")
    assert again == Say(ClientMessage(config=PLAIN))


def test_a_stream_is_said_once_though_its_text_comes_twice() -> None:
    """Home Assistant repeats the whole text as `synthesize`, for servers that know no streams."""
    dialect = wyoming()
    actions = hear(dialect, "synthesize-start", voice=None)
    for word in ("Hello ", "there!"):
        actions += hear(dialect, "synthesize-chunk", text=word)
    actions += hear(dialect, "synthesize", text="Hello there!")
    actions += hear(dialect, "synthesize-stop")
    said = [action.said for action in actions if isinstance(action, Say)]
    assert said[1:] == [
        ClientMessage(token="Hello "), ClientMessage(token="there!"), ClientMessage(flush=True)
    ]  # fmt: skip


def test_sound_begins_once_and_ends_once() -> None:
    dialect = wyoming()
    hear(dialect, "synthesize", text="Hello!")
    form = {"rate": 48_000, "width": 2, "channels": 1}
    assert told(dialect, SOUND, SOUND, Flushed(1, 960)) == [
        ("audio-start", form | {"timestamp": 0}),
        ("audio-chunk", form | {"timestamp": 0}),
        ("audio-chunk", form | {"timestamp": 10}),
        ("audio-stop", {"timestamp": 20}),
    ]


def test_a_streams_end_is_told() -> None:
    """Without it Home Assistant waits for ever."""
    dialect = wyoming()
    hear(dialect, "synthesize-start")
    hear(dialect, "synthesize-stop")
    hear(dialect, "synthesize", text="And this.")
    first = told_types(dialect, SOUND, Flushed(1, 480))
    assert first == ["audio-start", "audio-chunk", "audio-stop", "synthesize-stopped"]
    second = told_types(dialect, SOUND, Flushed(2, 960))
    assert second == ["audio-start", "audio-chunk", "audio-stop"]


def test_a_text_without_a_sound_ends_too() -> None:
    dialect = wyoming()
    hear(dialect, "synthesize", text="...")
    assert told_types(dialect, Flushed(1, 0)) == ["audio-start", "audio-stop"]


def test_a_segment_that_fails_is_told_and_the_rest_spoken() -> None:
    dialect = wyoming()
    hear(dialect, "synthesize", text="Hello!")
    failed = SegmentFailed(segment("Hello!"), SynthesisError("no breath"))
    assert told(dialect, failed)[0] == ("error", {"text": "no breath", "code": "synthesis_failed"})
    assert told_types(dialect, SOUND, Flushed(1, 480))[-1] == "audio-stop"


def test_info_has_the_default_voice_first_and_languages_as_home_assistant_writes_them() -> None:
    (action,) = hear(wyoming(), "describe")
    assert isinstance(action, Tell)
    assert isinstance(action.message, bytes)
    info = decode(action.message).data
    (program,) = info["tts"]
    assert program["supports_synthesize_streaming"] is True
    assert [(voice["name"], voice["languages"]) for voice in program["voices"]] == [
        ("bert", ["en-US"]), ("anna", ["de"]), ("chen", ["zh-CN"]), ("dora", []),
    ]  # fmt: skip
    assert all(voice["name"] in voice["description"] for voice in program["voices"])
    assert all(not info[kind] for kind in ("asr", "handle", "intent", "wake", "mic", "snd"))


@pytest.mark.parametrize(
    ("tag", "written"),
    [
        ("en", "en"), ("en-us", "en-US"), ("en-gb-scotland", "en-GB"), ("es-419", "es-419"),
        ("cmn", "zh-CN"), ("cmn-latn-pinyin", "cmn-Latn"), ("yue", "zh-HK"),
        ("vi-vn-x-central", "vi-VN"), ("fa-latn", "fa-Latn"),
    ],
)  # fmt: skip
def test_a_tag_in_home_assistants_way(tag: str, written: str) -> None:
    assert home_assistants_tag(tag) == written


def test_a_ping_is_answered_with_its_text() -> None:
    assert hear(wyoming(), "ping", text="Are you there?") == [
        Tell(encode("pong", {"text": "Are you there?"}))
    ]


@pytest.mark.parametrize(
    ("kind", "data", "named"),
    [
        ("synthesize", {}, "text"),
        ("synthesize", {"text": None}, "text"),
        ("synthesize", {"text": ["Hello!"]}, "text"),
        ("synthesize", {"text": "a\0b"}, "text"),
        ("synthesize", {"text": "Hello!", "voice": "anna"}, "voice"),
        ("synthesize", {"text": "Hello!", "voice": {"name": 7}}, "voice.name"),
        ("synthesize", {"text": "Hello!", "voice": {"language": "so Deutsch"}}, "voice.language"),
        ("synthesize-chunk", {"text": "Hello!"}, "synthesize-chunk"),
        ("synthesize-stop", {}, "synthesize-stop"),
        ("ping", {"text": 7}, "text"),
    ],
)
def test_what_cannot_be_is_refused_by_name(kind: str, data: dict[str, Any], named: str) -> None:
    with pytest.raises(ProtocolError, match=f"^{named}: "):
        hear(wyoming(), kind, **data)


def test_a_stream_within_a_stream_is_refused() -> None:
    dialect = wyoming()
    hear(dialect, "synthesize-start")
    with pytest.raises(ProtocolError, match=r"^synthesize-start: "):
        hear(dialect, "synthesize-start")


def test_texts_that_wait_are_bounded_in_number() -> None:
    dialect = wyoming()
    for _ in range(MAX_UTTERANCES):
        hear(dialect, "synthesize", text="")
    with pytest.raises(ProtocolError, match="64 texts wait"):
        hear(dialect, "synthesize", text="")
    told(dialect, Flushed(1, 0))
    hear(dialect, "synthesize", text="")


def test_after_an_error_what_was_asked_for_is_still_spoken() -> None:
    """Older Home Assistants know no errors: for these the connection ends."""
    dialect, error = wyoming(), ProtocolError("text: what is that?")
    tell, close = dialect.refused(error)
    assert tell == Tell(encode("error", {"text": "text: what is that?", "code": "bad_message"}))
    assert close == Close()
    hear(dialect, "synthesize", text="Hello!")
    assert dialect.refused(error) == [Say(error), Finish()]


def test_where_there_is_no_place_that_is_told() -> None:
    dialect = wyoming()
    hear(dialect, "synthesize", text="Hello!")
    tell, close = dialect.refused(Overloaded("all 2 places are taken"), "")
    assert isinstance(tell, Tell)
    assert isinstance(tell.message, bytes)
    assert decode(tell.message).data["code"] == "overloaded"
    assert close == Close()


def test_a_shutdown_is_told_to_those_whose_text_is_not_complete() -> None:
    dialect = wyoming()
    assert list(dialect.ended("", CloseCode.GOING_AWAY)) == [Close(CloseCode.GOING_AWAY)]
    hear(dialect, "synthesize-start")
    tell, close = dialect.ended("", CloseCode.GOING_AWAY)
    assert isinstance(tell, Tell)
    assert isinstance(tell.message, bytes)
    assert type_of(tell.message) == "error"
    assert close == Close(CloseCode.GOING_AWAY)


def read(data: bytes) -> list[bytes]:
    reader = EventReader()
    reader.feed(data)
    events = []
    while (event := reader.next_event()) is not None:
        events.append(event)
    return events


def test_data_may_stand_in_the_line_behind_it_or_both() -> None:
    behind = json.dumps({"text": "behind"}).encode()
    line = {"type": "synthesize", "data": {"text": "line", "context": {}}, "version": "9"}
    (event,) = read(json.dumps(line).encode() + b"\n")
    assert decode(event).data["text"] == "line"
    (event,) = read(json.dumps(line | {"data_length": len(behind)}).encode() + b"\n" + behind)
    assert decode(event).data == {"text": "behind", "context": {}}


@pytest.mark.parametrize(
    "data",
    [
        b"\n",
        b"hello\n",
        b"[]\n",
        b'"describe"\n',
        b"{}\n",
        b'{"type": 7}\n',
        b'{"type": "describe", "data": []}\n',
        b'{"type": "describe", "data_length": -1}\n',
        b'{"type": "describe", "data_length": "1"}\n',
        b'{"type": "describe", "data_length": true}\n',
        b'{"type": "describe", "payload_length": 1e3}\n',
        b'{"type": "describe", "data_length": ' + b"9" * 5000 + b"}\n",
        b'{"type": "describe", "payload_length": 262144}\n',
        b'{"type": "describe", "data_length": 262144}\n',
        b"\xff\xfe\n",
        b"\x16\x03\x01\x02\x00\x01\n",
        b"GET / HTTP/1.1\r\n",
        b"[" * 100_000 + b"\n",
        b"a" * (MAX_EVENT_BYTES + 1),
    ],
)
def test_what_is_no_event_is_refused_in_few_words(data: bytes) -> None:
    with pytest.raises(ProtocolError) as caught:
        read(data)
    assert str(caught.value).startswith("an event")
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("data", [b"[]", b"7", b'{"a": ', b"\xff", b"[" * 100_000])
def test_data_that_is_no_object_is_refused(data: bytes) -> None:
    (event,) = read(b'{"type": "synthesize", "data_length": %d}\n' % len(data) + data)
    with pytest.raises(ProtocolError, match=r"^'synthesize': data: "):
        decode(event)


def test_events_are_laid_out_as_the_protocols_library_does() -> None:
    wyoming_event = pytest.importorskip("wyoming.event")
    for event in (
        wyoming_event.Event("synthesize", {"text": "Grüße"}),
        wyoming_event.Event("audio-chunk", {"rate": 48_000}, bytes(100)),
        wyoming_event.Event("describe"),
    ):
        written = io.BytesIO()
        wyoming_event.write_event(event, written)
        assert encode(event.type, event.data, event.payload or b"") == written.getvalue()
        assert decode(written.getvalue()).data == event.data
