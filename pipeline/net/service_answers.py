"""The answers of a service that is warm: its WebSockets, its HTTP API, and Wyoming."""

from __future__ import annotations

import re
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import parse_qsl, urlsplit

import trio

from pipeline.dialects.dialect import Handshake
from pipeline.dialects.sockets import NATIVE_PATH, dialect_at
from pipeline.dialects.wyoming import Wyoming
from pipeline.net.access import KEY_PARAMETERS
from pipeline.net.admin_routes import DRAIN_PATH
from pipeline.net.hang_ups import HangUps
from pipeline.net.pacing import HEAD_END, FrameBudgets, FramePace
from pipeline.net.request_head import Refused, check_upgrade
from pipeline.net.upload_rules import check_tenant, upload_target
from pipeline.net.websocket import serve_websocket
from pipeline.net.wyoming import refuse_wyoming, serve_wyoming
from pipeline.session import Session
from pipeline.usage import Caller
from pipeline.voices import list_voices
from stages.errors import Draining, LimitReached, Overloaded, ProtocolError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from pipeline.close_code import CloseCode
    from pipeline.net.crowd import Crowd
    from pipeline.net.http_server import HttpServer
    from pipeline.net.request_head import HttpRequest, RequestReader
    from pipeline.net.stream import ClientStream
    from pipeline.net.uploads import Uploads
    from pipeline.service import Service
    from pipeline.tenants import Tenant


def route_of(path: str) -> str:
    """The path without the voice that some protocols have in it, for the usage log."""
    return re.sub(r"(/text-to-speech/)[^/]+", r"\1{voice}", path)


UNUSED_COST = 9
UNUSED_WITHIN_S = 1.0
"""Connections that a WebSocket counts for in addition if it ends within this time without having
been used: the upgrade, its ten tasks and its close take 5 ms."""


LEAVES_WITHIN_S = 1.0
"""The limit for the tasks of a socket that was cut off to end."""

TRACE_HEADERS = "traceparent", "tracestate"
"""Those by which a request says what trace it is part of (W3C Trace Context, 3.2 and 3.3)."""


class ServeSession(Protocol):
    """The serving of one session on a client's stream, which is then closed."""

    async def __call__(
        self, serve: Callable[[Any], Awaitable[CloseCode]], pacer: FramePace
    ) -> None:
        """`serve` is `Session.run`, `pacer` the client's."""


