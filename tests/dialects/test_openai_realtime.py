"""OpenAI's Realtime API, as Open WebUI has a text read out by it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from pipeline.dialects.dialect import Handshake, Say, Tell
from pipeline.dialects.openai_realtime import Realtime
from pipeline.voice_names import VoiceNames
from stages.audio.format import StreamFormat
from stages.errors import EngineGone, ProtocolError, SynthesisError, TooMuchText, UnknownLanguage
from stages.items import (
    Cancelled,
    ClientMessage,
    Flushed,
    PcmFrame,
    Ready,
    SegmentFailed,
    SegmentStarted,
    Style,
)
from tests.fakes import VOICES, segment

if TYPE_CHECKING:
    from stages.items import Answer, Outgoing

READY = Ready("telling", Style("other"), StreamFormat("s16le", 24_000))
CANCELLED = Cancelled("", "Hi", 0)


@pytest.fixture
def dialect() -> Realtime:
    """On a socket that has been opened."""
    names = VoiceNames(VOICES, "plain", {"alloy": "other"})
    dialect = Realtime(Handshake("/v1/realtime", [("model", "gpt-realtime")]), names)
    assert told(dialect, READY)["type"] == "session.created"
    return dialect


def told(dialect: Realtime, item: Outgoing | Answer) -> Any:  # noqa: ANN401 - JSON
    [message] = dialect.tell("", item)
    return json.loads(message)


def create(text: str) -> str:
    content = [{"type": "input_text", "text": text}]
    item = {"type": "message", "role": "user", "content": content}
    return json.dumps({"type": "response.create", "response": {"input": [item], "tools": []}})


CANCEL = json.dumps({"type": "response.cancel"})


def begin(dialect: Realtime, text: str) -> str:
    """Ask for a response; returns its id."""
    created, said = dialect.hear(create(text))
    assert said == Say(ClientMessage(token=text, flush=True))
    assert isinstance(created, Tell)
    event = json.loads(created.message)
    assert (event["type"], event["response"]["status"]) == ("response.created", "in_progress")
    return str(event["response"]["id"])


def test_a_session_is_told_and_its_voice_set(dialect: Realtime) -> None:
    """As Open WebUI 0.12.4 sends it, with much that we do not have."""
    session = {
        "type": "realtime",
        "output_modalities": ["audio"],
        "audio": {
            "input": {"turn_detection": None, "transcription": None},
            "output": {"format": {"type": "audio/pcm", "rate": 24000}, "voice": "alloy"},
        },
        "tools": [],
        "tool_choice": "none",
        "instructions": "Read it.",
    }
    update = json.dumps({"type": "session.update", "session": session})
    assert dialect.hear(update) == [Say(ClientMessage(config={"voice": "other"}))]
    updated = told(dialect, READY)
    assert updated["type"] == "session.updated"
    assert updated["session"]["audio"]["output"]["voice"] == "other"
    assert updated["session"]["model"] == "gpt-realtime"


@pytest.mark.parametrize(
    ("session", "config"),
    [
        ({}, {}),
        ({"voice": "alloy"}, {"voice": "other"}),
        ({"voice": {"id": "nobody"}}, {"voice": "plain"}),
        ({"audio": None}, {}),
        ({"audio": {"output": {"speed": 4}}}, {"speed": 2.0}),
    ],
)
def test_a_session_may_say_little(
    dialect: Realtime, session: dict[str, Any], config: dict[str, Any]
) -> None:
    update = json.dumps({"type": "session.update", "session": session})
    assert dialect.hear(update) == [Say(ClientMessage(config=config))]


def test_a_response_is_its_sound_and_an_end(dialect: Realtime) -> None:
    for number in (1, 2):
        response = begin(dialect, "Hi there!")
        assert list(dialect.tell("", SegmentStarted(segment("Hi there!"), 0))) == []
        delta = told(dialect, PcmFrame(b"\1\2", 1, None))
        assert (delta["type"], delta["response_id"]) == ("response.output_audio.delta", response)
        assert delta["delta"] == "AQI="
        done = told(dialect, Flushed(number, 1))
        assert done["type"] == "response.done"
        assert (done["response"]["id"], done["response"]["status"]) == (response, "completed")


def test_a_response_that_is_cancelled_ends_once(dialect: Realtime) -> None:
    begin(dialect, "Hi")
    assert dialect.hear(CANCEL) == [Say(ClientMessage(cancel=True))]
    assert told(dialect, CANCELLED)["response"]["status"] == "cancelled"
    assert dialect.hear(CANCEL) == []


def test_a_cancel_that_comes_late_does_not_end_the_next_response(dialect: Realtime) -> None:
    """The first was done before its cancel was."""
    begin(dialect, "Hi")
    dialect.hear(CANCEL)
    assert told(dialect, Flushed(1, 9))["response"]["status"] == "completed"
    second = begin(dialect, "Ho")
    assert list(dialect.tell("", CANCELLED)) == []
    done = told(dialect, Flushed(2, 9))
    assert (done["response"]["id"], done["response"]["status"]) == (second, "completed")


def test_a_response_that_fails_says_why(dialect: Realtime) -> None:
    begin(dialect, "Hi")
    failed = SegmentFailed(segment("Hi"), SynthesisError("cannot say 'Hi'"))
    assert list(dialect.tell("", failed)) == []
    error, done = map(json.loads, dialect.tell("", Flushed(1, 0)))
    assert (error["type"], error["error"]["message"]) == ("error", "cannot say 'Hi'")
    assert (done["type"], done["response"]["status"]) == ("response.done", "failed")


@pytest.mark.parametrize(
    "item",
    [SegmentFailed(segment("Hi"), EngineGone("it hangs")), TooMuchText("token: too much")],
)
def test_a_response_that_nothing_comes_of_fails_at_once(
    dialect: Realtime, item: SegmentFailed | TooMuchText
) -> None:
    begin(dialect, "Hi")
    error, done = map(json.loads, dialect.tell("", item))
    assert error["type"] == "error"
    assert done["response"]["status"] == "failed"


def test_an_error_of_no_response_is_told_alone(dialect: Realtime) -> None:
    error = told(dialect, UnknownLanguage("language: none"))
    assert (error["type"], error["error"]["code"]) == ("error", "unknown_language")


@pytest.mark.parametrize(
    ("message", "named"),
    [
        ("{", "Invalid JSON"),
        (b"\xff", "Invalid JSON"),
        ("[]", "type"),
        ('{"type": "input_audio_buffer.append"}', "type"),
        ('{"type": "response.create"}', "response: is missing"),
        ('{"type": "response.create", "response": {"input": []}}', "response.input"),
        (create(" "), "no text"),
        (
            (
                '{"type": "session.update", "session": {"audio": {"output":'
                ' {"format": {"type": "audio/pcmu"}}}}}'
            ),
            "session.audio.output.format.type",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(
    dialect: Realtime, message: str | bytes, named: str
) -> None:
    with pytest.raises(ProtocolError) as caught:
        dialect.hear(message)
    assert named in str(caught.value)
    [answer] = dialect.refused(caught.value)
    assert isinstance(answer, Tell)
    error = json.loads(answer.message)
    assert (error["type"], error["error"]["message"]) == ("error", str(caught.value))


def test_there_is_one_response_at_a_time(dialect: Realtime) -> None:
    begin(dialect, "Hi")
    with pytest.raises(ProtocolError, match="under way"):
        dialect.hear(create("Ho"))
