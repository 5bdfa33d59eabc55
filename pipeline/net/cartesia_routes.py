"""The HTTP routes of Cartesia's API that are about text to speech."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter, Response

from pipeline.dialects.cartesia import BytesRequest, SseRequest
from pipeline.net.speech_response import ForgetfulRoute, SpeechResponse

if TYPE_CHECKING:
    from pipeline.service import Service


def cartesia_routes(service: Service) -> APIRouter:
    """The routes to a service."""
    routes = APIRouter(route_class=ForgetfulRoute, tags=["as Cartesia has it"])

    @routes.post("/tts/bytes", response_class=Response)
    async def speech(body: BytesRequest) -> Response:
        """Speak one text, in an answer that begins with the first sound."""
        return SpeechResponse(service, body.speech(service.voice_names))

    @routes.post("/tts/sse", response_class=Response)
    async def events(body: SseRequest) -> Response:
        """The same as server-sent events, with the times of the words where they are asked for."""
        return SpeechResponse(service, body.speech(service.voice_names))

    return routes
