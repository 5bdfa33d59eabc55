"""Pronunciations: words that are to be said in another way than they are written.

    ipa.py        the sounds of the International Phonetic Alphabet
    inline.py     ``[Worcester](/ˈwʊstɚ/)``, in text and in what engines are given
    words.py      a table of words, and where they are in a text
    languages.py  tables by language
    entries.py    a table as it is written down
    rewriting.py  what is said instead of what is written

A word's pronunciation is a respelling, or sounds for engines that take them. Both are said as they
stand: no rule of the normaliser changes them.
"""

from __future__ import annotations

from stages.text.lexicon.entries import ConnectionWords, WordEntries, word_table
from stages.text.lexicon.inline import INLINE
from stages.text.lexicon.languages import EVERY_LANGUAGE, Lexicon
from stages.text.lexicon.rewriting import pronunciations
from stages.text.lexicon.words import Pronunciation, WordTable

__all__ = [
    "EVERY_LANGUAGE",
    "INLINE",
    "ConnectionWords",
    "Lexicon",
    "Pronunciation",
    "WordEntries",
    "WordTable",
    "pronunciations",
    "word_table",
]
