"""The marks that may end a segment, in all scripts. Data only."""

from __future__ import annotations

from typing import NamedTuple


class Mark(NamedTuple):
    """The kind of a mark."""

    ends_sentence: bool
    """False: it only makes a pause."""
    acts_at_once: bool


MARKS: dict[str, Mark] = {
    **dict.fromkeys(".…⋯‥", Mark(ends_sentence=True, acts_at_once=False)),
    **dict.fromkeys(
        "!?‼⁉⁇⁈‽"
        "。！？｡．﹒﹖﹗"  # Chinese, Japanese
        "؟۔܀܁܂߹"  # Arabic, Urdu, Syriac, N'Ko
        "।॥꯫᱾᱿"  # Hindi and its neighbours
        "։"  # Armenian
        "\u037e"  # Greek, whose question mark looks like a semicolon
        "።፧፨"  # Amharic
        "။"  # Burmese
        "។៕"  # Khmer
        "།༎"  # Tibetan
        "᠃᙮꓿꘎꧈꧉",  # Mongolian, Cree, Lisu, Vai, Javanese
        Mark(ends_sentence=True, acts_at_once=True),
    ),
    **dict.fromkeys(
        ",;，；、､﹐﹑﹔،؛՝\u0387፣፤፥၊᠂",
        Mark(ends_sentence=False, acts_at_once=True),
    ),
}
