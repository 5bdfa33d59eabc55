"""Who waits for a client's hang-up, while sockets and their numbers come and go."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from pipeline.net.hang_ups import CAN_BE_TOLD, HangUps

pytestmark = pytest.mark.skipif(not CAN_BE_TOLD, reason="this kernel does not tell")


def _ignore() -> None:
    """There is nobody to show a sign of life."""


async def test_a_socket_whose_number_another_had_and_gave_back_is_let_go_of() -> None:
    """The one was closed, as clients are that are cut off, while it was still waited for; another
    got its number, and was done before: letting go of the first failed."""
    hang_ups = HangUps()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(hang_ups.watch)
        first, first_client = trio.socket.socketpair()
        first_wait, second_wait = trio.CancelScope(), trio.CancelScope()

        async def wait(socket: trio.socket.SocketType, scope: trio.CancelScope) -> None:
            with scope:
                await hang_ups.wait(socket, _ignore)

        nursery.start_soon(wait, first, first_wait)
        await trio.testing.wait_all_tasks_blocked()
        number = first.fileno()
        first.close()
        first_client.close()
        second, second_client = trio.socket.socketpair()
        assert second.fileno() == number
        nursery.start_soon(wait, second, second_wait)
        await trio.testing.wait_all_tasks_blocked()
        second_wait.cancel()
        await trio.testing.wait_all_tasks_blocked()
        first_wait.cancel()
        await trio.testing.wait_all_tasks_blocked()

        with trio.fail_after(5):
            second_client.close()
            await hang_ups.wait(second, _ignore)
        second.close()
        nursery.cancel_scope.cancel()
