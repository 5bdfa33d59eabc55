"""The HTTP routes: speaking in one answer, voices, health, metrics, the page and the API's own
description."""

from __future__ import annotations

from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from fastapi import Depends, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import JSONResponse
from fastapi.security import HTTPBearer
from fastapi_offline import FastAPIOffline
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from pipeline.dialects.error_shapes import HttpError, error_answer
from pipeline.dialects.json_text import json_text
from pipeline.dialects.native import Manner, Seed
from pipeline.dialects.sound_form import SoundForm
from pipeline.dialects.speech import MAX_TEXT_CHARS, Speech, WholeText
from pipeline.dialects.values import LanguageTag, SampleRate, Speed, Volume
from pipeline.net.access import EXPOSED_HEADERS
from pipeline.net.admin_routes import OperatorRule, admin_routes
from pipeline.net.app_guards import Contained, Guarded
from pipeline.net.callers import caller_in
from pipeline.net.cartesia_routes import cartesia_routes
from pipeline.net.deepgram_routes import deepgram_routes
from pipeline.net.elevenlabs_routes import elevenlabs_routes
from pipeline.net.openai_routes import openai_routes
from pipeline.net.request_head import Refused
from pipeline.net.speech_response import ForgetfulRoute, SpeechResponse
from pipeline.net.voice_routes import ErrorAnswer, voice_routes
from pipeline.web.routes import add_page
from stages.audio.encoders import FORMATS
from stages.audio.format import PIPELINE_RATE
from stages.conversion_settings import PitchShift
from stages.error_text import complaints
from stages.errors import LimitReached, Overloaded, ProtocolError, ServerError
from stages.text.lexicon import ConnectionWords
from stages.voices import VoiceName

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from fastapi import FastAPI
    from starlette.types import Scope

    from pipeline.net.uploads import Uploads
    from pipeline.service import Service

SpokenFormat: TypeAlias = Literal["wav", "s16le", "f32le", "mp3", "opus", "flac", "aac"]


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


class JsonAnswer(JSONResponse):
    """An answer in JSON, whatever text is in it."""

    def render(self, content: Any) -> bytes:  # noqa: ANN401 - as in the base class
        return json_text(content).encode()


class Health(BaseModel):
    """The server's health, with the reason where it is not well."""

    status: Literal["ok", "starting", "unavailable"] = "ok"
    reason: str | None = None


