"""The laws of Deepgram's dialects: whatever a client says, however much of it waits in between,
each message has the answer that a simple model gives it, and nothing late is heard."""

from __future__ import annotations

import json
from collections import deque
from typing import TYPE_CHECKING, Any, TypeAlias

from hypothesis import given
from hypothesis import strategies as st

from pipeline.close_code import CloseCode
from pipeline.dialects.deepgram.speak_v1 import DeepgramV1
from pipeline.dialects.deepgram.speak_v2 import DeepgramV2
from pipeline.dialects.dialect import Close, Finish, Handshake, Say, Tell
from pipeline.voice_names import VoiceNames
from stages.items import Cancelled, ClientMessage, Flushed, PcmFrame
from tests.fakes import VOICES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pipeline.dialects.dialect import Action, Dialect

SAMPLES_PER_CHAR = 24
"""A millisecond a character, at 24 kHz."""

Told: TypeAlias = "dict[str, Any] | str"
"""A message to the client; sound as the text that it is of."""


class Socket:
    """A dialect on a conversation that does what it is told, late."""

    def __init__(self, make: type[DeepgramV1 | DeepgramV2]) -> None:
        names = VoiceNames(VOICES, "plain", {})
        self.dialect: Dialect = make(Handshake("", [("sample_rate", "24000")]), names)
        self.told: list[Told] = []
        self.is_closed = False
        self._letters: deque[ClientMessage] = deque()
        self._speech: deque[PcmFrame | Flushed] = deque()
        self._answers: deque[Cancelled] = deque()
        self._n_flushes = 0
        self._text = self._sent = ""  # since the last cancel
        self._has_finished = False

    def say(self, **message: object) -> None:
        """The client says something."""
        self._do(self.dialect.hear(json.dumps(message)))

    def _do(self, actions: Iterable[Action]) -> None:
        for action in actions:
            match action:
                case Say(ClientMessage() as said):
                    assert not self._has_finished
                    self._letters.append(said)
                case Finish():
                    self._has_finished = True
                case Tell(message):
                    self._hear(message)
                case Close(code):
                    assert code is CloseCode.NORMAL
                    self.is_closed = True
                case _:
                    raise AssertionError(action)

    def take_in(self) -> bool:
        """The conversation reads a message; False: there is none."""
        if not self._letters:
            return False
        said = self._letters.popleft()
        if said.cancel:
            self._speech.clear()
            n_heard = len(self._sent)
            if said.played_ms is not None:
                n_heard = min(n_heard, int(said.played_ms))
            self._answers.append(Cancelled(self._text[:n_heard], self._text[n_heard:], 0))
            self._text = self._sent = ""
        if said.token:
            self._text += said.token
            self._speech += [PcmFrame(char.encode(), SAMPLES_PER_CHAR, None) for char in said.token]
        if said.flush:
            self._n_flushes += 1
            self._speech.append(Flushed(self._n_flushes, 0))
        return True

    def send(self) -> bool:
        """The conversation sends something; False: there is nothing."""
        if not (self._answers or self._speech):
            return False
        item = self._answers.popleft() if self._answers else self._speech.popleft()
        if isinstance(item, PcmFrame):
            self._sent += item.data.decode()
        for message in self.dialect.tell("", item):
            assert isinstance(message, str | bytes), "these dialects do nothing of themselves"
            self._hear(message)
        return True

    def settle(self) -> None:
        """Until all is done and sent."""
        while self.take_in():
            pass
        while self.send():
            pass
        if self._has_finished:
            self._do(self.dialect.ended("", CloseCode.NORMAL))

    def _hear(self, message: str | bytes) -> None:
        assert not self.is_closed
        self.told.append(message.decode() if isinstance(message, bytes) else json.loads(message))


STEPS = st.lists(
    st.one_of(
        st.sampled_from(["Flush", "Clear", "take in", "send", "send", "send"]),
        st.text("abc. ", max_size=4).map(lambda text: f"Speak{text}"),
    ),
    max_size=30,
)


@given(STEPS, st.booleans())
def test_each_flush_that_is_not_cleared_has_one_flushed_behind_its_sound(
    steps: list[str], closes: bool
) -> None:
    socket = Socket(DeepgramV1)
    expected: list[Told] = []  # of what was not cleared
    n_told = n_clears = n_flushed = 0

    def compare(cleared: bool) -> None:
        """What was told since the last Clear is what was expected; of it all, if none was."""
        nonlocal n_told, n_flushed
        new = [kind_of(told) for told in socket.told[n_told:]]
        new = [kind for kind in new if kind != "Cleared"]
        assert new == expected[: len(new)]
        assert cleared or len(new) == len(expected)
        n_flushed += new.count("Flushed")
        n_told = len(socket.told)
        expected.clear()

    for step in steps:
        if step == "take in":
            socket.take_in()
        elif step == "send":
            socket.send()
        elif step == "Flush":
            socket.say(type="Flush")
            expected.append("Flushed")
        elif step == "Clear":
            compare(cleared=True)
            socket.say(type="Clear")
            n_clears += 1
        else:
            text = step.removeprefix("Speak")
            socket.say(type="Speak", text=text)
            expected.extend(text)
    if closes:
        socket.say(type="Close")
        for late in ({"type": "Speak", "text": "late"}, {"type": "Flush"}, {"type": "Clear"}):
            socket.say(**late)
    socket.settle()
    compare(cleared=False)
    assert socket.is_closed is closes
    messages = [told for told in socket.told if isinstance(told, dict)]
    assert [told["sequence_id"] for told in messages] == list(range(n_clears + n_flushed))
    assert [told["type"] for told in messages].count("Cleared") == n_clears


