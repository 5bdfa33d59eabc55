"""The option ``--lexicon``."""

from __future__ import annotations

from pathlib import Path

from tests.cli.program import complaint, run, says


def test_words_are_said_as_the_file_says() -> None:
    Path("words.toml").write_text('["*"]\nNginx = "engine x"\n')
    said = says("speak", "I like nginx.", "--lexicon", "words.toml")
    assert said == says("speak", "I like engine x.")
    assert said != says("speak", "I like nginx.")


def test_sounds_are_said_by_the_built_in_engine() -> None:
    Path("words.toml").write_text('[en]\nNginx = { ipa = "pʊt" }\n', encoding="utf-8")
    assert says("speak", "nginx!", "--lexicon", "words.toml") == says("speak", "put!")


def test_a_broken_file_is_told_with_its_line() -> None:
    Path("words.toml").write_text('["*"]\nNginx = 5\n')
    told = "server.py: --lexicon: words.toml: line 2: *.Nginx: must be a text, or an object with"
    assert complaint(run("speak", "Hello!", "--lexicon", "words.toml")).startswith(told)
    checked = run("check", "--lexicon", "words.toml")
    assert checked.returncode == 1
    assert told in checked.stderr.decode()


def test_check_tells_how_many_words_there_are() -> None:
    Path("words.toml").write_text('["*"]\nNginx = "engine x"\n[en]\na = "b"\n')
    assert b"lexicon\n  words.toml: 2 words\n" in run("check", "--lexicon", "words.toml").stdout
