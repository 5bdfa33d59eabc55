"""The module for web pages among the examples, in a browser, on a page of another host."""

from __future__ import annotations

import functools
import http.server
import threading
from typing import TYPE_CHECKING

import pytest

from tests.page.browser import open_page
from tests.server_process import ROOT, running_server

if TYPE_CHECKING:
    from collections.abc import Iterator

STORY = "It was a dark and stormy night, and the rain fell in torrents. " * 4
KEY = "a-key-that-nobody-guesses"


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - so it is called there
        pass


@pytest.fixture(scope="module")
def page_url() -> Iterator[str]:
    """The example's page, as it says that it can be served, with a server that has keys."""
    handler = functools.partial(_Quiet, directory=str(ROOT / "examples" / "browser"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as pages:
        serving = threading.Thread(target=pages.serve_forever)
        serving.start()
        origin = f"http://127.0.0.1:{pages.server_port}"
        try:
            with running_server("--allowed-origins", origin, env={"VOICE_API_KEYS": KEY}) as server:
                yield f"{origin}/?url={server.websocket_url}&key={KEY}"
                assert "Traceback" not in server.log
        finally:
            pages.shutdown()
            serving.join()


async def test_a_page_speaks_and_knows_what_was_played(browser: str, page_url: str) -> None:
    async with open_page(browser, page_url) as page:
        await page.click("#speak")
        await page.wait_for("told.value.startsWith('played ')")
        played_ms = int((await page.evaluate("told.value")).split()[1])
        assert 1500 < played_ms < 4000
        await page.click("#speak")  # once more, on the same loudspeakers
        await page.wait_for("told.value === 'speaking'")
        await page.wait_for(f"told.value === 'played {played_ms} ms'")
        assert page.problems == []


async def test_what_was_heard_is_told_though_all_sound_came_long_ago(
    browser: str, page_url: str
) -> None:
    async with open_page(browser, page_url) as page:
        await page.evaluate(f"document.querySelector('#text').value = {STORY!r}")
        await page.click("#speak")
        await page.wait_for("told.value === 'speaking'")
        await page.evaluate("new Promise((resolve) => setTimeout(resolve, 1500))")
        await page.click("#stop")
        await page.wait_for("told.value.startsWith('stopped after: ')")
        heard = (await page.evaluate("told.value")).removeprefix("stopped after: ")
        assert heard
        assert STORY.startswith(heard)
        assert len(heard) < 80


async def test_a_page_says_why_there_is_no_voice(browser: str, page_url: str) -> None:
    async with open_page(browser, page_url + "&voice=nobody") as page:
        await page.click("#speak")
        await page.wait_for("told.value.startsWith('the voice server cannot be reached: ')")
