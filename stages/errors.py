"""Everything that can go wrong for a client, as one small tree.

Each error carries a stable ``code`` (what programs compare), a message (what people
read), and whether the connection can go on. They are put into words for the wire in one
place, ``pipeline/dialects/native.py``.
"""

from __future__ import annotations

import math
from typing import ClassVar


class ServerError(Exception):
    """The root: every error that is told to a client."""

    code: ClassVar[str] = "server_error"
    fatal: ClassVar[bool] = False
    retry_after_s: int | None = None
    """When the client may try again, if that is known; told over HTTP as ``Retry-After``."""


class ProtocolError(ServerError):
    """The client sent something that the protocol does not allow; nothing was changed."""

    code = "bad_message"


class UnknownVoice(ProtocolError):
    """The client asked for a voice that this server does not have, or that its key may not have."""

    code = "unknown_voice"


class UnknownLanguage(ProtocolError):
    """The client asked for a language that no voice here speaks."""

    code = "unknown_language"


class TooMuchText(ProtocolError):
    """More waits to be spoken than may: the text that came last was not taken in."""

    code = "too_much_text"


class SynthesisError(ServerError):
    """A segment could not be spoken or converted; the next one is tried."""

    code = "synthesis_failed"


class EngineGone(SynthesisError):
    """The model thread hangs or has died: no segment can be spoken any more."""

    code = "engine_gone"
    fatal = True


class CannotStart(ServerError):
    """The options and the machine do not go together: the server cannot start."""

    code = "cannot_start"


class UnusableModel(ServerError):
    """A model's files are missing, damaged, or not what they are taken for."""

    code = "unusable_model"


class Overloaded(ServerError):
    """The server is full, or is going down; the client may come back later."""

    code = "overloaded"
    fatal = True
    retry_after_s: int = 2
    """About the length of a sentence, where nothing better is known."""

    LONGEST_RETRY_S: ClassVar[int] = 60
    """Nobody is sent away for longer on a guess."""

    def __init__(self, message: str, *, free_in_s: float | None = None) -> None:
        """`free_in_s`: when there is likely to be room again. Told in whole seconds, one at
        least, so that nobody comes too early."""
        super().__init__(message)
        if free_in_s is not None:
            self.retry_after_s = max(1, min(math.ceil(free_in_s), self.LONGEST_RETRY_S))


class Draining(Overloaded):
    """The server takes no newcomers: another one may."""

    code = "draining"


class GoneAway(ServerError):
    """The server closes: what came behind the end of the utterance was not taken in."""

    code = "going_away"


class LimitReached(ServerError):
    """The client's key has a limit, and this is beyond it. What was taken in before is spoken."""

    code = "limit_reached"

    def __init__(
        self, message: str, *, limit: str, most: float, ends: str | None, retry_after_s: int
    ) -> None:
        """`limit` is its name and `most` its number, as the keys file has them; `ends` is the time
        at which it ends, as ISO 8601 writes it in UTC; None: when one of the key's places is given
        back."""
        super().__init__(message)
        self.limit = limit
        self.most = most
        self.ends = ends
        self.retry_after_s: int = retry_after_s


class Disconnected(Exception):
    """The client has gone: there is nobody left to speak to, nor to tell."""
