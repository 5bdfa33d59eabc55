"""How the page looks, and that it can be used by anybody."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.page.browser import CONTROL
from tests.page.stubs import MANY_VOICES, WITH_METRICS, WITHOUT_METRICS
from tests.page.visitor import TEXT, choose_voice, turn, wait_status

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
        for control in ("theme", "tab-speak", "text", "voice", "preview", "speak"):
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


async def test_a_voice_is_chosen_and_heard_by_keyboard(visitor: Visitor) -> None:
    checked = "document.querySelector('#voice-list :checked').value"
    async with visitor.at() as page:
        await page.evaluate("document.querySelector('#voice').focus()")
        await page.press("Enter")
        await page.wait_for(f"{FOCUSED} === 'voice-search'")
        await page.call("Input.insertText", {"text": "german"})
        await page.wait_for("document.querySelector('#voice-count').textContent === '1 voice'")
        await page.press("ArrowDown")
        await page.press(" ")
        assert await page.evaluate(checked) == "de"
        await page.press("Tab")
        assert await page.evaluate("document.activeElement.ariaLabel") == "Hear de"
        await page.press("Enter")
        await page.wait_for("document.activeElement.dataset.preview === 'heard'")
        await page.press("Escape")
        await page.wait_for("!document.querySelector('#voice-dialog').open")
        assert await page.evaluate(FOCUSED) == "voice"
        assert await page.evaluate("document.querySelector('#voice').value") == "de"


@pytest.mark.parametrize("path", ["/#/speak", "/#/listeners"])
async def test_what_is_pressed_is_large_enough_for_fingers(visitor: Visitor, path: str) -> None:
    """44 CSS pixels high, as WCAG's criterion 2.5.5 has it."""
    async with visitor.at(path, width=PHONE, before=MANY_VOICES) as page:
        await page.evaluate(
            "document.querySelectorAll('details').forEach((one) => one.open = true)"
        )
        if path == "/#/speak":
            await choose_voice(page, "bea")  # has RVC's sliders
            await turn(page, "protect", 0.2)  # and now a button to take that back
            await page.click("#voice")
        small = await page.evaluate(
            "[...document.querySelectorAll('button, select, input, summary, #voice-list label')]"
            ".filter((one) => one.checkVisibility() && one.type !== 'radio')"
            ".filter((one) => one.getBoundingClientRect().height < 44)"
            ".map((one) => one.outerHTML)"
        )
        assert small == []


async def test_on_a_phone_what_is_spoken_is_seen_at_once(visitor: Visitor) -> None:
    """Speak used to be at the end of the screen, and all that it did below that."""
    async with visitor.at(width=PHONE, height=640) as page:
        await page.click("#speak")
        # The place of the word that is being said, which is another one soon.
        word = "document.querySelector('#transcript [data-word=now]')?.getBoundingClientRect()"
        await page.wait_for(f"window.wordBox ??= {word}?.toJSON()")
        boxes = {"a word": await page.evaluate("window.wordBox")}
        for place in ("#speak", "#status", "#waveform"):
            boxes[place] = await page.evaluate(
                f"document.querySelector('{place}').getBoundingClientRect().toJSON()"
            )
        for place, box in boxes.items():
            assert box["top"] >= 0, place
            assert box["bottom"] <= 640, place


async def test_who_wants_no_motion_gets_none(visitor: Visitor) -> None:
    async with visitor.at() as page:
        await page.evaluate("document.querySelector('#preview').dataset.preview = 'waiting'")
        moving = "getComputedStyle(document.querySelector('#preview')).animationName"
        assert await page.evaluate(moving) == "pulse"
        features = [{"name": "prefers-reduced-motion", "value": "reduce"}]
        await page.call("Emulation.setEmulatedMedia", {"features": features})
        assert await page.evaluate(moving) == "none"


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
