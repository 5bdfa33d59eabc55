"""The spoken part of a text: without markdown and emoji, white space in order.

Words, numbers and symbols stay as they are: reading them out is the engine's business.
Each segment is treated by itself, so markup that a boundary tore apart (``**Bold!`` and then
``**``) has to go from each part alone; that is why the patterns look at what stands beside a
marker and not for its partner.
"""

from __future__ import annotations

import regex

_LINE = r"(?<=\n)[^\S\n]*"
"""The beginning of a line; `spoken_text` puts a line break before text that begins one."""
_OPENS = r"""(?<![^\s(\[{"'“‘«„>|:—–/\p{Lo}-])"""
"""The text before a marker that opens, if any."""
_CLOSES = r"""(?=[\s)\]}"'”’»<|.,;:!?…—–/。！？，；：、」』）\p{Lo}-]|\Z)"""
"""The text behind a marker that closes."""
_TARGET = r"\([^\s()]*(?:\([^\s()]*\)[^\s()]*)*(?:\s+\"[^\"\n]*\")?\)"

_MARKDOWN = tuple(
    (regex.compile(pattern), replacement)
    for pattern, replacement in (
        # [text](target "title"), ![text](target); also where the text began a segment earlier
        (rf"!?\[([^\[\]\n]*)\]{_TARGET}", r"\1"),
        (rf"\]{_TARGET}", ""),
        # [^1], [text][reference], <https://...>
        (r"\[\^[^\[\]\s]*\]:?", ""),
        (r"(?<![\w\]])\[([^\[\]\n]+)\]\[[^\[\]\n]*\]", r"\1"),
        (r"<(https?://[^\s<>]+)>", r"\1"),
        # > quote
        (rf"{_LINE}(?:>[^\S\n]?)+", ""),
        # ---, ***, and the dashes under the head of a table
        (rf"{_LINE}(?:([-*_=])(?:[^\S\n]*\1){{2,}}|[|:-][|:\- \t]*-[|:\- \t]*)(?=\s|\Z)", ""),
        # # heading; - bullet, - [x] task
        (rf"{_LINE}#{{1,6}}(?=\s|\Z)", ""),
        (rf"{_LINE}[-*+•◦▪‣](?=\s|\Z)(?:\s+\[[ xX]\](?=\s))?", ""),
        # `code`, ~~struck~~, | cell |
        (r"`+|~~+", ""),
        (rf"{_LINE}\||(?<!\S)\|(?!\S)|\|(?=[^\S\n]*(?:\n|\Z))", " "),
        # *, ** and _ beside a word; not in 2*3*4, 2 * 3, snake_case or \*
        (rf"{_OPENS}\*{{1,3}}+(?=[^\s*]|\Z)|(?<=[^\s\\*])\*{{1,3}}+{_CLOSES}", ""),
        (r"(?<![\w\\])_{1,3}(?=\S|\Z)|(?<=[^\s\\_])_{1,3}(?!\w)", ""),
        (r"\\(?=[\\`*_{}\[\]()#+\-.!|<>~])", ""),
    )
)

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

_AUDIBLE = r"\p{L}\p{N}\p{Sc}&@%§°+<>±×÷≈≠≤≥√∞©®™"
_AUDIBLE_TEXT = regex.compile(f"[{_AUDIBLE}]")
_AUDIBLE_WITH_EMOJI = regex.compile(
    rf"[{_AUDIBLE}\p{{Extended_Pictographic}}\p{{Regional_Indicator}}]"
)


def is_audible(text: str, *, skip_emoji: bool) -> bool:
    """Whether there is anything to speak: a letter, a digit, a symbol that has a name."""
    audible = _AUDIBLE_TEXT if skip_emoji else _AUDIBLE_WITH_EMOJI
    return audible.search(text) is not None


def spoken_text(text: str, *, begins_line: bool, skip_markdown: bool, skip_emoji: bool) -> str:
    """The text for the engine; empty where there is nothing to speak."""
    if skip_markdown:
        text = "\n" + text if begins_line else text
        for pattern, replacement in _MARKDOWN:
            text = pattern.sub(replacement, text)
    text = " ".join(text.split())
    if skip_emoji:
        text = _KEYCAP.sub("", text)
        text = _EMOJI_BESIDE_MARKS.sub("", text)
        text = _EMOJI_IN_TEXT.sub(" ", text)
        text = _TORN_EMOJI.sub("", text)
    text = _LEFT_OVER.sub("", text)
    text = " ".join(text.split())
    return text if is_audible(text, skip_emoji=skip_emoji) else ""
