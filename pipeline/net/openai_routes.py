"""The HTTP routes of OpenAI's API that are about speech, and Kokoro's beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Response
from pydantic import BaseModel

from pipeline.dialects.captions import CaptionedRequest
from pipeline.dialects.openai_speech import MODELS, SpeechRequest, model, names_of
from pipeline.net.speech_response import ForgetfulRoute, SpeechResponse
from pipeline.voices import list_voices
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
    async def speech(body: SpeechRequest) -> Response:
        """Speak one text, in an answer that begins with the first sound."""
        return SpeechResponse(service, body.speech(service.voice_names, service.languages))

    @routes.post("/dev/captioned_speech", response_class=Response)
    async def captioned_speech(body: CaptionedRequest) -> Response:
        """The same with the times of the words: one JSON object, or with `stream` one a line."""
        names, languages = service.voice_names, service.languages
        return SpeechResponse(service, body.speech(names, languages, body.body))

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

    async def names() -> list[str]:
        return names_of(await list_voices(service.voices), service.voice_names.aliases)

    @routes.get("/v1/audio/voices")
    async def voices() -> dict[str, Any]:
        """The voices, as Open WebUI and Kokoro's clients ask for them."""
        return {"voices": [{"id": name, "name": name} for name in await names()]}

    @routes.get("/v1/audio/voices/{name:path}")
    async def voices_of_model(name: str) -> dict[str, Any]:
        """The voices of a model, which are all, as SillyTavern asks for them."""
        del name
        return {"voices": [{"value": name, "label": name} for name in await names()]}

    return routes
