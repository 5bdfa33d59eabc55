"""The segmenter: tokens in, segments out as soon as the text allows.

`stages.text.markup` reads the text first. What is open is kept twice: as it came, and clean, as
it is spoken; only the clean text is looked at.

    before ┊ the open segment ······· stop that waits ········ what follows it ┊ held as markup
           └─────────── shown ────────┘
           └──────────────────────── the open text ────────────────────────────┘

The scan goes from stop to stop, marks and ends of lines, and ends at the first that what follows
does not settle yet. `boundaries` judges marks; this class keeps the text and the time. Nothing
is decided by more than the first `max_segment_chars` + 1 characters of the segment, however long
the token was: only so is it the same for text that comes as single characters.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import TYPE_CHECKING, NamedTuple

import regex

from stages.items import Segment, Style, Timing
from stages.segmenter.boundaries import Verdict, judge
from stages.segmenter.marks import MARKS
from stages.segmenter.open_text import OpenText, Place
from stages.segmenter.spoken import is_audible, spoken_of
from stages.text.markup import Markup, MarkupOptions

if TYPE_CHECKING:
    from collections.abc import Callable

    from stages.items import Token
    from stages.resume import Resume
    from stages.segmenter.open_text import Stop
    from stages.text.choices import Actions, Urls

_BEFORE_CHARS = 32  # enough to know an abbreviation
_MARK_OR_LINE = regex.compile(f"[\n{regex.escape(''.join(MARKS))}]")

MAX_PAUSE_S = 10.0
"""The longest pause before a segment, as in other engines that read SSML."""

SILENT_LEAD_CHARS = 64
"""The longest silent text (fenced code, a thought) in front of a segment's first word. More is a
segment of its own, so that the sentence behind it is not cut for its length."""


@dataclass(frozen=True, slots=True)
class SegmenterOptions:
    """The options of the segmenter."""

    boundary_wait_s: float = 0.15
    """Silence that makes a mark a boundary when the next character would have settled it."""
    hold_wait_s: float = 1.0
    """The same where the text rather goes on: after an abbreviation, a single letter, a digit,
    in an address or a formula."""
    max_segment_chars: int = 200
    skip_markdown: bool = True
    """Markup is not spoken, nor is fenced code."""
    skip_emoji: bool = True
    skip_thinking: bool = True
    """A model's thoughts (<think> and its like) are not spoken."""
    urls: Urls = "host"
    """The spoken part of a web address: its host, all of it, or the word ``link``."""
    actions: Actions = "spoken"
    """What becomes of emphasis that stands for an action (``*laughs*``)."""

    def __post_init__(self) -> None:
        if self.boundary_wait_s < 0 or self.hold_wait_s < 0:
            msg = "a wait cannot be negative"
            raise ValueError(msg)
        if self.max_segment_chars < SILENT_LEAD_CHARS:
            msg = f"max_segment_chars must be at least {SILENT_LEAD_CHARS}"
            raise ValueError(msg)


class _Waiting(Enum):
    """What the clock is for."""

    STOP = auto()
    """What follows would settle it."""
    MARKUP = auto()
    """What is held back may still become markup."""
    SHORT = auto()
    """A short segment is to join what follows."""


class _Cut(NamedTuple):
    """The end of the open segment."""

    place: Place
    arrived: float
    """When the text came that shows it."""
    line_end: str = ""
    """The character for it, where it is the end of a line."""


_DEFAULTS = SegmenterOptions()
_NO_STYLE = Style(voice="")  # until the first token brings one


def _any_length(_: Style) -> int:
    return 0


def _english(_: Style) -> str:
    return "en"


