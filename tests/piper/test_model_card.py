"""Terms, read off cards as the hub's voices have them."""

from __future__ import annotations

import pytest

from stages.tts.piper.model_card import MAX_TOLD_CHARS, terms_of
from stages.voices import UNKNOWN_TERMS

CARD = """# Model card for {who}

* Language: en_US (English, United States)
* Speakers: 1
* Quality: medium
* Samplerate: 22,050Hz

## Dataset

* URL: https://example.org/voice-datasets
* License: {licence}

## Training

{training}
"""

FROM_LESSAC = "Finetuned from U.S. English lessac voice (medium quality)."


def card(licence: str, training: str = "Trained from scratch.", who: str = "joe (medium)") -> str:
    return CARD.format(who=who, licence=licence, training=training)


@pytest.mark.parametrize(
    "licence",
    [
        "CC0",
        "cc0-1.0",
        "CC BY 4.0",
        "CC-BY-SA 4.0",
        "Creative Commons Attribution 4.0 International Public License",
        "https://creativecommons.org/licenses/by/4.0/",
        "https://creativecommons.org/publicdomain/zero/1.0/",
        "Public Domain",
        "MIT",
        "Apache 2.0",
    ],
)
def test_a_free_licence_makes_a_voice_free(licence: str) -> None:
    terms = terms_of(card(licence))
    assert terms.is_free
    assert terms.licence == f"the voice of joe, recordings: {licence}"


@pytest.mark.parametrize(
    "licence",
    [
        "CC BY-NC 4.0",
        "CC-BY-NC-SA 4.0",
        "CC BY-ND 4.0",
        "Creative Commons Attribution-NonCommercial 4.0",
        "https://creativecommons.org/licenses/by-nc/4.0/",
        "https://www.cstr.ed.ac.uk/projects/blizzard/2013/lessac_blizzard2013/license.html",
        "See URL",
        "Private",
        "Free for research",
        "MIT, for personal use",
        "CC BY 4.0, not for sale",
        "permitted by its author",
    ],
)
def test_any_other_is_told_and_not_free(licence: str) -> None:
    terms = terms_of(card(licence))
    assert not terms.is_free
    assert terms.licence == f"the voice of joe, recordings: {licence}"


def test_a_voice_is_bound_by_what_it_was_trained_from() -> None:
    """The one in the box: its own recordings are free, and lessac's corpus is not."""
    terms = terms_of(card("CC0", FROM_LESSAC))
    assert not terms.is_free
    assert terms.licence == (
        "the voice of joe, recordings: CC0; fine-tuned from U.S. English lessac voice (medium"
        " quality), whose corpus restricts commercial use"
    )


@pytest.mark.parametrize(
    ("training", "told"),
    [
        ("Fine-tuned from the ryan voice.", "the ryan voice, whose terms are not known here"),
        ("fine tuned from alba", "alba, whose terms are not known here"),
        ("Finetuned.", "another voice, whose terms are not known here"),
    ],
)
def test_nobody_knows_here_what_others_allow(training: str, told: str) -> None:
    terms = terms_of(card("CC0", training))
    assert not terms.is_free
    assert terms.licence.endswith(f"; fine-tuned from {told}")


def test_a_card_that_says_it_was_not_fine_tuned_is_believed() -> None:
    assert terms_of(card("CC0", "This voice was not fine-tuned from any other.")).is_free


def test_of_several_recordings_all_must_be_free() -> None:
    both = card("CC0") + "\n## Dataset 2\n\n* License: CC BY-NC 4.0\n"
    terms = terms_of(both)
    assert not terms.is_free
    assert "CC0 and CC BY-NC 4.0" in terms.licence


@pytest.mark.parametrize("text", ["", "# Model card for joe\n", card(""), "\0\xff" * 1000])
def test_a_card_without_terms_leaves_them_unknown(text: str) -> None:
    assert terms_of(text) == UNKNOWN_TERMS


def test_terms_without_a_licence_say_so() -> None:
    told = terms_of(card("", FROM_LESSAC))
    assert told.licence.startswith("the voice of joe, recordings: licence unknown; fine-tuned")


def test_what_is_told_of_a_card_is_short_and_printable() -> None:
    terms = terms_of(card("CC0\x1b[31m " + "x" * 10_000))
    assert "\x1b" not in terms.licence
    assert len(terms.licence) < MAX_TOLD_CHARS + 100
