"""Halves of surrogate pairs, which JSON can write and UTF-8 cannot."""

from __future__ import annotations

import json

import pytest

from stages.text.surrogates import SurrogateJoiner


@pytest.mark.parametrize(
    ("tokens", "expected"),
    [
        (["hello"], ["hello"]),
        (["\ud83d", "\ude00 hi there!"], ["", "😀 hi there!"]),
        (["a \ud83d", "", "\ude00"], ["a ", "", "😀"]),
        (["a \ud83d", "b"], ["a ", "b"]),
        (["abc \ud83d def. "], ["abc  def. "]),
        (["\ude00x", "\ud83d\ude00y"], ["x", "😀y"]),
        (["\ud83d\ud83d", "\ude00\ude00"], ["", "😀"]),
        (["über 你好 😀"], ["über 你好 😀"]),
    ],
)
def test_halves_are_joined_or_dropped(tokens: list[str], expected: list[str]) -> None:
    joiner = SurrogateJoiner()
    joined = [joiner.join(token) for token in tokens]
    assert joined == expected
    assert "".join(joined).encode()


def test_a_pair_that_json_has_cut_is_one_character_again() -> None:
    """Two messages with half an emoji each were two errors, and nothing was spoken."""
    messages = ['{"token": "\\ud83d"}', '{"token": "\\ude00 hi there!"}']
    joiner = SurrogateJoiner()
    assert "".join(joiner.join(json.loads(message)["token"]) for message in messages) == (
        "😀 hi there!"
    )


def test_a_half_that_was_dropped_joins_nothing() -> None:
    joiner = SurrogateJoiner()
    joiner.join("a\ud83d")
    joiner.drop()
    assert joiner.join("\ude00b") == "b"
