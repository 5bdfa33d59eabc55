"""The law of loss: every word that a reader would read is spoken, in its order, and none of code,
thoughts, targets and tags, however markup is nested and wherever the text is cut."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import regex
from hypothesis import given
from hypothesis import strategies as st

from stages.text.markup import Markup, MarkupOptions
from tests.segmenter.cutting import segments_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from stages.items import Segmentation
    from stages.text.choices import Urls

_WORD = regex.compile(r"[vh][b-df-j]{3}q")


@dataclass
class Text:
    """A text in the making. Words are numbered, so that each is told from all others."""

    text: str = ""
    n_words: int = 0

    def visible(self) -> str:
        """A word to be spoken."""
        return self._word("v")

    def hidden(self) -> str:
        """A word that must not be."""
        return self._word("h")

    def _word(self, kind: str) -> str:
        letters = "".join("bcdfghj"[self.n_words // 7**place % 7] for place in range(3))
        self.n_words += 1
        return f"{kind}{letters}q"


INLINE: dict[str, Callable[[Text, st.DataObject], str]] = {
    "word": lambda t, _: t.visible(),
    "words": lambda t, _: f"{t.visible()}, {t.visible()} {t.visible()}",
    "bold": lambda t, _: f"**{t.visible()}**",
    "bold inside": lambda t, _: f"**{t.visible()} *{t.visible()}* {t.visible()}**",
    "italic": lambda t, _: f"_{t.visible()}_",
    "struck": lambda t, _: f"~~{t.visible()}~~",
    "code": lambda t, _: f"`{t.visible()}.{t.visible()}()`",
    "link": lambda t, _: f"[{t.visible()}](https://a.b/{t.hidden()}?c=d)",
    "reference": lambda t, _: f"[{t.visible()}][{t.hidden()}]",
    "picture": lambda t, _: f"![{t.visible()}](/{t.hidden()}.png)",
    "brackets": lambda t, _: f"[{t.visible()}] ({t.visible()})",
    "footnote": lambda t, _: f"{t.visible()}[^{t.hidden()}]",
    "citation": lambda t, _: f"{t.visible()}[1][2]",
    "tag": lambda t, _: f'<b class="{t.hidden()}">{t.visible()}</b>',
    "unknown tag": lambda t, _: f'<x-y z="{t.hidden()}"/>{t.visible()}',
    "entity": lambda t, _: f"{t.visible()} &amp; {t.visible()}",
    "comment": lambda t, _: f"<!-- {t.hidden()}. {t.hidden()} -->{t.visible()}",
    "comparison": lambda t, _: f"{t.visible()} < {t.visible()} > 5",
    "thought tag": lambda t, _: f"{t.visible()} <think> {t.visible()}",
    "formula": lambda t, _: f"{t.visible()} $x^2$ {t.visible()}",
    "money": lambda t, _: f"$5 {t.visible()} $10 {t.visible()}",
    "large formula": lambda t, _: (
        f"$${t.hidden()} = \\frac{{1}}{{2}} {'+ x ' * 20}$$ {t.visible()}"
    ),
    "address": lambda t, _: f"https://a.b/{t.hidden()} {t.visible()}",
    "times": lambda t, _: f"{t.visible()} 2*3*4 {t.visible()}",
    "template": lambda t, _: f"<|{t.hidden()}|>{t.visible()}",
    "emoji": lambda t, _: f"{t.visible()} 🎉",
}


def _line(text: Text, data: st.DataObject) -> str:
    names = data.draw(st.lists(st.sampled_from(sorted(INLINE)), min_size=1, max_size=4))
    ends = data.draw(st.sampled_from(["", ".", "!", ":", ","]))
    return " ".join(INLINE[name](text, data) for name in names) + ends


BLOCKS: dict[str, Callable[[Text, st.DataObject], str]] = {
    "paragraph": _line,
    "wrapped": lambda t, data: f"{_line(t, data)}\n{t.visible()} {_line(t, data)}",
    "heading": lambda t, data: f"## {_line(t, data)}",
    "list": lambda t, data: f"- {_line(t, data)}\n* {_line(t, data)}\n  + [x] {_line(t, data)}",
    "numbers": lambda t, data: f"1. {_line(t, data)}\n2) {_line(t, data)}",
    "quote": lambda t, data: f"> {_line(t, data)}\n> {_line(t, data)}",
    "table": lambda t, data: (
        f"| {t.visible()} | {t.visible()} |\n|---|:-:|\n| {_line(t, data)} | 5 |"
    ),
    "rule": lambda t, data: f"{t.visible()}\n\n---",
    "fence": lambda t, data: f"```{t.hidden()}\n{t.hidden()}. `{t.hidden()}`\n```",
    "tilde fence": lambda t, data: f"- ~~~\n  {t.hidden()}\n  ```\n  ~~~",
    "fence behind text": lambda t, data: f"**{t.visible()}:** ```\n{t.hidden()}\n```",
    "thought": lambda t, data: f"<think>\n{t.hidden()}. {t.hidden()}\n</think>",
    "html": lambda t, data: f"<p>{_line(t, data)}</p><ul><li>{t.visible()}</li></ul>",
    "script": lambda t, data: f"<script>{t.hidden()} < {t.hidden()}</script>",
    "pairs": lambda t, data: f"{t.visible()}: {t.visible()}\n**{t.visible()}:** {t.visible()}",
}


@st.composite
def replies(draw: st.DrawFn) -> Text:
    """A reply of some blocks."""
    data = draw(st.data())
    text = Text()
    for name in draw(st.lists(st.sampled_from(sorted(BLOCKS)), min_size=1, max_size=6)):
        text.text += BLOCKS[name](text, data) + "\n\n"
    return text


def words_of(text: str, kind: str) -> list[str]:
    """Its words of this kind, in their order."""
    return [word for word in _WORD.findall(text) if word.startswith(kind)]


@given(replies(), st.sampled_from(["eager", "sentence"]))
def test_what_is_visible_is_spoken_and_nothing_else(
    reply: Text, segmentation: Segmentation
) -> None:
    segments = segments_of([reply.text], segmentation)
    spoken = " ".join(segment.spoken for segment in segments)
    assert words_of(spoken, "v") == words_of(reply.text, "v")
    assert words_of(spoken, "h") == []


@given(replies(), st.lists(st.integers(0, 2000), max_size=40))
def test_any_cut_gives_the_same_pieces(reply: Text, cuts: list[int]) -> None:
    edges = sorted({0, len(reply.text), *(cut for cut in cuts if cut < len(reply.text))})
    tokens = [reply.text[a:b] for a, b in itertools.pairwise(edges)]
    assert segments_of(tokens) == segments_of([reply.text])


@given(replies(), st.sampled_from(["host", "all", "link"]), st.booleans())
def test_little_is_held_back(reply: Text, urls: Urls, skip_markdown: bool) -> None:
    markup = Markup(MarkupOptions(urls=urls, skip_markdown=skip_markdown))
    given_out = ""
    for number, char in enumerate(reply.text, start=1):
        given_out += "".join(piece.source for piece in markup.feed(char))
        assert given_out + markup.held == reply.text[:number]
        assert len(markup.held) < 256
    given_out += "".join(piece.source for piece in markup.end())
    assert given_out == reply.text
