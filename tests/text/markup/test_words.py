"""Words that stand in no text, for formulas and links, in the language that is spoken."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest

from stages.items import Style, Token
from stages.segmenter import Segmenter
from stages.text.markup import MarkupOptions, words
from stages.text.markup.words import markup_words
from stages.tts.espeak.scripts import legible
from tests.text.markup.reading import readings_of

FILES = [path.stem for path in (Path(words.__file__).parent / "data").glob("*.toml")]
LANGUAGES = sorted({*FILES} - {"other"})

SAID = {
    ("$\\frac{x^2}{2}$", "de"): "x Quadrat durch 2",
    ("$\\frac{x^2}{2}$", "fr-fr"): "x au carré sur 2",
    ("$\\frac{x^2}{2}$", "es"): "x al cuadrado sobre 2",
    ("$\\frac{x^2}{2}$", "it"): "x al quadrato fratto 2",
    ("$\\frac{x^2}{2}$", "pt-br"): "x ao quadrado sobre 2",
    ("$\\frac{x^2}{2}$", "nl"): "x kwadraat gedeeld door 2",
    ("$\\frac{x^2}{2}$", "pl"): "x do kwadratu przez 2",
    ("$\\frac{x^2}{2}$", "ru"): "x в квадрате делить на 2",
    ("$\\frac{x^2}{2}$", "cmn"): "2 分之 x 的平方",
    ("$\\frac{x^2}{2}$", "ja"): "2 ぶんの x の にじょう",
    ("$\\frac{x^2}{2}$", "tr"): "x² / 2",
    ("$a \\le b^{10} + \\alpha$", "de"): "a kleiner gleich b hoch 10 plus α",
    ("$a \\le b^{10} + \\alpha$", "tr"): "a ≤ b^10 + α",
    ("$\\sum_{i=1}^{n} i$", "de"): "Summe von i gleich 1 bis n von i",
    ("$\\sum_{i=1}^{n} i$", "cmn"): "求和 从 i 等于 1 到 n i",
    ("$\\lim_{x \\to 0} x$", "fr-fr"): "limite quand x tend vers 0 de x",
    ("Also $\\unknown{x}$ gilt.", "de"): "Also eine Formel gilt.",
    ("Yani $\\unknown{x}$ olur.", "tr"): "Yani olur.",
    ("\\begin{align}a\\end{align} ja", "tr"): "ja",
    ("H$_2$O und x$^2$", "de"): "H 2 O und x Quadrat",
    ("H$_2$O", "tr"): "H 2 O",
}


@pytest.mark.parametrize(("text", "language"), SAID)
def test_a_formula_is_said_in_the_language_that_is_spoken(text: str, language: str) -> None:
    """In one without a table by its letters, numbers and signs, or not at all."""
    assert readings_of(text, language=language) == {SAID[text, language]}


@pytest.mark.parametrize(
    ("language", "said"),
    [("en-gb", "See link."), ("de", "See Link."), ("fr-fr", "See lien."), ("cmn", "See 链接.")],
)
def test_a_link_is_said_in_the_language_that_is_spoken(language: str, said: str) -> None:
    options = MarkupOptions(urls="link")
    assert readings_of("See https://example.com/a.", options, language) == {said}


def test_the_style_that_holds_decides() -> None:
    segmenter = Segmenter(language=lambda style: style.voice)
    segments = [
        *segmenter.push(Token("$x^2$", Style("en-us")), 0.0),
        *segmenter.push(Token("$x^2$", Style("de")), 0.0),
        *segmenter.flush(0.0),
    ]
    assert [segment.spoken for segment in segments] == ["x squared", "x Quadrat"]
    assert "".join(segment.source for segment in segments) == "$x^2$$x^2$"


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_table_has_all_that_the_others_have(language: str) -> None:
    english, own = asdict(markup_words("en")), asdict(markup_words(language))
    for key, value in english.items():
        assert own[key], key
        if isinstance(value, dict):
            common = {"sum", "prod", "int", "lim", "hat", "+", "=", "le", "to", "2", "3"}
            assert common & value.keys() <= own[key].keys(), key


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_words_of_a_language_are_written_as_its_voices_read(language: str) -> None:
    """Japanese ones in kana, since espeak-ng reads no kanji."""
    spoken_by = {"zh": "cmn"}.get(language, language)
    for value in asdict(markup_words(language)).values():
        for text in [value] if isinstance(value, str) else value.values():
            assert legible(text, spoken_by) == text
