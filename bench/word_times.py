"""How far off are estimated word times, and do word times hold up the sound?

espeak-ng says when it says each word. Its sentences are estimated as if it did not, and the
difference is the error: of where a word begins, in milliseconds, in this process. ``evenly`` is by
letters over the whole of a sentence's sound; ``estimated`` is what a listener gets (ADR 26): by
letters over the speech between two pauses, the word before a mark drawn out. The sentences are not
those that the estimate was made with. Words that espeak-ng says in one with others do not count.

``work_ms`` is what the Trio thread does for all the words of one segment.

First audio is measured as in bench/first_audio.py, after the ``!`` of a sentence, on one server, by
two connections in turn: one with events, one with events and words.

Predicted: evenly 150 ms, estimated 60 and a p95 of 150; 0.15 ms of work; no difference in first
audio beyond 0.1 ms.
"""

from __future__ import annotations

import asyncio
import sys
import time
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from bench.common import Figure, Result, percentiles, report
from bench.first_audio import WARM_UP, Hearer
from bench.serving import Server, running_server, serving_parser
from stages.text.spoken_words import spoken_words
from stages.tts.espeak.engine import EspeakEngine
from stages.tts.word_times import Envelope, Timescale, estimated_words, told_words
from tests.engine_driver import DrivenRequest, make_segment, run

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

COLUMNS = {
    "error_ms_mean": "mean ms",
    "error_ms_p95": "p95",
    "error_ms_n": "words",
    "work_ms_p50": "work p50 ms",
    "work_ms_p99": "p99",
    "first_audio_ms_p50": "first p50 ms",
    "first_audio_ms_p95": "p95",
    "others_cpu": "others cpu",
}
FIGURES = (
    Figure("estimated, English, mean", "estimated, English", "error_ms_mean", "ms", predicted="60"),
    Figure("the same, p95", "estimated, English", "error_ms_p95", "ms", predicted="150"),
    Figure("evenly, English, mean", "evenly, English", "error_ms_mean", "ms", predicted="150"),
    Figure("estimated, German, mean", "estimated, German", "error_ms_mean", "ms"),
    Figure("estimated, Spanish, mean", "estimated, Spanish", "error_ms_mean", "ms"),
    Figure("the loop's work, p50", "estimated, English", "work_ms_p50", "ms", predicted="0.15"),
    Figure("first audio without words, p95", "without words", "first_audio_ms_p95", "ms"),
    Figure("first audio with words, p95", "with words", "first_audio_ms_p95", "ms"),
)

SENTENCES = {
    "English": (
        ("en-us+f3", "en-us", "en-gb+m3"),
        (
            "A small boat drifted slowly down the river while children watched from the bridge.",
            "No, I said nothing of the kind.",
            "When the rain stopped, everybody went outside, and the music began again.",
            "Where did you put the keys that were lying on the kitchen table?",
            "Most engines guess; some of them, however, know exactly what they say.",
            "Good evening!",
            "Her grandfather's collection contained extraordinarily beautiful photographs.",
            "If you like, we can walk home along the beach, or take the bus.",
            "Half of it was already gone by the time they noticed.",
            "Bread, butter, cheese, a bottle of water and two apples.",
        ),
    ),
    "German": (
        ("de+f2", "de"),
        (
            "Am nächsten Morgen war der Schnee geschmolzen, und die Straßen waren wieder frei.",
            "Das habe ich nicht gewusst.",
            "Wenn du willst, können wir später noch einmal darüber reden.",
            "Die Geschwindigkeitsbegrenzung gilt nur in der Nacht.",
            "Brot, Butter, Käse und eine Flasche Wasser, bitte!",
        ),
    ),
    "Spanish": (
        ("es+f2", "es"),
        (
            "El tren salió con retraso, pero llegamos a tiempo.",
            "No sabía que vivías tan cerca de aquí.",
            "Si quieres, podemos ir mañana a la playa con los niños.",
            "Muchas gracias por todo, señora.",
        ),
    ),
}


def measure_errors(engine: EspeakEngine, language: str) -> Iterator[Result]:
    voices, sentences = SENTENCES[language]
    evenly_ms, estimated_ms, works_ms = list[float](), list[float](), list[float]()
    for voice in voices:
        for sentence in sentences:
            request = run(engine, DrivenRequest(make_segment(sentence, voice)))
            segment, scale = request.segment, Timescale(engine.sample_rate)
            envelope = Envelope(engine.sample_rate)
            began = time.perf_counter()
            for piece in request.emitted:
                envelope.push(piece)
            estimated = [word.start_s for word in estimated_words(segment, envelope, scale)]
            works_ms.append(1000 * (time.perf_counter() - began))
            letters = [word.n_letters for word in spoken_words(sentence, sentence, None)]
            length_s = len(request.sound) / engine.sample_rate
            evenly = [length_s * share / sum(letters) for share in accumulate(letters, initial=0)]
            for number, word in enumerate(told_words(segment, request.words, scale)):
                if word.is_exact:
                    evenly_ms.append(1000 * abs(evenly[number] - word.start_s))
                    estimated_ms.append(1000 * abs(estimated[number] - word.start_s))
    yield {"case": f"evenly, {language}", **errors(evenly_ms)}
    yield {
        "case": f"estimated, {language}",
        **errors(estimated_ms),
        **percentiles("work_ms", works_ms),
    }


def errors(each_ms: Sequence[float]) -> Result:
    return {**percentiles("error_ms", each_ms), "error_ms_mean": float(np.mean(each_ms))}


async def measure_first_audio(server: Server, repeats: int) -> list[Result]:
    """Both in turn, so that whatever else the machine does is beside both."""
    cases = {"without words": "events=true", "with words": "events=true&words=true"}
    hearers = {case: Hearer() for case in cases}
    lengths, first_ms = dict[str, int](), {case: list[float]() for case in cases}
    for case, hearer in hearers.items():
        await hearer.connect(server.port, cases[case])
        for _ in range(WARM_UP):
            await hearer.hear("!", lengths.get(case, 0))
            lengths[case] = hearer.n_bytes
    for _ in range(repeats):
        for case, hearer in hearers.items():
            sent_at = await hearer.hear("!", lengths[case])
            first_ms[case].append(1000 * ((hearer.playback.first_at or 0.0) - sent_at))
    for hearer in hearers.values():
        await hearer.close()
    return [{"case": case, **percentiles("first_audio_ms", first_ms[case])} for case in cases]


def measure(asked: argparse.Namespace) -> Iterator[Result]:
    engine = EspeakEngine(("en-us", "en-gb", "de", "es"))
    engine.load()
    engine.install()
    for language in SENTENCES:
        yield from measure_errors(engine, language)
    engine.close()
    with running_server(asked.server_options) as server:
        yield from asyncio.run(measure_first_audio(server, asked.repeats))


def main() -> None:
    parser = serving_parser(__doc__)
    parser.add_argument("--repeats", type=int, default=300, help="of the sentence, for each case")
    report(COLUMNS, FIGURES, measure(parser.parse_args()))


if __name__ == "__main__":
    main()
