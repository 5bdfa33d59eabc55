"""TOML from strangers costs time in proportion to its size, and is read once."""

from __future__ import annotations

import os
import sys
import tomllib
from typing import TYPE_CHECKING

import pytest

from stages.rvc.voices import library
from stages.rvc.voices.library import find_voices
from stages.rvc.voices.settings import MAX_TOML_BYTES, VoiceSettings, read_settings
from stages.toml_text import MAX_KEY_PARTS, BadToml, parse
from tests.rvc.voice_folders import put

if TYPE_CHECKING:
    from pathlib import Path

MANY = "a." * MAX_KEY_PARTS


@pytest.mark.parametrize(
    "text",
    [
        f"{MANY}a = 1",
        f"[{MANY}a]",
        f"[[{MANY}a]]",
        f"a = {{{MANY}a = 1}}",
        MANY.replace("a", '"a=#"') + "a = 1",
        MANY.replace("a", "'a\"'") + "a = 1",
        MANY.replace(".", " \t.  ") + "a = 1",
        MANY.replace("a", '"\\""') + "a = 1",
        '"""\\"""" = 1 # no key\n' + MANY + "a = 1",
        f"b = '''\n'''\n{MANY}a = 1",
        f"b = 'it is'\n{MANY}a = 1 # it's",
    ],
)
def test_a_key_of_very_many_parts_is_refused_before_it_is_read(text: str) -> None:
    with pytest.raises(BadToml, match="a key of more than 16 parts"):
        parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "a." * (MAX_KEY_PARTS - 1) + "a = 1",
        'description = "well............................."',
        f'description = """\n{MANY}a = 1\n"""',
        f"description = '''{MANY}'''",
        f"# {MANY}",
        "numbers = [1.5, 2.5, " + "3.5, " * 20 + "4.5]",
        'a = "it\\"s" # "\nb = \'\\\'',
        'a = """ends in quotes."""""\nb = 1',
    ],
)
def test_dots_elsewhere_are_as_many_as_one_likes(text: str) -> None:
    assert parse(text) == tomllib.loads(text)


def test_a_string_that_is_never_closed_is_looked_through_once() -> None:
    """Behind a backslash at the very end it was taken for none, and so was each that began in it:
    48 kB took 6 s. Dots in it are no key's."""
    with pytest.raises(BadToml, match="is not TOML"):
        parse('a = """\n' + MANY + "a = 1\n\\")


@pytest.mark.parametrize("size", [MAX_TOML_BYTES, 16 * MAX_TOML_BYTES])
@pytest.mark.parametrize(
    "piece",
    ["a.", '"a".', "[a.", "a.a.a=1\n", "[[a.b]]\n", "{a=", "a={a.", "[", '"', '"""', "'''", '"""\\',
     "#", "\\", " ", "\n", ".", "1", "1.5,", "a"],
)  # fmt: skip
@pytest.mark.parametrize("begin", ["", "a=", 'a="', 'a="""', "a=[", "["])
def test_every_size_has_its_bound_of_work(begin: str, piece: str, size: int) -> None:
    """Of what Python's interpreter does, in calls and jumps back: 28 s of a core were 64 kB."""
    text = (begin + piece * (size // len(piece)))[:size]
    n_lines = 0

    def count(*_: object) -> object:
        nonlocal n_lines
        n_lines += 1
        return count

    before = sys.gettrace()
    sys.settrace(count)  # type: ignore[arg-type] # it takes any function, and is one itself
    try:
        parse(text)
    except BadToml:
        pass
    finally:
        sys.settrace(before)
    assert n_lines < 60 * size + 1000


def test_settings_are_read_again_only_when_they_have_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each listing read them all, those that are wrong included."""
    read: list[Path] = []

    def noted(path: Path) -> VoiceSettings:
        read.append(path)
        return read_settings(path)

    monkeypatch.setattr(library, "read_settings", noted)
    put(tmp_path, "anna.pth", "bert.pth")
    (tmp_path / "anna.toml").write_text("pitch_shift = 1")
    (tmp_path / "bert.toml").write_text("pitch_shift = ")
    first, second = find_voices([tmp_path], None), find_voices([tmp_path], None)
    assert first == second
    assert len(first.problems) == 1
    assert len(read) == 2
    (tmp_path / "bert.toml").write_text("pitch_shift = 12")
    assert find_voices([tmp_path], None).voices["bert"].settings.pitch_shift == 12
    (tmp_path / "new").write_text("pitch_shift = -2")  # in place of it, at the same time
    stat = (tmp_path / "bert.toml").stat()
    (tmp_path / "new").replace(tmp_path / "bert.toml")
    os.utime(tmp_path / "bert.toml", ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert find_voices([tmp_path], None).voices["bert"].settings.pitch_shift == -2
    assert len(read) == 4
