"""The client of an HTTP request, and the holder of what waits for it, on their way from the port to
the app: in the state of its ASGI scope."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.usage import NOBODY, Caller

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from pipeline.holdings import Holder

CALLER, HOLDER = "caller", "holder"
"""Their keys there."""


def caller_in(scope: Mapping[str, Any]) -> Caller:
    """The client of the request of this scope; `NOBODY` where no port was in between."""
    caller = scope.get("state", {}).get(CALLER)
    return caller if isinstance(caller, Caller) else NOBODY


def holder_in(scope: Mapping[str, Any]) -> Holder | None:
    """The holder of the connection of this scope; None where no port was in between."""
    holder: Holder | None = scope.get("state", {}).get(HOLDER)
    return holder
