"""Which word each phoneme of a clause belongs to.

libespeak-ng gives the phonemes of a clause with a space between words, but these are its own words:
"of the" is one, "OpenAI" two. Its events would tell, but only those of whole synthesis, which costs
fifty times as much. So each word is translated alone, too: most are alike in both, and between
those are the ones that are said in one.
"""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from itertools import accumulate, pairwise, starmap
from operator import gt, lt
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

NO_WORD = -1
_GROUP = re.compile(r"[^ ]+")
_SOUND = re.compile(r"[ˈˌ]*[^\Wˈˌː]")
"""A sound, with the stress before it."""
_VOWELS = re.compile(r"[iyɪʏeøɛœæaɶɨʉɘɵəɜɞɐɯuʊɤoʌɔɑɒɚɝᵻᵊ]")
_DETAILS = re.compile(r"[^\w]|[ˈˌː0-9]")
MOST_UNLIKE = 2
"""Sounds by which a word may differ from itself alone: "a" is one or two, "for" is two or three."""


def words_of(phonemes: str, own: Sequence[Sequence[str]]) -> list[int]:
    """The number of its word for each character of a clause's `phonemes`, or `NO_WORD`, for spaces.

    `own` are the groups of phonemes of each of its words alone; none, where one is not said."""
    spans = [group.span() for group in _GROUP.finditer(phonemes)]
    words = [word for word, alone in enumerate(own) for _ in alone]
    groups = [group for alone in own for group in alone]
    numbers = [NO_WORD] * len(phonemes)
    cuts = _cuts(groups, [phonemes[slice(*span)] for span in spans])
    for (i, j), (i_end, j_end) in pairwise(cuts):
        begin, end = spans[j][0], spans[j_end - 1][1]
        borders = _borders(phonemes[begin:end], groups[i:i_end])
        for word, (first, behind) in zip(words[i:i_end], pairwise(borders), strict=True):
            numbers[begin + first : begin + behind] = [word] * (behind - first)
    return [
        NO_WORD if phoneme == " " else word for phoneme, word in zip(phonemes, numbers, strict=True)
    ]


def _cuts(own: Sequence[str], whole: Sequence[str]) -> list[tuple[int, int]]:
    """The places where both can be cut: around groups that are alike. Between two of them there is
    a group at least of each; the first is the beginning, and the last the end."""
    end = len(own), len(whole)
    if 0 in end:
        return []
    matcher = SequenceMatcher(None, [*map(_outline, own)], [*map(_outline, whole)], autojunk=False)
    cuts = [(0, 0)]
    for tag, i, i_end, j, j_end in matcher.get_opcodes():
        alike = zip(own[i:i_end], whole[j:j_end], strict=False)
        if tag == "equal" or (i_end - i == j_end - j and all(starmap(_is_like, alike))):
            ends = list(zip(range(i + 1, i_end + 1), range(j + 1, j_end + 1), strict=True))
        else:
            ends = [(i_end, j_end)]
        cuts += (cut for cut in ends if all(map(gt, cut, cuts[-1])))
    # What one has more of at its end belongs to the last pair.
    return [*(cut for cut in cuts if all(map(lt, cut, end))), end]


def _outline(group: str) -> str:
    """What of a group is the same in most contexts: its consonants, and where vowels are."""
    return _VOWELS.sub("V", _DETAILS.sub("", group)).replace("ɾ", "t").removesuffix("ɹ")


def _is_like(own: str, other: str) -> bool:
    return abs(_n_sounds(own) - _n_sounds(other)) < MOST_UNLIKE


def _n_sounds(phonemes: str) -> int:
    return len(_SOUND.findall(phonemes))


def _borders(phonemes: str, own: Sequence[str]) -> list[int]:
    """Where groups begin and end that are said in one. Each has its share of the sounds, by how
    many it has alone, and one at least; where the clause has a space, one begins."""
    if len(own) == 1:
        return [0, len(phonemes)]
    sounds = [sound.start() for sound in _SOUND.finditer(phonemes)]
    weights = [_n_sounds(group) for group in own]
    scale = len(sounds) / (sum(weights) or 1)
    shares = [scale * so_far for so_far in accumulate(weights[:-1])]
    for at, sound in enumerate(sounds):
        if phonemes[sound - 1 : sound] == " ":
            nearest = min(range(len(shares)), key=lambda border: abs(shares[border] - at))
            shares[nearest] = at
    reached, borders = 0, [0]
    for n_before, share in enumerate(shares, 1):
        reached = max(reached + 1, min(round(share), len(sounds) - len(own) + n_before))
        borders.append(sounds[reached] if reached < len(sounds) else len(phonemes))
    return [*borders, len(phonemes)]
