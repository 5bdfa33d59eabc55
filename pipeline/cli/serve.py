"""The command ``server.py serve``: the service behind the port, until a signal ends it."""

from __future__ import annotations

import contextlib
import gc
import math
import os
import signal
from typing import TYPE_CHECKING

import structlog
import trio

from pipeline.cli import devices
from pipeline.cli.open_service import open_service
from pipeline.net.access import KEYS_VARIABLE, Access, is_loopback, read_keys
from pipeline.net.announcement import announce
from pipeline.net.http_api import create_app
from pipeline.net.http_server import HttpServer
from pipeline.net.port import Port
from pipeline.net.tls import server_context
from pipeline.web.page import page_url
from stages.errors import CannotStart

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from pipeline.cli.settings import ServeSettings
    from pipeline.service import Service

log = structlog.stdlib.get_logger("server")

LOOPBACK, LOOPBACK_V6 = "127.0.0.1", "::1"

LAST_WORDS_S = 0.5
"""Time to close the connections that are left after the grace. Any still open then are cut off."""

MAX_SEGMENT_BYTES = 32_764
"""TCP's segment size: the largest multiple of four that can be asked for. The kernel's own choice
is odd on loopback (65 483 bytes), and then a client's read may end inside a sample: the seed's Node
client, which lays a Float32Array over the first whole frame of its next read, throws. What
timestamps (12 bytes) and an MTU of 1500 leave is a multiple of four anyway."""


async def serve(options: ServeSettings) -> None:
    """Serve until SIGTERM or SIGINT, then let what is being said come to its end. A second signal
    ends that wait."""
    options.require("file", "api_keys_file", "tls_certificate", "tls_key")
    check_wyoming(options)
    access = open_access(options)
    tls = server_context(options.tls_certificate, options.tls_key, options.place_of)
    log.info("%s", devices.describe_gpus())
    idle_timeout_s = math.inf if options.idle_timeout_s is None else options.idle_timeout_s
    opening = open_service(options, options.max_listeners, idle_timeout_s, options.pacing)
    async with opening as service:
        http = HttpServer(create_app(service, options.allowed_origins))
        # Keep what was made so far out of full collections: walking it (80,000 objects of FastAPI's
        # and pydantic's) stops the loop, and with it everybody's sound, for 50 to 90 ms.
        gc.collect()
        gc.freeze()
        port = Port(service, http, access, tls=tls, write_stall_s=options.write_stall_s)
        with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            sockets = await _listen(options.host, options.port)
            async with trio.open_nursery() as nursery:
                await nursery.start(port.serve, sockets)
                if options.wyoming_port is not None:
                    await _serve_wyoming(port, nursery, options, options.wyoming_port)
                hosts = [socket.socket.getsockname()[0] for socket in sockets]
                number = sockets[0].socket.getsockname()[1]
                page = page_url(options.host, number, is_secure=tls is not None)
                log.info("listening on port %d of %s: %s", number, " and ".join(hosts), page)
                await anext(signals)
                log.info("closing; %d listeners may finish", service.n_listeners)
                service.closing.set()
                await _wait_idle(service, options.shutdown_grace_s, signals)
                service.grace_over.set()
                with trio.move_on_after(LAST_WORDS_S):
                    await service.wait_idle()
                port.abort()
                nursery.cancel_scope.cancel()
    log.info("closed")


def open_access(options: ServeSettings) -> Access:
    """The rule for who may use the port. Raises `CannotStart` where it would let everybody in from
    beyond this machine, unless the options say so."""
    keys = read_keys(options.api_keys_file, os.environ.get(KEYS_VARIABLE, ""))
    if not keys and not is_loopback(options.host) and not options.allow_no_key:
        raise CannotStart(
            f"{options.host} can be reached from other machines, and there is no key: give one by"
            f" --api-keys-file or {KEYS_VARIABLE}, or let everybody in by --allow-no-key"
        )
    if keys and not is_loopback(options.host) and options.tls_certificate is None:
        log.warning("keys and text go over the network in the clear: there is no --tls-certificate")
    return Access(
        keys=keys,
        host=options.host,
        hosts=options.allowed_hosts,
        origins=options.allowed_origins,
        open_lists=options.open_lists,
    )


def check_wyoming(options: ServeSettings) -> None:
    """Raises `CannotStart` where the Wyoming port would let everybody in from beyond this machine,
    unless the options say so: the protocol has no keys."""
    if options.wyoming_port is None:
        if options.wyoming_announce:
            place = options.place_of("wyoming_announce")
            raise CannotStart(f"{place} is of no use without --wyoming-port")
        return
    if not is_loopback(options.host) and not options.allow_no_key:
        raise CannotStart(
            f"{options.place_of('wyoming_port')}: {options.host} can be reached from other"
            " machines, and Wyoming knows no keys: let everybody in there by --allow-no-key"
        )


async def _serve_wyoming(
    port: Port, nursery: trio.Nursery, options: ServeSettings, number: int
) -> None:
    sockets = await _listen(options.host, number)
    await nursery.start(port.serve_wyoming, sockets)
    hosts = [socket.socket.getsockname()[0] for socket in sockets]
    number = sockets[0].socket.getsockname()[1]
    log.info("Wyoming on port %d of %s: it asks for no key", number, " and ".join(hosts))
    if options.wyoming_announce:
        nursery.start_soon(announce, number, hosts)


async def _listen(host: str, port: int) -> list[trio.SocketListener]:
    try:
        listeners = await trio.open_tcp_listeners(port, host=host)
    except OSError as error:
        raise OSError(f"cannot listen on port {port} of {host}: {error.strerror}") from error
    if host == LOOPBACK:
        # Where there is IPv6, "localhost" is ::1 first, and Node 18 tries no other address.
        port = listeners[0].socket.getsockname()[1]
        with contextlib.suppress(OSError):
            listeners += await trio.open_tcp_listeners(port, host=LOOPBACK_V6)
    for listener in listeners:
        listener.socket.setsockopt(
            trio.socket.IPPROTO_TCP, trio.socket.TCP_MAXSEG, MAX_SEGMENT_BYTES
        )
    return listeners


async def _wait_idle(service: Service, grace_s: float, signals: AsyncIterator[int]) -> None:
    """Return once nobody is being served, the grace is over, or another signal comes."""
    async with trio.open_nursery() as nursery:

        async def give_up_at_signal() -> None:
            await anext(signals)
            nursery.cancel_scope.cancel()

        nursery.start_soon(give_up_at_signal)
        with trio.move_on_after(grace_s):
            await service.wait_idle()
        nursery.cancel_scope.cancel()
