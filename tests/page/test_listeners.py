"""The view of many simulated listeners, and its charts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests.page.stubs import MANY_VOICES, WITH_METRICS, WITHOUT_METRICS

if TYPE_CHECKING:
    from tests.page.visitor import Visitor

ROWS = (
    "[...document.querySelectorAll('#crowd-rows tr')]"
    ".map((row) => [...row.cells].map((cell) => cell.textContent))"
)


async def test_each_listener_is_spoken_to_and_measured(visitor: Visitor) -> None:
    async with visitor.at("/#/listeners", before=WITHOUT_METRICS) as page:
        await page.write("#crowd-size", "4")
        await page.write("#crowd-rate", "0")
        await page.click("#crowd-start")
        await page.wait_for(f"{ROWS}.every((row) => row[1] === 'speaking' && row[2] !== '–')")
        await page.wait_for(f"{ROWS}.every((row) => Number(row[3]) > 0)")
        assert len(await page.evaluate(ROWS)) == 4
        for figure in ("#crowd-p50", "#crowd-p95"):
            assert re.fullmatch(r"[\d.]+ ms", await page.text(figure))
        await page.wait_for(f"{ROWS}.every((row) => Number(row[5]) > 0)")  # and goes on
        assert await page.text("#crowd-errors") == "0"
        await page.click("#crowd-stop")
        await page.wait_for("document.querySelector('#crowd-stop').disabled")
        assert "left" in await page.text("#crowd-status")


async def test_a_server_without_metrics_is_said_to_be_one(visitor: Visitor) -> None:
    async with visitor.at("/#/listeners", before=WITHOUT_METRICS) as page:
        await page.wait_for("document.querySelector('#metrics-state').textContent.includes('no /')")


CHART = (
    "(title) => [...document.querySelectorAll('.chart')]"
    ".find((chart) => chart.querySelector('figcaption').textContent === title)"
)


async def test_four_charts_are_seen_and_the_rest_is_folded(visitor: Visitor) -> None:
    async with visitor.at("/#/listeners", before=WITH_METRICS) as page:

        def legend(title: str) -> str:
            return f"({CHART})('{title}')?.querySelector('ul').textContent"

        await page.wait_for(f"{legend('Listeners')} === '3'")
        await page.wait_for(f"{legend('First audio')} === 'p50 5.0 msp95 9.5 ms'")
        await page.wait_for(f"/^overloaded [1-9]/.test({legend('errors, a second')})")
        await page.wait_for(f"{legend('ready for newcomers')} === 'yes'")
        await page.wait_for(f"{legend('batch size')} === 'a mean 2'")
        titles, folded = await page.evaluate(
            "['#charts', '#metrics'].map((place) =>"
            " [...document.querySelectorAll(`${place} figcaption`)].map((one) => one.textContent))"
        )
        assert titles == ["First audio", "Real-time factor", "Listeners", "Gaps, a second"]
        assert folded == [
            "first audio, here",
            "speech, here",
            "errors, a second",
            "ready for newcomers",
            "batch size",
        ]
        assert not await page.evaluate("document.querySelector('#metrics').checkVisibility()")
        await page.click("#all-metrics summary")
        assert await page.evaluate("document.querySelector('#metrics').checkVisibility()")


async def test_charts_have_axes_with_units_and_times(visitor: Visitor) -> None:
    async with visitor.at("/#/listeners", before=WITH_METRICS) as page:
        texts = (
            f"(place) => [...({CHART})('First audio').querySelectorAll(`${{place}} span`)]"
            ".map((one) => one.textContent)"
        )
        await page.wait_for(f"({texts})('.values')[0] === '10 ms'")
        assert await page.evaluate(f"({texts})('.values')") == ["10 ms", "5.0 ms", "0"]
        assert await page.evaluate(f"({texts})('.times')") == ["90 s ago", "45 s", "now"]
        tops = await page.evaluate(
            "import('/web/chart.js').then(({ axisTop }) =>"
            " [0, NaN, 1, 1.1, 0.21, 0.021, 7, 999, 2e6].map(axisTop))"
        )
        assert tops == [1, 1, 1, 2, 0.5, 0.05, 10, 1000, 2e6]


async def test_the_voices_are_offered_in_the_same_groups(visitor: Visitor) -> None:
    async with visitor.at("/#/listeners", before=MANY_VOICES) as page:
        groups = await page.evaluate(
            "[...document.querySelectorAll('#crowd-voice optgroup')].map((group) => group.label)"
        )
        assert groups[:2] == ["Your RVC voices", "Neural voices"]
        assert await page.evaluate("document.querySelector('#crowd-voice').value") == "en-us"
