"""Cutting text into tokens and those into segments, and nasty text for that."""

from __future__ import annotations

import itertools

import regex
from hypothesis import strategies as st

from stages.items import Segment, Segmentation, Style, Token
from stages.segmenter import Segmenter, SegmenterOptions

LIMIT = SegmenterOptions().max_segment_chars


def as_whole(text: str) -> list[str]:
    return [text]


def as_words(text: str) -> list[str]:
    """White space leads a word, as it does in an LLM's tokens."""
    return regex.findall(r"\s*\S+|\s+\Z", text)


def as_characters(text: str) -> list[str]:
    return list(text)


SPLITS = (as_whole, as_words, as_characters)


def segments_of(
    tokens: list[str],
    segmentation: Segmentation = "eager",
    options: SegmenterOptions | None = None,
) -> list[Segment]:
    """What becomes of these tokens and a flush, with no time between them."""
    segmenter = Segmenter(options or SegmenterOptions())
    style = Style("voice", segmentation=segmentation)
    segments = [segment for text in tokens for segment in segmenter.push(Token(text, style), 0.0)]
    return segments + segmenter.flush(0.0)


def sources_of(tokens: list[str], segmentation: Segmentation = "eager") -> list[str]:
    return [segment.source for segment in segments_of(tokens, segmentation)]


def graphemes_of(text: str) -> list[str]:
    return regex.findall(r"\X", text)


_FAMILY = "👨‍👩‍👧‍👦"
PIECES = [
    *("Hello", "the", "It", "How", "A", "I", "Smith", "Government", "no", "No", "and", "über"),
    *("Dr", "Mr", "e.g", "U.S", "p.m", "Inc", "St", "Fig", "Ph.D", "etc", "J", "et al", "Jan"),
    *("3", "14", "1980", "29.95", "1,234,567", "12.5%", "1.23e4", "2024-04-15", "$3", "v1.0.0-b.1"),
    *("https://a.b:80/c?d=1,2;e", "www.example.org", "me+tag@ex.co.uk", "192.168.0.1", "./a/b.txt"),
    *("://", "@", "www.", "](", "[text](https://a.b/c?d=1)", "example.org/path?", "Node.js"),
    *(
        ".",
        ".",
        ".",
        "!",
        "?",
        ",",
        ",",
        ";",
        "…",
        "...",
        "?!",
        "。",
        "，",
        "！",
        "、",
        " . . .",
        "．",
    ),
    *('"', "'", "”", "’", ")", "(", "“", "]", "—", "-", ":", "/"),
    *(" ", " ", " ", " ", " ", " ", " ", "  ", "\n", "\n\n", "\t", "\r\n", "\u00a0"),
    *("<think>", "</think>", "<thinking>", "</THINKING>", "<th", "ink>", "</", "<", ">", "< 5"),
    *("[THINK]", "[/THINK]", "◁think▷", "◁/think▷", "<|channel|>analysis<|message|>", "<|end|>"),
    *("**", "*", "_", "__", "`", "```", "```py\n", "\n```\n", "# ", "- ", "1. ", "> ", "| ", "~~"),
    *("\n- ", "\n2. ", "\n| a | b |", "\n|---|", "\n~~~\n", "- [x] ", "1) ", "a. ", " 2. ", " • "),
    *("<b>", "</b>", "<br>", "<p>", '<a href="x.y">', "<!--", "-->", "<break time='1s'/>", "<x y"),
    *("&amp;", "&lt;", "&", "&#39;", "<|im_end|>", "<|im_start|>assistant", "[INST]", "<pre>"),
    *(
        "$x$",
        "$",
        "$$",
        "\\(",
        "\\)",
        "\\[",
        "\\]",
        "\\frac{1}{2}",
        "\\alpha",
        "\\",
        "x^2",
        "{",
        "}",
    ),
    *(
        "[1]",
        "[2][3]",
        "[^1]",
        "![a](b.png)",
        "[...]",
        "[",
        "【1†a】",
        "==",
        "[Worcester](/ˈwʊs.tɚ/)",
        "](/ˈa",
        "*laughs*",
        "\n[a]: /b",
    ),
    *("😀", _FAMILY, "👍🏽", "🇩🇪", "1️⃣", "❤️", "✅", "\u200d", "\ufe0f", "\U0001f3fd"),
    *("e\u0301", "\u0301", "o" + "\u0308\u0304" * 3, "न\u093f", "각", "\u1100\u1161", "ไทย"),
    *("你好", "世界", "こんにちは", "مرحبا", "؟", "नमस्ते", "।", "\u200b", "\x00", "\u0600"),
]

nasty_texts = st.lists(
    st.one_of(
        st.sampled_from(PIECES),
        st.sampled_from(PIECES),
        st.sampled_from(PIECES),
        st.text(max_size=5),
        st.builds(
            lambda piece, times: piece * times, st.sampled_from(PIECES), st.integers(20, 250)
        ),
    ),
    max_size=60,
).map(lambda pieces: "".join(pieces)[:3_000])


@st.composite
def cut_texts(draw: st.DrawFn) -> tuple[str, list[str]]:
    """A nasty text, and the same cut into tokens, some of them empty."""
    text = draw(nasty_texts)
    places = sorted(draw(st.lists(st.integers(0, len(text)), max_size=60)))
    edges = [0, *places, len(text)]
    return text, [text[a:b] for a, b in itertools.pairwise(edges)]
