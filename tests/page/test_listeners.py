"""The view of many simulated listeners, and its charts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests.page.stubs import WITH_METRICS, WITHOUT_METRICS

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


async def test_metrics_are_drawn_whatever_they_are(visitor: Visitor) -> None:
    async with visitor.at("/#/listeners", before=WITH_METRICS) as page:
        chart = (
            "(title) => [...document.querySelectorAll('.chart')]"
            ".find((chart) => chart.querySelector('figcaption').textContent === title)"
            "?.querySelector('ul').textContent"
        )
        await page.wait_for(f"({chart})('listeners') === '3'")
        await page.wait_for(f"/^overloaded [1-9]/.test(({chart})('errors, a second'))")
        await page.wait_for(f"({chart})('first audio') === 'p50 5.0 msp95 9.5 ms'")
        await page.wait_for(f"({chart})('ready for newcomers') === 'yes'")
        await page.wait_for(f"({chart})('batch size') === 'a mean 2'")
        titles = await page.evaluate(
            "[...document.querySelectorAll('.chart figcaption')].map((one) => one.textContent)"
        )
        assert titles[2:] == [
            "listeners",
            "errors, a second",
            "first audio",
            "ready for newcomers",
            "batch size",
        ]
