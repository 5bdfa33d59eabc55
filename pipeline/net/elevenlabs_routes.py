"""The HTTP routes of ElevenLabs' API that are about text to speech."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute
from starlette.datastructures import Headers
from starlette.routing import Match

from pipeline.dialects.elevenlabs import (
    DEFAULT_FORMAT,
    TextToSpeech,
    TimedLines,
    TimedWhole,
    model_entries,
    voice_entry,
)
from pipeline.net.callers import caller_in
from pipeline.net.speech_response import ForgetfulRoute, SpeechResponse

if TYPE_CHECKING:
    from starlette.types import Scope

    from pipeline.service import Service
    from pipeline.voice_names import VoiceNames

KEY_HEADER = "xi-api-key"
"""Sent by all of their clients that have a key."""


class _OfTheirClients(APIRoute):
    """A route for their clients alone: others have the same path for something else."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        return super().matches(scope) if KEY_HEADER in Headers(scope=scope) else (Match.NONE, {})


def elevenlabs_routes(service: Service) -> APIRouter:
    """The routes to a service."""
    routes = APIRouter(route_class=ForgetfulRoute, tags=["as ElevenLabs has it"])

    def names_in(request: Request) -> VoiceNames:
        return service.names_for(caller_in(request.scope).tenant)

    @routes.post("/v1/text-to-speech/{voice_id}", response_class=Response)
    @routes.post("/v1/text-to-speech/{voice_id}/stream", response_class=Response)
    async def speech(
        voice_id: str,
        body: TextToSpeech,
        request: Request,
        output_format: str = DEFAULT_FORMAT,
    ) -> Response:
        """Speak one text, in an answer that begins with the first sound."""
        return SpeechResponse(service, body.speech(voice_id, output_format, names_in(request)))

    @routes.post("/v1/text-to-speech/{voice_id}/with-timestamps", response_class=Response)
    async def timed_speech(
        voice_id: str,
        body: TextToSpeech,
        request: Request,
        output_format: str = DEFAULT_FORMAT,
    ) -> Response:
        """The same with the times of its characters, as one JSON object."""
        return SpeechResponse(
            service, body.speech(voice_id, output_format, names_in(request), TimedWhole)
        )

    @routes.post("/v1/text-to-speech/{voice_id}/stream/with-timestamps", response_class=Response)
    async def timed_lines(
        voice_id: str,
        body: TextToSpeech,
        request: Request,
        output_format: str = DEFAULT_FORMAT,
    ) -> Response:
        """The same as JSON objects, one a line, as the speech is made."""
        return SpeechResponse(
            service, body.speech(voice_id, output_format, names_in(request), TimedLines)
        )

    @routes.get("/v1/voices")
    async def voices(request: Request) -> dict[str, Any]:
        """The voices."""
        listed = await names_in(request).list_voices()
        return {"voices": [voice_entry(voice) for voice in listed]}

    @routes.get("/v2/voices")
    async def searched_voices(request: Request) -> dict[str, Any]:
        """All voices, on one page: nothing is searched for."""
        entries = [voice_entry(voice) for voice in await names_in(request).list_voices()]
        total = len(entries)
        return {
            "voices": entries,
            "has_more": False,
            "total_count": total,
            "next_page_token": None,
        }

    @routes.get("/v1/voices/{voice_id}")
    async def one_voice(voice_id: str, request: Request) -> dict[str, Any]:
        """The voice that speaks where this one is asked for."""
        return voice_entry(service.voices[names_in(request).find(voice_id)])

    async def models(request: Request) -> list[dict[str, Any]]:
        """The models, for clients that send the header `xi-api-key`; OpenAI's list is for all
        others. Any other model may be asked for as well: it is the voice that decides."""
        return model_entries(names_in(request).listed(service.voices.values()))

    routes.add_api_route(
        "/v1/models", models, route_class_override=_OfTheirClients, include_in_schema=False
    )
    return routes
