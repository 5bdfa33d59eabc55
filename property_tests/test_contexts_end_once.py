"""The law of contexts: whatever a client says in whatever order, every context that was opened ends
exactly once, nothing comes behind its end, and no message brings a dialect down.

The dialects are driven without a socket: the model below does what a session does with their
actions, and lets conversations send whatever they may at any time."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from pipeline.close_code import CloseCode
from pipeline.dialects.cartesia_socket import Cartesia
from pipeline.dialects.dialect import Close, Dialect, Drop, Finish, Handshake, Open, Say, Tell
from pipeline.dialects.elevenlabs_sockets import MultiStreamInput, StreamInput
from pipeline.voice_names import VoiceNames
from stages.errors import Overloaded, ProtocolError, SynthesisError
from stages.items import Flushed, PcmFrame, SegmentEnded, SegmentFailed
from tests.fakes import VOICES, segment, word_times

NAMES = VoiceNames(VOICES, "plain", {})
MOST = 3
"""The contexts for which there is a place."""

contexts = st.sampled_from(["A", "B", "C", "D", ""])
texts = st.sampled_from(["", " ", "Hello. ", "you", "Bye.\n"])
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


class Contexts(RuleBasedStateMachine):
    """A client that says anything to a dialect, beside a model of its session."""

    KEYS: ClassVar[tuple[str, ...]] = ()
    """The keys of the protocol's messages, for messages of anything."""

    dialect: Dialect

    def __init__(self) -> None:
        super().__init__()
        self.open: dict[str, int] = {}
        """The contexts that have a conversation, and the flushes that it owes."""
        self.finishing: set[str] = set()
        self.refused_now: set[str] = set()
        self.is_closed = False

    # What a session does.

    def do(self, actions: list[Any]) -> None:
        for action in actions:
            if not self.is_closed:
                self.do_one(action)

    def do_one(self, action: Any) -> None:  # noqa: ANN401 - an action, or a message
        match action:
            case Open(context=name) if len(self.open) >= MOST and name not in self.open:
                self.refused_now.add(name)
                self.do(list(self.dialect.refused(Overloaded("full"), name)))
            case Open(context=name):
                assert name not in self.open, "it is open already"
                self.open[name] = 0
                self.opened(name)
            case Say(said, name) if name in self.open and not isinstance(said, ProtocolError):
                assert name not in self.finishing, "its mailbox is closed"
                self.open[name] += said.flush
            case Finish(name) if name in self.open:
                self.finishing.add(name)
            case Drop(name):
                self.forget(name)
                self.dropped(name)
            case Tell(message) | (str() as message):
                self.told(json.loads(message))
            case Close():
                self.is_closed = True

    def forget(self, name: str) -> None:
        self.open.pop(name, None)
        self.finishing.discard(name)

    # What is held of it.

    def opened(self, name: str) -> None:
        """A conversation has begun."""

    def dropped(self, name: str) -> None:
        """One was dropped."""

    def told(self, message: dict[str, Any]) -> None:
        """A message is on its way to the client."""
        raise NotImplementedError

    def hear(self, message: object) -> None:
        if self.is_closed:
            return
        raw = message if isinstance(message, str) else json.dumps(message)
        try:
            actions = list(self.dialect.hear(raw))
        except ProtocolError as error:
            actions = list(self.dialect.refused(error))
        self.do(actions)

    # What the conversations send.

    @precondition(lambda self: self.open and not self.is_closed)
    @rule(data=st.data(), samples=st.integers(0, 5000))
    def sends(self, data: st.DataObject, samples: int) -> None:
        """Some sound, an event, or a failure."""
        name = data.draw(st.sampled_from(sorted(self.open)))
        items: list[Any] = [
            PcmFrame(b"abcd", 2, None),
            word_times(segment("Hello "), samples / 1000, samples / 999),
            SegmentEnded(segment("Hello "), samples, samples),
            SegmentEnded(segment(""), samples, 0),
            SegmentFailed(segment("x"), SynthesisError("no")),
            Overloaded("no"),
        ]
        if self.open[name]:
            items.append(Flushed(1, samples))
        item = data.draw(st.sampled_from(items))
        if isinstance(item, Flushed):
            self.open[name] -= 1
        self.do(list(self.dialect.tell(name, item)))

    @precondition(lambda self: self.open and not self.is_closed)
    @rule(data=st.data())
    def ends(self, data: st.DataObject) -> None:
        """A conversation ends, mostly since it was finished."""
        name = data.draw(st.sampled_from(sorted(self.finishing) or sorted(self.open)))
        code = data.draw(st.sampled_from([CloseCode.NORMAL, CloseCode.GOING_AWAY]))
        self.forget(name)
        self.do(list(self.dialect.ended(name, code)))

    @rule(keys=st.data())
    def says_anything(self, keys: st.DataObject) -> None:
        """A message of any values, or no message at all."""
        fields = keys.draw(st.dictionaries(st.sampled_from(self.KEYS), json_values) | json_values)
        self.hear(fields)

    @rule(raw=st.text(max_size=10))
    def says_no_json(self, raw: str) -> None:
        """Something else."""
        self.hear(raw)


