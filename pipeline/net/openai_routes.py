"""The HTTP routes of OpenAI's API that are about speech, and Kokoro's beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from pipeline.dialects.captions import CaptionedRequest
from pipeline.dialects.openai_speech import MODELS, SpeechRequest, model, names_of
from pipeline.net.callers import caller_in
from pipeline.net.speech_response import ForgetfulRoute, SpeechResponse
from stages.audio.encoders import FORMATS

if TYPE_CHECKING:
    from pipeline.service import Service


class OpenAiError(BaseModel):
    """An error, for people and for programs."""

    message: str
    type: str
    param: str | None
    """The key that was wrong, if one was."""
    code: str


class OpenAiErrorAnswer(BaseModel):
    """An answer that is an error."""

    error: OpenAiError


def openai_routes(service: Service) -> APIRouter:
    """The routes to a service. Lists of voices hold the aliases, too."""
    routes = APIRouter(
        route_class=ForgetfulRoute,
        tags=["as OpenAI and Kokoro have it"],
        responses={status: {"model": OpenAiErrorAnswer} for status in (400, 401, 403, 500, 503)},
    )
    sounds: dict[str, Any] = {
        FORMATS[form].media_type: {} for form in ("mp3", "opus", "aac", "flac", "wav", "s16le")
    }

    @routes.post("/v1/audio/speech", response_class=Response, responses={200: {"content": sounds}})
    async def speech(body: SpeechRequest, request: Request) -> Response:
        """Speak one text, in an answer that begins with the first sound."""
        names = service.names_for(caller_in(request.scope).tenant)
        return SpeechResponse(service, body.speech(names, service.languages))

    @routes.post("/dev/captioned_speech", response_class=Response)
    async def captioned_speech(body: CaptionedRequest, request: Request) -> Response:
        """The same with the times of the words: one JSON object, or with `stream` one a line."""
        names = service.names_for(caller_in(request.scope).tenant)
        return SpeechResponse(service, body.speech(names, service.languages, body.body))

    @routes.get("/v1/models")
    async def models() -> dict[str, Any]:
        """The models. Any other may be asked for as well: it is the voice that decides."""
        # ElevenLabs has the same path for a bare list: its clients send the header xi-api-key.
        return {"object": "list", "data": [model(name) for name in MODELS]}

    @routes.get("/v1/models/{name:path}")
    async def one_model(name: str) -> dict[str, Any]:
        """Any model."""
        return model(name)

    @routes.get("/v1/audio/models")
    async def audio_models() -> dict[str, Any]:
        """The models, as Open WebUI asks for them."""
        return {"models": [{"id": name} for name in MODELS]}

    async def names_in(request: Request) -> list[str]:
        names = service.names_for(caller_in(request.scope).tenant)
        return names_of(await names.list_voices(), names.aliases)

    @routes.get("/v1/audio/voices")
    async def voices(request: Request) -> dict[str, Any]:
        """The voices, as Open WebUI and Kokoro's clients ask for them."""
        return {"voices": [{"id": name, "name": name} for name in await names_in(request)]}

    @routes.get("/v1/audio/voices/{name:path}")
    async def voices_of_model(name: str, request: Request) -> dict[str, Any]:
        """The voices of a model, which are all, as SillyTavern asks for them."""
        del name
        return {"voices": [{"value": name, "label": name} for name in await names_in(request)]}

    return routes
