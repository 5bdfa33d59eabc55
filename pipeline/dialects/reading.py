"""Clients' JSON messages to checked values, in dialects whose messages are about a context."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from pydantic import BaseModel, StringConstraints, ValidationError

from stages.error_text import complaints, reason
from stages.errors import ProtocolError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.dialects.dialect import Message

MAX_CONTEXT_CHARS = 200
"""The longest name of a context, which is repeated in every message about it."""

ContextName = Annotated[str, StringConstraints(max_length=MAX_CONTEXT_CHARS)]

MAX_REMEMBERED = 64

Model = TypeVar("Model", bound=BaseModel)


def json_object(message: Message) -> Mapping[str, Any]:
    """A message's keys and values. Raises `ProtocolError` for one that is no JSON object."""
    try:
        value = json.loads(message)
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"message: Invalid JSON: {reason(error)}") from None
    if not isinstance(value, dict):
        raise ProtocolError("message: must be a JSON object")
    return value


def checked(model: type[Model], fields: Mapping[str, Any]) -> Model:
    """A message whose values are in range; keys that we do not have are ignored. Raises
    `ProtocolError`, which names the key."""
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        raise ProtocolError(complaints(error.errors())) from None


def named_context(fields: Mapping[str, Any], *keys: str) -> str | None:
    """The context that a message is about, be the rest of it as it may; None: it names none."""
    name = next((fields[key] for key in keys if fields.get(key) is not None), None)
    is_name = isinstance(name, str) and len(name) <= MAX_CONTEXT_CHARS
    return name if is_name else None


class FailedContexts:
    """The contexts that failed of late: what a client goes on to say to one of them, before it has
    read of that, is not to begin it anew."""

    def __init__(self) -> None:
        self._names: dict[str, None] = {}  # in the order in which they failed

    def add(self, name: str) -> None:
        """It has failed; of `MAX_REMEMBERED` others the first is forgotten."""
        self._names[name] = None
        if len(self._names) > MAX_REMEMBERED:
            del self._names[next(iter(self._names))]

    def discard(self, name: str) -> None:
        """The client has ended it: its name is free."""
        self._names.pop(name, None)

    def __contains__(self, name: str) -> bool:
        return name in self._names
