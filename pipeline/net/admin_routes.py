"""The HTTP routes for whoever runs the server: draining it, and taking that back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fastapi import APIRouter, Request
from pydantic import BaseModel

from pipeline.net.callers import caller_in
from pipeline.net.own_machine import comes_from_here
from pipeline.net.request_head import Refused
from pipeline.net.voice_routes import ErrorAnswer

if TYPE_CHECKING:
    from pipeline.service import Service

DRAIN_PATH = "/admin/drain"


class DrainAnswer(BaseModel):
    """Whether the server drains, and how many it still speaks to."""

    draining: bool
    listeners: int


@dataclass(frozen=True, slots=True)
class OperatorRule:
    """The rule for who counts as the one that runs the server: an operator's key. Where the server
    has no keys, a program on the same machine, of a server that can be reached from nowhere else.
    That is no page, whose requests a browser there sends: some of those may speak
    (``--allowed-origins``), and no more."""

    is_private: bool = False
    """Only this machine reaches the server, and it was not told to let everybody in."""

    def check(self, request: Request) -> None:
        """Raises `Refused` for everybody else."""
        tenant = caller_in(request.scope).tenant
        if tenant is not None:
            if not tenant.is_operator:
                msg = "this needs an operator's key: operator = true in the file of keys"
                raise Refused(403, "not_for_this_key", msg)
            return
        peer = request.client.host if request.client is not None else ""
        is_from_page = "origin" in request.headers
        is_ours = comes_from_here(peer, request.headers.getlist) and not is_from_page
        if not self.is_private or not is_ours:
            msg = (
                "without keys only a program on this machine may do this, and only where the server"
                " listens on nothing else: give the server keys, by --api-keys-file"
            )
            raise Refused(403, "operators_need_a_key", msg)


def admin_routes(service: Service, operators: OperatorRule) -> APIRouter:
    """The routes to a service, for its operators."""
    routes = APIRouter(responses={status: {"model": ErrorAnswer} for status in (401, 403)})

    def answer() -> DrainAnswer:
        return DrainAnswer(draining=service.leaving.is_draining, listeners=service.n_listeners)

    @routes.get(DRAIN_PATH)
    async def tell(request: Request) -> DrainAnswer:
        """Whether the server drains."""
        operators.check(request)
        return answer()

    @routes.post(DRAIN_PATH)
    async def drain(request: Request) -> DrainAnswer:
        """Turn newcomers away, and ask those who are here to leave: as SIGUSR1 does."""
        operators.check(request)
        service.leaving.drain()
        return answer()

    @routes.delete(DRAIN_PATH)
    async def stay(request: Request) -> DrainAnswer:
        """Take that back: as SIGUSR2 does."""
        operators.check(request)
        service.leaving.stay()
        return answer()

    return routes
