"""What stands around the HTTP app: no failure of it gets further, and all its answers have the
headers by which browsers guard their people."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog
from starlette.datastructures import MutableHeaders

from pipeline.web.security_headers import SECURITY_HEADERS

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.responses import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = structlog.stdlib.get_logger(__name__)


class Contained:
    """An app whose failures, which are bugs, are logged once and end here. The client is told that
    there was one, and nothing of it; an answer that has begun is left without its end."""

    def __init__(self, app: ASGIApp, answer: Callable[[Scope], Response]) -> None:
        """`answer` makes the answer to the request of this scope."""
        self._app = app
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        has_begun = False

        async def watched(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception:  # contained: a bug in one request ends nobody else's
            log.exception("a request failed", method=scope.get("method"), path=scope.get("path"))
            if not has_begun:
                await self._answer(scope)(scope, receive, send)


class Guarded:
    """An app whose answers have `SECURITY_HEADERS`, but for those that they set themselves."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, guarded)
