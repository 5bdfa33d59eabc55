"""Cartesia's messages: what each is taken for, and what its clients are told."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from pipeline.close_code import CloseCode
from pipeline.dialects.cartesia import OutputFormat, SpeechStream, Wishes
from pipeline.dialects.cartesia_socket import Cartesia
from pipeline.dialects.dialect import Drop, Finish, Handshake, Open, Say, Tell
from pipeline.voice_names import VoiceNames
from stages.errors import Overloaded, ProtocolError, SynthesisError, TooMuchText
from stages.items import ClientMessage, Flushed, PcmFrame, SegmentFailed
from tests.fakes import VOICES, segment, word_times

if TYPE_CHECKING:
    from pipeline.dialects.dialect import Action

NAMES = VoiceNames(VOICES, "plain", {})
RAW = {"container": "raw", "encoding": "pcm_s16le", "sample_rate": 24_000}
FAILED = SegmentFailed(segment("x"), SynthesisError("no"))


def socket() -> Cartesia:
    return Cartesia(Handshake("/tts/websocket"), NAMES)


def hear(dialect: Cartesia, transcript: object = "", **keys: object) -> list[Action]:
    message = {
        "context_id": "A",
        "transcript": transcript,
        "continue": True,
        "model_id": "sonic-3",
        "voice": {"mode": "id", "id": "other"},
        "output_format": RAW,
        **keys,
    }
    return list(dialect.hear(json.dumps(message)))


def said(text: str = "", *, flush: bool = False, config: dict[str, Any] | None = None) -> Say:
    return Say(ClientMessage(token=text, flush=flush, config=config), "A")


def cancel(dialect: Cartesia) -> list[Action]:
    return list(dialect.hear('{"context_id": "A", "cancel": true}'))


def told(action: object) -> dict[str, Any]:
    message = action.message if isinstance(action, Tell) else action
    fields: dict[str, Any] = json.loads(str(message))
    assert fields["type"]
    assert "context_id" in fields, "Pipecat indexes both, and an exception ends its reader"
    return fields


def test_a_context_opens_with_the_wishes_of_its_first_message() -> None:
    [opening, word] = hear(
        socket(),
        "Hello ",
        language="de",
        generation_config={"speed": 1.5, "volume": 2.0, "emotion": "sad"},
    )
    assert isinstance(opening, Open)
    assert opening.form is not None
    assert opening.form.config == {"encoding": "s16le", "sample_rate": 24_000, "channels": 1}
    volume = pytest.approx(6.02, abs=0.01)
    manner = {"voice": "other", "language": "de", "speed": 1.5, "volume": volume}
    assert opening.config == {**manner, "events": True, "words": False}
    assert word == said("Hello ")


def test_a_voice_is_an_object_or_a_name() -> None:
    for voice, name in (("other", "other"), ({"id": "other"}, "other"), ("6ccbfb76", "plain")):
        [opening, _] = hear(socket(), "Hi", voice=voice)
        assert isinstance(opening, Open)
        assert opening.config["voice"] == name


def test_their_older_speed_has_numbers_with_us() -> None:
    assert Wishes.model_validate({"speed": "fast"}).manner(NAMES)["speed"] == 1.25
    odds: tuple[object, ...] = ("warp", 3, None, ["slow"], {})
    for odd in odds:
        assert "speed" not in Wishes.model_validate({"speed": odd}).manner(NAMES)


def test_the_last_message_finishes_and_its_wishes_do_not_count() -> None:
    """cartesia-python ends a context with an empty transcript in a voice that it made up."""
    dialect = socket()
    hear(dialect, "Hello ")
    end = hear(dialect, "", voice="6ccbfb76", **{"continue": False})
    assert end == [said("", flush=True), Finish("A")]
    assert hear(dialect, "", **{"continue": False}) == []


def test_a_whole_text_may_come_at_once() -> None:
    """Without ``continue`` a message is the only one."""
    assert hear(socket(), "Hello.", **{"continue": None})[1:] == [
        said("Hello.", flush=True),
        Finish("A"),
    ]


def test_wishes_may_change_with_a_transcript() -> None:
    dialect = socket()
    hear(dialect, "Hello ")
    slow = {"speed": 0.6}
    assert hear(dialect, "you ", generation_config=slow) == [said("you ", config=slow)]
    assert hear(dialect, "there ", generation_config=slow) == [said("there ")]


def test_without_a_buffer_each_message_is_a_unit() -> None:
    """Pipecat's sentences have nothing between them."""
    dialect = socket()
    assert hear(dialect, "Hi.", max_buffer_delay_ms=0)[1:] == [said("Hi. ", flush=True)]
    assert list(dialect.tell("A", Flushed(1, 0))) == [], "the client has not asked for it"


def test_a_flush_that_was_asked_for_is_told() -> None:
    dialect = socket()
    hear(dialect, "One.", max_buffer_delay_ms=0)
    hear(dialect, "Two.", flush=True)
    hear(dialect, "Three.", flush=True, max_buffer_delay_ms=0)
    numbers = [
        told(message)["flush_id"] for n in (1, 2, 3) for message in dialect.tell("A", Flushed(n, 0))
    ]
    assert numbers == [1, 2]


