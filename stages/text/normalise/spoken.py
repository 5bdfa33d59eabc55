"""Text that is rewritten step by step and still knows where each character came from.

For every character of the text two offsets are kept: where in the source that which it stands
for begins, and where it ends. What a rule leaves alone keeps its offsets; all characters of a
replacement get those of the whole stretch that they replace. Both lists never fall, and unless
gaps are asked for they leave none, so any place in the one text has a place in the other.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from itertools import pairwise
from operator import add
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    import regex

Edit: TypeAlias = tuple[int, int, str]
"""Begin, end, and what stands there from now on."""

_WORD = re.compile(r"\S+")
_RARE = "\N{LATIN SMALL LETTER QP DIGRAPH}"
"""A letter that nobody writes."""
_ANCHORS = f"a{_RARE}", f"A{_RARE}"
"""The made-up words: behind "am 5." one in small letters makes it no date, in German."""
_ANCHOR = re.compile(f"[aA]{_RARE}")
_WORDS_LOOKED_AHEAD = 8
"""In the text before; in the text behind, where one word can become many, five times as many."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """What is said, and where in the source each part of it was written."""

    text: str
    begins: tuple[int, ...]
    """For each character: where in the source what it stands for begins."""
    ends: tuple[int, ...]
    """The same for its end."""
    source_length: int

    def source_span(self, begin: int, end: int) -> tuple[int, int]:
        """Where in the source the characters from `begin` to `end` were written."""
        if begin >= end:
            at = self.begins[begin] if begin < len(self.begins) else self.source_length
            return at, at
        return self.begins[begin], self.ends[end - 1]

    def spoken_span(self, begin: int, end: int) -> tuple[int, int]:
        """Where the source's characters from `begin` to `end` are said."""
        first = bisect_right(self.ends, begin)
        return first, max(first, bisect_left(self.begins, end))

    def of(self, earlier: Spoken) -> Spoken:
        """The same, where the source is itself what is said of an earlier one."""
        spans = [earlier.source_span(*span) for span in zip(self.begins, self.ends, strict=True)]
        begins, ends = zip(*spans, strict=True) if spans else ((), ())
        return Spoken(self.text, begins, ends, earlier.source_length)


def joined(parts: Sequence[Spoken]) -> Spoken:
    """The parts of a longer text, as one."""
    text = "".join(part.text for part in parts)
    begins: list[int] = []
    ends: list[int] = []
    source_length = 0
    for part in parts:
        begins += [source_length + offset for offset in part.begins]
        ends += [source_length + offset for offset in part.ends]
        source_length += part.source_length
    _close_gaps(begins, ends, source_length)
    return Spoken(text, tuple(begins), tuple(ends), source_length)


def edited(said: Spoken, edits: Iterable[Edit]) -> Spoken:
    """What is said, with edits of its source, in order, whose stretches were left as they were."""
    text: list[str] = []
    begins: list[int] = []
    ends: list[int] = []
    at = 0
    for begin, end, new in edits:
        first, last = said.spoken_span(begin, end)
        text += said.text[at:first], new
        begins += (*said.begins[at:first], *[begin] * len(new))
        ends += (*said.ends[at:first], *[end] * len(new))
        at = last
    text.append(said.text[at:])
    begins += said.begins[at:]
    ends += said.ends[at:]
    _close_gaps(begins, ends, said.source_length)
    return Spoken("".join(text), tuple(begins), tuple(ends), said.source_length)


