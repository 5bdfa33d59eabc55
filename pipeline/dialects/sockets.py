"""The WebSockets that are served: which path speaks which dialect."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.dialects.native import Native

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipeline.dialects.dialect import Dialect, Handshake

NATIVE_PATH = "/ws/stream"

_DIALECTS: dict[str, Callable[[Handshake], Dialect]] = {NATIVE_PATH: Native}


def dialect_at(path: str) -> Callable[[Handshake], Dialect] | None:
    """The dialect that is spoken at a path; None: no WebSocket is served there."""
    return _DIALECTS.get(path)
