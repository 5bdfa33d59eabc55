"""The wire's messages: what is taken, what is refused and in which words, what is sent."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from pipeline.dialects import native
from stages.audio.format import StreamFormat
from stages.errors import EngineGone, ProtocolError, SynthesisError
from stages.items import (
    Cancelled,
    ClientMessage,
    Flushed,
    Pacing,
    PcmFrame,
    Ready,
    Segment,
    SegmentEnded,
    SegmentFailed,
    SegmentStarted,
    Style,
    Timing,
)

if TYPE_CHECKING:
    from stages.items import Answer, Outgoing

STYLE = Style("en-us", pitch_shift=2.5)
SEGMENT = Segment(3, "Hello *you*!", "Hello you!", STYLE, Timing(arrived=1.0, cut=1.002))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}", ClientMessage()),
        ('{"token": "Hello", "pitch_shift": 0}', ClientMessage("Hello", 0.0)),
        ('{"token": "", "flush": true}', ClientMessage(flush=True)),
        ('{"flush": false}', ClientMessage()),
        ('{"token": "\\ud83d\\ude00"}', ClientMessage("😀")),
        ('{"token": "\\ud800"}', ClientMessage("\ud800")),
        ('{"cancel": true, "played_ms": 12.5}', ClientMessage(cancel=True, played_ms=12.5)),
        ('{"config": {"frame_ms": null}}', ClientMessage(config={"frame_ms": None})),
        (
            '{"config": {"voice": "x", "channels": 2}}',
            ClientMessage(config={"voice": "x", "channels": 2}),
        ),
        ('{"pitch_shift": -24}', ClientMessage(pitch_shift=-24.0)),
        ('{"config": {"language": "pt_BR"}}', ClientMessage(config={"language": "pt-br"})),
        ('{"config": {"language": "Auto"}}', ClientMessage(config={"language": "auto"})),
        ('{"config": {"language": null}}', ClientMessage(config={"language": None})),
    ],
)
def test_a_good_message_is_taken_as_it_was_meant(text: str, message: ClientMessage) -> None:
    assert native.parse(text) == message


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "message"),
        ("hello", "message"),
        ("[]", "message"),
        ("null", "message"),
        ('"token"', "message"),
        ('{"token": "a"', "message"),
        ('{"token": 1}', "token"),
        ('{"token": null}', "token"),
        ('{"token": ["a"]}', "token"),
        ('{"token": "a\\u0000b"}', "token"),
        ('{"flush": 1}', "flush"),
        ('{"flush": "true"}', "flush"),
        ('{"pitch_shift": NaN}', "pitch_shift"),
        ('{"pitch_shift": Infinity}', "pitch_shift"),
        ('{"pitch_shift": 1e999}', "pitch_shift"),
        ('{"pitch_shift": 24.01}', "pitch_shift"),
        ('{"pitch_shift": "1"}', "pitch_shift"),
        ('{"pitch_shift": true}', "pitch_shift"),
        ('{"cancel": true, "played_ms": -1}', "played_ms"),
        ('{"cancel": true, "played_ms": 1e999}', "played_ms"),
        ('{"tokn": "a"}', "tokn"),
        ('{"config": {"colour": "red"}}', "config.colour"),
        ('{"config": {"encoding": "mp3"}}', "config.encoding"),
        ('{"config": {"sample_rate": 12345}}', "config.sample_rate"),
        ('{"config": {"sample_rate": 48000.5}}', "config.sample_rate"),
        ('{"config": {"sample_rate": ' + "9" * 400 + "}}", "config.sample_rate"),
        ('{"config": {"channels": 3}}', "config.channels"),
        ('{"config": {"channels": true}}', "config.channels"),
        ('{"config": {"frame_ms": 9}}', "config.frame_ms"),
        ('{"config": {"seed": 0.5}}', "config.seed"),
        ('{"config": {"language": "so Deutsch"}}', "config.language"),
        ('{"config": {"language": ""}}', "config.language"),
        ('{"config": {"language": "' + "a-" * 5000 + '"}}', "config.language"),
        ('{"config": {"voice": ""}}', "config.voice"),
        ('{"config": [1]}', "config"),
        ('{"a":' * 5000 + "1" + "}" * 5000, "message"),
    ],
)
def test_a_bad_message_is_refused_by_a_clear_error_that_names_the_key(
    text: str, named: str
) -> None:
    with pytest.raises(ProtocolError) as caught:
        native.parse(text)
    assert str(caught.value).startswith(f"{named}: ")
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"tokn": "a"}', "tokn: unknown key"),
        ('{"token": "a\\u0000b"}', "token: must not contain NUL"),
    ],
)
def test_an_error_speaks_of_keys_and_values(text: str, told: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        native.parse(text)
    assert str(caught.value) == told


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('{"token": "\\ud83d", "pitch_shift": NaN}', "pitch_shift"),
        ('{"token": "\\ud83d", "pitch_shift": "7"}', "pitch_shift"),
        ('{"token": "\\ud83d", "flush": 1}', "flush"),
        ('{"token": "\\ud83d\\u0000"}', "token"),
        ('{"token": "\\ud83d", "config": {"seed": 1.0}}', "config.seed"),
        ('{"token": "\\ud83d", "config": {"voice": "\\ud83d"}}', "config.voice"),
        ('{"token": "\\ud83d", "tokn": 1}', "tokn: unknown key"),
        ('{"token": "\\ud83d", "played_ms": 1e999}', "played_ms"),
        ('{"token": "\\ud83d", "\\ud83d": 1}', "message"),
        ('{"token": "\\ud83d"', "message: Invalid JSON: "),
        ('{"token": "\\ud83d\n"}', "message: Invalid JSON: "),
        ('{"token": "\\ud83d"} {}', "message: Invalid JSON: "),
        ('["\\ud83d"]', "message"),
        ('{"token": "\\ud83d", "seed": ' + "[" * 30_000, "message: Invalid JSON: "),
        ('{"token": "\\ud83d", "pitch_shift": ' + "9" * 5_000 + "}", "message: Invalid JSON: "),
    ],
)
def test_half_a_character_makes_nothing_else_right(text: str, named: str) -> None:
    """Such messages go another way, since pydantic's reader of JSON takes no halves."""
    with pytest.raises(ProtocolError) as caught:
        native.parse(text)
    assert named in str(caught.value)
    assert len(str(caught.value)) < 500
    assert str(caught.value).encode()