class Buffer:
    """Text under rewriting."""

    def __init__(self, source: str, fixed: Sequence[Edit] = ()) -> None:
        """What the edits `fixed` would replace stays as it is, for the rules to see only."""
        self.text = source
        self._fixed = fixed
        self._source_length = len(source)
        self._begins = list(range(len(source)))
        self._ends = list(range(1, len(source) + 1))

    def substitute(
        self,
        pattern: re.Pattern[str] | regex.Pattern[str],
        say: Callable[[Any], str | None],
    ) -> None:
        """Replace every match by what `say` has for it; None leaves it as it is."""
        self._apply(
            (found.start(), found.end(), said)
            for found in pattern.finditer(self.text)
            if (said := say(found)) is not None
        )

    def become(self, text: str) -> None:
        """Be the text that somebody else made of this one; words in common keep their places."""
        if text != self.text:
            self._apply(_changes(self.text, text))

    def pass_through(self, change: Callable[[str], str]) -> None:
        """Be what somebody else makes of this text, to whom each stretch that is fixed is a made-up
        word. It parts the text: no words are compared across it, so that none is found on its
        other side and said twice or not at all."""
        if not self._fixed:
            self.become(change(self.text))
            return
        borders, anchors = [0], []
        said = self.spoken()
        for source_begin, source_end, _ in self._fixed:
            begin, end = said.spoken_span(source_begin, source_end)
            borders += begin, end
            anchors.append(_ANCHORS[self.text[begin : begin + 1].isupper()])
        borders.append(len(self.text))
        starts = borders[::2]
        parts = [self.text[slice(*span)] for span in zip(starts, borders[1::2], strict=True)]
        hidden = parts[0] + "".join(map(add, anchors, parts[1:]))
        changed = _ANCHOR.split(change(hidden))
        if _RARE in self.text or len(changed) != len(parts):
            changed = [change(part) for part in parts]
        self._apply(
            (start + begin, start + end, new)
            for start, before, after in zip(starts, parts, changed, strict=True)
            for begin, end, new in _changes(before, after)
        )

    def spoken(self, *, with_gaps: bool = False) -> Spoken:
        """What is said by now; with gaps where something was left out, or without."""
        begins, ends = list(self._begins), list(self._ends)
        if not with_gaps:
            _close_gaps(begins, ends, self._source_length)
        return Spoken(self.text, tuple(begins), tuple(ends), self._source_length)

    def _apply(self, edits: Iterable[Edit]) -> None:
        """Make all edits at once; they are in order and do not overlap."""
        text, begins, ends = self.text, self._begins, self._ends
        new_text: list[str] = []
        new_begins: list[int] = []
        new_ends: list[int] = []
        at = 0
        for edit in edits:
            begin, end, said = _trimmed(text, *edit)
            if begin == end and not said:
                continue  # nothing changed
            if self._fixed and self._is_fixed(begin, end):
                continue
            new_text += text[at:begin], said
            new_begins += begins[at:begin]
            new_ends += ends[at:begin]
            # An insertion (begin == end) gets the place between its neighbours.
            source_begin = begins[begin] if begin < len(begins) else ends[-1]
            source_end = ends[end - 1] if end else source_begin
            new_begins += [source_begin] * len(said)
            new_ends += [source_end] * len(said)
            at = end
        if not new_text:
            return
        new_text.append(text[at:])
        new_begins += begins[at:]
        new_ends += ends[at:]
        self.text, self._begins, self._ends = "".join(new_text), new_begins, new_ends

    def _is_fixed(self, begin: int, end: int) -> bool:
        """Whether an edit of this stretch would change what is not to be changed."""
        first = self._begins[begin] if begin < len(self._begins) else self._source_length
        last = self._ends[end - 1] if end > begin else first
        return any(begin < last and first < end for begin, end, _ in self._fixed)


def _close_gaps(begins: list[int], ends: list[int], source_length: int) -> None:
    """Give what was dropped to the character before it, or else to the first."""
    if not begins:
        return
    begins[0] = 0
    ends[-1] = source_length
    for i, (end, begin) in enumerate(zip(ends, begins[1:], strict=False)):
        if end < begin:
            ends[i] = begin


def _trimmed(text: str, begin: int, end: int, said: str) -> Edit:
    """The edit without the words that it leaves as they are."""
    old = text[begin:end]
    if old == said:
        return end, end, ""
    same = 0
    for mine, theirs in zip(old, said, strict=False):
        if mine != theirs:
            break
        same += 1
    same = old.rfind(" ", 0, same) + 1
    old, said, begin = old[same:], said[same:], begin + same
    same = 0
    for mine, theirs in zip(reversed(old), reversed(said), strict=False):
        if mine != theirs:
            break
        same += 1
    space = old.find(" ", len(old) - same) if same else -1
    same = len(old) - space if space >= 0 else 0
    return begin, end - same, said[: len(said) - same]


def _changes(before: str, after: str) -> Iterator[Edit]:
    """The edits that make one text of the other, found word by word.

    Where the words differ, the nearest word that both have ends the difference. Words are looked
    for so far only, so the cost is the text's length.
    """
    old = [(word.start(), word.end()) for word in _WORD.finditer(before)]
    new = [(word.start(), word.end()) for word in _WORD.finditer(after)]
    old_words = [before[begin:end] for begin, end in old]
    new_words = [after[begin:end] for begin, end in new]
    pairs = [(-1, -1), *_common(old_words, new_words), (len(old), len(new))]
    for (i, j), (next_i, next_j) in pairwise(pairs):
        begin = old[i][1] if i >= 0 else 0
        end = old[next_i][0] if next_i < len(old) else len(before)
        said = after[
            new[j][1] if j >= 0 else 0 : new[next_j][0] if next_j < len(new) else len(after)
        ]
        if before[begin:end] != said:
            yield begin, end, said


def _common(old: list[str], new: list[str]) -> Iterator[tuple[int, int]]:
    """The places of words that both texts have, in order."""
    i = j = 0
    while i < len(old) and j < len(new):
        if old[i] == new[j]:
            yield i, j
            i, j = i + 1, j + 1
            continue
        ahead = new[j : j + 5 * _WORDS_LOOKED_AHEAD]
        for skipped, word in enumerate(old[i : i + _WORDS_LOOKED_AHEAD]):
            if word in ahead:
                i, j = i + skipped, j + ahead.index(word)
                break
        else:
            i, j = i + _WORDS_LOOKED_AHEAD, j + len(ahead)
