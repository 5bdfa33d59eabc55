"""Prints a configuration of HAProxy for several servers.

    python3 deploy/haproxy/configure.py --places 24 --agent-port 8766 \\
        --server 10.0.0.1:8765 --server 10.0.0.2:8765 > haproxy.cfg

It needs only Python's standard library. docs/haproxy.md says how it is run, and
docs/adr/0049-haproxy.md why the lines are as they are.
"""

from __future__ import annotations

import argparse
import ipaddress
import json
import re
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

WYOMING_PORT = 10200
"""Home Assistant's usual one."""

MAX_WEIGHT = 256
"""HAProxy's largest weight of a server."""

_ADDRESS = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+)):([0-9]{1,5})")
_BIND = re.compile(r"(\*|\[[0-9A-Fa-f:.]*\]|[A-Za-z0-9._-]*):([0-9]{1,5})")
_NUMBER = re.compile(r"[0-9]{1,6}")
_TIME = re.compile(r"[1-9][0-9]{0,5}(ms|s)|[1-9][0-9]{0,3}m")
"""HAProxy takes 0 for no limit at all, and no more than 24 days."""
_PATH = re.compile(r"[^\x00-\x20\x7f\s\"'\\#]+")
_SOCKET = re.compile(r"/" + _PATH.pattern)
"""HAProxy would take what begins otherwise for an address, and whoever reaches it for root."""


@dataclass(frozen=True, slots=True)
class Server:
    """A server behind the balancer."""

    host: str
    """Its address or name; of IPv6 without brackets."""
    port: int
    places: int
    """Its ``--max-listeners``."""
    agent: int | None = None
    """Its ``--agent-port``. None: it is not asked."""
    wyoming: int = WYOMING_PORT
    """Its ``--wyoming-port``."""

    @property
    def is_named(self) -> bool:
        """Whether a resolver has to be asked for its address."""
        try:
            ipaddress.ip_address(self.host)
        except ValueError:
            return True
        return False

    @property
    def name(self) -> str:
        """What logs, metrics and the socket call it, whatever stands beside it."""
        return f"{self.host}:{self.port}"

    def line(self, port: int) -> str:
        """How a line about one of its ports begins."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        resolved = " resolvers system init-addr last,libc,none" if self.is_named else ""
        return f"server {self.name} {host}:{port}{resolved}"


class Options(argparse.Namespace):
    """What a configuration is made of, as the program's help has it. Times are as HAProxy writes
    them: 500ms, 2s."""

    servers: list[Server]
    bind: str
    certificate: str | None
    redirect: str | None
    wyoming: str | None
    metrics: str
    socket: str
    no_root: bool
    check: str
    queue: str


LOG_LINE = "%ci:%cp %HM %HP %HV %ST %B %Tw/%Tc/%Tr/%Ta %tsc %rc %sq/%bq %s request=%[var(txn.id)]"

LEAVE_ROOT = """
    user haproxy
    group haproxy
    chroot /var/lib/haproxy"""

RESOLVERS = """
resolvers system
    parse-resolv-conf
    hold valid 5s
"""

RETRIES = """
    retries 3
    option redispatch 1
    retry-on conn-failure empty-response response-timeout 503"""


def _answer(status: int, body: dict[str, str]) -> str:
    """An answer of the balancer's own, as the servers have it."""
    return f"status {status} content-type application/json string '{json.dumps(body)}'"


def _error(status: int, code: str, message: str) -> str:
    return _answer(status, {"error": message, "code": code})