def test_a_message_with_half_a_character_means_what_it_says() -> None:
    text = '{"token": "a\\ud83d", "token": "b\\ud83d", "pitch_shift": 1, "config": {"seed": 7}}'
    assert native.parse(text) == ClientMessage("b\ud83d", 1.0, config={"seed": 7})


def test_an_error_does_not_repeat_what_may_be_private_or_long() -> None:
    with pytest.raises(ProtocolError) as caught:
        native.parse(json.dumps({"token": 1, "flush": "secret" * 1000}))
    assert "secret" not in str(caught.value)


def test_many_errors_are_told_in_few_words() -> None:
    with pytest.raises(ProtocolError, match=r"; and 97 more$"):
        native.parse(json.dumps({f"key{number}": 1 for number in range(100)}))


def test_a_query_takes_the_config_in_words() -> None:
    pairs = [("encoding", "s16le"), ("sample_rate", "24000"), ("events", "true"), ("seed", "7")]
    assert native.parse_query(pairs) == {
        "encoding": "s16le", "sample_rate": 24_000, "events": True, "seed": 7,
    }  # fmt: skip


@pytest.mark.parametrize("pair", [("sample_rate", "fast"), ("colour", "red"), ("frame_ms", "")])
def test_a_bad_query_is_refused_by_name(pair: tuple[str, str]) -> None:
    with pytest.raises(ProtocolError, match=f"^{pair[0]}: "):
        native.parse_query([pair])


@pytest.mark.parametrize(
    "item",
    [
        SegmentStarted(SEGMENT, 0),
        SegmentEnded(SEGMENT, 0, 5),
        Flushed(1, 0),
        *(Cancelled("a" * length, "", 0) for length in range(120)),
        *(SynthesisError("é" * length) for length in range(120)),
    ],
)
def test_every_text_frame_is_a_multiple_of_four_bytes(
    item: Outgoing | Answer,
) -> None:
    payload = native.render(item).encode()
    header = 2 if len(payload) < 126 else 4
    assert (header + len(payload)) % 4 == 0
    json.loads(payload)