def kind_of(told: Told) -> str:
    return told if isinstance(told, str) else str(told["type"])


TURN_STEPS = st.lists(
    st.one_of(
        st.text("abc. ", min_size=1, max_size=4).map(lambda text: ("Speak", text)),
        st.just(("Flush", None)),
        st.just(("take in", None)),
        st.tuples(st.just("send"), st.integers(1, 6)),
        # After so many characters of sound since the last one, if the client says so.
        st.tuples(st.just("Interrupt"), st.none() | st.integers(0, 12)),
    ),
    min_size=10,
    max_size=40,
)


class Turn:
    """A turn as the client knows it."""

    def __init__(self) -> None:
        self.text = ""
        self.heard = ""
        self.is_flushed = False
        self.ended_at: int | None = None


class Listener:
    """A client of Flux, and what it must be told."""

    def __init__(self) -> None:
        self.socket = Socket(DeepgramV2)
        self.turns: list[Turn] = []  # since the last interrupt
        self.expected_interrupts: list[tuple[int, str | None, str | None]] = []
        self.began_at = self.n_heard = self.n_listened = self.n_chars = self.n_warnings = 0

    def listen(self) -> None:
        """Take in what was told since the last time."""
        for told in self.socket.told[self.n_listened :]:
            match told:
                case str():
                    turn = next(turn for turn in self.turns if turn.ended_at is None)
                    turn.heard += told
                    self.n_heard += 1
                case {"type": "SpeechMetadata"}:
                    turn = next(turn for turn in self.turns if turn.ended_at is None)
                    assert turn.is_flushed
                    assert turn.heard == turn.text
                    assert told["audio_duration_ms"] == len(turn.text)
                    assert told["input_character_count"] == len(turn.text)
                    turn.ended_at = self.n_heard
                case {"type": "SpeechInterrupted"}:
                    played, text, spoken = self.expected_interrupts.pop(0)
                    assert told["audio_played_ms"] == played
                    assert ("text_spoken" in told) == (text is not None)
                    if text is not None:
                        assert told["text_spoken"] + told["text_remaining"] == text
                    assert spoken in {None, told.get("text_spoken")}
                case {"type": "Warning"}:
                    self.n_warnings += 1
                case _:
                    assert told["type"] in {"SpeechStarted", "Flushed", "SessionMetadata"}
        self.n_listened = len(self.socket.told)

    def speak(self, text: str) -> None:
        if not self.turns or self.turns[-1].is_flushed:
            self.turns.append(Turn())
        self.turns[-1].text += text
        self.n_chars += len(text)
        self.socket.say(type="Speak", text=text)

    def flush(self) -> None:
        n_warnings = self.n_warnings
        self.socket.say(type="Flush")
        self.listen()
        is_open = bool(self.turns) and not self.turns[-1].is_flushed
        assert self.n_warnings == n_warnings + (not is_open)
        if is_open:
            self.turns[-1].is_flushed = True

    def interrupt(self, n_played: int | None) -> None:
        """`n_played`: since the last interrupt; None: it does not say."""
        at = self.began_at + (self.n_heard if n_played is None else n_played)
        offset: dict[str, Any] = {}
        if n_played is not None:
            offset = {"playback_offset": {"type": "time_ms", "value": at}}
        n_warnings = self.n_warnings
        self.socket.say(type="Interrupt", **offset)
        self.listen()
        since = at - self.began_at
        unheard = [turn for turn in self.turns if turn.ended_at is None or turn.ended_at > since]
        assert self.n_warnings == n_warnings + (not unheard)
        if unheard:
            text = "".join(turn.text for turn in unheard) if offset else None
            n_before = sum(len(turn.heard) for turn in self.turns if turn not in unheard)
            heard = "".join(turn.heard for turn in unheard)[: since - n_before]
            spoken = heard if offset and since <= self.n_heard else None
            self.expected_interrupts.append((at, text, spoken))
            self.turns.clear()
            self.began_at, self.n_heard = at, 0


@given(TURN_STEPS)
def test_each_turn_of_flux_ends_once_or_is_interrupted(steps: list[tuple[str, Any]]) -> None:
    client = Listener()
    for kind, value in steps:
        match kind:
            case "Speak":
                client.speak(value)
            case "Flush":
                client.flush()
            case "Interrupt":
                client.interrupt(value)
            case "take in":
                while client.socket.take_in():
                    pass
            case "send":
                for _ in range(value):
                    client.socket.send()
        client.listen()
    client.socket.say(type="Close")
    for turn in client.turns:
        turn.is_flushed = True
    client.socket.say(type="Speak", text="late")
    client.socket.say(type="Interrupt")
    client.socket.settle()
    client.listen()
    assert client.socket.is_closed
    assert not client.expected_interrupts
    assert all(turn.ended_at is not None for turn in client.turns)
    last = client.socket.told[-1]
    assert isinstance(last, dict)
    assert last["type"] == "SessionMetadata"
    assert last["total_audio_duration_ms"] == client.began_at + client.n_heard
    assert last["total_input_character_count"] == client.n_chars
