"""The HTTP routes: speaking in one answer, voices, health, metrics, the page and the API's own
description."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias, get_args

from fastapi import Depends, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import JSONResponse
from fastapi.security import HTTPBearer
from fastapi_offline import FastAPIOffline
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from starlette.exceptions import HTTPException

from pipeline.dialects.native import LanguageTag, Manner, SampleRate, Seed, Speed, Text, Volume
from pipeline.dialects.speech import MAX_TEXT_CHARS, SoundForm, Speech
from pipeline.net.speech_response import SpeechResponse
from pipeline.web.page import add_page
from stages.audio.encoders import FORMATS
from stages.audio.format import PIPELINE_RATE
from stages.conversion_settings import PitchShift
from stages.error_text import complaints
from stages.errors import Overloaded, ProtocolError, ServerError
from stages.intake.halves import whole_characters
from stages.text.lexicon import ConnectionWords
from stages.voices import Voice, VoiceName

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fastapi import FastAPI

    from pipeline.service import Service

SpokenFormat: TypeAlias = Literal["wav", "s16le", "f32le", "mp3", "opus", "flac", "aac"]


def _whole(text: object) -> object:
    return whole_characters(text) if isinstance(text, str) else text


WholeText = Annotated[Text, BeforeValidator(_whole)]


class SpeakRequest(Manner):
    """A text to speak, and how. Keys that are left out are as the server is set."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    text: WholeText = Field(max_length=MAX_TEXT_CHARS, examples=["Hello, world!"])
    voice: VoiceName | None = Field(None, description="a name from /api/voices")
    pitch_shift: PitchShift = Field(0.0, description="semitones")
    seed: Seed | None = Field(None, description="makes sampling and noise repeatable")
    format: SpokenFormat = Field(
        "wav",
        description="WAV or FLAC of 16 bit; bare little-endian samples; MP3; Opus in Ogg; AAC",
    )
    sample_rate: SampleRate = PIPELINE_RATE
    speed: Speed = Field(1.0, description="times as fast as the voice speaks by itself")
    volume: Volume = Field(0.0, description="decibels on what the voice makes by itself")
    language: LanguageTag | None = Field(
        None, description="a tag like de or pt-BR, or auto: the script of each segment decides"
    )
    lexicon: ConnectionWords | None = Field(
        None, description="words, and how they are said", examples=[{"Nginx": "engine x"}]
    )

    @property
    def speech(self) -> Speech:
        """What is to be spoken. Raises `ProtocolError` for what cannot be had."""
        own = {"text", "format", "sample_rate"}
        config = {key: getattr(self, key) for key in self.model_fields_set - own}
        if self.voice is None:
            config.pop("voice", None)
        return Speech(self.text, config, SoundForm(self.format, self.sample_rate))


class ErrorAnswer(BaseModel):
    """An error, for people and for programs."""

    error: str
    code: str


class VoicesAnswer(BaseModel):
    """The voices, and the one that speaks where none is chosen."""

    default: str
    voices: list[Voice]


class Health(BaseModel):
    """The server's health, with the reason where it is not well."""

    status: Literal["ok", "unavailable"] = "ok"
    reason: str | None = None


def create_app(service: Service, origins: Sequence[str] = ()) -> FastAPI:
    """The ASGI app of a service. `origins` are the pages of other hosts that may use it; keys and
    origins have been checked by the time a request comes here (`pipeline.net.access`)."""
    app = FastAPIOffline(
        title="Voice server",
        description="Text in, speech out. The streaming side is the WebSocket at `/ws/stream`.",
        redoc_url=None,
        static_url="/docs/files",
        favicon_url="/web/icon.svg",
    )

    if origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(origins),
            allow_methods=["GET", "POST"],
            allow_headers=["authorization", "content-type"],
            expose_headers=["retry-after"],
        )
    key = Depends(HTTPBearer(auto_error=False, description="where the server has keys"))

    @app.post(
        "/api/speak",
        dependencies=[key],
        response_class=Response,
        responses={
            200: {"content": {FORMATS[form].media_type: {} for form in get_args(SpokenFormat)}},
            **{status: {"model": ErrorAnswer} for status in (401, 403, 422, 500, 503)},
        },
    )
    async def speak(body: SpeakRequest) -> Response:
        """Speak one text: one request, one answer, which begins with the first sound."""
        return SpeechResponse(service, body.speech)

    add_page(app)

    @app.get("/api/voices", dependencies=[key])
    async def voices() -> VoicesAnswer:
        """The voices that can be asked for. Folders are searched anew, so that a voice which was
        put there can be asked for from now on."""
        await service.refresh_voices()
        return VoicesAnswer(default=service.style.voice, voices=list(service.voices.values()))

    @app.get("/metrics", dependencies=[key], response_class=Response)
    async def metrics() -> Response:
        """Counts since the start, for Prometheus."""
        return Response(service.metrics.render(), media_type=CONTENT_TYPE_LATEST)

    @app.get("/health/live")
    async def live() -> Health:
        """Whether the process answers."""
        return Health()

    @app.get("/health/ready", responses={503: {"model": Health}})
    async def ready(response: Response) -> Health:
        """Whether a new listener would be served."""
        reason = service.not_ready_because
        if reason is None:
            return Health()
        response.status_code = 503
        return Health(status="unavailable", reason=reason)

    async def tell_error(request: Request, error: Exception) -> Response:
        status, message, code = _told(request, error)
        service.metrics.errors.labels(code).inc()
        answer = JSONResponse({"error": message, "code": code}, status)
        if isinstance(error, Overloaded):
            answer.headers["retry-after"] = str(error.retry_after_s)
        return answer

    for kind in (RequestValidationError, HTTPException, ServerError):
        app.add_exception_handler(kind, tell_error)
    return app


def _is_json(request: Request) -> bool:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind == "application/json" or kind.endswith("+json")


def _told(request: Request, error: Exception) -> tuple[int, str, str]:
    """The status, message and code of the answer to an error."""
    match error:
        case HTTPException():  # no such route, or another method
            return error.status_code, error.detail, HTTPStatus(error.status_code).name.lower()
        case RequestValidationError() if not _is_json(request):
            # FastAPI parses nothing then, and would say that the body is no object.
            msg = "send JSON, with Content-Type: application/json"
            return 422, msg, ProtocolError.code
        case RequestValidationError():
            return 422, complaints(error.errors()), ProtocolError.code
        case ProtocolError():
            return 422, str(error), error.code
        case Overloaded():
            return 503, str(error), error.code
        case ServerError():
            return 500, str(error), error.code
    raise error
