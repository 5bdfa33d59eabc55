"""The page at `/`, served from the files in `static/`: there is no build step. It is
served before there is an app, too: `pipeline.web.routes` has the app's routes."""

from __future__ import annotations

import re
from pathlib import Path

WEB = Path(__file__).with_name("static")
INDEX = WEB / "index.html"
DOCS = WEB / "docs.html"
"""The page of the HTTP API."""

PLAIN_HOST = re.compile(r"[A-Za-z0-9.:\[\]-]+")
"""A name or an address with an optional port: nothing that could add to a header."""

FILE_HEADERS = {
    # Revalidated each time, mostly with a 304, so that modules of two versions do not mix.
    "cache-control": "no-cache",
}


def page_file(path: str) -> Path | None:
    """The file that a request for this path gets; None: there is no such file."""
    if path == "/":
        return INDEX
    files = {f"/web/{file.relative_to(WEB)}": file for file in WEB.rglob("*") if file.is_file()}
    return files.get(path)


def page_headers(host: str) -> dict[str, str]:
    """The headers of the page itself, which was asked for under this name or address."""
    return {**FILE_HEADERS, "content-security-policy": content_security_policy(host)}


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


DOCS_HEADERS = {
    **FILE_HEADERS,
    "content-security-policy": "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self' data:",  # the icons in Swagger's style sheet
            "media-src 'self'",  # it lays out a player for what is asked for there
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    ),
}
"""The headers of the page of the HTTP API."""


def page_url(host: str, port: int, *, is_secure: bool) -> str:
    """The address of the page for a browser on this machine. `host` is the address listened on; all
    addresses, and the usual loopback one, become the name that browsers trust without TLS."""
    if host in {"127.0.0.1", "0.0.0.0", "::"}:  # noqa: S104 - nothing is bound here
        host = "localhost"
    elif ":" in host:
        host = f"[{host}]"
    return f"{'https' if is_secure else 'http'}://{host}:{port}/"
