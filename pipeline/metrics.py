"""What the server tells Prometheus, each figure by what it means. One `Metrics` a server.

Labels are words of our own, the names of engines and the voices on the server's list, never what a
client made up: each value of a label is a time series for ever.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from prometheus_client.core import Metric

    from stages.items import Remark, Timing

CONTENT_TYPE = CONTENT_TYPE_LATEST

LATENCIES_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
"""From espeak-ng's first sound to what nobody waits for any more."""

FACTORS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.85, 1.0, 1.5, 2.0, 5.0)
"""Close together below 1, where it is decided whether speech keeps up."""

BATCH_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
"""The shapes that models run in."""


@dataclass(frozen=True, slots=True)
class State:
    """What there is at this moment, as opposed to what has happened."""

    is_ready: bool
    n_listeners: int
    n_tasks: int
    """Of Trio, all that live."""
    pending_bytes: int
    """Of text, over all listeners."""
    queued: Mapping[str, int] = field(default_factory=dict)
    """Requests that each engine knows."""


class Metrics:
    """Counts what happens, in a registry of its own. Any thread may call it."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        GCCollector(registry=registry)

        def counter(name: str, what: str, *labels: str) -> Counter:
            return Counter(f"voice_{name}", what, labels, registry=registry)

        def histogram(
            name: str, what: str, *labels: str, buckets: tuple[float, ...] = LATENCIES_S
        ) -> Histogram:
            return Histogram(f"voice_{name}", what, labels, registry=registry, buckets=buckets)

        self._admitted = counter("admitted", "Listeners who were given a place")
        self._refused = counter("refused", "Requests that were turned away", "reason")
        self._errors = counter("errors", "Errors that clients were told", "code")
        self._first_audio = histogram(
            "first_audio_seconds",
            "From the text that ends a segment to its first sound at the kernel, for listeners"
            " who had nothing left to hear",
        )
        self._stages = histogram(
            "stage_seconds", "Where a segment's way to its first sound went", "stage"
        )
        self._cancel = histogram(
            "cancel_seconds", "From a cancel taken in to the last of the old sound"
        )
        self._gaps = counter(
            "gaps", "Pieces of a segment that came after all before had been heard"
        )
        self._gap_seconds = counter(
            "gap_seconds", "Silence in mid-segment, if clients play at once"
        )
        self._segments = counter("segments", "Segments that came to their end", "voice")
        self._speech = counter("speech_seconds", "Sound of these segments", "voice")
        self._cuts = counter("model_cuts", "Texts broken off, and why", "engine", "reason")
        self._sent = counter("sent_bytes", "Sound handed to the kernel")
        self._steps = histogram(
            "step_seconds", "What one step of an engine took on the model thread", "engine"
        )
        self._batches = histogram(
            "batch_size",
            "Segments that went through a step together",
            "engine",
            buckets=BATCH_SIZES,
        )
        self._factors = histogram(
            "real_time_factor",
            "Steps that a segment took part in, in seconds for a second of its sound",
            "engine",
            buckets=FACTORS,
        )

    def show(self, state: Callable[[], State]) -> None:
        """Tell this too, as it is whenever somebody asks."""
        self._registry.register(_StateCollector(state))

    def render(self) -> bytes:
        """Everything, as Prometheus reads it."""
        return generate_latest(self._registry)

    # At the door.

    def admitted(self) -> None:
        """A listener got a place."""
        self._admitted.inc()

    def refused(self, reason: str) -> None:
        """A request was turned away."""
        self._refused.labels(reason).inc()

    def told_error(self, code: str) -> None:
        """A client was told of an error."""
        self._errors.labels(code).inc()

    # On the way to a listener.

    def sent(self, n_bytes: int) -> None:
        """Sound went out."""
        self._sent.inc(n_bytes)

    def began(self, timing: Timing, *, was_waiting: bool) -> None:
        """A segment's first sound went out, to a listener who had nothing left to hear or had."""
        for stage, seconds in timing.spans_s().items():
            if seconds is None:
                continue
            if stage != "first_audio":
                self._stages.labels(stage).observe(seconds)
            elif was_waiting:
                self._first_audio.observe(seconds)

    def gap(self, seconds: float) -> None:
        """A listener has fallen silent in mid-segment."""
        self._gaps.inc()
        self._gap_seconds.inc(seconds)

    def ended(self, voice: str, sound_s: float) -> None:
        """A segment came to its end, be it by failing."""
        self._segments.labels(voice).inc()
        self._speech.labels(voice).inc(sound_s)

    def broken_off(self, engine: str, remarks: Collection[Remark]) -> None:
        """Count a segment that its synthesizer says it broke off."""
        for remark in remarks:
            if remark != "skipped":
                self._cuts.labels(engine, remark).inc()

    def cancelled(self, seconds: float) -> None:
        """A barge-in was answered."""
        self._cancel.observe(seconds)

    # On the model thread.

    def stepped(self, engine: str, n_requests: int, seconds: float) -> None:
        """An engine took a step."""
        self._steps.labels(engine).observe(seconds)
        self._batches.labels(engine).observe(n_requests)

    def made(self, engine: str, steps_s: float, sound_s: float) -> None:
        """An engine is done with a segment: this many seconds of steps, and of sound."""
        if sound_s:
            self._factors.labels(engine).observe(steps_s / sound_s)


class _StateCollector(Collector):
    def __init__(self, state: Callable[[], State]) -> None:
        self._state = state

    def collect(self) -> Iterator[Metric]:
        state = self._state()
        yield GaugeMetricFamily("voice_ready", "A newcomer would be served", state.is_ready)
        yield GaugeMetricFamily("voice_listeners", "Places taken", state.n_listeners)
        yield GaugeMetricFamily("voice_tasks", "Trio's tasks", state.n_tasks)
        yield GaugeMetricFamily(
            "voice_pending_text_bytes", "Text taken in and not spoken yet", state.pending_bytes
        )
        queued = GaugeMetricFamily(
            "voice_queued_segments", "Segments that an engine has before it", labels=["engine"]
        )
        for engine, n_requests in state.queued.items():
            queued.add_metric([engine], n_requests)
        yield queued
