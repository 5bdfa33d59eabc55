"""The HTTP routes: speaking in one answer, voices, health, metrics, the page and the API's own
description."""

from __future__ import annotations

import io
import wave
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any, Literal

import trio
from fastapi import Depends, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import JSONResponse
from fastapi.security import HTTPBearer
from fastapi_offline import FastAPIOffline
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from starlette.exceptions import HTTPException

from pipeline.dialects.native import LanguageTag, SampleRate, Seed, Text, VoiceName
from pipeline.speak_text import speak_text
from pipeline.voices import Voices
from pipeline.web.page import add_page
from stages.audio.format import PIPELINE_RATE
from stages.conversion_settings import PitchShift
from stages.error_text import complaints
from stages.errors import Overloaded, ProtocolError, ServerError
from stages.intake.halves import whole_characters
from stages.text.lexicon import ConnectionWords
from stages.voices import Voice

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fastapi import FastAPI

    from pipeline.service import Service

MAX_TEXT_CHARS = 10_000
"""The longest text of one request: about ten minutes of speech. Longer texts use the WebSocket."""

MAX_ANSWER_BYTES = 64 * 2**20
"""The largest answer, held in memory until it is whole: eleven minutes of 16 bit at 48 kHz.
Characters alone are no bound, since a voice may read a single one out by its name."""

CLIENT_GONE = 499
"""nginx's status for a client that did not wait for its answer. It is no error of anybody's, and
is not counted as one."""

MEDIA_TYPES = {"wav": "audio/wav", "s16le": "audio/pcm", "f32le": "audio/pcm"}


def _whole(text: object) -> object:
    return whole_characters(text) if isinstance(text, str) else text


WholeText = Annotated[Text, BeforeValidator(_whole)]


class SpeakRequest(BaseModel):
    """A text to speak, and how. Keys that are left out are as the server is set."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    text: WholeText = Field(max_length=MAX_TEXT_CHARS, examples=["Hello, world!"])
    pitch_shift: PitchShift = Field(0.0, description="semitones")
    voice: VoiceName | None = Field(None, description="a name from /api/voices")
    format: Literal["wav", "s16le", "f32le"] = Field(
        "wav", description="WAV (16 bit), or bare little-endian samples"
    )
    sample_rate: SampleRate = PIPELINE_RATE
    seed: Seed | None = Field(None, description="makes sampling and noise repeatable")
    language: LanguageTag | None = Field(
        None, description="a tag like de or pt-BR, or auto: the script of each segment decides"
    )
    lexicon: ConnectionWords | None = Field(
        None, description="words, and how they are said", examples=[{"Nginx": "engine x"}]
    )

    def config(self) -> dict[str, Any]:
        """The keys of the WebSocket's config message that say the same."""
        config = self.model_dump(include={"pitch_shift", "sample_rate", "seed"})
        config["encoding"] = "f32le" if self.format == "f32le" else "s16le"
        if self.voice is not None:
            config["voice"] = self.voice
        if self.language is not None:
            config["language"] = self.language
        if self.lexicon is not None:
            config["lexicon"] = self.lexicon
        return config


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
            200: {"content": {"audio/wav": {}, "audio/pcm": {}}},
            **{status: {"model": ErrorAnswer} for status in (401, 403, 422, 500, 503)},
        },
    )
    async def speak(body: SpeakRequest, request: Request) -> Response:
        """Speak one text: one request, one answer."""
        pcm = await _unless_gone(request, service, body)
        if pcm is None:  # it has closed its own side, and may still read
            gone = {"error": "the client closed its side first", "code": "client_gone"}
            return JSONResponse(gone, CLIENT_GONE)
        if body.format == "wav":
            pcm = _as_wav(pcm, body.sample_rate)
        return Response(pcm, media_type=MEDIA_TYPES[body.format])

    add_page(app)

    @app.get("/api/voices", dependencies=[key])
    async def voices() -> VoicesAnswer:
        """The voices that can be asked for. Folders are searched anew, so that a voice which was
        put there can be asked for from now on."""
        if isinstance(service.voices, Voices):
            await trio.to_thread.run_sync(service.voices.refresh)
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


async def _unless_gone(request: Request, service: Service, body: SpeakRequest) -> bytes | None:
    """The PCM of the text; None: the client has gone, so that work stopped before the end."""
    pcm = bytearray()
    result: bytes | ServerError | None = None

    async def collect(data: bytes) -> None:
        await trio.lowlevel.checkpoint()
        if len(pcm) + len(data) > MAX_ANSWER_BYTES:
            raise ProtocolError("text: this is too much sound for one answer; use the WebSocket")
        pcm.extend(data)

    async def stop_when_gone(scope: trio.CancelScope) -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass
        scope.cancel()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(stop_when_gone, nursery.cancel_scope)
        try:
            await speak_text(service, body.text, collect, body.config())
            result = bytes(pcm)
        except ServerError as error:
            result = error
        nursery.cancel_scope.cancel()
    if isinstance(result, ServerError):
        raise result
    return result


def _is_json(request: Request) -> bool:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind == "application/json" or kind.endswith("+json")


def _as_wav(pcm: bytes, sample_rate: int) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as wav:
        wav.setparams((1, 2, sample_rate, 0, "NONE", ""))
        wav.writeframes(pcm)
    return file.getvalue()


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
