"""The file of ``--lexicon``: what is in it, what is wrong with it, and that it is read again."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
import structlog.testing
import trio

from pipeline.lexicon_file import MAX_FILE_BYTES, LexiconFile, read_lexicon
from stages.text.lexicon import pronunciations
from stages.toml_text import BadToml

if TYPE_CHECKING:
    from pathlib import Path

    from trio.testing import MockClock

FILE = """
["*"]
Nginx = "engine x"   # web
"SQL Server" = "sequel server"

[en]
Worcester = { ipa = "ˈwʊstɚ", say = "Wooster" }
bath = "bath"

[en-GB]
bath = "bahth"
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "words.toml"
    path.write_text(FILE)
    return path


def change(path: Path, text: str) -> None:
    """Write the file as an editor does, so that its time is another whatever the clock's steps."""
    status = path.stat()
    path.write_text(text)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1_000_000))


def said(lexicon: LexiconFile, word: str, language: str = "en-us") -> str:
    edits = pronunciations(word, language, lexicon.tables(language), takes_sounds=False)
    return edits[0][2] if edits else word


def test_the_most_specific_language_counts(path: Path) -> None:
    lexicon = LexiconFile(path)
    assert len(lexicon.lexicon) == 5
    assert said(lexicon, "bath", "en-gb") == said(lexicon, "bath", "en-gb-scotland") == "bahth"
    assert said(lexicon, "bath", "en-us") == "bath"
    assert said(lexicon, "nginx", "de") == said(lexicon, "nginx", "") == "engine x"
    assert said(lexicon, "Worcester", "de") == "Worcester"
    assert said(lexicon, "sql server") == "sequel server"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[en]\nx = "a"\n"y z" = { ipa = "a§" }', "line 3: en.y z.ipa: '§' is no symbol"),
        ("[en]\nx = 5", "line 2: en.x: must be a text, or an object with say, ipa, or both"),
        ('Nginx = "x"', 'line 1: Nginx stands in no table; put it below ["*"], or'),
        ('[en\nx = "y"', "is not TOML: Expected ']' at the end of a table declaration (at line 1"),
        ('\n[English]\nx = "y"', "line 2: English: is no language: en, en-GB, or * for all"),
        ('[en]\nx = { sya = "a" }', "line 2: en.x.sya: unknown key"),
        (f'[en]\n{"k" * 70} = "a"', "characters"),
        ('[en]\na = "b"\na = "c"', "is not TOML: Cannot overwrite a value"),
        ("[en]\na = {}", "line 2: en.a: must have say, ipa, or both"),
        (f'[en]\na = "{"x" * 201}"', "line 2: en.a.say: String should have at most 200"),
        ('[en]\n" " = "x"', "line 2: en.: is empty"),
        ('["*"]\na = ""', "line 2: *.a.say: is empty"),
        ('[en]\na = "x\\ny"', "line 2: en.a.say: must not contain control characters"),
        ("# " + "x" * MAX_FILE_BYTES, "has more than 2097152 bytes"),
    ],
)
def test_a_fault_is_told_with_its_line(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "words.toml"
    path.write_text(text)
    with pytest.raises(BadToml) as caught:
        read_lexicon(path)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "words.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(BadToml, match="is not TOML"):
        read_lexicon(tmp_path / "words.toml")
    with pytest.raises(BadToml, match="cannot be read"):
        read_lexicon(tmp_path)


async def test_a_changed_file_is_read_again(path: Path, autojump_clock: MockClock) -> None:
    lexicon = LexiconFile(path)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lexicon.watch)
        change(path, '["*"]\nNginx = "en jinx"')
        while said(lexicon, "Nginx") != "en jinx":
            await trio.sleep(0.1)
        nursery.cancel_scope.cancel()


def test_a_broken_file_leaves_the_words_as_they_were_and_is_told_once(path: Path) -> None:
    lexicon = LexiconFile(path)
    with structlog.testing.capture_logs() as lines:
        change(path, '["*"]\nNginx = 5')
        lexicon.refresh()
        lexicon.refresh()
        assert said(lexicon, "Nginx") == "engine x"
        path.unlink()
        lexicon.refresh()
        lexicon.refresh()
        assert said(lexicon, "Nginx") == "engine x"
        path.write_text('["*"]\nNginx = "en jinx"')
        lexicon.refresh()
        assert said(lexicon, "Nginx") == "en jinx"
    assert [line["log_level"] for line in lines] == ["warning", "warning", "info"]
    told = [line["event"] % line["positional_args"] for line in lines]
    assert f"{path}: line 2: *.Nginx: must be a text" in told[0]
    assert "cannot be read: No such file" in told[1]
    assert told[2] == f"read {path} again: 1 words"


def test_a_file_that_has_not_changed_is_not_read(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lexicon = LexiconFile(path)
    monkeypatch.setattr("pipeline.lexicon_file.read_lexicon", None)
    lexicon.refresh()
