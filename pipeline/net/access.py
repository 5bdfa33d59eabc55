"""Access to the port: API keys, and which web pages may ask. Pure: it reads a request's head and
decides.

Programs need a key where the server has any. Web pages are another matter, since a browser sends
the requests of each page it shows from inside this machine and network: `Origin` says which page
asks, and where no key is asked for, `Host` says by which name the page knows this server. A name
that is not this server's was pointed at its address by somebody else (DNS rebinding).
"""

from __future__ import annotations

import ipaddress
import re
from itertools import pairwise
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from pipeline.net.keys import KeyRing
from pipeline.net.request_head import REQUEST_ID, Refused

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pipeline.net.keys import NamedKey
    from pipeline.net.request_head import HttpRequest
    from pipeline.tenants import Tenant

KEY_PARAMETERS = frozenset({"key", "api_key", "access_token"})
"""Part of a WebSocket's URL, since a browser lets a page add no header to one. The first is ours,
the others are Cartesia's."""

KEY_SCHEMES = frozenset({"bearer", "token"})
"""Before a key in ``Authorization``, and as the subprotocol before one: Deepgram's clients say
``Token``, all others ``Bearer``."""

KEY_HEADERS = (b"x-api-key", b"xi-api-key")
"""Headers that hold nothing but a key: Cartesia's and ElevenLabs'."""

OPEN_PATHS = frozenset({"/", "/docs", "/openapi.json", "/health/live", "/health/ready"})
OPEN_FOLDERS = ("/web/", "/docs/files/")
"""Paths that need no key. The page, which asks for the key, and the API's description are the same
on every server, and a monitor need not be able to speak. They are compared as they stand in the
request: the same path in another spelling needs a key."""

LISTS = frozenset({"/v1/models", "/v1/audio/models", "/v1/audio/voices"})
"""What Open WebUI asks for without a key, though it has one. With `open_lists` they need none."""

MONITORED = frozenset({"/health/live", "/health/ready", "/metrics"})
"""What a monitor asks for, which is answered beside any flood."""

EXPOSED_HEADERS = "retry-after", REQUEST_ID
"""What a page of an allowed origin may read of an answer's head (Fetch, CORS)."""

DEFAULT_PORTS = {"http": ":80", "https": ":443"}
"""What browsers leave out of an origin, and some proxies and programs do not."""

HEALTH_PATHS = frozenset({"/health/live", "/health/ready"})
"""Open to every origin and under every host name."""

