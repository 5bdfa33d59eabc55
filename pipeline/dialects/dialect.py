"""The contract between clients' protocols and our conversations.

A `Dialect` translates one client's protocol on one socket. It is pure: it knows no socket, no
engine and no clock. The session (``pipeline/session.py``) asks it what each message means, and does
that:

    client ── message ──▶ hear() ──▶ actions ──▶ conversations
    client ◀── messages ── tell() ◀── sound, events, errors ──┘

A socket may have several conversations at once, which some protocols call contexts: each has its
own text, voice and form of sound, and is cancelled alone. A protocol without contexts has one
conversation, whose context is ``""``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from pipeline.close_code import CloseCode

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pipeline.dialects.sound_form import SoundForm
    from stages.errors import ProtocolError, ServerError
    from stages.items import Answer, ClientMessage, Outgoing, Segmentation

Message: TypeAlias = "str | bytes"
"""A message on a socket, as text or as bytes."""


@dataclass(frozen=True, slots=True)
class Open:
    """Begin a conversation."""

    config: Mapping[str, Any]
    """The keys of the native protocol's config, checked; without those of its sound, where there is
    a `form`."""
    context: str = ""
    form: SoundForm | None = None
    """The form of its sound, where that may take a codec; None: as the config says."""
    pads_flushes: bool = True
    """Whether a codec gives out all sound at each flush, with a little silence behind it. Without
    that it holds some back until there is more, or the conversation ends."""


@dataclass(frozen=True, slots=True)
class Say:
    """Hand this to a conversation. A `ProtocolError` is answered in its turn."""

    said: ClientMessage | ProtocolError
    context: str = ""


@dataclass(frozen=True, slots=True)
class Finish:
    """A conversation gets no more text: when all of it has been sent, `Dialect.ended` is called."""

    context: str = ""


@dataclass(frozen=True, slots=True)
class Drop:
    """End a conversation at once. Nothing more is sent of it, and `Dialect.ended` is not called."""

    context: str = ""


@dataclass(frozen=True, slots=True)
class Tell:
    """Send this message, which belongs to no conversation."""

    message: Message


@dataclass(frozen=True, slots=True)
class Close:
    """Close the socket; what has not been sent is dropped."""

    code: CloseCode = CloseCode.NORMAL


Action: TypeAlias = Open | Say | Finish | Drop | Tell | Close
"""What a client's message means. The actions of one message are done in their order."""


@dataclass(frozen=True, slots=True)
class Handshake:
    """The request that a client opens its socket with."""

    path: str
    query: Sequence[tuple[str, str]] = ()
    """Its pairs in their order, without the key."""
    request_id: str = ""
    """What it goes by."""


POOLED_S = 3_700.0
"""How long a client may be silent: LiveKit keeps a socket for an hour, and while it waits in its
pool nobody reads it, so no ping is answered."""


class Dialect(ABC):
    """One client's protocol on one socket."""

    segmentation: ClassVar[Segmentation] = "auto"
    """How text is cut where neither client nor server has a wish; see `Style`."""
    flush_ends: ClassVar[bool] = True
    """Whether a flush is the end of an utterance. Else that is a `Finish`, and the text before it
    goes on behind a flush."""
    silent_s: ClassVar[float] = 40.0
    """How long a client may send nothing, not even a pong, before it counts as vanished."""

    keeps_alive: ClassVar[bool] = False
    """Whether clients take a server for dead that lets them wait for sound. They are sent a little
    silence meanwhile, which is all that they take for a sign of life."""

    def opening(self) -> Open | None:
        """The conversation that the socket begins with. What it cannot have is refused before the
        socket is opened. None: the client's messages open what they need."""
        return None

    def greeting(self) -> Iterable[Message]:
        """The messages that the socket begins with, before the client has said anything."""
        return ()

    @abstractmethod
    def hear(self, message: Message) -> Iterable[Action]:
        """The meaning of a client's message. Raises `ProtocolError` for one that has none."""

    @abstractmethod
    def tell(self, context: str, item: Outgoing | Answer) -> Iterable[Message | Action]:
        """The messages for something that a conversation sends, and what is to be done with them:
        where one failure is the end of a conversation, say, that is dropped."""

    @abstractmethod
    def refused(self, error: ServerError, context: str | None = None) -> Iterable[Action]:
        """The answer to a message that broke the protocol; or, with a context, to an `Open` for
        which there is no place, or whose config cannot be had."""

    def ended(self, context: str, code: CloseCode) -> Iterable[Action]:
        """A conversation has sent all it had, or was ended by the server; `code` says which."""
        del context
        return [Close(code)]
