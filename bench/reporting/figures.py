"""The figures that stand beside a target or a prediction: what they are, never how large.

Predictions are those that the benches state; they were made before the first measurement. A new
figure needs an entry in GROUPS; `in_readme` puts it into the README's short table as well.
"""

from __future__ import annotations

from bench.reporting.quantities import (
    Cell,
    Figure,
    Group,
    Largest,
    MostWithoutGaps,
    Times,
    at_least,
    at_most,
    cell,
    cells,
)

MEDIAN_AND_P95 = ("first_audio_ms_p50", "first_audio_ms_p95")


def _sessions(key: str, listeners: int, pitch_shift: float = 0.0) -> Cell:
    return cell("sessions", key, listeners=listeners, pitch_shift=pitch_shift)


def _cancel(others: int) -> tuple[Cell, ...]:
    return cells(
        "barge_in",
        ("silent_ms_p50", "silent_ms_p95"),
        reading="at once",
        others=others,
        pitch_shift=0.0,
    )


def _soprano(key: str, listeners: int) -> Cell:
    return cell("soprano", key, case="listeners", rows=listeners)


BUILT_IN = Group(
    "The built-in engine",
    "espeak-ng; the server and its clients on the same cores.",
    (
        Figure(
            "first sound after the `!` of a 40-character sentence, p50 / p95",
            cells("first_audio", MEDIAN_AND_P95, case="!", pitch_shift=0.0),
            "ms", at_most(8), "p50 2 ms", in_readme=True,
        ),
        Figure(
            "the same, 4 semitones up",
            cells("first_audio", MEDIAN_AND_P95, case="!", pitch_shift=4.0),
            "ms", at_most(30), "p50 5 ms", in_readme=True,
        ),
        Figure(
            "after a `.` and a space",
            cells("first_audio", MEDIAN_AND_P95, case=". and space", pitch_shift=0.0),
            "ms", predicted="p50 2 ms",
        ),
        Figure(
            "after a `.` and silence",
            cells("first_audio", MEDIAN_AND_P95, case=". alone", pitch_shift=0.0),
            "ms", predicted="p50 152 ms", in_readme=True,
        ),
        Figure(
            "floors in the same run: espeak-ng's first sound / a ping, p50",
            (
                cell("first_audio", "first_audio_ms_p50", case="floor: espeak, first"),
                cell("first_audio", "first_audio_ms_p50", case="floor: ping"),
            ),
            "ms",
        ),
        Figure(
            "100 listeners fed at speaking rate: first sound p50 / p95",
            tuple(_sessions(key, 100) for key in MEDIAN_AND_P95),
            "ms", at_most(100), in_readme=True,
        ),
        Figure(
            "gaps that they heard",
            (_sessions("gaps", 100),),
            target=at_most(0), in_readme=True,
        ),
        Figure(
            "the cores that the server uses for them",
            (_sessions("server_cpu", 100),),
            predicted="0.5", in_readme=True,
        ),
        Figure(
            "50 listeners, 4 semitones up: first sound p50 / p95",
            tuple(_sessions(key, 50, 4.0) for key in MEDIAN_AND_P95),
            "ms",
        ),
        Figure(
            "the cores that the server uses for them",
            (_sessions("server_cpu", 50, 4.0),),
            predicted="0.33",
        ),
        Figure(
            "the most listeners that were tried without a gap, plain / 4 semitones up",
            (MostWithoutGaps("sessions", 0.0), MostWithoutGaps("sessions", 4.0)),
            predicted="plain below 500", in_readme=True,
        ),
        Figure(
            "a paragraph to each of 100 listeners at once: speech made in a second",
            (cell("burst", "realtime", listeners=100, pitch_shift=0.0),),
            "s", predicted="250 to 300 s", in_readme=True,
        ),
        Figure(
            "cancel to the last byte of old sound, p50 / p95",
            _cancel(0),
            "ms", at_most(30), "2 / 5 ms", in_readme=True,
        ),
        Figure(
            "the same beside 20 listeners",
            _cancel(20),
            "ms", at_most(30), "p95 15 ms", in_readme=True,
        ),
        Figure(
            "start to ready, p50",
            (cell("connections", "ready_ms_p50", case="start"),),
            "ms", at_most(2000), "1,000 ms", in_readme=True,
        ),
        Figure(
            "memory left behind by each of 1000 connections",
            (cell("connections", "kb_per_connection", case="connections"),),
            "kB", predicted="below 0.1 kB",
        ),
        Figure(
            "a soak: memory added in a minute",
            (cell("soak", "rss_kb_per_min"),),
            "kB", at_most(100), "within 100 kB of none",
        ),
        Figure(
            "the same, in its standard errors",
            (Times(cell("soak", "rss_kb_per_min"), cell("soak", "rss_kb_per_min_error")),),
            target=at_most(2),
        ),
        Figure("a soak: file descriptors added in a minute", (cell("soak", "fds_per_min"),)),
        Figure("a soak: tasks added in a minute", (cell("soak", "tasks_per_min"),)),
    ),
)  # fmt: skip

