"""The page at `/docs`, which tells what there is over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.page.browser import open_page

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
        assert page.problems == []
