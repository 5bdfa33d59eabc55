"""The server that the clients speak to, and what it should say to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.server_process import running_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.server_process import ServerProcess


@pytest.fixture(scope="session")
def server() -> Iterator[ServerProcess]:
    """A server as it is by default, on another port; its warnings are errors."""
    with running_server(env={"PYTHONWARNINGS": "error"}) as server:
        yield server
        assert "Traceback" not in server.log
        assert "Warning" not in server.log


@pytest.fixture(scope="session")
def spoken(server: ServerProcess) -> Callable[[str], bytes]:
    """A text's sound, as float32, from the server's other door."""

    def speak(text: str) -> bytes:
        answer = server.ask("/api/speak", "POST", json={"text": text, "format": "f32le"})
        assert answer.status_code == 200, answer.text
        return answer.content

    return speak
