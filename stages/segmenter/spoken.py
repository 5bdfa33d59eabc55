"""What is spoken of a segment whose markup is out: emoji out, a comma where a line ends, white
space in order. Words, numbers and symbols stay as they are."""

from __future__ import annotations

import re

import regex

from stages.text.letters import LETTERS_IN_ONE
from stages.text.markup import LINE_END, PARAGRAPH_END
from stages.text.normalise import Buffer, Spoken

_JOINED = r"[\p{Emoji_Modifier}\u200d\ufe0e\ufe0f\u20e3\U000e0020-\U000e007f]*+"
_SYMBOLS = r"©®™‼⁉ℹ↔-↪"
"""Pictographs by Unicode's word, but text unless U+FE0F asks for the picture."""
_EMOJI = (
    r"(?:(?:[\p{Emoji_Presentation}\p{Regional_Indicator}]"
    rf"|\p{{Extended_Pictographic}}\ufe0f|[\p{{Extended_Pictographic}}--[{_SYMBOLS}]]"
    rf"|[#*]\ufe0f?\u20e3){_JOINED})++"  # possessive: a modifier is an emoji, too
)
_EMOJI_BESIDE_MARKS = regex.compile(rf"(?V1) ?{_EMOJI}(?=[\s.,;:!?…)\]]|\Z)")
_EMOJI_IN_TEXT = regex.compile(f"(?V1){_EMOJI}")
_KEYCAP = regex.compile(r"(?<=\d)\ufe0f?\u20e3")
_TORN_EMOJI = regex.compile(r"\A[\p{Emoji_Modifier}\u200d\ufe0e\ufe0f\u20e3]+")

_LEFT_OVER = regex.compile(
    r"\A(?:[.:!?;,…。！？，；、)\]}」』】》”’»\"'*_—]+(?=\s|\Z)|[!?;,。！？，；、)\]}」』】》”»]+)"
)
"""Closing marks of the segment before."""

_PAUSES = r"[\p{Terminal_Punctuation}…—–-]"
_MARKED = rf"{_PAUSES}[\"'”’»)\]}}」』】》〉]*"
_UNMARKED = rf"(?<=\S)(?<!{_MARKED})"
_PARAGRAPH_END = regex.compile(rf"(?<!\d){_UNMARKED}\s*{PARAGRAPH_END}\s*")
_LINE_END = regex.compile(rf"{_UNMARKED}\s*[{LINE_END}{PARAGRAPH_END}]\s*")
_LOOSE_MARK = regex.compile(r"\s+(?=[.,](?:\s|\Z))")
"""What markup leaves behind: "as shown in [2]." """
# As `str.split` has it.
_INDENT = re.compile(r"\A\s+")
_OUTER_SPACE = re.compile(r"\A\s+|\s+\Z")
_ODD_SPACE = re.compile(r"\s{2,}|[^\S ]")

_AUDIBLE = rf"\p{{L}}\p{{N}}\p{{Sc}}&@%§°+<>±×÷≈≠≤≥√∞©®™{LETTERS_IN_ONE}"
_AUDIBLE_TEXT = regex.compile(f"[{_AUDIBLE}]")
_AUDIBLE_WITH_EMOJI = regex.compile(
    rf"[{_AUDIBLE}\p{{Extended_Pictographic}}\p{{Regional_Indicator}}]"
)


def is_audible(text: str, *, skip_emoji: bool) -> bool:
    """Whether there is anything to speak: a letter, a digit, a symbol that has a name."""
    audible = _AUDIBLE_TEXT if skip_emoji else _AUDIBLE_WITH_EMOJI
    return audible.search(text) is not None


def spoken_of(text: str, *, skip_emoji: bool) -> Spoken:
    """What the engine is given for the clean text of a segment, and where in it that was written;
    empty where there is nothing to speak. A line that ends without a mark gets a comma, so that it
    is said with a comma's pause, and a paragraph a full stop, which behind a digit could make an
    ordinal of it."""
    buffer = Buffer(text)
    if skip_emoji:
        buffer.substitute(_KEYCAP, _nothing)
        buffer.substitute(_EMOJI_BESIDE_MARKS, _nothing)
        buffer.substitute(_EMOJI_IN_TEXT, _space)
        buffer.substitute(_TORN_EMOJI, _nothing)
    buffer.substitute(_INDENT, _nothing)
    buffer.substitute(_LEFT_OVER, _nothing)
    buffer.substitute(_INDENT, _nothing)
    buffer.substitute(_PARAGRAPH_END, lambda _: ". ")
    buffer.substitute(_LINE_END, lambda _: ", ")
    buffer.substitute(_LOOSE_MARK, _nothing)
    buffer.substitute(_ODD_SPACE, _space)
    buffer.substitute(_OUTER_SPACE, _nothing)
    if not is_audible(buffer.text, skip_emoji=skip_emoji):
        return Spoken("", (), (), len(text))
    return buffer.spoken(with_gaps=True)


def _nothing(_: object) -> str:
    return ""


def _space(_: object) -> str:
    return " "
