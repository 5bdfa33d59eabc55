"""The browser and the server that the tests of the page share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.page.browser import OTHER_NAME, find_browser, running_browser
from tests.page.visitor import Visitor
from tests.server_process import running_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.server_process import ServerProcess


@pytest.fixture(scope="session")
def browser() -> Iterator[str]:
    """A browser's DevTools."""
    if find_browser() is None:
        pytest.skip("no Chromium is installed; `make test` installs it where it may")
    with running_browser() as endpoint:
        yield endpoint


@pytest.fixture(scope="session")
def server() -> Iterator[ServerProcess]:
    """A server as it is out of the box, that also answers to the name."""
    with running_server("--allowed-hosts", OTHER_NAME) as server:
        yield server
        assert "Traceback" not in server.log


@pytest.fixture
def visitor(browser: str, server: ServerProcess) -> Visitor:
    """Somebody who opens the shared server's page in the shared browser."""
    return Visitor(browser, server.http_url)


@pytest.fixture(params=["localhost", "elsewhere"])
def any_visitor(request: pytest.FixtureRequest, browser: str, server: ServerProcess) -> Visitor:
    """One on the server's machine, and one who is not, whose browser has no AudioWorklet."""
    if request.param == "localhost":
        return Visitor(browser, server.http_url)
    return Visitor(browser, f"http://{OTHER_NAME}:{server.port}", "scheduled buffers")
