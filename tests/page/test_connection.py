"""The page when its server goes, comes back, or refuses."""

from __future__ import annotations

import signal
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from tests.page.browser import open_page
from tests.page.visitor import CONNECTED, STORY, TEXT, Visitor, marked, wait_status
from tests.server_process import open_server

if TYPE_CHECKING:
    from tests.server_process import ServerProcess


async def test_a_server_that_comes_back_is_found_again(browser: str) -> None:
    async with AsyncExitStack() as stack:
        async with open_server() as server:
            visit = Visitor(browser, server.http_url).at(may_complain=True)  # the browser tells
            page = await stack.enter_async_context(visit)  # of each connection that is refused
        await page.wait_for("document.querySelector('#connection').dataset.state === 'waiting'")
        await page.wait_for("document.querySelector('#error').textContent.includes('server')")
        await page.write("#text", TEXT)
        await page.click("#speak")
        await wait_status(page, "waiting")
        async with open_server("--port", str(server.port)):
            await page.wait_for(CONNECTED)
            await wait_status(page, "ended")
            assert await marked(page, "heard") == TEXT
            assert await page.text("#error") == ""


async def test_what_had_come_is_played_when_the_server_dies(browser: str) -> None:
    async with (
        open_server() as server,
        Visitor(browser, server.http_url).at(may_complain=True) as page,
    ):
        await page.write("#text", STORY)
        await page.click("[value=trickle]")
        await page.click("#speak")
        await page.wait_for("document.querySelector('#transcript [data-state=now]')")
        server.signal(signal.SIGKILL)
        await page.wait_for("document.querySelector('#error').textContent")
        await wait_status(page, "lost")
        heard, unheard = await marked(page, "heard"), await marked(page, "unheard")
        assert heard + unheard == STORY
        assert unheard


async def test_a_full_server_says_so(browser: str) -> None:
    async with (
        open_server("--max-listeners", "1") as server,
        Visitor(browser, server.http_url).at(),
        open_page(browser, server.http_url) as second,
    ):
        await second.wait_for(
            "document.querySelector('#error').textContent.includes('all 1 places are taken')"
        )
        assert await second.text("#connection") == "Full"


LIMITED = """
  const ask = window.fetch;
  const told = { error: "this key has 2 places, and both are taken", code: "limit_reached" };
  window.fetch = async (path, options) => {
    if (!String(path).startsWith("/ws/stream")) return ask(path, options);
    return new Response(JSON.stringify(told), { status: 429, headers: { "retry-after": "3600" } });
  };
  window.nSockets = 0;
  window.WebSocket = class extends EventTarget {
    constructor() {
      super();
      window.nSockets += 1;
      setTimeout(() => this.onclose({ code: 1006 }));
    }
  };
"""
"""A server whose limit for this key is reached, as a browser tells of it."""


async def test_a_limit_is_told_in_words_and_not_run_against(
    browser: str, server: ServerProcess
) -> None:
    async with open_page(browser, server.http_url, before=LIMITED) as page:
        await page.wait_for("document.querySelector('#connection').textContent === 'Limit reached'")
        assert await page.text("#error") == (
            "The server refuses: this key has 2 places, and both are taken."
        )
        n_sockets = await page.evaluate("window.nSockets")
        await page.evaluate("new Promise((resolve) => setTimeout(resolve, 1200))")
        assert await page.evaluate("window.nSockets") == n_sockets
