"""Voices by the names that other programs have for them."""

from __future__ import annotations

import pytest

from pipeline.voice_names import VoiceNames, read_aliases
from tests.fakes import VOICES

NAMES = VoiceNames(VOICES, "plain", {"Alloy": "other", "gone": "nobody"})


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("other", "other"),
        ("alloy", "other"),
        ("ALLOY", "other"),
        ("nova", "plain"),
        ("gone", "plain"),
        ("", "plain"),
        (None, "plain"),
    ],
)
def test_every_name_finds_a_voice(asked: str | None, found: str) -> None:
    assert NAMES.find(asked) == found


def test_aliases_are_read() -> None:
    words = ["alloy=other", " nova = plain "]
    assert read_aliases(words, VOICES) == {"alloy": "other", "nova": "plain"}


@pytest.mark.parametrize(
    ("word", "told"),
    [("alloy", "NAME=VOICE"), ("=plain", "NAME=VOICE"), ("alloy=bob", "no voice 'bob'")],
)
def test_an_alias_that_cannot_be_read_is_named(word: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        read_aliases([word], VOICES)