SOPRANO = Group(
    "Soprano",
    "Sentences of 60 characters; beside the package's own `infer_stream` and `infer` on the same "
    "weights in the same run.",
    (
        Figure(
            "first sound, one listener",
            (_soprano("first_audio_ms", 1),),
            "ms", at_most(200), "90 ms", in_readme=True,
        ),
        Figure(
            "how many times sooner than the package's stream",
            (
                Times(
                    cell("soprano", "first_audio_ms", case="package: infer_stream"),
                    _soprano("first_audio_ms", 1),
                ),
            ),
            target=at_least(1.5), in_readme=True,
        ),
        Figure(
            "seconds of work for one of speech, one listener",
            (_soprano("real_time_factor", 1),),
            target=at_most(0.30), predicted="0.25", in_readme=True,
        ),
        Figure(
            "the same, the package: stream / whole sentences",
            (
                cell("soprano", "real_time_factor", case="package: infer_stream"),
                cell("soprano", "real_time_factor", case="package: infer"),
            ),
        ),
        Figure(
            "eight listeners at once: speech made in a second",
            (_soprano("sound_s_per_s", 8),),
            "s", at_least(10), "16 s", in_readme=True,
        ),
        Figure(
            "how many times the package's, which takes turns",
            (
                Times(
                    _soprano("sound_s_per_s", 8),
                    cell("soprano", "sound_s_per_s", case="package: infer"),
                ),
            ),
            target=at_least(3), in_readme=True,
        ),
        Figure(
            "a step for one; its floor, reading the weights",
            cells("soprano", ("ms", "floor_ms"), case="step, width 8", rows=1),
            "ms", predicted="10 / 4.4 ms",
        ),
    ),
)  # fmt: skip


def _rvc(key: str, block_ms: int) -> Cell:
    return cell("rvc", key, case="listeners", listeners=1, block_ms=block_ms)