def test_sound_and_times_are_told_with_their_context() -> None:
    dialect = socket()
    hear(dialect, "Hi you", add_timestamps=True)
    [chunk] = dialect.tell("A", PcmFrame(b"abc", 1, None))
    assert (told(chunk)["data"], told(chunk)["done"]) == ("YWJj", False)
    [times] = dialect.tell("A", word_times(segment("Hi you"), 1.0, 1.5))
    stamps = told(times)["word_timestamps"]
    assert stamps == {"words": ["Hi", "you"], "start": [1.0, 1.2], "end": [1.2, 1.5]}


def test_times_are_told_only_where_they_are_asked_for() -> None:
    for wish, has_words in ((True, True), (None, False)):
        [opening, _] = hear(socket(), "Hi you", add_timestamps=wish)
        assert isinstance(opening, Open)
        assert opening.config["words"] is has_words


def test_after_a_cancel_there_is_nothing_more() -> None:
    """cartesia-python forgets the context, and takes a stray ``done`` for the next one's."""
    dialect = socket()
    hear(dialect, "Hello ")
    assert cancel(dialect) == [Drop("A")]
    assert list(dialect.tell("A", PcmFrame(b"late", 1, None))) == []
    assert list(dialect.ended("A", CloseCode.NORMAL)) == []
    assert cancel(dialect) == []


def test_the_end_is_told_once() -> None:
    dialect = socket()
    hear(dialect, "Hello.", **{"continue": False})
    [done] = dialect.ended("A", CloseCode.NORMAL)
    assert (told(done)["type"], told(done)["done"]) == ("done", True)
    assert list(dialect.ended("A", CloseCode.NORMAL)) == []


@pytest.mark.parametrize("is_all_spoken", [True, False])
def test_a_shutdown_is_the_end_of_what_was_finished(is_all_spoken: bool) -> None:
    dialect = socket()
    hear(dialect, "Hello.", **{"continue": False})
    if is_all_spoken:
        list(dialect.tell("A", Flushed(1, 0)))
    [end] = dialect.ended("A", CloseCode.GOING_AWAY)
    assert told(end)["type"] == ("done" if is_all_spoken else "error")


@pytest.mark.parametrize("failure", [FAILED, TooMuchText("too much")])
def test_a_failure_is_the_last_word_about_its_context(failure: Any) -> None:  # noqa: ANN401 - items of two kinds
    """To their clients an error ends a context: what came behind it would be the next one's."""
    dialect = socket()
    hear(dialect, "Hello ")
    hear(dialect, "other ", context_id="B")
    [error, drop] = dialect.tell("A", failure)
    assert (told(error)["type"], told(error)["done"]) == ("error", True)
    assert drop == Drop("A")
    assert hear(dialect, "more ") == [], "the client has not read it yet"
    assert hear(dialect, "", **{"continue": False}) == []
    assert hear(dialect, "again ")[1:] == [said("again ")], "now the name is free"
    assert hear(dialect, "more ", context_id="B")


def test_a_context_that_failed_behind_its_last_message_leaves_its_name_free() -> None:
    dialect = socket()
    hear(dialect, "Hello.", **{"continue": False})
    list(dialect.tell("A", FAILED))
    assert hear(dialect, "Again.", **{"continue": False})


def test_a_context_without_a_place_is_told() -> None:
    dialect = socket()
    hear(dialect, "Hello ")
    [error] = dialect.refused(Overloaded("full"), "A")
    assert (told(error)["status_code"], told(error)["message"]) == (503, "full")
    assert hear(dialect, "more ") == []


@pytest.mark.parametrize(
    ("keys", "named"),
    [
        ({"output_format": None}, "output_format"),
        ({"output_format": {**RAW, "container": "mp3"}}, "container"),
        ({"output_format": {**RAW, "sample_rate": 11_025}}, "sample_rate"),
        ({"transcript": 3}, "transcript"),
        ({"generation_config": {"volume": 0}}, "volume"),
        ({"language": "?"}, "language"),
        ({"context_id": 7}, "context_id"),
        ({"context_id": "x" * 201}, "context_id"),
    ],
)
def test_a_bad_value_is_named(keys: dict[str, object], named: str) -> None:
    [error] = [action for action in hear(socket(), **keys) if isinstance(action, Tell)]
    assert named in told(error)["message"]


@pytest.mark.parametrize("message", ["", "[]", "null", "{", b"\xff", "1"])
def test_what_is_no_message_is_an_error(message: str | bytes) -> None:
    dialect = socket()
    with pytest.raises(ProtocolError) as raised:
        dialect.hear(message)
    [error] = dialect.refused(raised.value)
    assert told(error)["context_id"] == ""


def test_a_wav_says_itself_what_is_in_it() -> None:
    """Their examples ask for a WAV of float32: ours has 16 bits, and its head says so."""
    form = OutputFormat.model_validate({**RAW, "container": "wav", "encoding": "pcm_f32le"}).form
    assert form.name == "wav"


def test_server_sent_events_have_their_kind() -> None:
    body = SpeechStream(None)
    kind, data, *_ = body.sound(b"abc").decode().splitlines()
    assert kind == "event: chunk"
    assert json.loads(data.removeprefix("data: "))["data"] == "YWJj"
    assert body.end().decode().startswith("event: done\n")