class ServiceAnswers:
    """The answers of a service: `pipeline.net.port.Answers`."""

    def __init__(
        self,
        service: Service,
        http: HttpServer,
        crowd: Crowd,
        uploads: Uploads | None = None,
    ) -> None:
        """`crowd` is the port's."""
        self.service = service
        self._http = http
        self._crowd = crowd
        self._frames = FrameBudgets()
        service.metrics.watch_connections(
            lambda: crowd.n_open, lambda: crowd.n_unfinished, crowd.shed
        )
        self._uploads = uploads
        self.hang_ups = HangUps()
        self._sessions: dict[Session, ClientStream] = {}  # in the order in which they came
        self._one_left = trio.lowlevel.ParkingLot()
        self._n_wyoming = 0

    async def answer(
        self,
        stream: ClientStream,
        request: HttpRequest,
        reader: RequestReader,
        tenant: Tenant | None,
    ) -> None:
        caller = Caller(
            tenant,
            stream.peer,
            route_of(request.path),
            stream.request_id,
            self._trace_context(request),
        )
        if (target := upload_target(request)) is not None:
            if self._uploads is None:
                raise Refused(403, "uploads_off", "this server takes no uploads")
            check_tenant(tenant)
            self._uploads.check(request, target, stream.peer)
            await reader.ask_for_body()
        stream.give_back(request.raw)
        with self.service.leaving.serving():
            is_socket = request.method == "GET" and dialect_at(request.path) is not None
            is_post = request.method == "POST" and request.path != DRAIN_PATH
            if request.is_upgrade or is_post:
                await self._make_room(stream.who)
            if request.is_upgrade or is_socket:
                await self._serve_websocket(stream, request, caller)
            else:
                # Hypercorn would take up what comes behind, and close in mid-answer.
                stream.input_left = request.n_to_come
                await self._http.serve(stream, caller)

    def _trace_context(self, request: HttpRequest) -> Mapping[str, str] | None:
        if self.service.places.traces is None:
            return None
        return {name: ",".join(request.values(name.encode())) for name in TRACE_HEADERS}

    def has_listeners(self, but: Session | None = None) -> bool:
        """Whether anybody has asked for speech, of all sessions `but` one."""
        return any(other.has_begun for other in self._sessions if other is not but)

    def count_refused(self, code: str) -> None:
        # The service has counted these, the first with its reason.
        if code not in {Overloaded.code, Draining.code, LimitReached.code}:
            self.service.metrics.refused.labels(code).inc()

    async def _serve_websocket(
        self, stream: ClientStream, request: HttpRequest, caller: Caller
    ) -> None:
        if request.is_upgrade:
            check_upgrade(request)
        try:
            url = urlsplit(request.target)
        except ValueError as error:
            raise Refused(400, "bad_request", f"the target is no URL: {error}") from None
        dialect = dialect_at(url.path)
        if dialect is None:
            raise Refused(404, "not_found", f"no WebSocket is served here; {NATIVE_PATH} is one")
        query = parse_qsl(url.query, keep_blank_values=True)
        shown = [pair for pair in query if pair[0] not in KEY_PARAMETERS]
        handshake = Handshake(url.path, shown, caller.request_id)
        try:
            open_for = [session.tenant for session in self._sessions]
            self.service.places.check_socket(caller.tenant, open_for)
            names = self.service.names_for(caller.tenant)
            own = dialect(handshake, names)
            session = Session(own, self.service, caller, stream.holder)
            with session.begin():
                if not request.is_upgrade:
                    # By now it would be let in: a page, which is not told why its WebSocket is
                    # refused, asks like this (RFC 9110, 7.8, 15.5.22).
                    msg = f"{request.path} is a WebSocket: open it by ws:// or wss://"
                    upgrade = ("upgrade", "websocket"), ("connection", "upgrade")
                    raise Refused(426, "upgrade_required", msg, headers=upgrade)
                serve = partial(
                    serve_websocket,
                    stream,
                    silent_s=session.silent_s,
                    n_head=request.raw.index(HEAD_END) + len(HEAD_END),
                    hang_ups=self.hang_ups,
                )
                await self._serve_session(session, stream, serve)
        except ProtocolError as error:
            raise Refused(400, error.code, str(error)) from None
        except (Overloaded, LimitReached) as error:
            later = ("retry-after", str(error.retry_after_s))
            status = 503 if isinstance(error, Overloaded) else 429
            raise Refused(status, error.code, str(error), headers=(later,)) from None

    async def _make_room(self, who: str) -> None:
        """Where all places are taken, cut off the oldest socket that has asked for nothing, of
        whoever has most of such and more than this client would have. So nobody shuts others out by
        opening all that there are and saying nothing. Not for one who will be turned away."""
        if not self.service.places.are_taken or self.service.leaving.turns_away:
            return
        silent = [
            (own, stream)
            for own, stream in self._sessions.items()
            if not own.has_begun and not stream.is_closed  # those make room by themselves
        ]
        counts = Counter(stream.who for _, stream in silent)
        if not counts:
            return
        (host, most), *_ = counts.most_common(1)
        if most <= counts[who] + 1:
            return
        session, stream = next(each for each in silent if each[1].who == host)
        self._crowd.shed["unused"] += 1
        stream.abort()
        with trio.move_on_after(LEAVES_WITHIN_S):
            while session in self._sessions:
                await self._one_left.park()

    async def serve_wyoming(self, stream: ClientStream) -> None:
        """Serve a client of the Wyoming port."""
        # Twice as many as may listen: Home Assistant asks for the voices at any time.
        most = 2 * self.service.max_listeners
        with self.service.leaving.serving():
            if self._n_wyoming >= most:
                self.service.metrics.refused.labels("full").inc()
                await refuse_wyoming(stream, Overloaded(f"{most} connections are open, the most"))
                return
            try:
                self.service.places.check_stays()
            except Overloaded as error:
                await refuse_wyoming(stream, error)
                return
            self._n_wyoming += 1
            try:
                caller = Caller(None, stream.peer, "wyoming", stream.request_id)
                wyoming = Wyoming(self.service.voice_names)
                session = Session(wyoming, self.service, caller, stream.holder)
                refresh = partial(list_voices, self.service.voices)
                with session.begin(looks=False):
                    serve = partial(
                        serve_wyoming,
                        stream,
                        refresh=refresh,
                        asked=partial(self._crowd.asked, stream),
                        hang_ups=self.hang_ups,
                    )
                    await self._serve_session(session, stream, serve)
            finally:
                self._n_wyoming -= 1

    async def _serve_session(
        self, session: Session, stream: ClientStream, serve: ServeSession
    ) -> None:
        began_at = trio.current_time()
        self._sessions[session] = stream
        pacer = FramePace(stream, self._frames, lambda: self.has_listeners(but=session))
        try:
            await serve(session.run, pacer=pacer)
        finally:
            del self._sessions[session]
            self._one_left.unpark_all()
            now = trio.current_time()
            was_unused = not session.has_begun and now < began_at + UNUSED_WITHIN_S
            if was_unused and self.has_listeners():
                self._crowd.charge(stream.peer, UNUSED_COST, now)
