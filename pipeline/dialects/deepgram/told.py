"""The messages of Deepgram's sockets, as far as both versions have the same."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_OID, uuid5

from pipeline.dialects.json_text import json_text
from stages.error_text import one_line, reason
from stages.errors import ProtocolError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.dialects.dialect import Message
    from pipeline.voice_names import VoiceNames
    from stages.errors import ServerError
    from stages.items import GoingAway

MAX_TYPE_CHARS = 40


def read(message: Message) -> Mapping[str, Any]:
    """A client's message: a JSON object with a `type`. Raises `ProtocolError` for any other."""
    if isinstance(message, bytes):
        raise ProtocolError("message: a client sends JSON text, this one was binary")
    try:
        said = json.loads(message)
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"message: Invalid JSON: {reason(error)}") from None
    if not isinstance(said, dict) or not isinstance(said.get("type"), str):
        raise ProtocolError("message: must be a JSON object with a type")
    return said


def text_of(said: Mapping[str, Any]) -> str:
    """The text that a message has to say. Raises `ProtocolError` where it has none."""
    text = said.get("text")
    if not isinstance(text, str):
        raise ProtocolError("text: must be a string")
    if "\0" in text:
        raise ProtocolError("text: must not contain NUL")
    return text


def unknown_type(said: Mapping[str, Any], known: str) -> ProtocolError:
    """The error for a message of a type that there is not."""
    name = one_line(said["type"], MAX_TYPE_CHARS)
    return ProtocolError(f"type: there is no {name!r}; there are {known}")


def render(kind: str, **keys: object) -> str:
    """A message to the client, as JSON."""
    return json_text({"type": kind, **keys})


def warning(code: str, description: str) -> str:
    """A warning. It has its keys twice: some clients read the older names."""
    return render(
        "Warning", code=code, description=description, warn_code=code, warn_msg=description
    )


def trouble(error: ServerError) -> str:
    """What went wrong: an error if it ends the session, and else a warning."""
    code, description = error.code.upper(), str(error)
    if error.fatal:
        return render("Error", code=code, description=description)
    return warning(code, description)


def leave_soon(item: GoingAway) -> str:
    """The request to leave, as a warning: clients log one and go on."""
    if item.reason == "draining":
        return warning("GOING_AWAY", "this server is being drained: open the next socket anew")
    within = "" if item.grace_s is None else f" within {item.grace_s:g} s"
    told = f"the server closes: what is being said is spoken to its end{within}, and no more"
    return warning("GOING_AWAY", told)


def introduction(request_id: str, voice: str, voice_names: VoiceNames) -> dict[str, str]:
    """The request and the voice that speaks, as a socket is opened."""
    return {
        "request_id": request_id,
        "model_name": voice,
        "model_version": voice_names.voices[voice].engine,
    }


def model_uuid(voice: str) -> str:
    """A voice's identifier, the same on every server."""
    return str(uuid5(NAMESPACE_OID, voice))
