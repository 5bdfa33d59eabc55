"""The shapes of errors over HTTP: every client reads those of the service that it was made for.

The path of a request says which shape its errors have, whoever refuses it: the port, before anybody
has read what is asked for, or the route behind it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@dataclass(frozen=True, slots=True)
class HttpError:
    """An error that is the answer to a request."""

    status: int
    code: str
    """What programs compare, such as ``bad_message``."""
    message: str
    """What people read. It begins with the key that was wrong, if one was: ``speed: ...``."""
    request_id: str = ""
    """What the request goes by."""

    @property
    def key(self) -> str | None:
        """The key of the request that was wrong; None: it was none of them."""
        named = re.match(r"([A-Za-z_][\w.]*): ", self.message)
        return named[1] if named else None


ErrorShape: TypeAlias = "Callable[[HttpError], tuple[int, Mapping[str, Any]]]"
"""The status and the JSON object for an error."""


def error_answer(path: str, error: HttpError) -> tuple[int, Mapping[str, Any]]:
    """The status and the JSON object that answer a request for this path."""
    for pattern, shape in _SHAPES:
        if re.fullmatch(pattern, path, re.DOTALL):
            return shape(error)
    return _own(error)


def _own(error: HttpError) -> tuple[int, Mapping[str, Any]]:
    return error.status, {"error": error.message, "code": error.code}


def _openai(error: HttpError) -> tuple[int, Mapping[str, Any]]:
    """OpenAI's, which has no 422."""
    status = 400 if error.status == 422 else error.status
    kind = "server_error" if status >= 500 else "invalid_request_error"
    told = {"message": error.message, "type": kind, "param": error.key, "code": error.code}
    return status, {"error": told}


def _elevenlabs(error: HttpError) -> tuple[int, Mapping[str, Any]]:
    return error.status, {"detail": {"status": error.code, "message": error.message}}


def _cartesia(error: HttpError) -> tuple[int, Mapping[str, Any]]:
    title = HTTPStatus(error.status).phrase
    return error.status, {"error_code": error.code, "title": title, "message": error.message}


def _deepgram(error: HttpError) -> tuple[int, Mapping[str, Any]]:
    """Deepgram's, which has no 422 either."""
    status = 400 if error.status == 422 else error.status
    told = {"err_code": error.code.upper(), "err_msg": error.message}
    return status, {**told, "request_id": error.request_id}


_SHAPES: tuple[tuple[str, ErrorShape], ...] = (
    (r"/v[12]/speak", _deepgram),
    (r"/v1/text-to-speech/.*|/v[12]/voices(/.*)?", _elevenlabs),
    (r"/tts/(bytes|sse|websocket)", _cartesia),
    (r"/v1(/.*)?|/realtime|/dev/captioned_speech", _openai),
)
"""Each with the pattern of its paths; the first that fits counts. OpenAI's comes last: paths below
``/v1`` that nobody has are mostly asked for by its clients."""
