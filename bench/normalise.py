"""What does it cost to say a segment's text, before any engine has it?

In this process, without a server: the normaliser alone, in processor time. Segments of 200
characters, the longest that are cut of running text: prose, prose as language models write it with
a number in every sentence, and texts of nothing but numbers, abbreviations and addresses, which are
the table of the tests put end to end. Then what is written to be slow, the dearest of each; and
long texts, whose cost must grow with their length and no faster.

The floor is one pass over the same text for each rule, of an expression that never matches: no rule
that is tried costs less.

Predicted: prose 0.15 ms, since most rules need a digit or a sign and are not tried; a number here
and there 0.6; nothing but numbers 1.5, and 2 at p95.
"""

from __future__ import annotations

import random
import re
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from bench.common import Figure, Result, argument_parser, percentiles, report
from stages.text.normalise import LetterStyle, english, normalise, prepare
from tests.text.normalise.scoring import read_cases

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

COLUMNS = {
    "characters": "characters",
    "ms_n": "texts",
    "ms_p50": "p50 ms",
    "ms_p95": "p95 ms",
    "ms_p99": "p99 ms",
    "us_a_character": "us a char.",
}
FIGURES = (
    Figure("prose, p50", "en-us, prose", "ms_p50", "ms", predicted="0.15"),
    Figure("a number in every sentence, p50", "en-us, replies", "ms_p50", "ms", predicted="0.6"),
    Figure("the same, p95", "en-us, replies", "ms_p95", "ms", at_most=2),
    Figure("nothing but numbers, p95", "en-us, numbers", "ms_p95", "ms", at_most=2, predicted="2"),
    Figure("written to be slow, the dearest", "en-us, hostile", "ms_p99", "ms", at_most=20),
)

SEGMENT_CHARS = 200
SEGMENTS = 300
LANGUAGES = ("en-us", "de", "es", "fr-fr", "cmn")
PROSE = (
    "The boats stayed where they were, and nobody in the town could say for how long.",
    "She walked along the quiet harbour until the light was gone.",
    "It was not the first time, he thought, that the weather had made up its mind so late.",
)
REPLIES = (
    "The meeting is on Tuesday, March 5, 2024, at 2:30 p.m., and it will take about 45 minutes.",
    "In 1969 the crew of Apollo 11 brought back 21.5 kg of rock, which is not very much.",
    "It costs $12.99 a month, or 10% less if you pay for a year, e.g. by card.",
    "Mix two cups of flour with 1/2 tsp of salt, and leave it at 20°C for an hour or so.",
)
HOSTILE = ("1", "1 ", "1.1-1_", "1x", "#", "$1a", "A.", "www.", "/1", "IV ", ",/1:a_No.-1", "½²")
NEVER = re.compile(r"(?<![\w.,])\d+(?=\x00)")


def segments(sentences: Sequence[str]) -> list[str]:
    """The sentences in a random order, end to end, cut to length."""
    order = random.Random(1)
    texts = []
    for _ in range(SEGMENTS):
        text = ""
        while len(text) < SEGMENT_CHARS:
            text += order.choice(sentences) + " "
        texts.append(text[:SEGMENT_CHARS])
    return texts


def measure_case(case: str, texts: Iterable[str], work: Callable[[str], object]) -> Result:
    costs_ms, n_chars = [], []
    for text in texts:
        began = time.process_time_ns()
        work(text)
        costs_ms.append((time.process_time_ns() - began) / 1e6)
        n_chars.append(len(text))
    return {
        "case": case,
        "characters": sum(n_chars) // len(n_chars),
        **percentiles("ms", costs_ms),
        "us_a_character": 1000 * sum(costs_ms) / sum(n_chars),
    }


def measure() -> Iterator[Result]:
    written = [case.written for case in read_cases()]
    kinds = {
        "prose": segments(PROSE),
        "replies": segments(REPLIES),
        "numbers": segments(written),
        "hostile": [(unit * SEGMENT_CHARS)[:SEGMENT_CHARS] for unit in HOSTILE],
    }
    n_rules = len(english.rules())
    yield measure_case(
        "floor", kinds["numbers"], lambda text: [NEVER.search(text) for _ in range(n_rules)]
    )
    for language in LANGUAGES:
        prepare(language)
        say = partial(normalise, language=language, letters=LetterStyle.HYPHENED)
        for kind, texts in kinds.items():
            yield measure_case(f"{language}, {kind}", texts, say)
    say = partial(normalise, language="en-us", letters=LetterStyle.HYPHENED)
    for n_kib in (1, 8, 64):
        text = " ".join(written * 20)[: n_kib * 1024]
        yield measure_case(f"en-us, {n_kib} KiB", [text] * 3, say)


def main() -> None:
    argument_parser(__doc__).parse_args()
    report(COLUMNS, FIGURES, measure())


if __name__ == "__main__":
    main()
