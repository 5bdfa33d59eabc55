"""Deepgram's HTTP routes: a text in a request, its speech in the answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Query, Request, Response

from pipeline.dialects.deepgram.over_http import HttpAsked, TextAsked
from pipeline.net.callers import caller_in
from pipeline.net.speech_response import ForgetfulRoute, SpeechResponse

if TYPE_CHECKING:
    from pipeline.service import Service


def deepgram_routes(service: Service) -> APIRouter:
    """The routes to a service; both versions have the same."""
    routes = APIRouter(route_class=ForgetfulRoute, tags=["as Deepgram has it"])

    @routes.post("/v2/speak", response_class=Response)
    @routes.post("/v1/speak", response_class=Response)
    async def speak(
        body: TextAsked, asked: Annotated[HttpAsked, Query()], request: Request
    ) -> Response:
        """Speak one text, as Deepgram does; the answer begins with the first sound."""
        names = service.names_for(caller_in(request.scope).tenant)
        return SpeechResponse(service, asked.speech(body.text, names))

    return routes