RVC = Group(
    "RVC",
    "A v2 voice at 48 kHz, pitch by `pm`; the naive chain is the packages' own: Soprano's whole "
    "sentence, then the whole of it converted.",
    (
        Figure(
            "seconds of work for one of speech, blocks of 320 ms",
            (_rvc("factor", 320),),
            target=at_most(0.55), in_readme=True,
        ),
        Figure(
            "the same, blocks of 640 ms",
            (_rvc("factor", 640),),
            target=at_most(0.40), in_readme=True,
        ),
        Figure(
            "a block of 320 ms; its floor, the arithmetic",
            cells("rvc", ("ms", "floor_ms"), case="a block", block_ms=320),
            "ms", predicted="160 ms",
        ),
        Figure(
            "a block of 640 ms; its floor",
            cells("rvc", ("ms", "floor_ms"), case="a block", block_ms=640),
            "ms", predicted="260 ms",
        ),
        Figure(
            "the first block, of 160 ms",
            (cell("rvc", "ms", case="the first block"),),
            "ms", at_most(120), "110 ms",
        ),
        Figure(
            "Soprano and RVC, a sentence of 5 s: first sound",
            (cell("chain", "first_ms", case="chain", listeners=1),),
            "ms", at_most(450), "300 ms", in_readme=True,
        ),
        Figure(
            "how many times sooner than the naive chain, as it is / under autocast to bfloat16",
            tuple(
                Times(
                    cell("chain", "first_ms", case=f"naive chain, {kind}"),
                    cell("chain", "first_ms", case="chain", listeners=1),
                )
                for kind in ("fp32", "bf16 autocast")
            ),
            target=at_least(6), in_readme=True,
        ),
        Figure(
            "seconds of work for one of speech, Soprano and RVC",
            (cell("chain", "factor", case="chain", listeners=1),),
            target=at_most(1), in_readme=True,
        ),
        Figure(
            "silence in all between its first sound and its last",
            (cell("chain", "gap_ms", case="chain", listeners=1),),
            "ms", at_most(0), in_readme=True,
        ),
    ),
)  # fmt: skip

ROBUSTNESS = Group(
    "Good clients, bad clients and none",
    "espeak-ng; ten listeners who ask for a sentence at a time, beside one client of each kind "
    "that `bench/disturbance.py` has.",
    (
        Figure(
            "an open WebSocket that is silent: memory, opened only / after a sentence / over TLS",
            tuple(
                cell("idle", "kb_each", case=case) for case in ("opened", "has heard", "over TLS")
            ),
            "kB", at_most(100), "70 / 90 / 120 kB", in_readme=True,
        ),
        Figure(
            "first sound's p95 beside the worst of those: how much later",
            (Largest("disturbance", "change_percent"),),
            "%", at_most(10), in_readme=True,
        ),
        Figure(
            "the same, beside a second server that it disturbs instead: what the cores have left",
            (Largest("disturbance", "machine_percent"),),
            "%",
        ),
        Figure(
            "what it differs by with nobody there, at most",
            (Largest("disturbance", "noise_percent"),),
            "%",
        ),
        Figure(
            "SIGTERM while 20 listen and 10 do not read: later than the grace, at most",
            (Largest("leaving", "late_s"),),
            "s", at_most(1), "0.6 s", in_readme=True,
        ),
        Figure("its exit status, the largest", (Largest("leaving", "status"),), target=at_most(0)),
        Figure(
            "the page, from the press to the first sound, p50 / p95",
            cells("page", ("first_sound_ms_p50", "first_sound_ms_p95"), case="later ones"),
            "ms", at_most(100), "40 / 60 ms", in_readme=True,
        ),
        Figure(
            "the same, the first press on a fresh page",
            cells("page", ("first_sound_ms_p50", "first_sound_ms_p95"), case="first press"),
            "ms", at_most(100), "100 ms more",
        ),
    ),
)  # fmt: skip

GPU = Group(
    "On a GPU",
    "Soprano; the targets are for an H200.",
    (
        Figure(
            "first sound, one listener",
            (cell("gpu", "first_audio_ms", case="listeners", rows=1),),
            "ms", at_most(10), "5 ms",
        ),
        Figure(
            "256 listeners: seconds of work for one of speech",
            (cell("gpu", "real_time_factor", case="listeners", rows=256),),
            target=at_most(1), predicted="below 0.1",
        ),
        Figure(
            "a step at 256 slots",
            (cell("gpu", "ms", case="step, width 256", rows=256),),
            "ms", at_most(3), "1.5 ms",
        ),
    ),
)  # fmt: skip

GROUPS = (BUILT_IN, ROBUSTNESS, SOPRANO, RVC, GPU)
