"""Text without spaces that is longer than a segment: cut between words."""

from __future__ import annotations

import itertools

import pytest

from stages.text.word_breaks import word_breaks
from tests.segmenter.cutting import SPLITS, sources_of

THAI = (
    "ประเทศไทย|มี|วัฒนธรรม|ที่|หลาก|หลาย|และ|งดงาม|ผู้คน|เป็น|มิตร|และ|อาหาร|อร่อย|มาก|นัก|ท่อง|"
    "เที่ยว|จาก|ทั่ว|โลก|ต่าง|เดิน|ทาง|มา|เยี่ยม|ชม|วัด|และ|ชายหาด|ที่|สวยงาม|"
)
CHINESE = "今天|天气|很好|我们|一起|去|公园|散步|"


@pytest.mark.parametrize("words", [THAI, CHINESE])
def test_text_without_spaces_is_cut_between_words(words: str) -> None:
    """It was cut at 200 characters, in the middle of a word, and both halves were misread."""
    text = words.replace("|", "") * 20
    edges = set(itertools.accumulate(map(len, (words * 20).split("|"))))
    for split in SPLITS:
        sources = sources_of(split(text))
        assert "".join(sources) == text
        assert all(180 <= len(source) <= 200 for source in sources[:-1]), split.__name__
        assert set(itertools.accumulate(map(len, sources))) <= edges


def test_other_text_without_spaces_is_cut_at_the_limit() -> None:
    assert sources_of(["x" * 450]) == ["x" * 200, "x" * 200, "x" * 50]
    assert sources_of(["x-" * 150])[0] == "x-" * 100


@pytest.mark.parametrize("rare", ["𠮷", "😀", "🇩🇪"])
def test_breaks_are_counted_in_characters(rare: str) -> None:
    """ICU counts in UTF-16, where these take two units: breaks lay behind the text's end, and a
    reply with such a character in it was broken off."""
    text = f"我们{rare}去公园散步吧"
    breaks = word_breaks(text)
    plain = word_breaks("我们" + "吉" * len(rare) + "去公园散步吧")
    assert breaks
    assert breaks[-1] == plain[-1]
    assert all(0 < place < len(text) for place in breaks)
