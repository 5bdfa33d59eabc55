"""A client of a dialect, and the conversations that it holds, as a session would: what is said to
them is spoken when the client waits for it."""

from __future__ import annotations

import json
from collections import deque
from typing import TYPE_CHECKING, Any

from pipeline.close_code import CloseCode
from pipeline.dialects.dialect import Close, Drop, Finish, Open, Say, Tell
from pipeline.session import MAX_CONTEXTS
from pipeline.voice_names import VoiceNames
from stages.errors import Overloaded, ProtocolError, ServerError, SynthesisError
from stages.intake.conversation import Conversation
from stages.items import (
    Cancelled,
    ClientMessage,
    Flush,
    Flushed,
    PcmFrame,
    Segment,
    SegmentEnded,
    SegmentFailed,
    SegmentStarted,
    Style,
    Timing,
    WordTimes,
)
from stages.resume import Resume
from stages.voices import Voice
from stages.word_clock import Word

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pipeline.dialects.dialect import Action, Dialect, Message
    from stages.items import Answer, Outgoing, Said

LANGUAGES = frozenset({"en", "en-us", "de", "zh"})
VOICES = {
    name: Voice(name, "engine", "en-us", None, "a voice", 48_000) for name in ("plain", "other")
}
NAMES = VoiceNames(VOICES, "plain", {"alloy": "other"})
STYLE = Style("plain")

_TIMING = Timing(arrived=0.0, cut=0.0)
_SEGMENT = Segment(0, "Hi you", "Hi you", STYLE, _TIMING)
WORDS = WordTimes(
    _SEGMENT,
    (
        Word("Hi", 0, 2, 0.0, 0.1, is_exact=True),
        Word("you", 3, 6, 0.1, 0.3, is_exact=True),
    ),
    48_000,
)

TOLD_FOR_EACH = 12
"""Characters of an answer for each that a client has said: JSON writes 😀 as ``\\ud83d\\ude00``."""
TOLD_AT_LEAST = 10_000
"""Wyoming's list of voices, and more complaints than one would read."""


def new_conversation() -> Conversation:
    """A conversation with two voices."""
    return Conversation(VOICES, STYLE, LANGUAGES)


def check_message(message: Message) -> Any:  # noqa: ANN401 - JSON is anything
    """What is told as text is JSON, as strict readers have it."""
    if isinstance(message, bytes):
        return None
    message.encode()  # without half characters
    return json.loads(message, parse_constant=_refuse)


def _refuse(constant: str) -> float:
    raise AssertionError(f"{constant} is no JSON")


class _Talk:
    """A conversation on the socket, and what it was asked to speak."""

    def __init__(self, opening: Open) -> None:
        self.conversation = new_conversation()
        form = {} if opening.form is None else opening.form.config
        self.conversation.configure({**opening.config, **form})
        self.waits: deque[Said] = deque()
        self.text = ""
        self.n_segments = 0
        self.n_samples = 0
        self.is_finishing = False


class Client:
    """A client that says what it likes."""

    def __init__(self, dialect: Dialect) -> None:
        """May raise `ProtocolError`, as an opening does."""
        self.is_closed = False
        self.fails_next = False
        self._dialect = dialect
        self._talks: dict[str, _Talk] = {}
        self._n_said = 0
        opening = dialect.opening()
        if opening is not None:
            self._talks[opening.context] = _Talk(opening)
        for message in dialect.greeting():
            self._hear(message)

    def say(self, message: Message) -> None:
        """A message, and all that is done and told at once."""
        self._n_said += len(message)
        try:
            actions = list(self._dialect.hear(message))
        except ProtocolError as error:
            actions = list(self._dialect.refused(error))
        self._do(actions)

    def speak(self) -> None:
        """All that waits is spoken, in every conversation, and those that are to end do."""
        for name, talk in list(self._talks.items()):
            while talk.waits and self._is_open(name, talk):
                self._speak(name, talk, talk.waits.popleft())
            if talk.is_finishing and self._is_open(name, talk):
                self._end(name, CloseCode.NORMAL)

    def shut_down(self) -> None:
        """The server ends every conversation."""
        for name, talk in list(self._talks.items()):
            if self._is_open(name, talk):
                self._end(name, CloseCode.GOING_AWAY)
        self.is_closed = True

    def _is_open(self, name: str, talk: _Talk) -> bool:
        return self._talks.get(name) is talk and not self.is_closed

    def _end(self, name: str, code: CloseCode) -> None:
        del self._talks[name]
        self._do(self._dialect.ended(name, code))

    def _do(self, actions: Iterable[Action]) -> None:
        for action in actions:
            if self.is_closed:
                return
            match action:
                case Open():
                    self._open(action)
                case Say(said, name):
                    if name in self._talks:
                        self._take(name, said)
                case Finish(name):
                    if name in self._talks:
                        self._talks[name].is_finishing = True
                case Drop(name):
                    self._talks.pop(name, None)
                case Tell(message):
                    self._hear(message)
                    assert len(message) <= TOLD_AT_LEAST + TOLD_FOR_EACH * self._n_said
                case Close():
                    self.is_closed = True

    def _open(self, opening: Open) -> None:
        assert opening.context not in self._talks
        try:
            if len(self._talks) >= MAX_CONTEXTS:
                raise Overloaded("that is the most")
            self._talks[opening.context] = _Talk(opening)
        except ServerError as error:
            self._do(self._dialect.refused(error, opening.context))

    def _take(self, name: str, said: ClientMessage | ProtocolError) -> None:
        """As the intake does."""
        talk = self._talks[name]
        if talk.is_finishing:
            return  # nobody reads on
        if isinstance(said, ProtocolError):
            self._tell(name, said)
            return
        assert "\0" not in said.token
        if said.cancel:
            talk.conversation.cancel()
            talk.waits.clear()
            self._tell(name, Cancelled("", talk.text, talk.n_samples))
            talk.text = ""
        try:
            asked = talk.conversation.take(said)
        except ProtocolError as error:
            self._tell(name, error)
            return
        if said.config is not None and talk.conversation.events:
            self._tell(name, talk.conversation.ready)
        talk.waits += asked
        talk.text += said.token

    def _speak(self, name: str, talk: _Talk, said: Said) -> None:
        if isinstance(said, Resume):
            return
        if isinstance(said, Flush):
            self._tell(name, Flushed(said.number, talk.n_samples))
            return
        segment = Segment(talk.n_segments, said.text, said.text, said.style, _TIMING)
        talk.n_segments += 1
        rate = talk.conversation.stream_format.sample_rate
        begin = talk.n_samples
        told: list[Outgoing] = [SegmentStarted(segment, begin), PcmFrame(b"\0\0" * 8, 8, _TIMING)]
        talk.n_samples += 8
        if self.fails_next:
            self.fails_next = False
            told.append(SegmentFailed(segment, SynthesisError("it could not be said")))
        else:
            text = said.text.rstrip()
            first = len(text) - len(text.lstrip())
            if text:
                word = Word(
                    text[first:],
                    first,
                    len(text),
                    begin / rate,
                    talk.n_samples / rate,
                    is_exact=True,
                )
                told.append(WordTimes(segment, (word,), rate))
            told.append(SegmentEnded(segment, begin, 8))
        for item in told:
            if self._is_open(name, talk):
                self._tell(name, item)

    def _tell(self, name: str, item: Outgoing | Answer) -> None:
        for told in self._dialect.tell(name, item):
            if isinstance(told, str | bytes):
                self._hear(told)
            else:
                self._do([told])

    def _hear(self, message: Message) -> None:
        check_message(message)