class Segmenter:
    """A stream of text cut into segments. Pure: it is told the time, and does nothing unless it is
    called."""

    def __init__(
        self,
        options: SegmenterOptions = _DEFAULTS,
        *,
        first_index: int = 0,
        least_chars: Callable[[Style], int] = _any_length,
        language: Callable[[Style], str] = _english,
    ) -> None:
        """`least_chars`: how much text the engine of a style speaks well. In ``auto``
        segmentation less than that joins what follows. `language`: the tag of a style's language,
        for what is said of formulas."""
        self.next_index = first_index
        self._options = options
        self._least_chars = least_chars
        self._language = language
        self._waits_s = {
            Verdict.WAIT: options.boundary_wait_s,
            Verdict.HOLD: options.hold_wait_s,
        }
        self._markup = Markup(
            MarkupOptions(
                skip_markdown=options.skip_markdown,
                skip_thinking=options.skip_thinking,
                urls=options.urls,
                actions=options.actions,
            )
        )

        self._style = _NO_STYLE
        self._text = OpenText()
        self._n_shown = 0  # of the clean text
        self._has_sound = False  # something in that is audible
        self._pause_s = 0.0  # asked for in it
        self._short: _Cut | None = None  # a boundary in it, of too short a segment
        self._is_first = True  # nothing audible was given out since the reply began
        self._deadline: float | None = None
        self._waiting = _Waiting.STOP
        self._heard_to = 0  # of all text: up to there it is not spoken
        self._borders: tuple[int, ...] = ()  # in all text: where segments end, whatever it says
        self._before = ""  # the end of what was given out, for words that a cut went through

    @property
    def n_given(self) -> int:
        """Characters that are in segments by now."""
        return self._text.n_given

    @property
    def deadline(self) -> float | None:
        """The time at which to call `expire`; None: nothing waits for the clock."""
        return self._deadline

    def resume(self, resume: Resume) -> None:
        """Cut the text that comes, of which there was none yet, as it was cut before."""
        self._borders = resume.borders
        self._heard_to = self._borders[0]
        self._is_first = resume.heard_chars is not None

    def push(self, token: Token, now: float) -> list[Segment]:
        """Take text in. A new style closes the open segment."""
        segments: list[Segment] = []
        if not token.text:
            return segments
        if token.style != self._style:
            self._text.add(self._markup.settle())
            segments += self._close(now)
            self._style = token.style
            self._markup.language = self._language(token.style)
        # In pieces, so that the cost is that of the text, however long the token is.
        for start in range(0, len(token.text), self._options.max_segment_chars):
            text = token.text[start : start + self._options.max_segment_chars]
            self._text.arrive(len(self._markup.held) + len(text), now)
            self._text.add(self._markup.feed(text))
            segments += self._cut_all(now)
        return segments

    def flush(self, now: float) -> list[Segment]:
        """Give out all there is, also a bare word: the utterance is over, and what was left
        open in it (a thought, fenced code) with it."""
        self._text.add(self._markup.end())
        segments = self._close(now)
        self._before = ""
        self._is_first = True
        self._heard_to, self._borders = 0, ()
        return segments

    def expire(self, now: float) -> list[Segment]:
        """What waits is a boundary if its deadline has passed."""
        segments: list[Segment] = []
        while self._deadline is not None and self._deadline <= now:
            stop = self._text.next_stop(self._options.max_segment_chars)
            if self._waiting is _Waiting.MARKUP:
                self._text.add(self._markup.give_up())
            elif self._waiting is _Waiting.SHORT and self._short is not None:
                segments.append(self._give_out(self._short, now))
            elif stop is not None:
                segments.append(self._give_out(self._cut_at(stop), now))
            segments += self._cut_all(now)
        return segments

    def _close(self, now: float) -> list[Segment]:
        segments = self._cut_all(now, ended=True)
        if self._text.source:
            end = Place(len(self._text.clean), len(self._text.source))
            segments.append(self._give_out(_Cut(end, now), now))
        self._deadline = None
        return segments

    def _cut_all(self, now: float, *, ended: bool = False) -> list[Segment]:
        segments = []
        while (cut := self._next_cut(ended=ended)) is not None:
            segments.append(self._give_out(cut, now))
        return segments

    def _next_cut(self, *, ended: bool) -> _Cut | None:
        """The end of the open segment; None: not yet."""
        text, limit = self._text, self._options.max_segment_chars
        is_full = len(text.source) > limit
        known = text.clean[: text.clean_within(limit + 1)] if is_full else text.clean
        self._deadline = None

        border = self._border
        while (stop := text.next_stop(limit)) is not None:
            self._show(stop.place.clean)
            verdict = self._judge(stop, known, ended=ended) if border is None else Verdict.GO_ON
            end = stop.place.source + len(stop.mark)
            if border is not None and end >= border:
                if end == border:
                    return self._cut_at(stop)
                break
            if verdict in self._waits_s and not is_full:
                arrived = text.arrival(stop.place.source)
                self._wait_until(arrived + self._waits_s[verdict], _Waiting.STOP)
                break
            if verdict is Verdict.CUT:
                cut = self._cut_at(stop)
                if not self._is_too_short(stop):
                    return cut
                self._short = cut
            text.pass_stop()
            self._pause_s = min(self._pause_s + stop.pause_s, MAX_PAUSE_S)

        if border is not None and border < min(len(text.source), limit + 1):
            return _Cut(Place(text.clean_within(border), border), text.arrival(border))
        if is_full:
            return _Cut(text.cut_for_length(limit), text.arrival(limit))
        self._wait_for_text()
        return None

    @property
    def _border(self) -> int | None:
        """The place in the open text where its segment ends whatever the text says. Stops before
        it are none."""
        n_given = self._text.n_given
        return next((border - n_given for border in self._borders if border > n_given), None)

    def _show(self, n_clean: int) -> None:
        if not self._has_sound:
            shown = self._text.clean[self._n_shown : n_clean]
            self._has_sound = is_audible(shown, skip_emoji=self._options.skip_emoji)
        self._n_shown = n_clean

    def _judge(self, stop: Stop, known: str, *, ended: bool) -> Verdict:
        clean, source = stop.place
        if not stop.mark:
            return Verdict.CUT if self._has_sound or source > SILENT_LEAD_CHARS else Verdict.GO_ON
        if not self._has_sound:
            return Verdict.GO_ON
        return judge(
            known[:clean],
            stop.mark,
            known[clean + 1 :],
            before=self._before,
            ended=ended,
            segmentation=self._style.segmentation,
        )

    def _cut_at(self, stop: Stop) -> _Cut:
        """Behind a mark, before the end of a line."""
        (clean, source), arrived = stop.place, self._text.arrival(stop.place.source)
        if stop.mark:
            return _Cut(Place(clean + 1, source + 1), arrived)
        return _Cut(stop.place, arrived, self._text.clean[clean])

    def _is_too_short(self, stop: Stop) -> bool:
        if self._style.segmentation != "auto" or self._is_first or stop.pause_s:
            return False
        shown = self._text.clean[: stop.place.clean]
        return self._has_sound and len(shown.strip()) < self._least_chars(self._style)

    def _wait_until(self, deadline: float, waiting: _Waiting) -> None:
        if self._deadline is None or deadline < self._deadline:
            self._deadline, self._waiting = deadline, waiting

    def _wait_for_text(self) -> None:
        """Set the clock for what is held back, and for a segment that is too short."""
        held, text, options = self._markup.held, self._text, self._options
        found = _MARK_OR_LINE.search(held)
        if found is not None:
            shown = text.clean[self._n_shown :] + held[: found.start()]
            if self._has_sound or is_audible(shown, skip_emoji=options.skip_emoji):
                is_near = self._markup.settles_soon
                wait_s = options.boundary_wait_s if is_near else options.hold_wait_s
                arrived = text.arrival(len(text.source) + found.start())
                self._wait_until(arrived + wait_s, _Waiting.MARKUP)
        if self._short is not None:
            self._wait_until(text.last_arrival + options.boundary_wait_s, _Waiting.SHORT)

    def _give_out(self, cut: _Cut, now: float) -> Segment:
        n_clean, n_source = cut.place
        clean = self._text.clean[:n_clean]
        said = spoken_of(clean + cut.line_end, skip_emoji=self._options.skip_emoji)
        segment = Segment(
            index=self.next_index,
            source=self._text.source[:n_source],
            spoken=said.text,
            written=said.of(self._text.written(n_clean + len(cut.line_end))),
            style=self._style,
            timing=Timing(arrived=cut.arrived, cut=now),
            pause_s=self._pause_s,
        )
        self.next_index += 1
        self._is_first = self._is_first and not segment.spoken
        if self._text.n_given + n_source <= self._heard_to:
            segment = replace(segment, spoken="", written=None, pause_s=0.0)
        self._text.drop(cut.place)
        self._before = (self._before + clean)[-_BEFORE_CHARS:]
        self._n_shown = 0
        self._has_sound = False
        self._pause_s = 0.0
        self._short = None
        self._deadline = None
        return segment
