"""The answers of a server that is bound and not warm yet: its health and its page, and to all else
that it is starting. Nothing here needs an engine, or a library that is slow to import."""

from __future__ import annotations

import json
from mimetypes import MimeTypes
from typing import TYPE_CHECKING

import trio

from pipeline.net.request_head import Refused, send_answer
from pipeline.web.page import FILE_HEADERS, page_file, page_headers

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipeline.net.request_head import HttpRequest, RequestReader
    from pipeline.net.stream import ClientStream
    from pipeline.tenants import Tenant

RETRY_AFTER = ("retry-after", "2")
"""Seconds. Often enough for somebody who waits, and cheap to answer."""

JSON = ("content-type", "application/json")


class StartingAnswers:
    """The answers up to readiness: `pipeline.net.port.Answers`."""

    def __init__(self, reason: Callable[[], str]) -> None:
        """`reason` says what is under way: ``Soprano, 280 MB: reading``."""
        self._reason = reason
        self._types = MimeTypes()  # Python's own, without looking for the system's

    async def answer(
        self,
        stream: ClientStream,
        request: HttpRequest,
        reader: RequestReader,
        tenant: Tenant | None,
    ) -> None:
        del reader, tenant  # no upload is taken yet, and nothing is used
        is_asked = request.method == "GET" and not request.is_upgrade
        if is_asked and request.path == "/health/live":
            await send_answer(stream, 200, _health("ok", None), JSON)
        elif is_asked and request.path == "/health/ready":
            await send_answer(stream, 503, _health("starting", self._reason()), JSON, RETRY_AFTER)
        elif is_asked and (file := page_file(request.path)) is not None:
            hosts = request.values(b"host") or [""]
            headers = page_headers(hosts[0]) if request.path == "/" else FILE_HEADERS
            kind, _ = self._types.guess_type(file.name)
            body = await trio.to_thread.run_sync(file.read_bytes)
            type_of_it = "content-type", kind or "application/octet-stream"
            await send_answer(stream, 200, body, type_of_it, *headers.items())
        else:
            told = f"the server is starting: {self._reason()}"
            raise Refused(503, "starting", told, headers=(RETRY_AFTER,))

    def has_listeners(self) -> bool:
        return False

    def count_refused(self, code: str) -> None:
        """Nobody can ask for metrics yet."""


def _health(status: str, reason: str | None) -> bytes:
    """The body of `pipeline.net.http_api.Health`."""
    return json.dumps({"status": status, "reason": reason}).encode()
