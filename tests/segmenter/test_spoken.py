"""What the engine is given: no markup, no emoji, no thoughts, white space in order."""

from __future__ import annotations

import pytest

from stages.segmenter import SegmenterOptions
from tests.segmenter.cutting import segments_of

SPOKEN = {
    # markdown
    "# Heading": "Heading",
    "Then # no\n### Yes": "Then # no Yes",
    "Some **bold** and *italic* and ***both*** text": "Some bold and italic and both text",
    "A __bold__ and _italic_ word": "A bold and italic word",
    "(**Note**: *see*)": "(Note: see)",
    "这是**重点**内容": "这是重点内容",
    "Run `make test` now": "Run make test now",
    "~~old~~ new": "old new",
    "See [the docs](https://a.b/c_(d)?e=1) now": "See the docs now",
    'See [the docs](https://a.b "Title") now': "See the docs now",
    "See ![a cat](cat.png) there": "See ! a cat there",  # the mark acts at once
    "![a cat](cat.png)": "a cat",
    "See [it][ref] and this[^1]": "See it and this",
    "At <https://a.b/c> now": "At https://a.b/c now",
    "- one\n* two\n+ three\n• four": "one two three four",
    "- [x] done\n- [ ] open": "done open",
    "1. one\n2. two": "1. one 2. two",
    "> quoted\n> > twice": "quoted twice",
    "> - item": "item",
    "above\n\n---\n\nbelow": "above below",
    "| a | b |\n|---|:-:|\n| 1 | 2 |": "a b 1 2",
    r"\*not bold\* and 1\. no list": "*not bold* and 1. no list",
    "Look:\n```python\nprint(1)\n```\nDone": "Look: Done",
    "```\na = '```'\nb\n```\nDone": "Done",
    "Use ```\nx``` here": "Use x here",
    "Use ```x``` here": "Use x here",
    "```make``` it": "make it",
    # what must survive
    "snake_case and 2*3*4 and 2 * 3 and 2 ** 3": "snake_case and 2*3*4 and 2 * 3 and 2 ** 3",
    "a bare 3 < 5 & 6 > 5": "a bare 3 < 5 & 6 > 5",
    "f(x)*(y) - 5 + 3 = $29.95": "f(x)*(y) - 5 + 3 = $29.95",
    "#hashtag @name 12.5% 3.14": "#hashtag @name 12.5% 3.14",
    "x[0][1] and a | b": "x[0][1] and a b",
    "It's 5 o'clock": "It's 5 o'clock",
    # emoji
    "Nice 🎉 work 👍🏽": "Nice work",
    "Great🎉!": "Great!",
    "so 👨‍👩‍👧‍👦🇩🇪 it ❤️ is ✅": "so it is",
    "1️⃣ one #️⃣ two": "1 one two",
    "© 2024 → 5™": "© 2024 → 5™",
    # thoughts
    "<think>Hm</think>Yes": "Yes",
    "Yes<thinking>Hm</thinking>No": "Yes No",
    "<think>never closed": "",
    "a stray </think>end": "a stray end",
    "<thin": "<thin",
    # nothing to speak
    "   ": "",
    "🎉🎉": "",
    "** -- _": "",
    '")': "",
    "...": "",
    "---": "",
    # but a symbol has a name
    "&": "&",
    "€": "€",
    "%": "%",
}


@pytest.mark.parametrize("text", SPOKEN)
def test_what_is_spoken(text: str) -> None:
    spoken = " ".join(segment.spoken for segment in segments_of([text], "sentence"))
    assert spoken.strip() == SPOKEN[text]


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("**Bold!** Next", ["Bold!", "Next"]),
        ("**Bold!**, yes", ["Bold!", "yes"]),
        ("_Really?!_ So", ["Really?", "So"]),
        ('"Wait?!" Next', ['"Wait?', "Next"]),
        ('("Go.") Then', ['("Go.', "Then"]),
        ("Go! 'He' left", ["Go!", "'He' left"]),
        ("Is it < 3? > 5 is", ["Is it < 3?", "> 5 is"]),
        ("Yes! - no", ["Yes!", "- no"]),
        ("[Hello. World](https://a.b/c) ok", ["[Hello.", "World ok"]),
        ("Go!\n# Title", ["Go!", "Title"]),
        ("Hi!\u200d\ufe0f Yes", ["Hi!", "Yes"]),
    ],
)
def test_what_a_boundary_tears_apart_goes_from_each_part(text: str, spoken: list[str]) -> None:
    assert [segment.spoken for segment in segments_of([text])] == spoken


def test_each_kind_can_be_left_in() -> None:
    text = "# **Hi** 🎉 <think>hm</think>"
    assert _spoken(text, SegmenterOptions(skip_markdown=False)) == "# **Hi**"
    assert _spoken(text, SegmenterOptions(skip_emoji=False)) == "Hi 🎉"
    assert _spoken(text, SegmenterOptions(skip_thinking=False)) == "Hi <think>hm</think>"
    assert _spoken("🎉", SegmenterOptions(skip_emoji=False)) == "🎉"
    fenced = "```\ncode\n```"
    assert _spoken(fenced, SegmenterOptions(skip_markdown=False)) == "``` code ```"


def _spoken(text: str, options: SegmenterOptions) -> str:
    return " ".join(segment.spoken for segment in segments_of([text], "eager", options))


def test_modifiers_in_a_row_cost_no_time() -> None:
    """A skin tone is an emoji and may follow one: the pattern took exponential time."""
    assert _spoken("👍" + "🏽" * 150 + "x", SegmenterOptions()) == "x"
