"""Prints a configuration of HAProxy for several servers.

    python3 deploy/haproxy/configure.py --places 24 --agent-port 8766 \\
        --server 10.0.0.1:8765 --server 10.0.0.2:8765 > haproxy.cfg

It needs only Python's standard library. docs/haproxy.md says how it is run, and
docs/adr/0049-haproxy.md why the lines are as they are.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from deploy.haproxy.options import Options, Server, read_options

MAX_WEIGHT = 256
"""HAProxy's largest weight of a server."""

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
    # A place is for who has said all, or all that is kept: a slow body would hold it for nothing.
    http-request wait-for-body time 5s if METH_POST
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
    # A server that hangs is given up after 2.2 s: what is left of 300 ms, and two timeouts.
    default-server inter 300ms fastinter 100ms fall 2 rise 2
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


if __name__ == "__main__":
    sys.stdout.write(configuration(read_options()))