_HOST = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([^\s:/?#@\[\]]+))(:\d*)?")
"""A `Host` header (RFC 9110, 7.2), as far as browsers use its grammar: an address or a name, and
perhaps a port."""


_NAME = re.compile(r"[a-z0-9._-]{1,253}")
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]{0,30}://[a-z0-9._:-]{1,253}")
"""Names that may be told, in lower case."""


class Access:
    """The rule by which requests are let in or refused.

    `host` is the address or name that the server is bound to, `hosts` are further names of it
    (a proxy's, say), `origins` the web pages of other hosts that may use it. With `open_lists`
    the `LISTS` need no key."""

    def __init__(
        self,
        *,
        keys: Iterable[NamedKey] = (),
        host: str = "localhost",
        hosts: Iterable[str] = (),
        origins: Iterable[str] = (),
        open_lists: bool = False,
    ) -> None:
        self.keys = KeyRing(keys)
        self._hosts = {host_name(name) or _canonical(name) for name in (host, *hosts)}
        self.origins = frozenset(map(_canonical_origin, origins))
        """As browsers write them."""
        self._open_paths = OPEN_PATHS | LISTS if open_lists else OPEN_PATHS

    @property
    def has_keys(self) -> bool:
        """Whether clients need a key."""
        return bool(self.keys)

    def check(self, request: HttpRequest) -> Tenant | None:
        """The tenant whose key the request has; None: it has none, and needs none.

        Raises `Refused` for a request that must not be answered. The refusal has the headers by
        which a browser lets a page that may use the server read the reason (Fetch, CORS)."""
        try:
            return self._check(request)
        except Refused as refusal:
            origin = self._allowed_origin(request)
            if origin is not None:
                refusal.headers += (
                    ("access-control-allow-origin", origin),
                    ("access-control-expose-headers", ", ".join(EXPOSED_HEADERS)),
                    ("vary", "origin"),
                )
            raise

    def _check(self, request: HttpRequest) -> Tenant | None:
        path = request.path
        if path in HEALTH_PATHS and not request.is_upgrade:
            return None
        if not self.keys:
            self._check_host(request)
        self._check_origin(request)
        # A browser asks without a key whether a page may ask (Fetch, CORS preflight).
        asks_method = request.values(b"access-control-request-method")
        is_preflight = request.method == "OPTIONS" and bool(asks_method)
        is_open = path in self._open_paths or path.startswith(OPEN_FOLDERS) or is_preflight
        if not self.keys:
            return None
        return self._check_key(request, is_needed=request.is_upgrade or not is_open)

    def _check_host(self, request: HttpRequest) -> None:
        for host in filter(None, request.values(b"host")):  # HTTP/1.0, and no browser, has none
            name = host_name(host)
            # A URL with an address in it cannot be rebound: only this server answers there.
            is_ours = name in self._hosts or _is_local_name(name) or _address(name) is not None
            if not name or not is_ours:
                option = _option("--allowed-hosts", name, _NAME)
                msg = f"this server does not go by that name; it would with {option}, or with keys"
                raise Refused(403, "foreign_host", msg, advice=msg)

    def _check_origin(self, request: HttpRequest) -> None:
        origins = [_canonical(origin) for origin in request.values(b"origin")]
        if not origins or self._allowed_origin(request) is not None:
            return
        hosts = request.values(b"host")
        if len(origins) != len(hosts) or not all(map(_is_same_host, origins, hosts)):
            option = _option("--allowed-origins", origins[0], _ORIGIN)
            msg = f"a page of another host may not speak through this one; it might with {option}"
            raise Refused(403, "foreign_origin", msg, advice=msg)

    def _allowed_origin(self, request: HttpRequest) -> str | None:
        """The origin of a page of another host that may ask; None: no such page asks."""
        origins = request.values(b"origin")
        is_allowed = len(origins) == 1 and _canonical_origin(origins[0]) in self.origins
        # Browsers write other letters in Punycode, and no header could repeat them.
        return origins[0] if is_allowed and origins[0].isascii() else None

    def _check_key(self, request: HttpRequest, *, is_needed: bool) -> Tenant | None:
        presented = _presented_keys(request)
        tenant = self.keys.find(presented)
        if tenant is None and is_needed:
            what = "this key is not one of ours" if presented else "this needs a key"
            error = ', error="invalid_token"' if presented else ""
            raise Refused(
                401,
                "unauthorized",
                f"{what}: send it as Authorization: Bearer KEY",
                headers=(("www-authenticate", f'Bearer realm="voice server"{error}'),),
            )
        return tenant


def host_name(host: str) -> str:
    """The address or the name in a `Host` header, in lower case; empty where there is none."""
    return _name_and_port(host)[0]


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches this address or name."""
    address = _address(host)
    return _is_local_name(_canonical(host)) if address is None else address.is_loopback


def subprotocol(offered: Sequence[str]) -> str | None:
    """The subprotocol to choose for a WebSocket: the one that a page with Deepgram's SDK offers
    before its key, never the key itself; None: none of ours was offered."""
    return next((word for word in offered if word.lower() in KEY_SCHEMES), None)


def _presented_keys(request: HttpRequest) -> list[bytes]:
    keys = []
    for value in request.values(b"authorization"):
        scheme, _, key = value.partition(" ")
        if scheme.lower() in KEY_SCHEMES:
            keys.append(key.strip())
    for header in KEY_HEADERS:
        keys += request.values(header)
    if request.is_upgrade:
        query = request.target.partition("?")[2]
        keys += [value for name, value in parse_qsl(query) if name in KEY_PARAMETERS]
        offered = request.listed(b"sec-websocket-protocol")
        keys += [key for scheme, key in pairwise(offered) if scheme.lower() in KEY_SCHEMES]
    return [key.encode() for key in keys if key]


def _option(option: str, name: str, pattern: re.Pattern[str]) -> str:
    """The option that lets a name in, with the name unless it was made up to be read."""
    return f"{option} {name}" if pattern.fullmatch(name) else option


def _canonical(name: str) -> str:
    return name.strip().rstrip(".").lower()


def _is_local_name(name: str) -> bool:
    return name == "localhost" or name.endswith(".localhost")  # RFC 6761, 6.3


def _is_same_host(origin: str, host: str) -> bool:
    """Whether a page of this origin comes from this host. A proxy in front may speak TLS where we
    do not, so neither the scheme counts nor which of the default ports it is, if one is named."""
    name, port = _name_and_port(origin.partition("://")[2])
    return bool(name) and (name, port) == _name_and_port(host)


def _name_and_port(host: str) -> tuple[str, str]:
    """The name in a `Host` header, empty where there is none, and the port that is no default."""
    parts = _HOST.fullmatch(host.strip())
    if parts is None:
        return "", ""
    port = parts[3] or ":"
    return _canonical(parts[1] or parts[2]), "" if port in {":", *DEFAULT_PORTS.values()} else port


def _canonical_origin(origin: str) -> str:
    """An origin as browsers write it: in lower case, without its scheme's default port."""
    written = _canonical(origin)
    return written.removesuffix(DEFAULT_PORTS.get(written.partition("://")[0], ""))


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None
