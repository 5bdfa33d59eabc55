"""ElevenLabs' messages: what each is taken for, and what its clients are told."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest

from pipeline.close_code import CloseCode
from pipeline.dialects.dialect import Close, Drop, Finish, Handshake, Open, Say, Tell
from pipeline.dialects.elevenlabs import TimedLines, TimedWhole, sound_form
from pipeline.dialects.elevenlabs_sockets import MultiStreamInput, StreamInput
from pipeline.voice_names import VoiceNames
from stages.errors import Overloaded, ProtocolError, SynthesisError
from stages.items import ClientMessage, PcmFrame, SegmentEnded, SegmentFailed
from tests.fakes import VOICES, segment, word_times

if TYPE_CHECKING:
    from pipeline.dialects.dialect import Action, Dialect

NAMES = VoiceNames(VOICES, "plain", {})
HELLO = ClientMessage(token="Hello. ")


def multi(*query: tuple[str, str], voice: str = "21m00Tcm4TlvDq8ikWAM") -> MultiStreamInput:
    path = f"/v1/text-to-speech/{voice}/multi-stream-input"
    return MultiStreamInput(Handshake(path, query), NAMES)


def single(*query: tuple[str, str]) -> StreamInput:
    return StreamInput(Handshake("/v1/text-to-speech/other/stream-input", query), NAMES)


def hear(dialect: Dialect, **message: object) -> list[Action]:
    return list(dialect.hear(json.dumps(message)))


def told(action: object) -> dict[str, Any]:
    assert isinstance(action, Tell)
    fields: dict[str, Any] = json.loads(action.message)
    return fields


def opened(dialect: Dialect, context: str = "A") -> Open:
    [opening, *_] = hear(dialect, text=" ", context_id=context)
    assert isinstance(opening, Open)
    return opening


def ended(text: str, start: int, n_samples: int) -> SegmentEnded:
    return SegmentEnded(segment(text), start, n_samples)


@pytest.mark.parametrize(
    ("name", "form", "rate", "bits"),
    [
        ("mp3_44100_128", "mp3", 44_100, 128_000),
        ("mp3_22050_32", "mp3", 22_050, 32_000),
        ("pcm_24000", "s16le", 24_000, None),
        ("ulaw_8000", "mulaw", 8_000, None),
        ("alaw_8000", "alaw", 8_000, None),
        ("opus_48000_96", "opus", 48_000, 96_000),
        ("wav_32000", "wav", 32_000, None),
    ],
)
def test_their_formats_are_ours(name: str, form: str, rate: int, bits: int | None) -> None:
    found = sound_form(name)
    assert (found.name, found.sample_rate, found.bit_rate) == (form, rate, bits)


@pytest.mark.parametrize(
    "name", ["", "mp3", "pcm_24001", "pcm_24000_16", "gsm_8000", "mp3_44100_500"]
)
def test_a_format_that_there_is_not_is_named(name: str) -> None:
    with pytest.raises(ProtocolError, match=r"output_format|sample_rate|bit_rate"):
        sound_form(name)
    with pytest.raises(ProtocolError, match=r"output_format|sample_rate|bit_rate"):
        multi(("output_format", name))


def test_a_context_opens_with_the_wishes_of_its_url_and_of_its_first_message() -> None:
    dialect = multi(
        ("output_format", "pcm_16000"),
        ("language_code", "de"),
        ("model_id", "eleven_flash_v2_5"),
        ("seed", "7"),
        voice="other",
    )
    [opening, said] = hear(
        dialect,
        text=" ",
        context_id="A",
        voice_settings={"speed": 1.2, "stability": 0.5},
        generation_config={"chunk_length_schedule": [50]},
    )
    assert isinstance(opening, Open)
    manner = {"voice": "other", "language": "de", "seed": 7, "speed": 1.2}
    assert opening.config == {"events": True, "words": True, **manner}
    assert (opening.context, opening.form) == ("A", sound_form("pcm_16000"))
    assert said == Say(ClientMessage(), "A"), "the space that opens a context is not said"


def test_a_voice_that_nobody_has_is_the_default_one() -> None:
    assert opened(multi()).config["voice"] == "plain"
    assert opened(multi(voice="%6Fther")).config["voice"] == "other"


def test_nulls_are_as_if_they_were_not_there() -> None:
    dialect = multi()
    [opening, _] = hear(dialect, text="a", context_id="A", voice_settings=None, flush=None)
    assert isinstance(opening, Open)


def test_a_client_may_do_without_contexts() -> None:
    """ "If omitted, a default context is used.\""""
    dialect = multi()
    assert opened(dialect, "").context == ""
    [times] = dialect.tell("", ended("Hi", 0, 4800))
    assert json.loads(str(times))["contextId"] is None


