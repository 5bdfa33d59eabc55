"""The page at `/docs`, which tells what there is over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.page.browser import open_page
from tests.page.visitor import loading_anew

if TYPE_CHECKING:
    from tests.server_process import ServerProcess


async def test_it_tells_the_routes_and_loads_nothing_from_elsewhere(
    browser: str, server: ServerProcess
) -> None:
    async with open_page(browser, f"{server.http_url}/docs") as page:
        await page.wait_for("document.body.innerText.includes('/api/speak')")
        loaded = await page.evaluate(
            "performance.getEntriesByType('resource').map((entry) => entry.name)"
        )
        assert all(url.startswith(f"{server.http_url}/") for url in loaded)
        assert f"{server.http_url}/docs/files/swagger-ui-bundle.js" in loaded
        for button in (".opblock-get .opblock-summary-control", ".try-out__btn", ".execute"):
            await page.wait_for(f"document.querySelector('{button}')")
            await page.click(button)
        await page.wait_for("document.querySelector('.live-responses-table .response')")
        assert page.problems == []


@pytest.mark.parametrize("path", ["/", "/docs"])
async def test_no_script_that_was_put_into_a_page_runs(
    browser: str, server: ServerProcess, path: str
) -> None:
    async with open_page(browser, server.http_url + path) as page:
        await page.evaluate(
            "(() => { const script = document.createElement('script');"
            " script.textContent = 'window.isHurt = true'; document.body.append(script);"
            " const picture = document.createElement('img');"
            " picture.setAttribute('onerror', 'window.isHurt = true');"
            " picture.src = 'https://example.org/'; document.body.append(picture) })()"
        )
        await page.wait_for("true")
        assert not await page.evaluate("window.isHurt")
        assert all("Content Security Policy" in problem for problem in page.problems)
        assert len(page.problems) >= 2


async def test_no_page_of_ours_is_shown_in_another(browser: str, server: ServerProcess) -> None:
    """Whoever frames a page can have it clicked on unawares."""
    async with open_page(browser, server.http_url + "/health/live") as page:
        await page.call("Page.setBypassCSP", {"enabled": True})  # of the page around it
        async with loading_anew(page):
            await page.call("Page.reload")
        await page.call("Page.setBypassCSP", {"enabled": False})
        for path in ("/", "/docs"):
            await page.evaluate(
                "new Promise((done) => { const frame = document.createElement('iframe');"
                f" frame.onload = done; frame.src = '{path}'; document.body.append(frame) }})"
            )
        titles = await page.evaluate(
            "[...document.querySelectorAll('iframe')]"
            ".map((it) => it.contentDocument?.title ?? null)"
        )
        assert titles == [None, None]
