"""The page's routes in the HTTP API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi.responses import FileResponse
from fastapi.staticfiles import StaticFiles

from pipeline.web.page import DOCS, DOCS_HEADERS, FILE_HEADERS, INDEX, WEB, page_headers

if TYPE_CHECKING:
    from fastapi import FastAPI, Request
    from starlette.responses import Response


def add_page(app: FastAPI) -> None:
    """Add the routes of the page, at `/`, of that of the HTTP API, at `/docs`, and of their files,
    under `/web`."""

    async def page(request: Request) -> FileResponse:
        return FileResponse(INDEX, headers=page_headers(request.headers.get("host", "")))

    async def docs(_: Request) -> FileResponse:
        return FileResponse(DOCS, headers=DOCS_HEADERS)

    app.add_route("/", page, include_in_schema=False)
    app.add_route("/docs", docs, include_in_schema=False)
    app.mount("/web", _Files(directory=WEB))


class _Files(StaticFiles):
    def file_response(self, *args: Any, **kwargs: Any) -> Response:  # noqa: ANN401 - handed on
        response = super().file_response(*args, **kwargs)
        response.headers.update(FILE_HEADERS)
        return response
