"""The page at `/`, served from the files in `static/`: there is no build step."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastapi.responses import FileResponse
from fastapi.staticfiles import StaticFiles

if TYPE_CHECKING:
    from fastapi import FastAPI, Request
    from starlette.responses import Response

WEB = Path(__file__).with_name("static")

PLAIN_HOST = re.compile(r"[A-Za-z0-9.:\[\]-]+")
"""A name or an address with an optional port: nothing that could add to a header."""

HEADERS = {
    # Revalidated each time, mostly with a 304, so that modules of two versions do not mix.
    "cache-control": "no-cache",
    "x-content-type-options": "nosniff",
}


def add_page(app: FastAPI) -> None:
    """Add the routes of the page, at `/`, and of its files, under `/web`."""

    async def page(request: Request) -> FileResponse:
        policy = content_security_policy(request.headers.get("host", ""))
        headers = {**HEADERS, "content-security-policy": policy, "referrer-policy": "no-referrer"}
        return FileResponse(WEB / "index.html", headers=headers)

    app.add_route("/", page, include_in_schema=False)
    app.mount("/web", _Files(directory=WEB))


def content_security_policy(host: str) -> str:
    """The policy that lets the page load from and connect to this server alone.

    The WebSocket is named, since not every browser counts it as the page's own origin."""
    sockets = f" ws://{host} wss://{host}" if PLAIN_HOST.fullmatch(host) else ""
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self'",
            f"connect-src 'self'{sockets}",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    )


class _Files(StaticFiles):
    def file_response(self, *args: Any, **kwargs: Any) -> Response:  # noqa: ANN401 - handed on
        response = super().file_response(*args, **kwargs)
        response.headers.update(HEADERS)
        return response


def page_url(host: str, port: int, *, is_secure: bool) -> str:
    """The address of the page for a browser on this machine. `host` is the address listened on; all
    addresses, and the usual loopback one, become the name that browsers trust without TLS."""
    if host in {"127.0.0.1", "0.0.0.0", "::"}:  # noqa: S104 - nothing is bound here
        host = "localhost"
    elif ":" in host:
        host = f"[{host}]"
    return f"{'https' if is_secure else 'http'}://{host}:{port}/"
