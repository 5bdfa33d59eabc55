"""The client of an HTTP request, on its way from the port to the app: in the state of its ASGI
scope."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.usage import NOBODY, Caller

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

CALLER = "caller"
"""Its key there."""


def caller_in(scope: Mapping[str, Any]) -> Caller:
    """The client of the request of this scope; `NOBODY` where no port was in between."""
    caller = scope.get("state", {}).get(CALLER)
    return caller if isinstance(caller, Caller) else NOBODY
