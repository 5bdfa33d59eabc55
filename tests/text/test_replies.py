"""Replies as language models write them, in ten languages, and what is heard of each: the file
beside has the text, and behind `--- heard` a line for each segment that makes a sound."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest
import regex

from tests.segmenter.cutting import SPLITS, segments_of

_MARKUP = regex.compile(r"[*_#`|<>{}\\~$\]\[](?<!\$(?=[\d]))|https?:|&\w+;")
"""What no ear should meet; a price may have its sign."""
_ITEM = regex.compile(r"^\s*(?:[-*+] |[•・]\s?|\d+[.)] )(.*)$", regex.MULTILINE)
_WORDS = regex.compile(r"\w+")


class Reply(NamedTuple):
    """A reply, and the segments that are heard."""

    name: str
    text: str
    heard: list[str]


def read_replies() -> list[Reply]:
    """All of the file's."""
    content = (Path(__file__).parent / "replies.txt").read_text("utf-8")
    replies = []
    for part in regex.split(r"(?m)^=== ", content)[1:]:
        name, _, rest = part.partition("\n")
        text, _, heard = rest.partition("\n--- heard\n")
        replies.append(Reply(name, text, heard.split("\n")[:-1]))
    return [reply._replace(heard=[line for line in reply.heard if line]) for reply in replies]


REPLIES = read_replies()


@pytest.mark.parametrize("reply", REPLIES, ids=[reply.name for reply in REPLIES])
def test_a_reply_is_heard_as_it_would_be_read(reply: Reply) -> None:
    for split in SPLITS:
        segments = segments_of(split(reply.text))
        heard = [segment.spoken for segment in segments if segment.spoken]
        assert heard == reply.heard, split.__name__
        assert "".join(segment.source for segment in segments) == reply.text


@pytest.mark.parametrize("reply", REPLIES, ids=[reply.name for reply in REPLIES])
def test_line_ends_of_windows_make_no_difference(reply: Reply) -> None:
    """A fence with one was never closed, and the rest of the reply was silent."""
    segments = segments_of([reply.text.replace("\n", "\r\n")])
    assert [segment.spoken for segment in segments if segment.spoken] == reply.heard


def test_no_markup_is_heard() -> None:
    in_code = {"The part [::-1] walks backwards."}
    heard = [line for reply in REPLIES for line in reply.heard if line not in in_code]
    assert [line for line in heard if _MARKUP.search(line)] == []


def test_every_list_item_begins_a_segment_of_its_own() -> None:
    for reply in REPLIES:
        if "```" in reply.text or "~~~" in reply.text:
            continue
        for item in _ITEM.findall(reply.text):
            words = _WORDS.findall(item.split("](")[0].replace("*", ""))
            begins = [line for line in reply.heard if _first_words(line)[:1] == words[:1]]
            assert begins, item


def _first_words(line: str) -> list[str]:
    return _WORDS.findall(regex.sub(r"^\d+\. ", "", line))


def test_there_are_sixty_replies_in_ten_languages() -> None:
    assert len(REPLIES) >= 60
    assert len({reply.name[:2] for reply in REPLIES}) == 10
