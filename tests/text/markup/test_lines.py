"""Lines: where one ends something, and where a paragraph goes on."""

from __future__ import annotations

import pytest

from stages.text.markup import Kind, Markup, MarkupOptions
from tests.text.markup.reading import readings_of

LINES = {
    # a line that is over where it ends
    "# Title\nText": "Title|Text",
    "###### Title ##\nText": "Title|Text",
    "Title\n===\nSub\n---\nText": "Title||Sub||Text",
    "- one\n* two\n+ three": "one|two|three",
    "• one\n◦ two\n⁃three": "one|two|three",
    "— Bonjour\n— Salut": "Bonjour|Salut",
    "- [ ] open\n- [x] done": "open|done",
    "- a\n  - b\n    1. c": "a|b|1. c",
    "> one\n> > two": "one|two",
    "| Ann | 5 |\n| Bob |  |": "Ann , 5|Bob ,",
    "Name | Age\n--- | ---\nAnn | 5": "Name , Age||Ann , 5",
    "| a |\n|:-:|\n+---+\n| b |": "a|||b",
    "│ a │ b │\n└───┴───┘": "a , b|",
    "Here is the list:\nApples": "Here is the list:|Apples",
    "Age: 5\ncity: Rome\nfirst name: Ann\nEnd": "Age: 5|city: Rome|first name: Ann|End",
    "**Bold title**\nand text": "Bold title|and text",
    "**Key:** value\nand text": "Key: value|and text",
    "A line  \nhas ended": "A line|has ended",
    "A line\\\nhas ended": "A line|has ended",
    "> [!NOTE]\n> Care": "Note|Care",
    ":::tip\nText\n:::": "|Text|",
    "== Title ==\nText": "Title|Text",
    "➤ one\n→ two\n-Three": "one|two|Three",
    "||Ann||5||\n||Bob||6||": "Ann,5|Bob,6",
    # before a blank line, or one of those
    "Text\n\nMore": "Text||More",
    "Text\n \t\nmore": "Text||more",
    "Text\r\n\r\nMore": "Text||More",
    "Text\n- one": "Text|one",
    "Text\n1. one": "Text|1. one",
    "Text\n# Title": "Text|Title",
    "Text\n| a | b |": "Text|a , b",
    "Text\n```\nx\n```": "Text||",
    "Text\n***\nMore": "Text||More",
    # short lines that do not go on
    "Apples\nPears\nPlums!": "Apples|Pears|Plums!",
    "Roses are red\n“Violets are blue": "Roses are red|“Violets are blue",
    "苹果\n梨": "苹果|梨",
    "Straße 5\n12345 Ort": "Straße 5|12345 Ort",
    # a paragraph that was wrapped
    "This is a paragraph\nthat goes on": "This is a paragraph that goes on",
    "It was a cold \nnight": "It was a cold night",
    "A long line of text that somebody has wrapped before\nParis": (
        "A long line of text that somebody has wrapped before Paris"
    ),
    "It has **bold**\n*text*, too": "It has bold text, too",
    "I went to\nParis and then\nI left": "I went to Paris and then I left",
    "Wir fahren mit dem\nZug": "Wir fahren mit dem Zug",
    "He left\nIt rained": "He left|It rained",
    "He paid\n3 dollars": "He paid|3 dollars",
    "It ends\n": "It ends",
    "It is\n-5 or\n== 5": "It is -5 or == 5",
}

NUMBERS = {
    "1. Mix\n2. Bake": "1. Mix|2. Bake",
    "1) Mix\n(2) Bake\n3.) Eat": "1. Mix|2. Bake|3. Eat",
    "a. Mix\nb) Bake\niv. Eat": "a. Mix|b. Bake|iv. Eat",
    "**1.** Mix\n__2.__ Bake": "1. Mix|2. Bake",
    "### 1. Mix": "1. Mix",
    "1.苹果\n2、梨": "1. 苹果|2. 梨",
    "1.5 is more": "1.5 is more",
    "1980. It was": "1980. It was",
    "1. The first 2. The second": "1. The first|2. The second",
    "1.) The first 2.) The second 4.) no": "1. The first|2. The second 4.) no",
    "a. The first b. The second": "a. The first|b. The second",
    "Steps: 1. Mix. 2. Bake.": "Steps: 1. Mix.|2. Bake.",
    "It took 2. The end": "It took 2. The end",
    "A • B • C": "A|B|C",
    "• 9. The first • 10. The second": "9. The first|10. The second",
}

FORMAT = {
    "Hel\u200blo wo\u00adrld\ufeff.\u200f": "Hello world.",
    "\u200b# Title": "Title",
    "\x1b[1mBold\x1b[0;31m text": "Bold text",
    "می\u200cخواهم": "می\u200cخواهم",  # its letters would join without
}


@pytest.mark.parametrize("text", LINES)
def test_a_line_ends_where_a_reader_would_pause(text: str) -> None:
    """Lists and headings were one breathless segment."""
    assert readings_of(text) == {LINES[text]}


@pytest.mark.parametrize("text", NUMBERS)
def test_a_list_number_belongs_to_what_follows(text: str) -> None:
    assert readings_of(text) == {NUMBERS[text]}


@pytest.mark.parametrize("text", FORMAT)
def test_format_characters_are_transparent(text: str) -> None:
    assert readings_of(text) == {FORMAT[text]}


@pytest.mark.parametrize("line", ["- Apples", "# Fruit", "1. Apples", "| a | b |", "Name: Ann"])
def test_the_line_break_itself_ends_such_a_line(line: str) -> None:
    """So that its sound can start then, without a look at the next line."""
    markup = Markup()
    markup.feed(line)
    assert [piece.kind for piece in markup.feed("\n")][-1:] == [Kind.BREAK]
    assert markup.held == ""


def test_lines_are_structure_also_where_markup_is_spoken() -> None:
    options = MarkupOptions(skip_markdown=False)
    assert readings_of("# Title\n- one\n\n1. two", options) == {"# Title|- one||1. two"}
