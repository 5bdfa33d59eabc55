"""Who may use the port: who has a key, and which web pages may ask. Pure: it reads a request's
head and decides.

Programs need a key, once there is one. Web pages are another matter, since a browser lends each
page it shows its own way into this machine and network: `Origin` says whose page asks, and where
no key is asked for, `Host` says under which name the page thinks that it knows us. A name that is
not ours is another's, pointed at our address (DNS rebinding).
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from pipeline.net.request_head import Refused
from stages.errors import CannotStart

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from pipeline.net.request_head import Request

KEYS_VARIABLE = "VOICE_API_KEYS"
"""No flag: what stands on a command line, every process of the machine can read."""

KEY_PARAMETER = "key"
"""In the URL of a WebSocket, to which a browser lets a page add no header."""

MIN_KEY_CHARS = 16
"""Of a key: 96 bits if they are random, which nobody guesses over a network."""

OPEN_PATHS = frozenset({"/", "/docs", "/openapi.json", "/health/live", "/health/ready"})
OPEN_FOLDERS = ("/web/", "/docs/files/")
"""What needs no key: the page, which asks for it, and the API's description are the same on every
server; and what watches over the server need not be able to speak through it. Compared as they
stand in the request: whoever writes a path in another way needs a key for it."""

HEALTH_PATHS = frozenset({"/health/live", "/health/ready"})
"""Open whoever asks, under whatever name."""

_HOST = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([^\s:/?#@\[\]]+))(?::\d*)?")
"""RFC 9110, 7.2, as far as browsers make use of it."""


class Access:
    """Decides about requests.

    `host` is the address or name that the server was bound to, `hosts` are further names of it
    (of a proxy before it, say), `origins` the web pages of other hosts that may use it."""

    def __init__(
        self,
        *,
        keys: Iterable[str] = (),
        host: str = "localhost",
        hosts: Iterable[str] = (),
        origins: Iterable[str] = (),
    ) -> None:
        self._digests = [_digest(key.encode()) for key in keys]
        self._hosts = {_canonical(name) for name in (host, *hosts)}
        self._origins = {_canonical(origin) for origin in origins}

    @property
    def needs_key(self) -> bool:
        """There is one to be had."""
        return bool(self._digests)

    def check(self, request: Request) -> None:
        """Raises `Refused` for a request that is not to be answered. A page that may use the server
        may read why: a browser keeps from it what is not marked as being for it."""
        try:
            self._check(request)
        except Refused as refusal:
            refusal.headers += self._for_page(request)
            raise

    def _check(self, request: Request) -> None:
        path = request.target.partition("?")[0]
        if path in HEALTH_PATHS and not request.is_upgrade:
            return
        if not self.needs_key:
            self._check_host(request)
        self._check_origin(request)
        is_open = path in OPEN_PATHS or path.startswith(OPEN_FOLDERS) or _is_preflight(request)
        if self.needs_key and (request.is_upgrade or not is_open):
            self._check_key(request)

    def _check_host(self, request: Request) -> None:
        for host in filter(None, request.values(b"host")):  # HTTP/1.0, and no browser, has none
            if not self._is_own(_hostname(host)):
                raise Refused(
                    403,
                    "foreign_host",
                    "this server does not go by that name; --allowed-hosts can add it",
                )

    def _is_own(self, name: str | None) -> bool:
        # Nobody but us answers at our address: with an address in it a URL cannot be rebound.
        return name is not None and (
            name in self._hosts or _is_local_name(name) or _address(name) is not None
        )

    def _check_origin(self, request: Request) -> None:
        origins = [_canonical(origin) for origin in request.values(b"origin")]
        if not origins or self._allowed_origin(request) is not None:
            return
        # Before us may be a proxy that speaks TLS, so the scheme does not count.
        hosts = [_canonical(host) for host in request.values(b"host")]
        if [origin.partition("://")[2] for origin in origins] != hosts:
            raise Refused(
                403, "foreign_origin", "a page of another host may not speak through this one"
            )

    def _allowed_origin(self, request: Request) -> str | None:
        """Of the page of another host that asks, if it may; None: there is none, or it may not."""
        origins = request.values(b"origin")
        is_allowed = len(origins) == 1 and _canonical(origins[0]) in self._origins
        # Browsers write other letters in Punycode, and no header of ours could repeat them.
        return origins[0] if is_allowed and origins[0].isascii() else None

    def _for_page(self, request: Request) -> tuple[tuple[str, str], ...]:
        """The headers that let such a page read an answer (Fetch, CORS protocol)."""
        origin = self._allowed_origin(request)
        if origin is None:
            return ()
        return ("access-control-allow-origin", origin), ("vary", "origin")

    def _check_key(self, request: Request) -> None:
        presented = _presented_keys(request)
        # Each against each, whatever was found: how long it takes tells nothing.
        matches = [
            hmac.compare_digest(_digest(key), digest)
            for key in presented
            for digest in self._digests
        ]
        if not any(matches):
            what = "this key is not one of ours" if presented else "this needs a key"
            error = ', error="invalid_token"' if presented else ""
            raise Refused(
                401,
                "unauthorized",
                f"{what}: send it as Authorization: Bearer KEY",
                headers=(("www-authenticate", f'Bearer realm="voice server"{error}'),),
            )


def read_keys(file: Path | None, variable: str) -> list[str]:
    """The keys of a file, one a line (empty lines and those that begin with # do not count), and
    those of an environment variable, with commas between them.

    Raises `CannotStart`, which never tells a key, and `OSError`."""
    keys = [key.strip() for key in variable.split(",")]
    if file is not None:
        lines = [line.strip() for line in file.read_text(errors="replace").splitlines()]
        in_file = [line for line in lines if line and not line.startswith("#")]
        if not in_file:
            msg = f"{file} has no key in it"
            raise CannotStart(msg)
        keys += in_file
    keys = [key for key in keys if key]
    for number, key in enumerate(keys, 1):
        if len(key) < MIN_KEY_CHARS or not (key.isascii() and key.isprintable()) or " " in key:
            msg = (
                f"key {number} of {len(keys)} is too easy to guess or does not go into a header:"
                f" it needs {MIN_KEY_CHARS} characters of ASCII or more, and no space"
            )
            raise CannotStart(msg)
    return keys


def is_loopback(host: str) -> bool:
    """Nobody but this machine reaches this address or name."""
    address = _address(host)
    return _is_local_name(_canonical(host)) if address is None else address.is_loopback


def _presented_keys(request: Request) -> list[bytes]:
    keys = []
    for value in request.values(b"authorization"):
        scheme, _, key = value.partition(" ")
        if scheme.lower() == "bearer":
            keys.append(key.strip())
    if request.is_upgrade:
        query = request.target.partition("?")[2]
        keys += [value for name, value in parse_qsl(query) if name == KEY_PARAMETER]
    return [key.encode() for key in keys]


def _is_preflight(request: Request) -> bool:
    """A browser asks whether a page may ask; it sends no key with that (Fetch, CORS preflight)."""
    asks = request.values(b"access-control-request-method")
    return request.method == "OPTIONS" and bool(asks)


def _digest(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()


def _canonical(name: str) -> str:
    return name.strip().rstrip(".").lower()


def _hostname(host: str) -> str | None:
    """Of a Host header, without the port; None: it is none."""
    parts = _HOST.fullmatch(host)
    return _canonical(parts[1] or parts[2]) if parts else None


def _is_local_name(name: str) -> bool:
    return name == "localhost" or name.endswith(".localhost")  # RFC 6761, 6.3


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None
