"""The law of OpenAI's dialects: whatever JSON comes, it is taken, or refused by an error that names
what was wrong; and what is taken can be spoken."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pipeline.dialects.captions import CaptionedRequest, CaptionedWhole
from pipeline.dialects.dialect import Handshake, Say, Tell
from pipeline.dialects.error_shapes import HttpError, error_answer
from pipeline.dialects.openai_realtime import Realtime
from pipeline.dialects.openai_speech import SpeechRequest
from stages.errors import ProtocolError
from stages.items import ClientMessage
from tests.fakes import service

if TYPE_CHECKING:
    from pipeline.dialects.dialect import Message

SERVICE = service()

anything: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)


def mostly(*good: object) -> st.SearchStrategy[Any]:
    """Values that are meant, and any others."""
    return st.sampled_from(good) | anything


bodies = st.fixed_dictionaries(
    {"input": mostly("Hello!", "Hi", " ", "a" * 10_001)},
    optional={
        "model": anything,
        "voice": mostly("alloy", "other", {"id": "other"}),
        "response_format": mostly("mp3", "opus", "aac", "flac", "wav", "pcm"),
        "speed": mostly(0.25, 1, 4),
        "stream_format": mostly("audio", "sse"),
        "instructions": anything,
        "lang_code": mostly("a", "de", "z", "pt-BR", "tlh"),
        "volume_multiplier": mostly(0, 0.5, 1, 1e9),
        "stream": mostly(True, False),
        "normalization_options": anything,
    },
)


@given(bodies | anything)
def test_any_body_is_spoken_or_refused(body: object) -> None:
    for kind in (SpeechRequest, CaptionedRequest):
        try:
            request = kind.model_validate(body)
            speech = request.speech(SERVICE.voice_names, SERVICE.languages)
        except (ValidationError, ProtocolError):
            continue
        assert speech.text.strip()
        conversation = SERVICE.new_conversation("auto")
        conversation.configure({**speech.config, **speech.form.config, "events": True})


events = st.one_of(
    st.fixed_dictionaries(
        {"type": st.just("session.update")},
        optional={
            "session": anything
            | st.fixed_dictionaries(
                {},
                optional={
                    "voice": mostly("alloy", "other"),
                    "audio": anything
                    | st.fixed_dictionaries(
                        {"output": mostly({"voice": "other", "speed": 4}, {"format": None})}
                    ),
                },
            )
        },
    ),
    st.fixed_dictionaries(
        {"type": st.just("response.create")},
        optional={
            "response": mostly({"input": [{"content": [{"type": "input_text", "text": "Hi"}]}]})
        },
    ),
    st.fixed_dictionaries({"type": mostly("response.cancel", "session.close")}),
    anything,
)


@given(st.lists(events.map(json.dumps) | st.text() | st.binary(), max_size=8))
def test_any_event_is_taken_or_refused(messages: list[Message]) -> None:
    dialect = Realtime(Handshake("/v1/realtime"), SERVICE.voice_names)
    conversation = SERVICE.new_conversation("auto")
    conversation.configure(dialect.opening().config)
    for message in messages:
        try:
            actions = list(dialect.hear(message))
        except ProtocolError as error:
            actions = list(dialect.refused(error))
            assert isinstance(actions[0], Tell)
            assert json.loads(actions[0].message)["error"]["message"]
        for action in actions:
            if isinstance(action, Say):
                assert isinstance(action.said, ClientMessage)
                conversation.take(action.said)


@given(st.lists(st.binary(max_size=10), max_size=8))
def test_captions_hold_all_sound_however_it_came(pieces: list[bytes]) -> None:
    body = CaptionedWhole("pcm")
    answer = json.loads(b"".join(map(body.sound, pieces)) + body.end())
    assert base64.b64decode(answer["audio"]) == b"".join(pieces)
    assert answer["timestamps"] == []


@given(st.text(max_size=40), st.sampled_from([401, 404, 413, 422, 500, 503]), st.text(max_size=40))
def test_any_error_has_the_shape_of_its_path(path: str, status: int, message: str) -> None:
    error = HttpError(status, "a_code", message)
    own_status, own = error_answer(f"/api/{path}", error)
    assert (own_status, own) == (status, {"error": message, "code": "a_code"})
    theirs_status, theirs = error_answer(f"/v1/{path}", error)
    assert theirs_status == (400 if status == 422 else status)
    assert theirs["error"]["message"] == message
