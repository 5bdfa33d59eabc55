"""What is spoken of a segment whose markup is out: emoji out, a comma where a line ends, white
space in order. Words, numbers and symbols stay as they are."""

from __future__ import annotations

import regex

from stages.text.markup import LINE_END, PARAGRAPH_END

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

_AUDIBLE = r"\p{L}\p{N}\p{Sc}&@%§°+<>±×÷≈≠≤≥√∞©®™"
_AUDIBLE_TEXT = regex.compile(f"[{_AUDIBLE}]")
_AUDIBLE_WITH_EMOJI = regex.compile(
    rf"[{_AUDIBLE}\p{{Extended_Pictographic}}\p{{Regional_Indicator}}]"
)


def is_audible(text: str, *, skip_emoji: bool) -> bool:
    """Whether there is anything to speak: a letter, a digit, a symbol that has a name."""
    audible = _AUDIBLE_TEXT if skip_emoji else _AUDIBLE_WITH_EMOJI
    return audible.search(text) is not None


def spoken_text(text: str, *, skip_emoji: bool) -> str:
    """What the engine is given for the clean text of a segment; empty where there is nothing to
    speak. A line that ends without a mark gets a comma, so that it is said with a comma's pause,
    and a paragraph a full stop, which behind a digit could make an ordinal of it."""
    if skip_emoji:
        text = _KEYCAP.sub("", text)
        text = _EMOJI_BESIDE_MARKS.sub("", text)
        text = _EMOJI_IN_TEXT.sub(" ", text)
        text = _TORN_EMOJI.sub("", text)
    text = _LEFT_OVER.sub("", text.lstrip()).lstrip()
    text = _LINE_END.sub(", ", _PARAGRAPH_END.sub(". ", text))
    text = " ".join(_LOOSE_MARK.sub("", text).split())
    return text if is_audible(text, skip_emoji=skip_emoji) else ""
