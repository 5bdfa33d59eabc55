"""The segmenter with the markup before it. An input is options and a text, among whose characters
are some that are none of it:

    U+001F   a token ends here
    U+001E   a flush
    U+001D   time passes, so that what waits is cut
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, get_args

from stages.items import Segmentation, Style, Token
from stages.segmenter import Segmenter, SegmenterOptions
from stages.text.choices import Actions, Urls

if TYPE_CHECKING:
    from collections.abc import Iterable

    from stages.items import Segment

_EVENT = re.compile("([\x1d-\x1f])")
_LONG_S = 1000.0


def run(data: bytes) -> None:
    """All sources rejoin, none is too long, and they do not depend on how the tokens were cut."""
    head, events = data[:1] or b"\0", _EVENT.split(data[1:].decode(errors="ignore"))
    flags = head[0]
    options = SegmenterOptions(
        skip_markdown=not flags & 1,
        skip_emoji=not flags & 2,
        skip_thinking=not flags & 4,
        urls=get_args(Urls)[flags // 8 % 3],
        actions=get_args(Actions)[flags // 24 % 3],
    )
    segmentations = get_args(Segmentation)
    style = Style("voice", segmentation=segmentations[flags // 72 % len(segmentations)])

    text = "".join(_EVENT.sub("", each) for each in events)
    cut = _segments(events, options, style)
    assert "".join(each.source for each in cut) == text
    assert [each.index for each in cut] == list(range(len(cut)))
    for each in cut:
        assert 0 < len(each.source) <= options.max_segment_chars
        assert each.pause_s >= 0

    timeless = [each for each in events if each != "\x1d"]
    whole = "".join(each for each in timeless if each != "\x1f")
    expected = [
        (each.source, each.spoken, each.pause_s)
        for each in _segments(_EVENT.split(whole), options, style)
    ]
    for tokens in (timeless, _EVENT.split("\x1f".join(whole))):
        found = _segments(tokens, options, style)
        assert [(each.source, each.spoken, each.pause_s) for each in found] == expected


def _segments(events: Iterable[str], options: SegmenterOptions, style: Style) -> list[Segment]:
    segmenter = Segmenter(options, least_chars=lambda _: 40)
    segments: list[Segment] = []
    now = 0.0
    for event in events:
        match event:
            case "\x1f":
                pass
            case "\x1e":
                segments += segmenter.flush(now)
                assert segmenter.deadline is None
            case "\x1d":
                now += _LONG_S
                segments += segmenter.expire(now)
                assert segmenter.deadline is None or segmenter.deadline > now
            case _:
                segments += segmenter.push(Token(event, style), now)
    return segments + segmenter.flush(now)
