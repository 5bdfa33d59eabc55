"""The law of the protocol: whatever a client says in whatever order, each message has the
answer that a simple model of the protocol gives it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import trio
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from trio.testing import MockClock

from pipeline.dialects import native
from stages.errors import ProtocolError
from stages.intake.conversation import Conversation
from stages.items import Cancelled, Flushed, Ready, SegmentStarted, Token
from tests.fakes import STYLE, VOICES, ListPeer, converse

STYLE_VALUES = {
    "voice": ("plain", "other"),
    "pitch_shift": (0.0, -3.5, 24.0),
    "segmentation": ("eager", "sentence"),
    "seed": (None, 0, 7),
}
FORMAT_VALUES = {
    "encoding": ("f32le", "s16le", "mulaw", "opus"),
    "sample_rate": (48_000, 24_000),
    "channels": (1, 2),
    "frame_ms": (None, 20),
}
GOOD = {**STYLE_VALUES, **FORMAT_VALUES, "events": (True,)}
BAD = {"voice": ("nobody", 3), "pitch_shift": (25, "1", None), "seed": (0.5, "x"), "colour": (1,)}

texts = st.text("abc ,;!", max_size=6)
configs = st.fixed_dictionaries({}, optional={k: st.sampled_from(v) for k, v in GOOD.items()})
bad_configs = st.sampled_from([(key, value) for key, values in BAD.items() for value in values])


class Protocol(RuleBasedStateMachine):
    """A client that says anything, beside a model of what the server must make of it."""

    def __init__(self) -> None:
        super().__init__()
        self.conversation = Conversation(VOICES, STYLE)
        self.script: list[str] = []
        # The model.
        self.settings: dict[str, Any] = {key: values[0] for key, values in GOOD.items()}
        self.settings["events"] = False
        self.has_begun = False
        self.n_flushes = 0
        self.n_configs = 0
        self.n_errors = 0
        self.turns = [Turn()]

    def say(self, message: dict[str, Any]) -> list[Any] | ProtocolError:
        text = json.dumps(message)
        self.script.append(text)
        try:
            return list(self.conversation.take(native.parse(text)))
        except ProtocolError as error:
            self.n_errors += 1
            return error

    @rule(text=texts, pitch_shift=st.none() | st.sampled_from([0.0, 4.0]), flush=st.booleans())
    def token(self, text: str, pitch_shift: float | None, flush: bool) -> None:
        """Text, with a pitch or without, with a flush or without."""
        message: dict[str, Any] = {"token": text}
        if pitch_shift is not None:
            message["pitch_shift"] = self.settings["pitch_shift"] = pitch_shift
        if flush:
            message["flush"] = True
        said = self.say(message)
        assert not isinstance(said, ProtocolError)
        if text:
            assert isinstance(said[0], Token)
            assert said[0].text == text
            assert said[0].style.pitch_shift == self.settings["pitch_shift"]
            assert said[0].style.voice == self.settings["voice"]
            style = self.settings["pitch_shift"], self.settings["voice"]
            self.turns[-1].letters += [(char, *style) for char in text]
        if flush:
            self.n_flushes += 1
            self.turns[-1].flushes.append(self.n_flushes)
        assert len(said) == bool(text) + flush
        self.has_begun |= bool(said)

    @rule(config=configs)
    def configure(self, config: dict[str, Any]) -> None:
        """Settings in range; those of the sound's form are too late once text has come."""
        too_late = self.has_begun and (config.keys() & {*FORMAT_VALUES, "events"})
        said = self.say({"config": config})
        if too_late:
            assert isinstance(said, ProtocolError)
            assert str(said).partition(":")[0] in too_late
        else:
            assert said == []
            self.settings.update(config)
            self.n_configs += 1

    @rule(bad=bad_configs, good=configs)
    def configure_badly(self, bad: tuple[str, Any], good: dict[str, Any]) -> None:
        """One key that cannot be had: it is named, and nothing changes."""
        said = self.say({"config": {**good, bad[0]: bad[1]}, "token": "not spoken"})
        assert isinstance(said, ProtocolError)
        assert bad[0] in str(said) or self.has_begun & bool(good.keys() - STYLE_VALUES.keys())

    @precondition(lambda self: self.script)
    @rule()
    def cancel(self) -> None:
        """A barge-in."""
        self.script.append('{"cancel": true}')
        self.turns.append(Turn())

    @invariant()
    def settings_are_as_the_model_has_them(self) -> None:
        """The settings, seen through `ready`."""
        ready = json.loads(native.render(self.conversation.ready))
        shown = {key: ready[key] for key in GOOD.keys() & ready.keys()}
        expected = {key: self.settings[key] for key in shown}
        if expected["encoding"] == "opus":
            expected["frame_ms"] = 20  # whatever was asked for
        assert shown == expected
        assert self.conversation.style.seed == self.settings["seed"]
        assert self.conversation.events == self.settings["events"]

    def teardown(self) -> None:
        """Say it all again to a whole connection, with events on from the start."""
        peer = ListPeer(*map(_parsed, self.script))
        trio.run(converse, peer, clock=MockClock(autojump_threshold=0))
        assert len(peer.heard_of(ProtocolError)) == self.n_errors
        assert len(peer.heard_of(Ready)) == 1 + self.n_configs
        answers = peer.heard_of(Cancelled)
        assert len(answers) == len(self.turns) - 1
        for turn, answer in zip(self.turns, answers, strict=False):
            told = answer.text_spoken + answer.text_remaining
            # All that was said, but for replies that were heard to their end before others.
            assert turn.text.endswith(told)
            assert told == turn.text or turn.flushes
        last = max(
            (n for n, item in enumerate(peer.heard) if isinstance(item, Cancelled)), default=-1
        )
        after = peer.heard[last + 1 :]
        segments = [item.segment for item in after if isinstance(item, SegmentStarted)]
        letters = [
            (char, s.style.pitch_shift, s.style.voice) for s in segments for char in s.source
        ]
        assert letters == self.turns[-1].letters
        flushes = [item.number for item in after if isinstance(item, Flushed)]
        assert flushes == self.turns[-1].flushes


@dataclass
class Turn:
    """What was said between two cancels."""

    letters: list[tuple[str, float, str]] = field(default_factory=list)
    flushes: list[int] = field(default_factory=list)

    @property
    def text(self) -> str:
        """Without its pitch and voice."""
        return "".join(char for char, _, _ in self.letters)


def _parsed(text: str) -> Any:  # noqa: ANN401 - a message, or the error it is refused with
    try:
        return native.parse(text)
    except ProtocolError as error:
        return error


TestProtocol = Protocol.TestCase