class ElevenLabsContexts(Contexts):
    """Each context that was opened has exactly one ``isFinal``, and nothing behind it."""

    KEYS = ("text", "context_id", "contextId", "flush", "close_context", "voice_settings")

    def __init__(self) -> None:
        super().__init__()
        self.unended: set[str] = set()

    @initialize(auto_mode=st.sampled_from(["true", "false"]))
    def connect(self, auto_mode: str) -> None:
        """The socket is opened."""
        query = [("output_format", "pcm_24000"), ("auto_mode", auto_mode)]
        path = "/v1/text-to-speech/x/multi-stream-input"
        self.dialect = MultiStreamInput(Handshake(path, query), NAMES)

    @rule(name=contexts, text=texts, flush=st.booleans())
    def speaks(self, name: str, text: str, flush: bool) -> None:
        """Text for a context."""
        self.hear({"text": text, "context_id": name, "flush": flush})

    @rule(name=contexts)
    def closes(self, name: str) -> None:
        """A context is closed, maybe once more."""
        self.hear({"context_id": name, "close_context": True})

    def opened(self, name: str) -> None:
        self.unended.add(name)

    def told(self, message: dict[str, Any]) -> None:
        name = message["contextId"] or ""
        if message.get("isFinal") and name in self.refused_now:
            self.refused_now.discard(name)  # it ends without having begun
        elif message.get("isFinal"):
            self.unended.remove(name)
        elif "audio" in message:
            assert name in self.unended, "it has not begun, or has ended"

    @invariant()
    def what_is_open_has_not_ended(self) -> None:
        """And the other way round."""
        assert self.is_closed or self.unended == set(self.open)
        assert not self.refused_now


class CartesiaContexts(Contexts):
    """Each has exactly one ``done`` or one ``error``, or was cancelled, and nothing behind it."""

    KEYS = ("context_id", "transcript", "continue", "flush", "cancel", "voice", "output_format")

    def __init__(self) -> None:
        super().__init__()
        self.unended: set[str] = set()

    @initialize()
    def connect(self) -> None:
        """The socket is opened."""
        self.dialect = Cartesia(Handshake("/tts/websocket"), NAMES)

    @rule(
        name=contexts,
        text=texts,
        wishes=st.fixed_dictionaries(
            {"continue": st.booleans(), "flush": st.booleans()},
            optional={"max_buffer_delay_ms": st.sampled_from([0, 100])},
        ),
        encoding=st.sampled_from(["pcm_s16le", "pcm_f32le", "mp3"]),
    )
    def speaks(self, name: str, text: str, wishes: dict[str, Any], encoding: str) -> None:
        """Text for a context, whose format may be wrong."""
        form = {"container": "raw", "encoding": encoding, "sample_rate": 24_000}
        message = {"context_id": name, "transcript": text, "output_format": form}
        self.hear({**message, **wishes, "add_timestamps": True})

    @rule(name=contexts)
    def cancels(self, name: str) -> None:
        """A context is cancelled, maybe one that is not open."""
        before = name in self.unended
        self.hear({"context_id": name, "cancel": True})
        assert name not in self.unended or not before

    def opened(self, name: str) -> None:
        assert name not in self.unended
        self.unended.add(name)

    def dropped(self, name: str) -> None:
        # Its error, if it has one, comes last where the client said what was wrong.
        self.unended.discard(name)

    def told(self, message: dict[str, Any]) -> None:
        name = message["context_id"]
        match message["type"]:
            case "done":
                assert name in self.unended
                self.unended.discard(name)
            case "error":
                self.unended.discard(name)
            case _:
                assert name in self.unended, "it has not begun, or has ended"

    @invariant()
    def what_is_open_has_not_ended(self) -> None:
        """And the other way round."""
        assert self.unended == set(self.open)


class OneStream(Contexts):
    """A socket with one conversation: one ``isFinal`` or one error ends it, and nothing behind."""

    KEYS = ("text", "flush", "voice_settings")

    def __init__(self) -> None:
        super().__init__()
        self.n_final = 0

    @initialize()
    def connect(self) -> None:
        """The socket is opened."""
        handshake = Handshake("/v1/text-to-speech/x/stream-input")
        stream = StreamInput(handshake, NAMES)
        self.dialect = stream
        self.do([stream.opening()])

    @rule(text=texts, flush=st.booleans())
    def speaks(self, text: str, flush: bool) -> None:
        """Text, of which an empty one is the last."""
        self.hear({"text": text, "flush": flush})

    def told(self, message: dict[str, Any]) -> None:
        assert not self.n_final
        self.n_final += bool(message.get("isFinal"))

    @invariant()
    def the_end_closes(self) -> None:
        """Only the close ends their SDK's loop."""
        assert self.is_closed >= bool(self.n_final)


TestElevenLabsContexts = ElevenLabsContexts.TestCase
TestCartesiaContexts = CartesiaContexts.TestCase
TestOneStream = OneStream.TestCase
