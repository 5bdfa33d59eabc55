"""What the engine is given: no markup, no emoji, no thoughts, white space in order."""

from __future__ import annotations

import pytest

from stages.segmenter import SegmenterOptions
from tests.segmenter.cutting import segments_of

SPOKEN = {
    # the ends of lines
    "# Heading": "Heading",
    "Then # no\n### Yes": "Then # no, Yes",
    "# Heading\nText\n\nMore": "Heading. Text. More",
    "# Chapter 3\nText": "Chapter 3, Text",  # "3." would be "third" in German
    "- one\n* two\n+ three\n• four": "one, two, three, four",
    "- one.\n- two!\n- three:\n- four,\n- (five)": "one. two! three: four, (five)",
    "1. one\n2. two": "1. one, 2. two",
    "> quoted\n> > twice": "quoted, twice",
    "above\n\n---\n\nbelow": "above. below",
    "| a | b |\n|---|:-:|\n| 1 | 2 |": "a, b, 1, 2",
    "Apples\nPears\nPlums!": "Apples, Pears, Plums!",
    "A paragraph\nthat was wrapped": "A paragraph that was wrapped",
    "<b>Bold</b> text<br>next. Done.": "Bold text, next. Done.",
    '"Quoted."\n\n(Brackets.)\n\nDone': '"Quoted. (Brackets. Done',
    # what markup leaves behind
    "As shown in [2][3]. Next": "As shown in. Next",
    "Look:\n```python\nprint(1)\n```\nDone": "Look: Done",
    "Some **bold** and *italic*": "Some bold and italic",
    "H<sub>2</sub>O": "H2O",
    # what must survive
    "a bare 3 < 5 & 6 > 5": "a bare 3 < 5 & 6 > 5",
    "f(x)*(y) - 5 + 3 = $29.95": "f(x)*(y) - 5 + 3 = $29.95",
    "#hashtag @name 12.5% 3.14": "#hashtag @name 12.5% 3.14",
    "It's 5 o'clock": "It's 5 o'clock",
    "Bonjour !": "Bonjour !",
    # emoji
    "Nice 🎉 work 👍🏽": "Nice work",
    "Great🎉!": "Great!",
    "so 👨‍👩‍👧‍👦🇩🇪 it ❤️ is ✅": "so it is",
    "1️⃣ one #️⃣ two": "1 one two",
    "© 2024 → 5™": "© 2024 → 5™",
    "A list 🎉\n\nDone": "A list. Done",
    # nothing to speak
    "   ": "",
    "🎉🎉": "",
    "** -- _": "",
    '")': "",
    "...": "",
    "---": "",
    "<think>never closed": "",
    # but a symbol has a name
    "&": "&",
    "€": "€",
    "%": "%",
    "㎡": "㎡",
    "℃": "℃",
    "Hi!\n㎏\n": "Hi! ㎏",
    # and others have none
    "→": "",
    "── ✓ ♪": "",
    "㊗ Ⓜ": "",
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
        ("[Hello. World](https://a.b/c) ok", ["Hello.", "World ok"]),
        ("Go!\n# Title", ["Go!", "Title"]),
        ("Hi!\u200d\ufe0f Yes", ["Hi!", "Yes"]),
    ],
)
def test_what_a_boundary_tears_apart_goes_from_each_part(text: str, spoken: list[str]) -> None:
    assert [segment.spoken for segment in segments_of([text])] == spoken


def test_each_kind_can_be_left_in() -> None:
    text = "<think>hm</think># **Hi** 🎉"
    assert _spoken(text, SegmenterOptions(skip_markdown=False)) == "# **Hi**"
    assert _spoken(text, SegmenterOptions(skip_emoji=False)) == "Hi 🎉"
    assert _spoken(text, SegmenterOptions(skip_thinking=False)) == "hm# Hi"
    assert _spoken("🎉", SegmenterOptions(skip_emoji=False)) == "🎉"
    fenced = "```\ncode\n```"
    assert _spoken(fenced, SegmenterOptions(skip_markdown=False)).strip() == "``` code,"


def _spoken(text: str, options: SegmenterOptions) -> str:
    return " ".join(segment.spoken for segment in segments_of([text], "eager", options))


def test_an_emoji_whose_sounds_are_given_is_said() -> None:
    """Without its word the form was none, and was read sign by sign."""
    text = "It is [🎉](/ˈpɑːti/) time 🎉"
    assert _spoken(text, SegmenterOptions()) == "It is [🎉](/ˈpɑːti/) time"


def test_modifiers_in_a_row_cost_no_time() -> None:
    """A skin tone is an emoji and may follow one: the pattern took exponential time."""
    assert _spoken("👍" + "🏽" * 150 + "x", SegmenterOptions()) == "x"
