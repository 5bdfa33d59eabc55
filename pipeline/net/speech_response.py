"""Speech as the answer to an HTTP request, sent while it is being spoken."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog
import trio
from fastapi import Request
from fastapi.routing import APIRoute
from starlette.responses import JSONResponse, Response

from pipeline.encoding import EncodedSound
from pipeline.net.callers import caller_in, holder_in
from pipeline.speak_text import speak_text
from stages.errors import ServerError
from stages.items import PcmFrame

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    from starlette.types import Receive, Scope, Send

    from pipeline.dialects.speech import Speech
    from pipeline.service import Service
    from stages.items import Outgoing

log = structlog.stdlib.get_logger(__name__)

CLIENT_GONE = 499
"""nginx's status for a client that did not wait for its answer. It is no error of anybody's, and
is not counted as one."""


class SpeechResponse(Response):
    """An answer that begins with the first sound, and holds its place until the last was sent.

    What goes wrong before the first sound is answered with its status: the `ServerError` is raised.
    Behind it there is no way to say so but to break off, so that no client takes half of the speech
    for all of it: the body is left without its end, and the connection closes."""

    def __init__(self, service: Service, speech: Speech) -> None:
        self._service = service
        self._speech = speech
        self._has_begun = False
        super().__init__(media_type=speech.media_type)
        del self.headers["content-length"]  # it is not known

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        error: ServerError | None = None
        has_ended = False
        self._send = send
        self._holder = holder_in(scope)
        self._caller = caller_in(scope)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_stop_when_gone, receive, nursery.cancel_scope)
            try:
                await self._answer()
                has_ended = True
            except ServerError as raised:
                error = raised
            nursery.cancel_scope.cancel()
        if error is not None and not self._has_begun:
            raise error
        if error is not None:
            self._service.metrics.errors.labels(error.code).inc()
            log.info("an answer was broken off", error=str(error))
        elif not has_ended and not self._has_begun:  # it closed its own side, and may still read
            gone = {"error": "the client closed its side first", "code": "client_gone"}
            await JSONResponse(gone, CLIENT_GONE)(scope, receive, send)

    async def _answer(self) -> None:
        form, body = self._speech.form, self._speech.body
        encoded = await EncodedSound.begin(form)

        async def hear(item: Outgoing) -> None:
            if isinstance(item, PcmFrame):
                data = await encoded.push(item.data)
                await self._write(body.sound(data) if data else b"")
            else:
                await self._write(body.event(item))

        config = {**self._speech.config, **form.config}
        speech, caller = self._speech, self._caller
        await speak_text(self._service, speech.text, hear, config, caller, holder=self._holder)
        data = await encoded.end()
        await self._write((body.sound(data) if data else b"") + body.end(), is_last=True)

    async def _write(self, data: bytes, *, is_last: bool = False) -> None:
        if not data and not is_last:
            return
        if not self._has_begun:
            self._has_begun = True
            head = {"status": self.status_code, "headers": self.raw_headers}
            await self._send({"type": "http.response.start", **head})
        body = {"type": "http.response.body", "body": data, "more_body": not is_last}
        await self._send(body)


class ForgetfulRoute(APIRoute):
    """A route that does not keep a request's body while it is answered: not as bytes, nor as what
    JSON made of it, which takes thirty times as much where somebody means it to."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handle_copy(request: Request) -> Response:
            return await handle(Request(request.scope, request.receive))

        return handle_copy


async def _stop_when_gone(receive: Receive, scope: trio.CancelScope) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()