def configuration(options: Options) -> str:
    """The file's text."""
    tls = f" ssl crt {options.certificate} alpn h2,http/1.1" if options.certificate else ""
    none_ready = _answer(503, {"status": "starting", "reason": "no server is ready"})
    return f"""\
# Made by deploy/haproxy/configure.py: make it anew rather than change it.
global
    log stdout format raw local0
    stats socket {options.socket} mode 600 level admin expose-fd listeners
    ssl-default-bind-options ssl-min-ver TLSv1.2 no-tls-tickets{LEAVE_ROOT * (not options.no_root)}

defaults
    mode http
    log global
    option dontlognull
    # Neither the query nor a header: both may hold a key.
    log-format "{LOG_LINE}"
    timeout connect 1s
    timeout check {options.check}
    timeout http-request 5s
    timeout http-keep-alive 15s
    timeout queue {options.queue}
    # Without a byte; the servers send a ping every 20 s.
    timeout client 90s
    timeout tunnel 90s
    # Until the answer begins. A machine that does not answer the checks is given up sooner.
    timeout server 5s
    default-server on-marked-down shutdown-sessions agent-inter 500ms
    http-error {_error(502, "bad_gateway", "the server broke off")}
    http-error {_error(503, "overloaded", "no server has a place")} hdr Retry-After 2
    http-error {_error(504, "gateway_timeout", "the server does not answer")}
{RESOLVERS * any(server.is_named for server in options.servers)}
frontend voice
    # Segments of a multiple of four bytes: else reads end inside a sample of float32.
    bind {options.bind} mss 32764{tls}
    option forwardfor
    # One name for a request in all logs: the client's own, if it is fit for a line of a log.
    # Of several the last, as the servers have it.
    acl names_itself req.fhdr(x-request-id,-1) -m reg ^[!-~]{{1,128}}$
    unique-id-format %[uuid()]
    http-request set-header X-Request-ID %[unique-id] unless names_itself
    http-request set-var(txn.id) req.fhdr(x-request-id,-1)
    http-after-response set-header X-Request-ID %[var(txn.id)] if {{ var(txn.id) -m found }}
    # Of all servers together; its own figures, and its drain, a server is asked for itself.
    acl has_server nbsrv(speech) gt 0
    http-request return {_answer(200, {"status": "ok"})} if {{ path /health/live }}
    http-request return {_answer(200, {"status": "ready"})} if {{ path /health/ready }} has_server
    http-request return {none_ready} hdr Retry-After 2 if {{ path /health/ready }}
    acl is_one_servers path,url_dec -m reg ^/+(metrics|admin)(/|$)
    http-request return {_error(403, "not_here", "ask the server itself")} if is_one_servers
    # What takes a place; and what a page asks for to learn why it got none.
    use_backend speech if {{ req.hdr(upgrade) -m found }} or METH_POST or {{ path /ws/stream }}
    default_backend pages

backend speech
    balance leastconn{RETRIES}
    # Speech by POST depends on nothing but its text. An upgrade has no body.
    http-request disable-l7-retry unless METH_GET or METH_POST
    http-request set-timeout server 120s if METH_POST
    # Alive, not ready: who is ready no more still speaks to its listeners.
    option httpchk
    http-check send meth GET uri /health/live ver HTTP/1.1 hdr Host localhost
    http-check expect status 200
    # A server that hangs is given up after 2.4 s: what is left of 500 ms, and two timeouts.
    default-server inter 500ms fastinter 100ms fall 2 rise 2
{_speech_servers(options)}
backend pages
    # Pages, lists, uploads: they take no place. A client finds what it uploaded where it did.
    balance source
    hash-type consistent{RETRIES}
    http-request disable-l7-retry unless METH_GET
    timeout server 120s
{_tracking(options)}
frontend metrics
    bind {options.metrics}
    option dontlog-normal
    http-request use-service prometheus-exporter if {{ path /metrics }}
    http-request return status 404
{_redirect(options)}{_wyoming(options)}"""


def _share(server: Server, options: Options) -> str:
    most = max(other.places for other in options.servers)
    weight = max(1, round(server.places * min(1, MAX_WEIGHT / most)))
    agent = f" agent-check agent-port {server.agent}" if server.agent else ""
    return f"weight {weight} maxconn {server.places}{agent}"


def _speech_servers(options: Options) -> str:
    return "".join(
        f"    {server.line(server.port)} {_share(server, options)} check\n"
        for server in options.servers
    )


def _tracking(options: Options) -> str:
    return "".join(
        f"    {server.line(server.port)} track speech/{server.name}\n" for server in options.servers
    )


def _redirect(options: Options) -> str:
    """Where a plain request is turned away. A program that is redirected has sent its key in the
    open, and would go on doing so."""
    if not options.redirect:
        return ""
    return f"""
frontend plain
    bind {options.redirect}
    http-request redirect scheme https code 301 if METH_GET {{ path / /docs }}
    http-request return {_error(403, "needs_tls", "https and wss are spoken here alone")}
"""


def _wyoming(options: Options) -> str:
    if not options.wyoming:
        return ""
    lines = "".join(
        f"    {server.line(server.wyoming)} {_share(server, options)} send-proxy-v2"
        f" track speech/{server.name}\n"
        for server in options.servers
    )
    return f"""
listen wyoming
    mode tcp
    bind {options.wyoming} mss 32764
    log-format "%ci:%cp wyoming %B %Tw/%Tc/%Tt %ts %rc %sq/%bq %s"
    balance leastconn
    retries 3
    option redispatch 1
    # The protocol has no sign of life, and Home Assistant may say nothing for long.
    option clitcpka
    option srvtcpka
    timeout client 1h
    timeout server 1h
{lines}"""


