"""The server's metrics for Prometheus.

Values of labels are our own words and the names of the server's engines, voices and keys, never
what a client made up: each of them is a time series for ever.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from prometheus_client.metrics_core import Metric

    from stages.engine import Engine
    from stages.items import Remark, Timing

LATENCIES_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
"""Buckets from espeak-ng's first sound to what nobody waits for any more."""

FACTORS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.85, 1.0, 1.5, 2.0, 5.0)
"""Buckets that are close together below 1, where it is decided whether speech keeps up."""

HOLDS_S = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0)
"""Buckets up to the longest that sound is held back."""

BATCH_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
"""The shapes that models run in."""


class Metrics:
    """The metrics of one server, in a registry of their own. Any thread may use them."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        GCCollector(registry=registry)

        def counter(name: str, what: str, *labels: str) -> Counter:
            return Counter(f"voice_{name}", what, labels, registry=registry)

        def gauge(name: str, what: str, *labels: str) -> Gauge:
            return Gauge(f"voice_{name}", what, labels, registry=registry)

        def histogram(
            name: str, what: str, *labels: str, buckets: tuple[float, ...] = LATENCIES_S
        ) -> Histogram:
            return Histogram(f"voice_{name}", what, labels, registry=registry, buckets=buckets)

        self.admitted = counter("admitted", "Listeners who were given a place")
        self.refused = counter("refused", "Requests that were turned away", "reason")
        self.errors = counter("errors", "Errors that clients were told", "code")
        self.cut_off = counter(
            "cut_off", "Clients that were cut off, since too much waited for them in memory"
        )
        self.key_conversations = counter(
            "key_conversations", "Conversations that a key was admitted to", "key"
        )
        self.key_characters = counter(
            "key_characters", "Text of a key's that was taken in to be spoken", "key"
        )
        self.key_audio_seconds = counter(
            "key_audio_seconds", "Sound that was handed to the kernel for a key", "key"
        )
        self.key_refused = counter(
            "key_refused",
            "Times that a key was told of a limit that it has reached",
            "key",
            "limit",
        )
        self.uploads = counter("uploads", "Uploads of voices and indexes", "outcome")
        self._first_audio = histogram(
            "first_audio_seconds",
            "From the text that ends a segment to its first sound at the kernel, for listeners"
            " who had nothing left to hear",
        )
        self._stages = histogram(
            "stage_seconds", "Where a segment's way to its first sound went", "stage"
        )
        self.cancel_seconds = histogram(
            "cancel_seconds", "From a cancel taken in to the last of the old sound"
        )
        self._gaps = counter(
            "gaps", "Pieces of a segment that came after all before had been heard"
        )
        self._gap_seconds = counter(
            "gap_seconds", "Silence in mid-segment, if clients play at once"
        )
        self.hold_seconds = histogram(
            "hold_seconds",
            "Sound held back so that it is heard without a gap, from when there was some",
            buckets=HOLDS_S,
        )
        self._segments = counter("segments", "Segments that came to their end", "voice")
        self._speech = counter("speech_seconds", "Sound of these segments", "voice")
        self._cuts = counter("model_cuts", "Texts broken off, and why", "engine", "reason")
        self.sent_bytes = counter("sent_bytes", "Sound handed to the kernel")
        self._steps = histogram("step_seconds", "What one step of an engine took", "engine")
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
        # The state at each scrape, which the service tells by `set_function`.
        self.ready = gauge("ready", "A new listener would be served")
        self.draining = gauge("draining", "Newcomers are turned away until it may stay")
        self.listeners = gauge("listeners", "Places taken")
        self.connections = gauge("connections", "Connections that are open")
        self.unfinished = gauge(
            "connections_unfinished", "Connections whose request has not been read yet"
        )
        self.tasks = gauge("tasks", "Trio's tasks")
        self.pending_text_bytes = gauge("pending_text_bytes", "Text taken in and not spoken yet")
        self.waiting_bytes = gauge("waiting_bytes", "What waits in memory for all clients")
        self.waiting_bound_bytes = gauge("waiting_bound_bytes", "The most that may")
        self.load = gauge("load", "What those who are spoken to need of the time to work")
        self.capacity = gauge("capacity", "Listeners like these who can be spoken to in real time")
        self.engine_load = gauge("engine_load", "What they need of one engine's time", "engine")
        self.engine_capacity = gauge(
            "engine_capacity", "Listeners whom this engine alone could speak to", "engine"
        )
        self.factor_now = gauge(
            "real_time_factor_now", "Seconds for a second of sound, of late", "engine"
        )
        self.queued = gauge("queued_segments", "Segments that an engine has before it", "engine")
        self.engines: list[Engine] = []
        """Those whose own processes are looked at, at each scrape."""
        registry.register(_OwnProcesses(self.engines))
        self._shed: Mapping[str, int] = {}
        registry.register(_Shed(lambda: self._shed))

    def watch_connections(
        self,
        n_open: Callable[[], float],
        n_unfinished: Callable[[], float],
        shed: Mapping[str, int],
    ) -> None:
        """Tell of the port at each scrape: how many connections there are, how many of them have
        not asked for anything yet, and how many were closed unserved, by the reason."""
        self.connections.set_function(n_open)
        self.unfinished.set_function(n_unfinished)
        self._shed = shed

    def render(self) -> bytes:
        """All metrics in the format that Prometheus reads."""
        return generate_latest(self._registry)

    def began(self, timing: Timing, *, was_waiting: bool) -> None:
        """Record the parts of a segment's way to its first sound, which has just gone out. A
        listener who had nothing left to hear `was_waiting`."""
        for stage, seconds in timing.spans_s().items():
            if seconds is None:
                continue
            if stage != "first_audio":
                self._stages.labels(stage).observe(seconds)
            elif was_waiting:
                self._first_audio.observe(seconds)

    def gap(self, seconds: float) -> None:
        """Count a silence in mid-segment."""
        self._gaps.inc()
        self._gap_seconds.inc(seconds)

    def ended(self, voice: str, sound_s: float) -> None:
        """Count a segment that came to its end, also by failing."""
        self._segments.labels(voice).inc()
        self._speech.labels(voice).inc(sound_s)

    def broken_off(self, engine: str, remarks: Collection[Remark]) -> None:
        """Count a segment that its synthesizer says it broke off."""
        for remark in remarks:
            if remark != "skipped":
                self._cuts.labels(engine, remark).inc()

    def stepped(self, engine: str, n_requests: int, seconds: float) -> None:
        """Record a step of an engine."""
        self._steps.labels(engine).observe(seconds)
        self._batches.labels(engine).observe(n_requests)

    def made(self, engine: str, steps_s: float, sound_s: float) -> None:
        """Record a finished segment by the seconds of its steps and of its sound."""
        if sound_s:
            self._factors.labels(engine).observe(steps_s / sound_s)


class _Shed(Collector):
    """Connections that were closed unserved. A flood costs the port too little to count each one
    here."""

    def __init__(self, shed: Callable[[], Mapping[str, int]]) -> None:
        self._shed = shed

    def collect(self) -> Iterator[Metric]:
        family = CounterMetricFamily(
            "voice_connections_shed", "Connections that were closed unserved", labels=("reason",)
        )
        for reason, count in self._shed().items():
            family.add_metric((reason,), count)
        yield family


class _OwnProcesses(Collector):
    """What engines use in processes of their own."""

    def __init__(self, engines: Collection[Engine]) -> None:
        self._engines = engines

    def collect(self) -> Iterator[Metric]:
        restarts = CounterMetricFamily(
            "voice_engine_restarts",
            "Times that an engine's own process ended and was started anew",
            labels=["engine"],
        )
        memory = GaugeMetricFamily(
            "voice_engine_memory_bytes", "Resident memory of that process", labels=["engine"]
        )
        cpu = CounterMetricFamily(
            "voice_engine_cpu_seconds",
            "Processor time of that process, since it was last started",
            labels=["engine"],
        )
        for engine in self._engines:
            restarts.add_metric([engine.name], engine.n_restarts)
            pid = engine.pid
            if pid is None:  # it has no process, or no new one yet
                continue
            # What it finds is named for a process, not for an engine.
            for found in ProcessCollector(pid=partial(str, pid), registry=None).collect():
                if found.name == "process_resident_memory_bytes":
                    memory.add_metric([engine.name], found.samples[0].value)
                elif found.name == "process_cpu_seconds":
                    cpu.add_metric([engine.name], found.samples[0].value)
        yield from (restarts, memory, cpu)
