"""A table of pronunciations as it is written down: in a lexicon's file, and on the wire."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from stages.text.lexicon.inline import MAX_IPA_CHARS
from stages.text.lexicon.ipa import SOUNDING, ordered, unknown_symbol
from stages.text.lexicon.words import Pronunciation, WordTable

if TYPE_CHECKING:
    from typing import Self

MAX_WORD_CHARS = 64
MAX_SAY_CHARS = 200
MAX_ENTRIES = 200
"""In a connection's table, which is compiled on the Trio thread: a millisecond."""


def _sounds(ipa: str) -> str:
    symbol = unknown_symbol(ipa)
    if symbol is not None:
        raise ValueError(f"{symbol!r} is no symbol of the International Phonetic Alphabet")
    if SOUNDING.isdisjoint(ordered(ipa)):
        raise ValueError("has no sounds")
    return ipa


def _written(text: str) -> str:
    if any(unicodedata.category(char) in {"Cc", "Cs"} for char in text):
        raise ValueError("must not contain control characters")
    if not text.strip():
        raise ValueError("is empty")
    return text


def _as_entry(value: object) -> object:
    match value:
        case str():
            return {"say": value}
        case dict() | WordEntry():
            return value
    raise ValueError("must be a text, or an object with say, ipa, or both")


class WordEntry(BaseModel):
    """How one word is said. A bare text stands for `say`."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    say: (
        Annotated[str, StringConstraints(max_length=MAX_SAY_CHARS), AfterValidator(_written)] | None
    ) = Field(None, description="a respelling")
    ipa: (
        Annotated[str, StringConstraints(max_length=MAX_IPA_CHARS), AfterValidator(_sounds)] | None
    ) = Field(None, description="sounds, for engines that take them")

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.say is None and self.ipa is None:
            raise ValueError("must have say, ipa, or both")
        return self


def word_table(entries: dict[str, WordEntry]) -> WordTable:
    """The table, ready to be used."""
    return WordTable({word: Pronunciation(each.say, each.ipa) for word, each in entries.items()})


WordText = Annotated[str, StringConstraints(max_length=MAX_WORD_CHARS), AfterValidator(_written)]
WordEntries = dict[
    WordText, Annotated[WordEntry, BeforeValidator(_as_entry, json_schema_input_type=Any)]
]
"""Words, and how they are said."""

ConnectionWords = Annotated[WordEntries, Field(max_length=MAX_ENTRIES), AfterValidator(word_table)]
"""The same from a client, as a `WordTable`."""
