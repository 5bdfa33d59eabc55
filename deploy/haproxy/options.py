"""The options of configure.py: what is given becomes part of a line, and never more of it."""

from __future__ import annotations

import argparse
import ipaddress
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

WYOMING_PORT = 10200
"""Home Assistant's usual one."""

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
