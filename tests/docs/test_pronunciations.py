"""The examples of docs/pronunciation.md come out as they stand there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pipeline.lexicon_file import read_lexicon
from stages.text.lexicon import pronunciations
from tests.docs.pages import page, rows

if TYPE_CHECKING:
    from pathlib import Path

PAGE = page("docs/pronunciation.md")
EXAMPLES = [[cell.strip("`") for cell in row] for row in rows(PAGE.section("What is found"))]


@pytest.mark.parametrize(("written", "spoken"), EXAMPLES)
def test_words_are_spoken_as_the_page_says(tmp_path: Path, written: str, spoken: str) -> None:
    path = tmp_path / "words.toml"
    path.write_text(PAGE.snippets("toml")[0].text, encoding="utf-8")
    tables = read_lexicon(path).tables("en-gb")
    for begin, end, said in reversed(pronunciations(written, "en-gb", tables, takes_sounds=True)):
        written = written[:begin] + said + written[end:]
    assert written == spoken
