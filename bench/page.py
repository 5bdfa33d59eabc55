"""How soon does somebody who presses Speak in the page hear something?

A headless Chromium opens the page, writes a short sentence, presses *Speak*, hears it to its end,
and presses again. Timed is the page's own figure, from the press to the first sample that the audio
clock took.

first press  on a new page, whose audio has to be started first, ``--pages`` times
later ones   on the last of these pages, ``--presses`` times, as soon as the one before has ended
...piper     the same, spoken by Piper's voice that is in the box; ``--engines`` has others

It needs Chromium, and no sound card: the clock of one that is not there takes samples block by
block as a real one does. What a card adds is not in here. What else used the machine includes the
browser's own processes.

The floor: the server's first audio (3 ms), and a block of the browser's clock (10 ms). Target:
100 ms. Predicted: 40 ms at p50 and 60 ms at p95 for later ones; 100 ms more for the first press.
With Piper the target is 200 ms at p50, and 90 ms are added: its first audio of this sentence.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import trio

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from bench.common import Figure, Result, percentiles, report
from bench.meter import Meter
from bench.serving import HOST, running_server, serving_parser
from tests.page.browser import NAMES, find_browser, running_browser
from tests.page.visitor import Visitor, wait_status

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from tests.page.browser import Page

COLUMNS = {
    "first_sound_ms_n": "presses",
    "first_sound_ms_p50": "p50 ms",
    "first_sound_ms_p95": "p95",
    "server_cpu": "server cpu",
}
P50, P95 = "first_sound_ms_p50", "first_sound_ms_p95"
FIRST, LATER = "first press", "later ones"
ESPEAK = "espeak-ng"
PIPER_FIRST, PIPER_LATER = f"{FIRST}, piper", f"{LATER}, piper"
FIGURES = (
    Figure("from the press to the first sample, p50", LATER, P50, "ms", predicted="40"),
    Figure("the same, p95", LATER, P95, "ms", at_most=100, predicted="60"),
    Figure("the first press on a new page, p50", FIRST, P50, "ms", predicted="140"),
    Figure("the same, p95", FIRST, P95, "ms", at_most=100, predicted="160"),
    Figure("with Piper, p50", PIPER_LATER, P50, "ms", at_most=200, predicted="130"),
    Figure(
        "with Piper, the first press, p50", PIPER_FIRST, P50, "ms", at_most=200, predicted="230"
    ),
)

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
    times: dict[str, list[float]] = {FIRST: [], LATER: []}
    for number in range(n_pages):
        async with visitor.at() as page:
            times[FIRST].append(await press(page))
            if number == n_pages - 1:
                times[LATER] += [await press(page) for _ in range(n_presses)]
    return times


def measure(asked: argparse.Namespace) -> Iterator[Result]:
    """Both cases with each engine, in one browser and on a server for each."""
    with running_browser() as browser:
        for engine in asked.engines:
            with running_server(["--engine", engine, *asked.server_options]) as server:
                meter, visitor = Meter(server), Visitor(browser, f"http://{HOST}:{server.port}")
                times = trio.run(press_all, visitor, asked.pages, asked.presses)
                usage = meter.read()
            for case, values in times.items():
                name = case if engine == ESPEAK else f"{case}, {engine}"
                yield {"case": name, **percentiles("first_sound_ms", values), **usage}


def main() -> None:
    parser = serving_parser(__doc__)
    parser.add_argument("--engines", nargs="+", default=[ESPEAK, "piper"])
    parser.add_argument("--pages", type=int, default=10)
    parser.add_argument("--presses", type=int, default=20)
    asked = parser.parse_args()
    if find_browser() is None:
        sys.exit(f"bench/page.py needs a browser: none of {', '.join(NAMES)} is installed")
    report(COLUMNS, FIGURES, measure(asked))


if __name__ == "__main__":
    main()