def test_the_first_close_finishes_and_the_second_stops_everything() -> None:
    """Pipecat closes a context at the end of its turn, long before its sound is out, and once more
    when it is interrupted."""
    dialect = multi()
    opened(dialect)
    assert hear(dialect, text="Hello. ", context_id="A") == [Say(HELLO, "A")]
    assert hear(dialect, context_id="A", close_context=True) == [Finish("A")]
    [drop, final] = hear(dialect, context_id="A", close_context=True)
    assert drop == Drop("A")
    assert told(final) == {"isFinal": True, "contextId": "A"}
    assert hear(dialect, context_id="A", close_context=True) == []


def test_the_end_of_its_sound_is_final() -> None:
    dialect = multi()
    opened(dialect)
    hear(dialect, context_id="A", close_context=True)
    [final] = dialect.ended("A", CloseCode.NORMAL)
    assert told(final) == {"isFinal": True, "contextId": "A"}
    assert hear(dialect, context_id="A", close_context=True) == [], "it has ended by itself"


def test_a_name_is_free_again_once_its_context_has_ended() -> None:
    dialect = multi()
    opened(dialect)
    hear(dialect, context_id="A", close_context=True)
    [refusal] = hear(dialect, context_id="A", text="Too soon. ")
    assert "isFinal" in told(refusal)["error"]
    dialect.ended("A", CloseCode.NORMAL)
    opened(dialect)


def test_a_keepalive_ends_nothing_and_opens_nothing() -> None:
    """Every ten seconds Pipecat sends an empty text, with a context or without."""
    dialect = multi()
    assert hear(dialect, text="") == []
    assert hear(dialect, text="", context_id="A") == []
    opened(dialect)
    assert hear(dialect, text="", context_id="A") == [Say(ClientMessage(), "A")]


def test_a_flush_needs_no_text() -> None:
    dialect = multi()
    opened(dialect)
    flush = ClientMessage(token=" ", flush=True)
    assert hear(dialect, context_id="A", flush=True) == [Say(flush, "A")]
    assert hear(dialect, context_id="A", text="", flush=True) == [Say(flush, "A")]


def test_in_auto_mode_each_message_is_a_unit() -> None:
    """Pipecat's sentences have nothing between them: "...server." "It should"."""
    dialect = multi(("auto_mode", "true"))
    assert not opened(dialect).pads_flushes
    unit = Say(ClientMessage(token="Hi. ", flush=True), "A")
    assert hear(dialect, text="Hi.", context_id="A") == [unit]
    assert hear(dialect, text="Hi. ", context_id="A") == [unit]
    other = multi()
    opened(other)
    assert hear(other, text="Hi.", context_id="A") == [Say(ClientMessage(token="Hi."), "A")]


def test_a_socket_closes_when_the_last_of_its_contexts_has_ended() -> None:
    dialect = multi()
    opened(dialect, "A")
    opened(dialect, "B")
    assert hear(dialect, close_socket=True) == [Finish("A"), Finish("B")]
    assert hear(dialect, text="More. ", context_id="A") == []
    assert len(list(dialect.ended("A", CloseCode.NORMAL))) == 1
    [_, close] = dialect.ended("B", CloseCode.NORMAL)
    assert close == Close()


def test_a_socket_without_contexts_closes_at_once() -> None:
    assert hear(multi(), close_socket=True) == [Close()]


def test_times_count_from_the_end_of_the_message_before() -> None:
    """Pipecat adds up the spans of all messages: they must not drift from the sound."""
    dialect = multi(("output_format", "pcm_8000"))
    opened(dialect)
    lengths = [801, 1203, 399, 8001]
    clock, text, at = 0, "", 0
    for number, n_samples in enumerate(lengths):
        own = segment("Hi you\n", number)
        start_s, end_s = at / 8000, (at + n_samples) / 8000
        at += n_samples + 100  # a pause
        for item in (
            word_times(own, start_s, end_s, rate=8000),
            SegmentEnded(own, at, n_samples),
        ):
            [message] = dialect.tell("A", item)
            fields = json.loads(str(message))
            times = fields["alignment"]
            assert fields["audio"] == ""
            assert fields["normalizedAlignment"] == times
            assert min(times["charStartTimesMs"] + times["charDurationsMs"]) >= 0
            text += "".join(times["chars"])
            clock += times["charStartTimesMs"][-1] + times["charDurationsMs"][-1]
            assert clock == round(end_s * 1000)
    assert text == "Hi you " * len(lengths), "clients split words at spaces alone"


