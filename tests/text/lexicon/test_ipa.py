"""The alphabet of sounds, and pronunciations that stand in text."""

from __future__ import annotations

import pytest

from stages.text.lexicon import INLINE
from stages.text.lexicon.ipa import ALPHABET, NEAR, unknown_symbol


@pytest.mark.parametrize(
    "ipa", ["ˈwʊstɚ", "kˈOkəɹO", "bɔ̃.ʒuʁ", "t͡ʃaɪ̯nə", "ˈnuː ˈjɔːk", "ɕɨˈt͡ɕ", "ǃʰʷ", "ç", "maːˈ˥˩"]
)
def test_ipa_as_people_write_it_is_known(ipa: str) -> None:
    assert unknown_symbol(ipa) is None


@pytest.mark.parametrize(
    ("ipa", "symbol"), [("wʊ§s", "§"), ("k@t", "@"), ("кот", "к"), ("a1", "1")]
)
def test_what_is_no_sound_is_named(ipa: str, symbol: str) -> None:
    assert unknown_symbol(ipa) == symbol


def test_what_stands_in_for_a_sound_is_a_sound() -> None:
    assert all(ALPHABET.issuperset(other) for others in NEAR.values() for other in others)


@pytest.mark.parametrize(
    "text", ["[Worcester](/ˈwʊstɚ/)", "[x](/ə/)", "[New York](/ˈnuː ˈjɔːk/)", "[cat](/kæt/)"]
)
def test_sounds_between_slashes_are_a_pronunciation(text: str) -> None:
    assert INLINE.fullmatch(text)


@pytest.mark.parametrize(
    "text",
    [
        "[docs](/docs/)",
        "[café](/café/)",
        "[Über](/über/)",
        "[œuvre](/œuvre/)",
        "[θέμα](/θέμα/)",
        "[x](/ə/b/)",
        "[x](/ə)",
        "[x](ə/)",
        "[x](//)",
        "[x](/ˈ1/)",
        "[](/ə/)",
    ],
)
def test_other_targets_are_those_of_links(text: str) -> None:
    assert not INLINE.search(text)
