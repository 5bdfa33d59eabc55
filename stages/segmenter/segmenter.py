"""The segmenter: tokens in, segments out as soon as the text allows.

The class keeps the text and the time; whether a mark is a boundary is decided in
`boundaries`, what is spoken of a segment in `spoken`, what never is in `unspoken`.

The text that is taken in and not yet given out:

    before ┊ the open segment ······· mark or tag that waits ······· what follows it
           └──────── _shown ────────┘
           └──────────────────────────── _open ──────────────────────────────────┘

`_shown` has been decided on: no boundary in it. The scan goes on from its end, mark by mark,
and stops at the first one that what follows does not settle yet. It never knows more than the
`max_segment_chars` + 1 characters from the start of the segment on, however long the token
was: only so can it do the same for text that comes as single characters.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from operator import itemgetter
from typing import TYPE_CHECKING

import regex

from stages.items import Segment, Style, Timing
from stages.segmenter.boundaries import MARKS, Verdict, judge
from stages.segmenter.spoken import is_audible, spoken_text
from stages.segmenter.unspoken import (
    CODE,
    LONGEST_TAG_CHARS,
    THOUGHT,
    begins_line,
    blanked,
    closing_tag_at,
    tag_at,
)
from stages.segmenter.words import is_address

if TYPE_CHECKING:
    from stages.items import Token
    from stages.segmenter.unspoken import UnspokenBlock

_GRAPHEME = regex.compile(r"\X")
_BEFORE_CHARS = 32  # enough to know an abbreviation, and whether a line begins


@dataclass(frozen=True, slots=True)
class SegmenterOptions:
    """The options of the segmenter."""

    boundary_wait_s: float = 0.15
    """Silence that makes a mark a boundary when the next character would have settled it."""
    hold_wait_s: float = 1.0
    """The same where the text rather goes on: after an abbreviation, a single letter, a digit,
    in an address."""
    max_segment_chars: int = 200
    skip_markdown: bool = True
    """Markup is not spoken, nor is fenced code."""
    skip_emoji: bool = True
    skip_thinking: bool = True
    """<think> and <thinking> blocks are not spoken."""

    def __post_init__(self) -> None:
        if self.boundary_wait_s < 0 or self.hold_wait_s < 0:
            msg = "a wait cannot be negative"
            raise ValueError(msg)
        if self.max_segment_chars < LONGEST_TAG_CHARS:
            msg = f"max_segment_chars must be at least {LONGEST_TAG_CHARS}"
            raise ValueError(msg)


_DEFAULTS = SegmenterOptions()
_NO_STYLE = Style(voice="")  # until the first token brings one


class Segmenter:
    """A stream of text cut into segments. Pure: it is told the time, and does nothing unless it is
    called."""

    def __init__(self, options: SegmenterOptions = _DEFAULTS, *, first_index: int = 0) -> None:
        self.next_index = first_index
        self.n_given = 0
        """Characters that are in segments by now."""
        self._options = options
        self._waits_s = {
            Verdict.WAIT: options.boundary_wait_s,
            Verdict.HOLD: options.hold_wait_s,
        }
        self._blocks = (THOUGHT,) * options.skip_thinking + (CODE,) * options.skip_markdown
        openings = "".join(block.opens_with for block in self._blocks)
        self._stops = regex.compile(f"[{regex.escape(''.join(MARKS) + openings)}]")

        self._style = _NO_STYLE
        self._open = ""
        # As long as the part of `_open` it stands for; what is not spoken is blank in it.
        self._shown = ""
        self._has_sound = False  # something in `_shown` is audible
        self._block: UnspokenBlock | None = None  # the unspoken block that the scan is in
        self._deadline: float | None = None  # of the mark behind `_shown`

        # The end of what was given out, for the words that a cut went through.
        self._before = ""
        self._before_is_address = False

        # When the open text came in: (characters since the beginning, time).
        self._arrivals: list[tuple[int, float]] = []

    @property
    def deadline(self) -> float | None:
        """The time at which to call `expire`; None: nothing waits for the clock."""
        return self._deadline

    def push(self, token: Token, now: float) -> list[Segment]:
        """Take text in. A new style closes the open segment."""
        segments: list[Segment] = []
        if not token.text:
            return segments
        if token.style != self._style:
            segments += self._close(now)
            self._style = token.style
        # In pieces, so that the cost is that of the text, however long the token is.
        for start in range(0, len(token.text), self._options.max_segment_chars):
            self._open += token.text[start : start + self._options.max_segment_chars]
            self._arrivals.append((self.n_given + len(self._open), now))
            segments += self._cut_all(now)
        return segments

    def flush(self, now: float) -> list[Segment]:
        """Give out all there is, also a bare word: the utterance is over, and what was left
        open in it (a thought, fenced code) with it."""
        segments = self._close(now)
        self._block = None
        self._before = ""
        self._before_is_address = False
        return segments

    def expire(self, now: float) -> list[Segment]:
        """The mark that waits is a boundary if its deadline has passed."""
        if self._deadline is None or now < self._deadline:
            return []
        at = len(self._shown)
        self._show(self._open[at])
        return [self._give_out(at + 1, self._arrival(at), now), *self._cut_all(now)]

    def _close(self, now: float) -> list[Segment]:
        segments = self._cut_all(now, ended=True)
        if self._open:
            segments.append(self._give_out(len(self._open), now, now))
        return segments

    def _cut_all(self, now: float, *, ended: bool = False) -> list[Segment]:
        segments = []
        while (cut := self._next_cut(ended=ended)) is not None:
            n_chars, arrived = cut
            segments.append(self._give_out(n_chars, arrived, now))
        return segments

    def _next_cut(self, *, ended: bool) -> tuple[int, float] | None:
        """The end of the open segment and the arrival of what showed it; None: not yet."""
        limit = self._options.max_segment_chars
        known = self._open[: limit + 1]
        is_full = len(known) > limit
        self._deadline = None

        while (at := self._show_up_to_stop(known[:limit])) < min(len(known), limit):
            if known[at] not in MARKS or self._block is not None:
                if not self._pass_tag(known, at, ended=ended):
                    break
                continue
            verdict = self._judge(known, at, ended=ended) if self._has_sound else Verdict.GO_ON
            if verdict in self._waits_s and not is_full:
                self._deadline = self._arrival(at) + self._waits_s[verdict]
                break
            self._show(known[at])
            if verdict is Verdict.CUT:
                return at + 1, self._arrival(at)

        if is_full:
            return self._cut_for_length(known), self._arrival(limit)
        return None

    def _show_up_to_stop(self, known: str) -> int:
        """Show all text that is no mark and no tag, and return where that is over."""
        at = len(self._shown)
        stop: int
        if self._block is not None:
            stop = known.find(self._block.closes_with, at)
            stop = len(known) if stop < 0 else stop
            self._show_blank(known[at:stop])
        else:
            found = self._stops.search(known, at)
            stop = found.start() if found else len(known)
            self._show(known[at:stop])
        return stop

    def _pass_tag(self, known: str, at: int, *, ended: bool) -> bool:
        """Show the tag at this place as blank, or what is none as it is. False: not yet clear."""
        if self._block is not None:
            tag = closing_tag_at(self._block, known, at)
        else:
            tag = tag_at(known, at, self._before + self._shown, self._blocks)
        if tag is not None and tag.is_whole:
            self._show_blank(known[at : tag.end])
            self._block = tag.opens
            return True
        if tag is not None and not ended:
            return False
        if self._block is not None:
            self._show_blank(known[at])
        else:
            self._show(known[at])
        return True

    def _judge(self, known: str, at: int, *, ended: bool) -> Verdict:
        return judge(
            self._shown,
            known[at],
            known[at + 1 :],
            before=self._before,
            in_address=self._before_is_address,
            ended=ended,
            segmentation=self._style.segmentation,
        )

    def _cut_for_length(self, known: str) -> int:
        """The place to cut a segment that is full: the last white space, else the limit; in no
        grapheme, unless that is longer than a segment; in nothing that may become a tag."""
        limit = min(self._options.max_segment_chars, len(self._shown))
        ends = [found.end() for found in _GRAPHEME.finditer(known)]
        ends = [end for end in ends if end <= limit]
        indent = len(known) - len(known.lstrip())
        for end in reversed(ends):
            if known[end].isspace() and end > indent:
                return end
        if indent in ends:
            return indent
        return ends[-1] if ends else limit

    def _show(self, text: str) -> None:
        self._shown += text
        if not self._has_sound:
            self._has_sound = is_audible(text, skip_emoji=self._options.skip_emoji)

    def _show_blank(self, text: str) -> None:
        self._shown += blanked(text)

    def _arrival(self, at: int) -> float:
        """The arrival time of the character at this place of the open text."""
        return self._arrivals[self._n_arrived_with(self.n_given + at)][1]

    def _n_arrived_with(self, n_chars: int) -> int:
        return bisect_right(self._arrivals, n_chars, key=itemgetter(0))

    def _give_out(self, n_chars: int, arrived: float, now: float) -> Segment:
        shown = self._shown[:n_chars]
        segment = Segment(
            index=self.next_index,
            source=self._open[:n_chars],
            spoken=spoken_text(
                shown,
                begins_line=begins_line(self._before),
                skip_markdown=self._options.skip_markdown,
                skip_emoji=self._options.skip_emoji,
            ),
            style=self._style,
            timing=Timing(arrived=arrived, cut=now),
        )
        self.next_index += 1
        left = self._before + shown
        self._before_is_address = is_address(left, begins_inside=self._before_is_address)
        self._before = left[-_BEFORE_CHARS:]
        self._open = self._open[n_chars:]
        self._shown = self._shown[n_chars:]
        self._has_sound = is_audible(self._shown, skip_emoji=self._options.skip_emoji)
        self._deadline = None
        self.n_given += n_chars
        del self._arrivals[: self._n_arrived_with(self.n_given)]
        return segment
