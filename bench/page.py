"""How soon does somebody who presses Speak in the page hear something?

A headless Chromium opens the page, writes a short sentence, presses *Speak*, hears it out, and
presses again. Timed is the page's own figure, from the press to the first sample that the audio
clock took.

first press  on a fresh page, whose sound has to be started first, ``--pages`` times
later ones   on the last of these pages, ``--presses`` times, as soon as the one before has ended

It needs Chromium, and no sound card: the clock of one that is not there takes samples block by
block as a real one does. What a card adds behind it is not in here.

The floor: the server's first sound (3 ms), and a block of the browser's clock (10 ms). Target:
100 ms. Predicted: 40 ms at p50 and 60 ms at p95 for later ones; 100 ms more for the first press.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import trio

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.common import HOST, Meter, Result, arguments, percentiles, report, running_server
from tests.page.browser import NAMES, find_browser, running_browser
from tests.page.visitor import Visitor, wait_status

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.page.browser import Page

SENTENCE = "The boats stayed!"
FIGURE = "#first-sound"
UNIT = " ms"


async def press(page: Page) -> float:
    """Have the sentence spoken to its end; returns the page's figure, in ms."""
    await page.write("#text", SENTENCE)
    await page.click("#speak")
    await wait_status(page, "ended")
    text = await page.text(FIGURE)
    if not text.endswith(UNIT):
        raise RuntimeError(f"the page tells no first sound, but {text!r}")
    return float(text.removesuffix(UNIT))


async def press_all(visitor: Visitor, n_pages: int, n_presses: int) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {"first press": [], "later ones": []}
    for number in range(n_pages):
        async with visitor.at() as page:
            times["first press"].append(await press(page))
            if number == n_pages - 1:
                for _ in range(n_presses):
                    times["later ones"].append(await press(page))
    return times


def measure_all(n_pages: int, n_presses: int, server_options: list[str]) -> Iterator[Result]:
    """Both cases, in one browser and on one server."""
    with running_server(server_options) as server, running_browser() as browser:
        meter, visitor = Meter(server), Visitor(browser, f"http://{HOST}:{server.port}")
        times = trio.run(press_all, visitor, n_pages, n_presses)
        usage = meter.read()
    for case, values in times.items():
        # The browser has processes of its own, so what others took is not known here.
        yield {"case": case, **percentiles("first_sound_ms", values), **usage}


def main() -> None:
    options = arguments(
        __doc__,
        ("--pages", {"type": int, "default": 10}),
        ("--presses", {"type": int, "default": 20}),
    )
    if find_browser() is None:
        sys.exit(f"bench/page.py needs a browser: none of {', '.join(NAMES)} is installed")
    columns = {
        "case": "case",
        "first_sound_ms_n": "presses",
        "first_sound_ms_p50": "p50 ms",
        "first_sound_ms_p95": "p95",
        "server_cpu": "server cpu",
    }
    report(
        "page",
        options.server_options,
        columns,
        measure_all(options.pages, options.presses, options.server_options),
    )


if __name__ == "__main__":
    main()
