"""The HTTP routes of Cartesia's API that are about text to speech."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter, Request, Response

from pipeline.dialects.cartesia import BytesRequest, SseRequest
from pipeline.net.callers import caller_in
from pipeline.net.speech_response import ForgetfulRoute, SpeechResponse

if TYPE_CHECKING:
    from pipeline.service import Service


def cartesia_routes(service: Service) -> APIRouter:
    """The routes to a service."""
    routes = APIRouter(route_class=ForgetfulRoute, tags=["as Cartesia has it"])

    @routes.post("/tts/bytes", response_class=Response)
    async def speech(body: BytesRequest, request: Request) -> Response:
        """Speak one text, in an answer that begins with the first sound."""
        names = service.names_for(caller_in(request.scope).tenant)
        return SpeechResponse(service, body.speech(names))

    @routes.post("/tts/sse", response_class=Response)
    async def events(body: SseRequest, request: Request) -> Response:
        """The same as server-sent events, with the times of the words where they are asked for."""
        names = service.names_for(caller_in(request.scope).tenant)
        return SpeechResponse(service, body.speech(names))

    return routes