def create_app(
    service: Service,
    origins: Collection[str] = (),
    uploads: Uploads | None = None,
    operators: OperatorRule = OperatorRule(),  # noqa: B008 - frozen
) -> FastAPI:
    """The ASGI app of a service, of its uploads if it takes any, and for its `operators`. `origins`
    are the pages of other hosts that may use it; keys and origins have been checked by the time a
    request comes here (`pipeline.net.access`)."""
    app = FastAPIOffline(
        title="Voice server",
        description="Text in, speech out. The streaming side is the WebSocket at `/ws/stream`.",
        docs_url=None,  # it would have a script in it: ours is `pipeline/web/static/docs.html`
        redoc_url=None,
        static_url="/docs/files",
        default_response_class=JsonAnswer,
    )

    app.router.route_class = ForgetfulRoute

    def tell_failure(scope: Scope) -> Response:
        msg, request_id = "the server failed; its log says how", caller_in(scope).request_id
        told = HttpError(500, "internal_error", msg, request_id)
        service.metrics.errors.labels(told.code).inc()
        status, content = error_answer(scope["path"], told)
        return JsonAnswer(content, status)

    # What is added last is outermost.
    app.add_middleware(Contained, answer=tell_failure)
    if origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(origins),
            allow_methods=["GET", "POST", "PUT", "DELETE"],
            allow_headers=["*"],  # keys have many names, and some libraries send what they are
            expose_headers=EXPOSED_HEADERS,
        )
    app.add_middleware(Guarded)
    key = Depends(HTTPBearer(auto_error=False, description="where the server has keys"))

    @app.post(
        "/api/speak",
        dependencies=[key],
        response_class=Response,
        responses={
            200: {"content": {FORMATS[form].media_type: {} for form in get_args(SpokenFormat)}},
            **{status: {"model": ErrorAnswer} for status in (401, 403, 422, 429, 500, 503)},
        },
    )
    async def speak(body: SpeakRequest) -> Response:
        """Speak one text: one request, one answer, which begins with the first sound."""
        return SpeechResponse(service, body.speech)

    # ElevenLabs' come first: one of its paths is OpenAI's, too, but for a header.
    app.include_router(elevenlabs_routes(service), dependencies=[key])
    app.include_router(deepgram_routes(service), dependencies=[key])
    app.include_router(openai_routes(service), dependencies=[key])
    app.include_router(cartesia_routes(service), dependencies=[key])
    app.include_router(voice_routes(service, uploads), dependencies=[key])
    app.include_router(admin_routes(service, operators), dependencies=[key])
    add_page(app)

    @app.get("/metrics", dependencies=[key], response_class=Response)
    async def metrics(request: Request) -> Response:
        """Counts since the start, for Prometheus."""
        tenant = caller_in(request.scope).tenant
        if tenant is not None and tenant.is_limited:
            msg = "this key has limits, and the figures tell of all keys: ask with one without"
            raise Refused(403, "not_for_this_key", msg)
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
        told = replace(_told(request, error), request_id=caller_in(request.scope).request_id)
        service.metrics.errors.labels(told.code).inc()
        status, content = error_answer(request.url.path, told)
        answer = JsonAnswer(content, status)
        if isinstance(error, ServerError) and error.retry_after_s is not None:
            answer.headers["retry-after"] = str(error.retry_after_s)
        if isinstance(error, Refused):
            answer.headers.update(dict(error.headers))
        return answer

    for kind in (RequestValidationError, HTTPException, ServerError, Refused):
        app.add_exception_handler(kind, tell_error)
    return app


def _is_json(request: Request) -> bool:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind == "application/json" or kind.endswith("+json")


def _told(request: Request, error: Exception) -> HttpError:
    match error:
        case HTTPException() if error.__cause__ is not None:
            # FastAPI could not parse the body, and says 400 without why. (JSON that is malformed
            # is a `RequestValidationError`.)
            msg = f"body: this JSON is not taken: {_lack(error.__cause__)}"
            return HttpError(422, ProtocolError.code, msg)
        case HTTPException():  # no such route, or another method
            code = HTTPStatus(error.status_code).name.lower()
            return HttpError(error.status_code, code, error.detail)
        case RequestValidationError() if not _is_json(request):
            # FastAPI parses nothing then, and would say that the body is no object.
            msg = "send JSON, with Content-Type: application/json"
            return HttpError(422, ProtocolError.code, msg)
        case RequestValidationError():
            msg = complaints(error.errors(), _key_in_body)
            return HttpError(422, ProtocolError.code, msg)
        case Refused():
            return HttpError(error.status, error.code, str(error))
        case ProtocolError():
            return HttpError(422, error.code, str(error))
        case Overloaded():
            return HttpError(503, error.code, str(error))
        case LimitReached():
            return HttpError(429, error.code, str(error))
        case ServerError():
            return HttpError(500, error.code, str(error))
    raise error


def _lack(cause: BaseException) -> str:
    match cause:
        case RecursionError():
            return "it is nested too deeply"
        case UnicodeDecodeError():
            return "it is not UTF-8"
    return "a number in it is too large"


def _key_in_body(complaint: Mapping[str, Any]) -> str:
    _, *keys = complaint["loc"]  # the first is "body"
    is_json = complaint["type"] != "json_invalid"  # else they are a place in the text
    return ".".join(map(str, keys)) if keys and is_json else "body"
