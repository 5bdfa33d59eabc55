"""Draining over HTTP: who may, and what is told; and what newcomers are told then, in the shape of
each service's errors. By a real server it is tested in tests/cli/test_draining.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest
import trio

from pipeline.net.access import Access
from pipeline.net.admin_routes import DRAIN_PATH, OperatorRule
from pipeline.net.crowd import Crowd, Room
from pipeline.net.http_api import create_app
from pipeline.net.http_server import HttpServer
from pipeline.net.port import Port
from pipeline.net.service_answers import ServiceAnswers
from pipeline.tenants import Tenant
from tests.fakes import service
from tests.faults.raw_client import ask, post, websocket
from tests.net.test_tenant_routes import CODE_IN, SPEECH, asked_by

if TYPE_CHECKING:
    from trio.testing import MockClock

    from pipeline.service import Service


def from_here(server: Service, *, is_private: bool = True) -> httpx.AsyncClient:
    app = create_app(server, operators=OperatorRule(is_private=is_private))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost")


async def test_a_drain_is_told_and_taken_back(autojump_clock: MockClock) -> None:
    server = service()
    async with from_here(server) as http:
        with server.admit():
            assert (await http.post(DRAIN_PATH)).json() == {"draining": True, "listeners": 1}
        ready = await http.get("/health/ready")
        assert (ready.status_code, ready.json()["reason"]) == (503, "draining")
        assert (await http.get("/health/live")).status_code == 200
        assert (await http.post(DRAIN_PATH)).json() == {"draining": True, "listeners": 0}
        assert (await http.get(DRAIN_PATH)).json() == {"draining": True, "listeners": 0}
        assert (await http.delete(DRAIN_PATH)).json() == {"draining": False, "listeners": 0}
        assert (await http.get("/health/ready")).status_code == 200
        assert (await http.get(DRAIN_PATH)).json() == {"draining": False, "listeners": 0}


@pytest.mark.parametrize("kind", SPEECH)
async def test_requests_to_speak_are_turned_away(kind: str, autojump_clock: MockClock) -> None:
    server = service()
    server.leaving.drain()
    path, body = SPEECH[kind]
    async with from_here(server) as http:
        answer = await http.post(path, json=body)
        assert (await http.get("/api/voices")).status_code == 200
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
        assert CODE_IN[kind](answer.json()) == "draining"
        server.leaving.stay()
        assert (await http.post(path, json=body)).status_code == 200


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
async def test_only_operators_may(method: str, autojump_clock: MockClock) -> None:
    server, tenant = service(), Tenant("alice")
    app = create_app(server, operators=OperatorRule(is_private=True))
    async with asked_by(app, tenant) as http:
        refused = await http.request(method, DRAIN_PATH)
        assert (refused.status_code, refused.json()["code"]) == (403, "not_for_this_key")
        tenant.is_operator = True
        assert (await http.request(method, DRAIN_PATH)).status_code == 200
    async with from_here(server, is_private=False) as http:
        refused = await http.request(method, DRAIN_PATH)
        assert (refused.status_code, refused.json()["code"]) == (403, "operators_need_a_key")
    async with from_here(server) as http:
        passed_on = {"x-forwarded-for": "192.0.2.7"}
        refused = await http.request(method, DRAIN_PATH, headers=passed_on)
        assert refused.status_code == 403


async def test_no_drain_takes_a_place_from_who_has_not_spoken_yet() -> None:
    """Where all places are taken, the oldest silent socket of whoever has most makes room for a
    newcomer: not for one who is turned away anyway, nor for the operator who drains."""
    server, crowd = service(max_listeners=2), Crowd(Room.below(1024))
    app = create_app(server, operators=OperatorRule(is_private=True))
    port = Port(
        ServiceAnswers(server, HttpServer(app), crowd), Access(), crowd, tls=None, write_stall_s=30
    )
    [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
    number, other = listener.socket.getsockname()[1], "127.0.0.2"
    async with trio.open_nursery() as nursery:
        await nursery.start(port.serve, [listener])
        async with websocket(number), websocket(number):
            assert (await ask(number, post(DRAIN_PATH, {}), source=other)).status == 200
            for _ in range(2):
                asked = post("/api/speak", {"text": "Hello!"})
                refused = await ask(number, asked, source=other)
                assert (refused.status, refused.json()["code"]) == (503, "draining")
            assert server.n_listeners == 2
        nursery.cancel_scope.cancel()