def test_sound_is_told_with_its_context() -> None:
    dialect = multi()
    opened(dialect)
    [message] = dialect.tell("A", PcmFrame(b"sound", 2, None))
    fields = json.loads(str(message))
    assert (base64.b64decode(fields["audio"]), fields["contextId"]) == (b"sound", "A")
    assert fields["alignment"] is None


def test_a_failure_is_told_to_its_own_context() -> None:
    dialect = multi()
    opened(dialect)
    [message] = dialect.tell("A", SegmentFailed(segment("x"), SynthesisError("no")))
    fields = json.loads(str(message))
    assert (fields["error"], fields["contextId"]) == ("no", "A")


def test_a_context_without_a_place_ends_at_once_and_is_not_begun_in_its_middle() -> None:
    dialect = multi()
    opened(dialect)
    [error, final] = dialect.refused(Overloaded("full"), "A")
    assert (told(error)["error"], told(error)["contextId"]) == ("full", "A")
    assert told(final)["isFinal"]
    [again] = hear(dialect, text="the rest. ", context_id="A")
    assert "has failed" in told(again)["error"]
    assert hear(dialect, context_id="A", close_context=True) == []
    opened(dialect)


@pytest.mark.parametrize("message", ["", "[]", "null", "{", b"\xff", "1", '"text"'])
def test_what_is_no_message_is_an_error(message: str | bytes) -> None:
    for dialect in (multi(), single()):
        with pytest.raises(ProtocolError):
            dialect.hear(message)


def test_a_bad_value_is_told_to_its_context() -> None:
    dialect = multi()
    opened(dialect)
    [error] = hear(dialect, context_id="A", text=3)
    assert told(error)["contextId"] == "A"
    assert "text" in told(error)["error"]


def test_a_single_stream_ends_with_an_empty_text_and_then_closes() -> None:
    """Only the close ends their SDK's loop, and another code than 1000 is an error to it."""
    dialect = single(("output_format", "pcm_24000"))
    assert dialect.opening().config["voice"] == "other"
    first = hear(dialect, text=" ", voice_settings=None, try_trigger_generation=True)
    assert first == [Say(ClientMessage())]
    assert hear(dialect, text="Hello. ") == [Say(HELLO)]
    assert hear(dialect, text="") == [Finish()]
    assert hear(dialect, text="late") == []
    [final, close] = dialect.ended("", CloseCode.NORMAL)
    assert (told(final)["isFinal"], close) == (True, Close(CloseCode.NORMAL))


def test_a_single_stream_takes_its_speed_from_a_message() -> None:
    [speed, _] = hear(single(), text=" ", voice_settings={"speed": 0.7})
    assert speed == Say(ClientMessage(config={"speed": 0.7}))


def test_a_single_stream_that_fails_ends_with_the_reason() -> None:
    """Their SDK raises the last message before the close, if it has a "message"."""
    [message, close] = single().tell("", SegmentFailed(segment("x"), SynthesisError("no")))
    assert json.loads(str(message))["message"] == "no"
    assert close == Close(CloseCode.INTERNAL_ERROR)


def test_lines_with_times_come_as_the_speech_is_made() -> None:
    body, own = TimedLines(1000), segment("Hi ")
    words = body.event(word_times(own, 0.5, 1.5))
    lines = body.sound(b"abcd") + words + body.event(SegmentEnded(own, 500, 1000)) + body.end()
    first, second, third = map(json.loads, lines.splitlines())
    assert (base64.b64decode(first["audio_base64"]), first["alignment"]) == (b"abcd", None)
    assert second["alignment"] == {
        "characters": ["H", "i"],
        "character_start_times_seconds": [0.5, 1.0],
        "character_end_times_seconds": [1.0, 1.5],
    }
    assert third["alignment"]["characters"] == [" "]


@pytest.mark.parametrize("n_bytes", range(5))
def test_one_object_is_written_piece_by_piece(n_bytes: int) -> None:
    body, own = TimedWhole(1000), segment("H")
    pieces = [body.sound(b"x" * n_bytes), body.event(word_times(own, 0, 1)), body.sound(b"yz")]
    whole = json.loads(b"".join([*pieces, body.end()]))
    assert base64.b64decode(whole["audio_base64"]) == b"x" * n_bytes + b"yz"
    assert whole["alignment"]["characters"] == ["H"]
