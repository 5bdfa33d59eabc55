"""When espeak-ng says each word: the marks that its library sets, in the sound handed out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import regex

from stages.engine import SaidWord

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from stages.text.normalise import Spoken
    from stages.tts.espeak.library import SoundMark

SILENCE = 327
"""Of 32 768: -40 dB of full scale."""
_SAID = regex.compile(r"[\p{L}\p{M}\p{N}\p{S}%&@#§]")
PAUSE_SAMPLES = 1103
"""50 ms of silence are a pause; less is the closure of a consonant."""


def said_words(
    marks: Sequence[SoundMark],
    written: Spoken,
    sound: Sequence[npt.NDArray[np.int16]],
    n_skipped: int,
) -> list[SaidWord]:
    """The words of a segment's spoken text. A word begins where it is heard, behind the closure of
    its first consonant, and ends where the next mark is, but for the pause before that.

    `written` is the text that the library read; `sound` is what it made, without so many samples of
    silence in front."""
    if not sound:
        return []
    loud = np.flatnonzero(np.abs(np.concatenate(sound)) > SILENCE)
    borders = [max(0, mark.sample - n_skipped) for mark in marks] + [sum(map(len, sound))]
    n_before = np.searchsorted(loud, borders).tolist()  # loud samples before each border
    words: list[SaidWord] = []
    reached = -1
    for number, mark in enumerate(marks):
        # It may point at marks before the word: at the full stop of the last one.
        said = None if mark.place is None else _SAID.search(written.text, mark.place)
        if said is None:
            continue
        start, end = borders[number : number + 2]
        first, last = n_before[number : number + 2]
        if last and end - loud[last - 1] > PAUSE_SAMPLES:
            end = int(loud[last - 1]) + 1
        if first < last:
            start = int(loud[first])
        place = said.start()
        if place <= reached:  # of a long number it does not tell how far it is
            words[-1] = words[-1]._replace(end=max(words[-1].end, end))
        elif start < end:
            words.append(SaidWord(written.source_span(place, place + 1)[0], start, end))
            reached = place
    return words
