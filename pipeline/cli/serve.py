"""The command ``server.py serve``: the port is bound at once, tells that it is starting while the
models are read, and then serves until a signal ends it.

What takes time to import is imported by `pipeline.cli.serving`, on a thread, behind the bound port.
"""

from __future__ import annotations

import contextlib
import os
import signal
from functools import partial
from typing import TYPE_CHECKING

import structlog
import trio

from pipeline.cli import devices
from pipeline.cli.ending import end_at_once
from pipeline.cli.progress import StartProgress
from pipeline.cli.reloading import Reloading, signals_to_hear
from pipeline.holdings import Account
from pipeline.leaving import Leaving
from pipeline.net.access import Access, is_loopback
from pipeline.net.addresses import TrustedProxies
from pipeline.net.agent import Agent
from pipeline.net.announcement import announce
from pipeline.net.crowd import Crowd, Room, raise_descriptor_limit
from pipeline.net.keys import KEYS_VARIABLE, read_keys
from pipeline.net.port import Port
from pipeline.net.starting_answers import StartingAnswers
from pipeline.net.tls import server_context
from pipeline.usage_log import UsageLog
from pipeline.web.page import page_url
from stages.errors import CannotStart

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from pipeline.cli.serving import AnswersOpener
    from pipeline.cli.settings import ServeSettings
    from pipeline.net.service_answers import ServiceAnswers
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
    ends that wait; one that comes before the service is warm ends the program at once. SIGUSR1
    drains, and SIGUSR2 takes that back. SIGHUP reads the keys and opens the usage log again; where
    there is neither, it ends like the others."""
    options.require("file", "api_keys_file", "tls_certificate", "tls_key")
    check_wyoming(options)
    access = open_access(options)
    tls = server_context(options.tls_certificate, options.tls_key, options.place_of)
    crowd = Crowd(Room.below(raise_descriptor_limit()), TrustedProxies(options.trusted_proxies))
    leaving = Leaving()
    is_warm = False
    with contextlib.ExitStack() as bound:
        usage_log = None
        if options.usage_log is not None:
            usage_log = bound.enter_context(contextlib.closing(UsageLog(options.usage_log)))
        reloading = Reloading(options.api_keys_file, access, usage_log)
        listened = signals_to_hear(reloads=reloading.is_wanted)
        signals = bound.enter_context(trio.open_signal_receiver(*listened))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, listened)  # what has come by now waited for this
        sockets = await _listen(options.host, options.port, bound)
        wyoming = await _listen(options.host, options.wyoming_port, bound)
        asked_by_proxies = await _listen(options.host, options.agent_port, bound)
        with StartProgress() as progress:
            port = Port(
                StartingAnswers(lambda: progress.part),
                access,
                crowd,
                tls=tls,
                write_stall_s=options.write_stall_s,
                account=Account(options.waiting_mb * 1_000_000),
            )
            page = page_url(options.host, _number(sockets), is_secure=tls is not None)
            async with trio.open_nursery() as nursery:
                await nursery.start(port.serve, sockets)
                agent = await _serve_agent(port, nursery, asked_by_proxies)
                log.info("starting; how far it is: %shealth/ready", page)
                log.info("%s", devices.describe_gpus())
                told_to_end, told_again = trio.Event(), trio.Event()
                nursery.start_soon(
                    _note_signals, signals, reloading, leaving, told_to_end, told_again
                )
                nursery.start_soon(reloading.run)
                watch = await nursery.start(_cancel_at, told_to_end, nursery.cancel_scope)
                open_answers = await trio.to_thread.run_sync(_importer, abandon_on_cancel=True)
                opening = open_answers(
                    options,
                    access,
                    crowd,
                    progress,
                    usage_log=usage_log,
                    account=port.account,
                    leaving=leaving,
                )
                async with opening as answers:
                    watch.cancel()
                    is_warm = True
                    progress.end()
                    port.answers = answers
                    agent.service = answers.service
                    await _serve_wyoming(port, answers, nursery, options, wyoming)
                    told = _number(sockets), " and ".join(_hosts(sockets)), page
                    log.info("listening on port %d of %s: %s", *told)
                    await told_to_end.wait()
                    await _finish(answers.service, options.shutdown_grace_s, told_again)
                    port.abort()
                    nursery.cancel_scope.cancel()
    if not is_warm:
        log.info("closed before it was ready")
        end_at_once(0)
    log.info("closed")


async def _note_signals(
    signals: AsyncIterator[int],
    reloading: Reloading,
    leaving: Leaving,
    first: trio.Event,
    second: trio.Event,
) -> None:
    async for number in signals:
        if number == signal.SIGHUP and reloading.is_wanted:
            reloading.ask()
        elif number == signal.SIGUSR1:
            leaving.drain()
        elif number == signal.SIGUSR2:
            leaving.stay()
        elif first.is_set():
            second.set()
        else:
            first.set()


async def _cancel_at(
    event: trio.Event, scope: trio.CancelScope, *, task_status: trio.TaskStatus[trio.CancelScope]
) -> None:
    """Cancel at the event, until the scope that it tells is cancelled itself."""
    with trio.CancelScope() as watching:
        task_status.started(watching)
        await event.wait()
        scope.cancel()


def _importer() -> AnswersOpener:
    """What takes a while to import, and half a minute from a cold disk."""
    from pipeline.cli.serving import open_answers  # noqa: PLC0415 - behind the bound port

    return open_answers


async def _finish(service: Service, grace_s: float, hurry: trio.Event) -> None:
    """Take in nobody more, and let what is being said come to its end."""
    log.info("closing; %d listeners may finish", service.n_listeners)
    service.leaving.close(grace_s)
    await _wait_idle(service, grace_s, hurry)
    service.leaving.grace_over.set()
    with trio.move_on_after(LAST_WORDS_S):
        await service.leaving.all_gone()


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


async def _serve_agent(
    port: Port, nursery: trio.Nursery, sockets: list[trio.SocketListener]
) -> Agent:
    """Answer what HAProxy asks, if there are sockets for that."""
    agent = Agent()
    if sockets:
        await nursery.start(partial(port.accept, sockets, agent.serve, is_for_proxies=True))
        told = _number(sockets), " and ".join(_hosts(sockets))
        log.info("HAProxy's agent-check on port %d of %s: it asks for no key", *told)
    return agent


async def _serve_wyoming(
    port: Port,
    answers: ServiceAnswers,
    nursery: trio.Nursery,
    options: ServeSettings,
    sockets: list[trio.SocketListener],
) -> None:
    """Serve those who wait in the kernel's queue since the start, and all who come, if there are
    sockets for that."""
    if not sockets:
        return
    await nursery.start(port.accept, sockets, answers.serve_wyoming)
    hosts, number = _hosts(sockets), _number(sockets)
    log.info("Wyoming on port %d of %s: it asks for no key", number, " and ".join(hosts))
    if options.wyoming_announce:
        nursery.start_soon(announce, number, hosts)


def _hosts(sockets: list[trio.SocketListener]) -> list[str]:
    return [socket.socket.getsockname()[0] for socket in sockets]


def _number(sockets: list[trio.SocketListener]) -> int:
    number: int = sockets[0].socket.getsockname()[1]
    return number


async def _listen(
    host: str, port: int | None, bound: contextlib.ExitStack
) -> list[trio.SocketListener]:
    """The sockets of a port, which are closed with `bound` at the latest; none without a port."""
    if port is None:
        return []
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
        bound.callback(listener.socket.close)
        listener.socket.setsockopt(
            trio.socket.IPPROTO_TCP, trio.socket.TCP_MAXSEG, MAX_SEGMENT_BYTES
        )
    return listeners


async def _wait_idle(service: Service, grace_s: float, hurry: trio.Event) -> None:
    """Return once nobody is being served, the grace is over, or there is to be no more of it."""
    async with trio.open_nursery() as nursery:
        await nursery.start(_cancel_at, hurry, nursery.cancel_scope)
        with trio.move_on_after(grace_s):
            await service.leaving.all_gone()
        nursery.cancel_scope.cancel()