def read_options(arguments: Sequence[str] | None = None) -> Options:
    """The options in these arguments, by default the program's. Ends the program for wrong ones."""
    parser = argparse.ArgumentParser(
        description="Print a configuration of HAProxy for several voice servers.",
        epilog="docs/haproxy.md says what to do with it.",
    )
    add = parser.add_argument
    form = "HOST:PORT[,places=N][,agent=N][,wyoming=N]"
    what = "once for each; what it does not say is as for all"
    add("--server", action="append", required=True, metavar=form, help=what)
    add("--places", type=_number, help="each server's --max-listeners")
    add("--agent-port", type=_port, help="each server's --agent-port")
    add("--wyoming-port", type=_port, default=WYOMING_PORT, help="each server's (%(default)s)")
    add("--bind", type=_bind, help="where clients come (*:8765, with TLS *:443)")
    add("--certificate", type=_path, help="PEM file, chain and key: speak TLS")
    add("--redirect", type=_bind, help="with TLS: where plain HTTP is turned away, as *:80")
    add("--wyoming", type=_bind, help="where Wyoming's clients come, as *:10200")
    what = "HAProxy's own /metrics (%(default)s)"
    add("--metrics", type=_bind, default="127.0.0.1:8404", help=what)
    what = "for commands, of its owner alone (%(default)s)"
    add("--socket", type=_socket, default="/run/haproxy/admin.sock", help=what)
    what = "it is not started as root, as in a container: it stays who and where it is"
    add("--no-root", action="store_true", help=what)
    what = "limit for a check, of which two fail where a server hangs (%(default)s)"
    add("--check", type=_time, default="900ms", help=what)
    add("--queue", type=_time, default="2s", help="how long to wait for a place (%(default)s)")
    options = parser.parse_args(arguments, namespace=Options())
    options.bind = options.bind or ("*:443" if options.certificate else "*:8765")
    try:
        options.servers = [_server(text, options) for text in options.server]
    except argparse.ArgumentTypeError as error:
        parser.error(f"--server: {error}")
    if len({server.name for server in options.servers}) < len(options.servers):
        parser.error("--server: two are the same")
    binds = options.bind, options.metrics, options.redirect, options.wyoming
    bound = [re.sub(r"^:", "*:", bind) for bind in binds if bind]
    if len(set(bound)) < len(bound):  # the kernel would deal clients out to both
        parser.error("two of --bind, --redirect, --wyoming and --metrics are the same")
    if options.redirect and not options.certificate:
        parser.error("--redirect is of no use without --certificate")
    return options


def _server(text: str, others: argparse.Namespace) -> Server:
    address, *own = text.split(",")
    places, agent, wyoming = others.places, others.agent_port, others.wyoming_port
    found = _ADDRESS.fullmatch(address)
    if found is None:
        raise argparse.ArgumentTypeError(f"{address!r} is not HOST:PORT")
    for pair in own:
        match pair.split("="):
            case ["places", number]:
                places = _number(number)
            case ["agent", number]:
                agent = _port(number)
            case ["wyoming", number]:
                wyoming = _port(number)
            case _:
                raise argparse.ArgumentTypeError(f"{pair!r} is not places=, agent= or wyoming=")
    if places is None:
        raise argparse.ArgumentTypeError(f"{address} has no places: say --places")
    port = _port(found[3])
    if agent == port:
        raise argparse.ArgumentTypeError(f"{address}: no agent answers at the server's own port")
    return Server(found[1] or found[2], port, places, agent, wyoming)


def _number(text: str) -> int:
    if _NUMBER.fullmatch(text) is None or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to 999999")
    return int(text)


def _port(text: str) -> int:
    port = _number(text)
    if port > 65535:
        raise argparse.ArgumentTypeError(f"{text} is no port")
    return port


def _matching(pattern: re.Pattern[str], what: str) -> Callable[[str], str]:
    """The reader of an argument that becomes part of a line, and must not become more."""

    def read(text: str) -> str:
        if pattern.fullmatch(text) is None:
            raise argparse.ArgumentTypeError(f"{text!r} is not {what}")
        return text

    return read


def _bind(text: str) -> str:
    found = _BIND.fullmatch(text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not ADDRESS:PORT")
    _port(found[2])
    return text


_time = _matching(_TIME, "a time such as 500ms or 2s, and not 0")
_path = _matching(_PATH, "a path that needs no quotes")
_socket = _matching(_SOCKET, "a path from / on that needs no quotes")


if __name__ == "__main__":
    sys.stdout.write(configuration(read_options()))
