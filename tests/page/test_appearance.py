"""How the page looks, and that it can be used by anybody."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.page.browser import CONTROL
from tests.page.stubs import WITH_METRICS, WITHOUT_METRICS
from tests.page.visitor import TEXT, wait_status

if TYPE_CHECKING:
    from tests.page.browser import Page
    from tests.page.visitor import Visitor

PHONE = 360
BACKGROUND = "getComputedStyle(document.body).backgroundColor"
FOCUSED = "document.activeElement.id"
MOST_TABS = 40


async def test_dark_and_light_follow_the_system_and_the_switch(visitor: Visitor) -> None:
    async with visitor.at() as page:
        light = await page.evaluate(BACKGROUND)
    async with visitor.at(is_dark=True) as page:
        dark = await page.evaluate(BACKGROUND)
        assert light != dark
        await page.click("#theme")
        assert await page.text("#theme") == "Theme: light"
        assert await page.evaluate(BACKGROUND) == light
        await page.call("Page.reload")
        await page.wait_for("document.querySelector('#theme')?.textContent === 'Theme: light'")
        assert await page.evaluate(BACKGROUND) == light
        await page.click("#theme")
        assert await page.evaluate(BACKGROUND) == dark


@pytest.mark.parametrize("path", ["/#/speak", "/#/listeners"])
async def test_a_phone_does_not_scroll_sideways(visitor: Visitor, path: str) -> None:
    async with visitor.at(path, width=PHONE, before=WITH_METRICS) as page:
        await page.write("#text", "Donaudampfschifffahrtsgesellschaft" * 5 + "!")
        await page.evaluate("document.querySelector('#say').requestSubmit()")
        await page.evaluate("document.querySelector('#crowd').requestSubmit()")
        await page.wait_for("document.querySelectorAll('#segments tr').length")
        await page.wait_for("document.querySelectorAll('#crowd-rows tr').length")
        await page.evaluate("document.querySelector('details').open = true")
        assert await page.evaluate("document.documentElement.scrollWidth") <= PHONE
        await page.evaluate("document.querySelector('#crowd-stop').click()")


async def tab_to(page: Page, target: str) -> None:
    """Press Tab until this has the focus, which must be seen wherever it is."""
    for _ in range(MOST_TABS):
        await page.press("Tab")
        if await page.evaluate("document.activeElement === document.body"):
            continue  # it has gone around
        outline = await page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline == "solid", await page.evaluate("document.activeElement.outerHTML")
        if await page.evaluate(FOCUSED) == target:
            return
    pytest.fail(f"the focus does not come to {target}")


async def test_everything_can_be_done_by_keyboard(visitor: Visitor) -> None:
    async with visitor.at(before=WITHOUT_METRICS) as page:
        for control in ("theme", "tab-speak", "text", "voice", "pitch", "speak"):
            await tab_to(page, control)
        await page.press("Enter")
        await wait_status(page, "speaking")
        await page.press("Escape")
        await wait_status(page, "stopped")
        await page.write("#text", TEXT)
        await page.press("Enter", CONTROL)
        await wait_status(page, "speaking")
        await page.evaluate("document.querySelector('#theme').focus()")
        await tab_to(page, "tab-speak")
        await page.press("ArrowRight")
        assert await page.evaluate(FOCUSED) == "tab-listeners"
        assert await page.evaluate("document.querySelector('#view-speak').hidden")
        await tab_to(page, "crowd-size")
        await wait_status(page, "ended")


async def test_all_controls_and_regions_have_names(visitor: Visitor) -> None:
    named = {"button", "combobox", "slider", "spinbutton", "tab", "tabpanel", "textbox", "radio"}
    async with visitor.at() as page:
        tree = await page.call("Accessibility.getFullAXTree")
        nodes = [node for node in tree["nodes"] if not node.get("ignored")]
        roles = {node["role"]["value"] for node in nodes}
        nameless = [
            node["role"]["value"]
            for node in nodes
            if node["role"]["value"] in named and not node.get("name", {}).get("value")
        ]
        assert nameless == []
        assert named <= roles
        assert "status" in roles


async def test_on_a_phone_the_head_takes_one_line(visitor: Visitor) -> None:
    async with visitor.at(width=PHONE) as page:
        assert (
            await page.evaluate(
                "new Set(['h1', '#connection', '#theme'].map((one) => {"
                "  const { top, bottom } = document.querySelector(one).getBoundingClientRect();"
                "  return Math.round((top + bottom) / 8); })).size"
            )
            == 1
        )


async def test_keys_are_not_told_to_who_has_none(visitor: Visitor) -> None:
    shown = "document.querySelector('#keys').checkVisibility()"
    async with visitor.at() as page:
        assert await page.evaluate(shown)
        await page.call("Emulation.setTouchEmulationEnabled", {"enabled": True})
        await page.call("Emulation.setEmitTouchEventsForMouse", {"enabled": True})
        await page.call(
            "Emulation.setDeviceMetricsOverride",
            {"width": PHONE, "height": 800, "deviceScaleFactor": 1, "mobile": True},
        )
        await page.wait_for(f"!{shown}")


async def test_the_url_chooses_the_view_also_when_it_changes(visitor: Visitor) -> None:
    async with visitor.at() as page:
        for view in ("listeners", "speak"):
            await page.evaluate(f"location.hash = '/{view}'")
            await page.wait_for(f"document.querySelector('#view-{view}').checkVisibility()")
        await page.evaluate("location.hash = '/elsewhere'")
        assert await page.evaluate("document.querySelector('#view-speak').checkVisibility()")