@pytest.mark.parametrize("around", [125, 65_535])
def test_a_frame_is_a_multiple_of_four_where_its_header_grows(around: int) -> None:
    """Texts of 65 533 and 65 534 bytes were padded for the header of a longer one."""
    for n_bytes in range(around - 8, around + 9):
        error = ProtocolError("x" * (n_bytes - len(native.render(ProtocolError("")).rstrip())))
        payload = len(native.render(error))
        header = 2 if payload <= 125 else 4 if payload <= 65_535 else 10
        assert (header + payload) % 4 == 0, payload


@pytest.mark.parametrize("name", ["Jos\u00e9", "Jose\u0301"])
def test_a_voice_is_asked_for_however_its_accents_are_written(name: str) -> None:
    message = native.parse(json.dumps({"config": {"voice": name}}))
    assert message.config == {"voice": "Jos\u00e9"}
    assert native.parse_query([("voice", name)]) == {"voice": "Jos\u00e9"}


def test_ready_tells_the_settings_and_the_limits() -> None:
    fields = json.loads(native.render(Ready("espeak-ng", STYLE, StreamFormat("s16le", 24_000))))
    assert fields == {
        "event": "ready", "engine": "espeak-ng", "voice": "en-us", "pitch_shift": 2.5,
        "segmentation": "eager", "language": None, "speed": 1.0, "volume": 0.0,
        "encoding": "s16le", "sample_rate": 24_000, "channels": 1, "frame_ms": None,
        "limits": {"max_message_bytes": 65_536, "max_pending_bytes": 262_144},
        "pacing": {"mode": "smooth", "real_time_factor": None},
    }  # fmt: skip


def test_a_listener_is_told_how_fast_speech_is_made_and_how_long_it_is_held_back() -> None:
    ready = native.render(Ready("soprano", STYLE, StreamFormat(), "asap", 2.98768))
    assert json.loads(ready)["pacing"] == {"mode": "asap", "real_time_factor": 2.9877}
    start = native.render(SegmentStarted(SEGMENT, 0, Pacing(9.8765432, 3.0)))
    assert json.loads(start)["pacing"] == {"hold_ms": 9876.543, "real_time_factor": 3.0}


def test_ready_tells_how_long_a_message_of_opus_is() -> None:
    fields = json.loads(native.render(Ready("espeak-ng", STYLE, StreamFormat("opus"))))
    assert (fields["encoding"], fields["frame_ms"]) == ("opus", 20)


def test_a_segments_events_tell_where_it_lies_and_what_it_took() -> None:
    SEGMENT.timing.started = 1.003
    SEGMENT.timing.speech = 1.005
    SEGMENT.timing.sent = 1.01
    assert json.loads(native.render(SegmentStarted(SEGMENT, 480))) == {
        "event": "segment_start", "segment": 3, "text": "Hello *you*!", "spoken": "Hello you!",
        "language": None,
        "pitch_shift": 2.5, "sample_offset": 480,
        "pacing": {"hold_ms": 0.0, "real_time_factor": None},
    }  # fmt: skip
    assert json.loads(native.render(SegmentEnded(SEGMENT, 480, 960))) == {
        "event": "segment_end", "segment": 3, "sample_offset": 480, "samples": 960,
        "remarks": [],
        "latency_ms": {
            "wait": 2.0, "queue": 1.0, "tts": 2.0, "rvc": None, "send": None, "first_audio": 10.0,
        },
    }  # fmt: skip


def test_errors_carry_a_stable_code_and_whether_they_are_fatal() -> None:
    failed = SegmentFailed(SEGMENT, SynthesisError("no breath"))
    assert json.loads(native.render(failed)) == {
        "error": "no breath", "code": "synthesis_failed", "fatal": False, "segment": 3,
    }  # fmt: skip
    assert json.loads(native.render(EngineGone("gone"))) == {
        "error": "gone", "code": "engine_gone", "fatal": True,
    }  # fmt: skip


def test_sound_is_not_text() -> None:
    with pytest.raises(TypeError):
        native.render(PcmFrame(b"", 0, None))
