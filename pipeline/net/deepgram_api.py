"""Deepgram's HTTP route: a text in a request, its speech in the answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, get_args

from fastapi import APIRouter, Query, Response

from pipeline.dialects.deepgram.over_http import HttpAsked, TextAsked
from pipeline.net.speech_response import SpeechResponse
from stages.audio.encoders import FORMATS, SoundFormat

if TYPE_CHECKING:
    from pipeline.service import Service


def deepgram_routes(service: Service) -> APIRouter:
    """The routes that Deepgram's clients ask for speech."""
    router = APIRouter()

    @router.post(
        "/v1/speak",
        response_class=Response,
        responses={
            200: {"content": {FORMATS[form].media_type: {} for form in get_args(SoundFormat)}}
        },
    )
    async def speak(body: TextAsked, asked: Annotated[HttpAsked, Query()]) -> Response:
        """Speak one text, as Deepgram does; the answer begins with the first sound."""
        return SpeechResponse(service, asked.speech(body.text, service.voice_names))

    return router
