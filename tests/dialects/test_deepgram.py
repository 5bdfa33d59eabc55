"""Deepgram's messages: what is taken, what is refused and in which words, what is sent. The laws
are in property_tests/test_deepgram_follows_its_model.py."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from pipeline.close_code import CloseCode
from pipeline.dialects.deepgram.over_http import HttpAsked
from pipeline.dialects.deepgram.speak_v1 import DeepgramV1
from pipeline.dialects.deepgram.speak_v2 import DeepgramV2
from pipeline.dialects.dialect import Close, Handshake, Say, Tell
from pipeline.dialects.sockets import dialect_at
from pipeline.voice_names import VoiceNames
from stages.errors import EngineGone, ProtocolError, SynthesisError, TooMuchText
from stages.items import Cancelled, ClientMessage, Flushed, PcmFrame, SegmentFailed
from tests.fakes import VOICES, segment

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pipeline.dialects.dialect import Action, Message

NAMES = VoiceNames(VOICES, "plain", {"aura-2-helena-en": "other"})
BOTH = pytest.mark.parametrize("make", [DeepgramV1, DeepgramV2])


def opened(make: type[DeepgramV1 | DeepgramV2], **query: str) -> DeepgramV1 | DeepgramV2:
    return make(Handshake("", list(query.items()), "a-request"), NAMES)


def said(dialect: DeepgramV1 | DeepgramV2, **message: Any) -> list[Action]:  # noqa: ANN401 - JSON
    return list(dialect.hear(json.dumps(message)))


def read(messages: Iterable[Message]) -> list[dict[str, Any]]:
    return [json.loads(message) for message in messages]


def told(actions: Iterable[Action]) -> list[dict[str, Any]]:
    return read(action.message for action in actions if isinstance(action, Tell))


@pytest.mark.parametrize(("path", "make"), [("/v1/speak", DeepgramV1), ("/v2/speak", DeepgramV2)])
def test_each_version_has_its_path(path: str, make: type) -> None:
    assert dialect_at(path) is make


@BOTH
@pytest.mark.parametrize(
    ("query", "config"),
    [
        ({}, {"voice": "plain", "encoding": "s16le", "sample_rate": 24_000}),
        (
            {"sample_rate": "8000", "encoding": "alaw", "model": "aura-2-helena-en", "tag": "x"},
            {"voice": "other", "encoding": "alaw", "sample_rate": 8_000},
        ),
        (
            {"encoding": "mulaw", "speed": "1.2", "model": "flux-heather-en", "mip_opt_out": "no"},
            {"voice": "plain", "encoding": "mulaw", "sample_rate": 8_000, "speed": 1.2},
        ),
    ],
)
def test_a_url_asks_for_a_voice_and_a_form_of_sound(
    make: type[DeepgramV1 | DeepgramV2], query: dict[str, str], config: dict[str, object]
) -> None:
    """In any order, with keys that we do not have, and a voice that nobody has."""
    assert opened(make, **query).opening().config == {**config, "events": True}


@BOTH
@pytest.mark.parametrize(
    ("key", "value"), [("encoding", "mp3"), ("sample_rate", "12345"), ("speed", "9")]
)
def test_a_url_that_asks_for_what_cannot_be_had_is_refused(
    make: type[DeepgramV1 | DeepgramV2], key: str, value: str
) -> None:
    with pytest.raises(ProtocolError, match=f"^{key}: "):
        opened(make, **{key: value})


@BOTH
def test_a_socket_is_introduced_by_its_voice(make: type[DeepgramV1 | DeepgramV2]) -> None:
    [hello] = read(opened(make, model="aura-2-helena-en").greeting())
    assert hello["type"] == {DeepgramV1: "Metadata", DeepgramV2: "Connected"}[make]
    assert hello["model_name"] == "other"
    assert hello["request_id"] == "a-request"


@BOTH
@pytest.mark.parametrize(
    ("message", "named"),
    [
        (b'{"type": "Flush"}', "message"),
        ("", "message"),
        ("{", "message"),
        ("[" * 5000, "message"),
        ("[]", "message"),
        ('{"type": 1}', "message"),
        ("{}", "message"),
        ('{"type": "Shout"}', "type"),
        ('{"type": "Speak"}', "text"),
        ('{"type": "Speak", "text": null}', "text"),
        ('{"type": "Speak", "text": "a\\u0000"}', "text"),
        ('{"type": "' + "x" * 5000 + '\\ud800"}', "type"),
    ],
)
def test_a_bad_message_is_a_warning_that_names_the_key_and_the_session_lives(
    make: type[DeepgramV1 | DeepgramV2], message: str | bytes, named: str
) -> None:
    dialect = opened(make)
    with pytest.raises(ProtocolError, match=f"^{named}: ") as caught:
        dialect.hear(message)
    assert len(str(caught.value)) < 200
    assert dialect.refused(caught.value) == [Say(caught.value)]
    [warning] = read(dialect.tell("", caught.value))
    assert (warning["type"], warning["code"]) == ("Warning", "BAD_MESSAGE")
    assert warning["description"] == warning["warn_msg"] == str(caught.value)
    assert said(dialect, type="Speak", text="on") == [Say(ClientMessage("on"))]


@BOTH
def test_what_fails_is_a_warning_or_the_error_that_ends_it(
    make: type[DeepgramV1 | DeepgramV2],
) -> None:
    dialect = opened(make)
    said(dialect, type="Speak", text="Hello")
    failed = SegmentFailed(segment("Hello"), SynthesisError("cannot say it"))
    gone = SegmentFailed(segment("Hello"), EngineGone("it hangs"))
    kinds = [read(dialect.tell("", item))[0] for item in (failed, TooMuchText("full"), gone)]
    assert [(kind["type"], kind["code"]) for kind in kinds] == [
        ("Warning", "SYNTHESIS_FAILED"), ("Warning", "TOO_MUCH_TEXT"), ("Error", "ENGINE_GONE"),
    ]  # fmt: skip


def test_text_in_version_2_is_a_turn_up_to_its_flush() -> None:
    dialect = opened(DeepgramV2)
    said(dialect, type="Speak", text="Hel")
    said(dialect, type="Speak", text="lo")
    assert said(dialect, type="Flush") == [Say(ClientMessage(flush=True))]
    first, sound = dialect.tell("", PcmFrame(b"\0\0" * 2400, 2400, None))
    flushed, metadata = read(dialect.tell("", Flushed(1, 2400)))
    assert sound == b"\0\0" * 2400
    [started] = read([first])
    assert started["type"] == "SpeechStarted"
    assert started["speech_id"].startswith("dg_sp_")
    assert flushed == {"type": "Flushed", "speech_id": started["speech_id"]}
    assert metadata == {
        "type": "SpeechMetadata",
        "speech_id": started["speech_id"],
        "audio_duration_ms": 100,
        "input_character_count": 5,
        "billable_character_count": 5,
        "controls_applied": {
            "pronunciations_applied": 0, "breaks_applied": 0, "pronunciation_warnings": 0,
        },
    }  # fmt: skip


def test_a_turn_with_nothing_to_say_ends_like_any_other() -> None:
    """LiveKit and Pipecat wait for its metadata."""
    dialect = opened(DeepgramV2)
    said(dialect, type="Speak", text=" ")
    said(dialect, type="Flush")
    messages = read(dialect.tell("", Flushed(1, 0)))
    kinds = ["SpeechStarted", "Flushed", "Warning", "SpeechMetadata"]
    assert [message["type"] for message in messages] == kinds
    assert messages[2]["code"] == "NO_SYNTHESIZABLE_TEXT"


def test_a_flush_that_was_refused_ends_its_turn_with_the_next() -> None:
    """It is refused where too much text waits, and told by a warning."""
    dialect = opened(DeepgramV2)
    for text in "ab":
        said(dialect, type="Speak", text=text)
        said(dialect, type="Flush")
    kinds = [message["type"] for message in read(dialect.tell("", Flushed(2, 0)))]
    assert kinds.count("SpeechMetadata") == 2


def test_an_interrupt_with_nothing_going_on_is_a_warning_and_no_more() -> None:
    dialect = opened(DeepgramV2)
    [warning] = told(said(dialect, type="Interrupt"))
    assert warning["code"] == "NO_AUDIO_GENERATED"
    [warning] = told(said(dialect, type="Flush"))
    assert warning["code"] == "NO_ACTIVE_SPEECH"
    said(dialect, type="Speak", text="Hello")
    said(dialect, type="Flush")
    list(dialect.tell("", PcmFrame(b"\0\0" * 2400, 2400, None)))
    list(dialect.tell("", Flushed(1, 2400)))
    [warning] = told(said(dialect, type="Interrupt"))
    assert warning["code"] == "NO_ACTIVE_SPEECH"


def test_an_interrupt_counts_what_was_played_from_the_beginning_of_the_session() -> None:
    """Ours count from the last one. Sound that was sent and not played is no part of the count."""
    dialect = opened(DeepgramV2)

    def speak(text: str, ms: int) -> None:
        said(dialect, type="Speak", text=text)
        list(dialect.tell("", PcmFrame(b"", ms * 24, None)))

    def interrupt(at_ms: int) -> ClientMessage:
        offset = {"type": "time_ms", "value": at_ms}
        [action] = said(dialect, type="Interrupt", playback_offset=offset)
        assert isinstance(action, Say)
        assert isinstance(action.said, ClientMessage)
        return action.said

    speak("Hello there. ", 500)
    assert interrupt(300) == ClientMessage(cancel=True, played_ms=300)
    [first] = read(dialect.tell("", Cancelled("Hello", " there. ", 12_000)))
    assert (first["audio_played_ms"], first["text_spoken"]) == (300, "Hello")
    assert first["text_remaining"] == " there. "
    assert first["metadata"]["audio_duration_ms"] == 500
    speak("And on.", 400)
    assert interrupt(450) == ClientMessage(cancel=True, played_ms=150)
    [second] = read(dialect.tell("", Cancelled("And", " on.", 24_000)))
    assert second["audio_played_ms"] == 450
    [totals, close] = dialect.ended("", CloseCode.NORMAL)
    assert close == Close(CloseCode.NORMAL)
    assert told([totals])[0]["total_audio_duration_ms"] == 450


@pytest.mark.parametrize(
    "offset",
    [5, [], {}, {"value": "1"}, {"value": True}, {"value": -1}, {"value": float("nan")},
     {"value": float("inf")}, {"value": 10**400}, {"type": "bytes", "value": 1}],
)  # fmt: skip
def test_an_offset_that_is_no_time_is_refused(offset: object) -> None:
    dialect = opened(DeepgramV2)
    said(dialect, type="Speak", text="Hello")
    with pytest.raises(ProtocolError, match=r"^playback_offset[:.]"):
        said(dialect, type="Interrupt", playback_offset=offset)


def test_a_speed_acts_on_the_text_that_follows() -> None:
    dialect = opened(DeepgramV2)
    say, tell = said(dialect, type="Configure", speed=1.5)
    assert say == Say(ClientMessage(config={"speed": 1.5}))
    assert told([tell]) == [{"type": "ConfigureSuccess", "applied": {"speed": 1.5}}]
    assert told(said(dialect, type="Configure"))[0]["applied"] == {}


@pytest.mark.parametrize(
    ("speed", "told_again"),
    [(9, True), (-1.5, True), ("fast", False), (True, False), (float("nan"), False),
     (10**400, False)],
)  # fmt: skip
def test_a_speed_that_cannot_be_had_changes_nothing(speed: object, told_again: bool) -> None:
    [failure] = told(said(opened(DeepgramV2), type="Configure", speed=speed))
    assert (failure["type"], failure["code"]) == ("ConfigureFailure", "SPEED_OUT_OF_RANGE")
    assert failure["field"] == "speed"
    assert failure.get("value") == (speed if told_again else None)


@pytest.mark.parametrize(
    ("asked", "form"),
    [
        ({}, ("mp3", 24_000, "audio/mpeg")),
        ({"encoding": "linear16"}, ("wav", 24_000, "audio/wav")),
        ({"encoding": "linear16", "container": "none"}, ("s16le", 24_000, "audio/pcm")),
        ({"encoding": "linear16", "container": "wav", "sample_rate": "8000"},
         ("wav", 8_000, "audio/wav")),
        ({"encoding": "mulaw"}, ("mulaw", 8_000, "audio/wav")),
        ({"encoding": "alaw", "container": "none"}, ("alaw", 8_000, "audio/x-alaw-basic")),
        ({"encoding": "opus"}, ("opus", 48_000, "audio/ogg")),
        ({"encoding": "opus", "container": "ogg", "bit_rate": "24000"},
         ("opus", 48_000, "audio/ogg")),
        ({"encoding": "flac", "sample_rate": "48000"}, ("flac", 48_000, "audio/flac")),
        ({"encoding": "aac"}, ("aac", 24_000, "audio/aac")),
    ],
)  # fmt: skip
def test_a_request_is_answered_in_the_form_that_its_url_asks_for(
    asked: dict[str, str], form: tuple[str, int, str]
) -> None:
    speech = HttpAsked.model_validate({**asked, "model": "aura-2-helena-en"}).speech("Hi", NAMES)
    assert (speech.form.name, speech.form.sample_rate, speech.media_type) == form
    assert speech.config == {"voice": "other"}


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ({"encoding": "mp3", "container": "wav"}, "container: mp3 can be had in none, not in wav"),
        ({"encoding": "opus", "container": "none"}, "container"),
        ({"encoding": "linear16", "container": "ogg"}, "container"),
        ({"encoding": "linear16", "bit_rate": "48000"}, "bit_rate"),
        ({"encoding": "mp3", "bit_rate": "1"}, "bit_rate"),
        ({"encoding": "opus", "sample_rate": "44100"}, "sample_rate"),
        ({"callback": "https://example.org"}, "callback"),
    ],
)
def test_a_form_that_we_lack_is_refused(asked: dict[str, str], named: str) -> None:
    with pytest.raises(ProtocolError, match=f"^{named}"):
        HttpAsked.model_validate(asked).speech("Hi", NAMES)
