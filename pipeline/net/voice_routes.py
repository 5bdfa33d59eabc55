"""The HTTP routes for voices: those that there are, and uploading and removing one's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel
from starlette.requests import ClientDisconnect

from pipeline.net.callers import caller_in
from pipeline.net.request_head import Refused
from pipeline.net.upload_rules import MAX_NAME_CHARS, UploadTarget, check_tenant
from stages.voices import Voice, VoiceName

if TYPE_CHECKING:
    from pipeline.net.uploads import Uploads
    from pipeline.service import Service


class ErrorAnswer(BaseModel):
    """An error, for people and for programs."""

    error: str
    code: str


class UploadRoom(BaseModel):
    """What may be uploaded."""

    max_bytes: int
    """The largest file."""
    quota_bytes: int
    """The most in all files together."""
    used_bytes: int


class VoicesAnswer(BaseModel):
    """The voices, and the one that speaks where none is chosen."""

    default: str
    voices: list[Voice]
    uploads: UploadRoom | None
    """None: this client may not upload."""


NewName = Annotated[VoiceName, Path(description=f"1 to {MAX_NAME_CHARS} characters, no slash")]

A_FILE = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}


def voice_routes(service: Service, uploads: Uploads | None) -> APIRouter:
    """The routes to a service, and to its uploads if it takes any."""
    routes = APIRouter(
        responses={status: {"model": ErrorAnswer} for status in (401, 403)},
    )
    refusals: dict[int | str, dict[str, Any]] = {
        status: {"model": ErrorAnswer} for status in (404, 408, 409, 411, 413, 422, 501, 503, 507)
    }

    def allowed(request: Request) -> Uploads:
        if uploads is None:
            raise Refused(403, "uploads_off", "this server takes no uploads")
        check_tenant(caller_in(request.scope).tenant)
        peer = request.client.host if request.client is not None else ""
        uploads.rules.check_client(peer, request.headers.getlist)
        return uploads

    def room(request: Request) -> UploadRoom | None:
        try:
            mine = allowed(request)
        except Refused:
            return None
        if mine.lacks is not None:
            return None
        rules = mine.rules
        return UploadRoom(
            max_bytes=rules.max_bytes, quota_bytes=rules.quota_bytes, used_bytes=mine.used_bytes
        )

    async def take(request: Request, name: str, *, is_index: bool) -> Voice:
        mine = allowed(request)
        n_bytes = int(request.headers.get("content-length", 0))
        try:
            return await mine.take(UploadTarget(name, is_index), n_bytes, request.stream())
        except ClientDisconnect:
            raise Refused(499, "client_gone", "the client left before all of it had come") from None

    @routes.get("/api/voices")
    async def voices(request: Request) -> VoicesAnswer:
        """The voices that can be asked for. Folders are searched anew, so that a voice which was
        put there can be asked for from now on."""
        names = service.names_for(caller_in(request.scope).tenant)
        listed = await names.list_voices()
        return VoicesAnswer(default=names.default, voices=listed, uploads=room(request))

    @routes.put("/api/voices/{name}", status_code=201, responses=refusals, openapi_extra=A_FILE)
    async def put_voice(name: NewName, request: Request) -> Voice:
        """Upload an RVC voice: a .pth, a .safetensors, or a .zip of one voice, told by what it
        holds. It is read as a whole before anybody can choose it."""
        return await take(request, name, is_index=False)

    @routes.put("/api/voices/{name}/index", responses=refusals, openapi_extra=A_FILE)
    async def put_index(name: NewName, request: Request) -> Voice:
        """Upload the index of a voice that was uploaded, in place of the one it has."""
        return await take(request, name, is_index=True)

    @routes.delete("/api/voices/{name}", status_code=204, responses=refusals)
    async def delete_voice(name: NewName, request: Request) -> Response:
        """Remove a voice that was uploaded. Who speaks with it may finish."""
        await allowed(request).remove(name)
        return Response(status_code=204)

    return routes
