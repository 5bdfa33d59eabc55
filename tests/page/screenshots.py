"""Takes the README's pictures of the page anew: ``python -m tests.page.screenshots``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import trio

from tests.page.browser import running_browser
from tests.page.visitor import Visitor, wait_status
from tests.server_process import ROOT, open_server

if TYPE_CHECKING:
    from tests.page.browser import Page

IMAGES = ROOT / "docs" / "images"

IN_THE_MIDDLE_S = 4.0
"""Of the text that the page begins with, which takes 9 s."""

WIDE = 1150
"""Of the screen, in CSS pixels: the settings stand beside the text."""

CHARTS_S = 25.0
"""Until there is something to see in them."""


async def speak(page: Page) -> None:
    """Until about the middle of the text."""
    await page.click("#speak")
    await page.wait_for("document.querySelector('#transcript [data-word=now]')")
    await trio.sleep(IN_THE_MIDDLE_S)


async def take(page: Page, name: str) -> None:
    """Write one."""
    await page.evaluate("document.activeElement.blur()")
    await page.screenshot(Path(IMAGES / f"page-{name}.png"))


async def main() -> None:
    """All four."""
    with running_browser() as browser:
        async with open_server("--engine", "piper") as server:
            visitor = Visitor(browser, server.http_url)
            async with visitor.at(width=WIDE) as page:
                await speak(page)
                await take(page, "light")
            async with visitor.at(width=WIDE, is_dark=True) as page:
                await speak(page)
                await page.click("#stop")
                await wait_status(page, "stopped")
                await page.wait_for("document.querySelector('[data-state=unheard]')")
                await page.click("#segments-card summary")
                await take(page, "dark")
            async with visitor.at(width=360) as page:
                await speak(page)
                await take(page, "phone")
            async with visitor.at("/#/listeners", width=WIDE, may_complain=True) as page:
                await page.click("#crowd-start")
                await trio.sleep(CHARTS_S)
                await take(page, "listeners")


if __name__ == "__main__":
    trio.run(main)
