"""Links, citations, addresses, emphasis: what is spoken of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from stages.text.markup import MarkupOptions
from tests.text.markup.reading import readings_of, spoken_of

if TYPE_CHECKING:
    from stages.text.choices import Actions, Urls

LINKS = {
    "See [the docs](https://a.b/c_(d)?e=1) now": "See the docs now",
    'See [the docs](https://a.b "Title") and [x](<a b>)': "See the docs and x",
    "See ![a cat](cat.png) there, ![](x.png)": "See a cat there,",
    "![img](img.png)": "img",
    "Wow! ![img](a)": "Wow! img",
    "[![badge](https://a.b/c.svg)](https://d.e) Hi": "badge Hi",
    "![x](data:" + "A" * 300 + ") Hi": "x Hi",
    "See [it][ref], [this][] and [sic]": "See it, this and sic",
    "[ref]: https://a.b/c 'Title'\nText": "|Text",
    "[He](she said) left": "He(she said) left",
    "[docs](/docs/) and [it](+2), [or](-1), [so](0.5)": "docs and it, or, so",
    "x[0][1] and f[i](x) and a[1]": "x[0][1] and f[i](x) and a[1]",
    "参见[文档](https://a.b)。": "参见文档。",
    "[[page]] and [[page|its name]] here": "page and its name here",
}

PRONUNCIATIONS = {
    "[Worcester](/ˈwʊstɚ/) is": "[Worcester](/ˈwʊstɚ/) is",
    "**[Dr. O'Neil](/ˈnuː.niːl/)**, yes": "[Dr. O'Neil](/ˈnuː.niːl/), yes",
    "- [New York](/ˈnuː ˈjɔːk/)\n- b": "[New York](/ˈnuː ˈjɔːk/)|b",
    "[a, b](/ˈwʊstɚ/)": "[a, b](/ˈwʊstɚ/)",
    "[" + "a" * 67 + "](/ˈa/)": "a" * 67,
    "[w](/ˈ" + "a" * 120 + "/)": "w",
    "[w](/ˈ/) x": "w x",
    "[w](/ˈa5/) [w](/ˈa": "w w(/ˈa",
}

CITATIONS = {
    "As shown in [2][3]. Next": "As shown in . Next",
    "Dogs [12][13] bark": "Dogs bark",
    "The sky is blue[1][2].": "The sky is blue.",
    "So [1, 2], [3-5] and [[6]](https://a.b)": "So , and",
    "See [1](https://a.b), this[^1] and [citation:3]": "See , this and",
    "It is【4†source】 so": "It is so",
    "It is\ue200cite\ue202turn0search0\ue201 so": "It is so",
    "[^1]: A note": "A note",
    "He said [...] and […] so": "He said [...] and […] so",
    "[0] and [1234]": "0 and 1234",
}

EMPHASIS = {
    "Some **bold** and *italic* and ***both***": "Some bold and italic and both",
    "A __bold__ and _italic_ word": "A bold and italic word",
    "**bold**text and un**believ**able": "boldtext and unbelievable",
    "**a *b* c** (**Note**: *see*)": "a b c (Note: see)",
    "这是**重点**内容": "这是重点内容",
    "~~old~~ new ==high==": "old new high",
    "*italic\nwrapped*": "italic wrapped",
    "\\*no\\* 1\\. \\# \\$5": "*no* 1. # $5",
    # and what is none
    "2*3*4 and 2 * 3 and 2**3 and x ** 2": "2*3*4 and 2 * 3 and 2**3 and x ** 2",
    "f(x)*(y) a == b C++ ~5": "f(x)*(y) a == b C++ ~5",
    "snake_case and __init__": "snake_case and init",
    "____ and ****": "____ and ****",
}

URLS = {
    "See https://www.a.com/b/c?d=1,2. Then": {
        "host": "See a.com. Then",
        "all": "See https://www.a.com/b/c?d=1,2. Then",
        "link": "See link. Then",
    },
    "(https://a.b/c), **http://d.e** <https://f.g>": {
        "host": "(a.b), d.e f.g",
        "all": "(https://a.b/c), http://d.e https://f.g",
        "link": "(link), link link",
    },
    "www.a.com or www.a.com/b?c!": {
        "host": "www.a.com or www.a.com!",
        "all": "www.a.com or www.a.com/b?c!",
        "link": "link or link!",
    },
    "a.com/b and Node.js/Express and and/or": {
        "host": "a.com and Node.js/Express and and/or",
        "all": "a.com/b and Node.js/Express and and/or",
        "link": "a.com and Node.js/Express and and/or",
    },
    "看https://a.b/c?d=1。访问https://a.com获取": {
        "host": "看a.b。访问a.com获取",
        "all": "看https://a.b/c?d=1。访问https://a.com获取",
        "link": "看link。访问link获取",
    },
    "mailto:me@ex.org or <me+tag@mail.ex.co.uk>.": {
        "host": "me@ex.org or me+tag@mail.ex.co.uk.",
        "all": "me@ex.org or me+tag@mail.ex.co.uk.",
        "link": "me@ex.org or me+tag@mail.ex.co.uk.",
    },
    "https:// is a scheme, @name a handle": {
        "host": "https:// is a scheme, @name a handle",
        "all": "https:// is a scheme, @name a handle",
        "link": "https:// is a scheme, @name a handle",
    },
}

ACTIONS = {
    "*laughs* I see.": {"spoken": "laughs| I see.", "silent": " I see.", "pause": "|0.4s| I see."},
    "Henry. *Holds out hand* Nice": {
        "spoken": "Henry. Holds out hand| Nice",
        "silent": "Henry. Nice",
        "pause": "Henry.|0.4s|Nice",
    },
    "Well *chuckles* ok": {
        "spoken": "Well chuckles ok",
        "silent": "Well ok",
        "pause": "Well|0.4s|ok",
    },
    "*Es lacht.* *lacht leise*\nGut": {
        "spoken": "Es lacht. lacht leise||Gut",
        "silent": "Es lacht. Gut",
        "pause": "Es lacht.|0.4s|Gut",
    },
    "*Really* good, this is *so* good.": {
        "spoken": "Really good, this is so good.",
        "silent": "Really good, this is so good.",
        "pause": "Really good, this is so good.",
    },
}


@pytest.mark.parametrize("text", LINKS)
def test_links_say_their_text(text: str) -> None:
    assert readings_of(text) == {LINKS[text]}


@pytest.mark.parametrize("skip_markdown", [True, False])
def test_a_pronunciation_is_left_to_the_engine(*, skip_markdown: bool) -> None:
    text = "a [Worcester](/ˈwʊs.tɚ/), b"
    assert readings_of(text, MarkupOptions(skip_markdown=skip_markdown)) == {text}
    for cut in range(len(text)):
        assert spoken_of([text[:cut], text[cut:]]) == text


@pytest.mark.parametrize("text", PRONUNCIATIONS)
def test_a_pronunciation_is_told_from_a_link(text: str) -> None:
    assert readings_of(text) == {PRONUNCIATIONS[text]}


@pytest.mark.parametrize("text", CITATIONS)
def test_citations_are_silent(text: str) -> None:
    assert readings_of(text) == {CITATIONS[text]}


@pytest.mark.parametrize("text", EMPHASIS)
def test_the_signs_of_emphasis_are_silent(text: str) -> None:
    assert readings_of(text) == {EMPHASIS[text]}


@pytest.mark.parametrize("urls", ["host", "all", "link"])
@pytest.mark.parametrize("text", URLS)
def test_an_address_is_said_as_the_setting_says(text: str, urls: Urls) -> None:
    assert readings_of(text, MarkupOptions(urls=urls)) == {URLS[text][urls]}


@pytest.mark.parametrize("actions", ["spoken", "silent", "pause"])
@pytest.mark.parametrize("text", ACTIONS)
def test_an_action_is_what_the_setting_says(text: str, actions: Actions) -> None:
    """It ran into the sentence behind it."""
    assert readings_of(text, MarkupOptions(actions=actions)) == {
        "|".join(part.strip() for part in ACTIONS[text][actions].split("|"))
    }
