"""Traces for OpenTelemetry: a span for each conversation, and in it one for each segment.

They are made of what a conversation's account and its segments know anyway, once a segment has
ended, and sent by the SDK on a thread of its own. Only this file knows that SDK, and it is imported
only where there is an ``--otlp-endpoint``.
"""

from __future__ import annotations

import logging
import socket
import time
from typing import TYPE_CHECKING, Any

import structlog
import trio
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http import trace_exporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult
from opentelemetry.trace import SpanKind, StatusCode, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from stages.errors import ServerError
from stages.items import Cancelled, SegmentEnded, SegmentFailed, SegmentStarted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.trace import Span, Tracer

    from stages.items import Answer, Outgoing, Segment

log = structlog.stdlib.get_logger("server")

PATH = "/v1/traces"
"""What the protocol has behind a collector's address (OTLP 1.0, "OTLP/HTTP Request")."""

FLUSH_WITHIN_S = 1.0
"""How long the end of the program waits for the collector. With an image's grace of 8 s and the
last words it is less than the 10 s after which `docker stop` kills."""

SDK_QUEUE = "opentelemetry.sdk._shared_internal"
"""The logger that says, at each span, that the SDK's queue is full."""

CONTEXT_READERS = "opentelemetry.trace.span", "opentelemetry.trace.propagation.tracecontext"
"""The loggers that quote whatever a client's trace context has wrong, a line for each part."""


class Traces:
    """The traces of one server, on their way to a collector. The SDK's environment variables hold:
    how many conversations are traced where their client does not say (OTEL_TRACES_SAMPLER), what
    the collector wants to know (OTEL_EXPORTER_OTLP_HEADERS), what the server is called."""

    def __init__(self, endpoint: str, version: str, *, show_texts: bool = False) -> None:
        """`endpoint` is the collector's address, without the path; `version` the server's."""
        self._show_texts = show_texts
        own = {
            "service.name": "voice-server",
            "service.version": version,
            "host.name": socket.gethostname(),
        }
        resource = Resource.create(own).merge(OTELResourceDetector().detect())
        # Not the process's own provider: FastAPI would make spans of requests there, with the
        # query, in which there may be a key.
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._exporter = _Exporter(endpoint.rstrip("/") + PATH)
        self._provider.add_span_processor(BatchSpanProcessor(self._exporter))
        self._tracer = self._provider.get_tracer("voice-server", version)
        self._propagator = TraceContextTextMapPropagator()
        for name in CONTEXT_READERS:
            logging.getLogger(name).addFilter(_says_nothing)

    def begin(self, headers: Mapping[str, str] | None) -> ConversationTrace | None:
        """The trace of a conversation that begins now; None: it is not to be traced. `headers` has
        the trace context of whoever asks for it, as W3C has it."""
        parent = self._propagator.extract(headers or {}, Context())
        clock = _WallClock()
        start = clock.wall_ns(trio.current_time())
        span = self._tracer.start_span("conversation", parent, SpanKind.SERVER, start_time=start)
        if not span.is_recording():
            return None
        return ConversationTrace(self._tracer, span, clock, show_texts=self._show_texts)

    async def close(self) -> None:
        """Deliver what waits, within a time, also where this is cancelled."""
        with trio.move_on_after(FLUSH_WITHIN_S, shield=True) as limit:
            await trio.to_thread.run_sync(self._provider.shutdown, abandon_on_cancel=True)
        if limit.cancelled_caught:
            log.warning("the last traces are lost: the collector did not take them in time")
        self._exporter.stop_listening()
        for name in CONTEXT_READERS:
            logging.getLogger(name).removeFilter(_says_nothing)


def _says_nothing(_: logging.LogRecord) -> bool:
    """A filter of loggers that strangers could fill the log through."""
    return False


class _WallClock:
    """Trio's clock as the one on the wall shows it, by how far apart they are now: so the spans of
    one conversation fit together, whoever sets the clock meanwhile."""

    def __init__(self) -> None:
        self._apart_ns = time.time_ns() - round(trio.current_time() * 1e9)

    def wall_ns(self, at: float) -> int:
        """Nanoseconds, as POSIX has them, at a time of Trio's."""
        return self._apart_ns + round(at * 1e9)


class ConversationTrace:
    """The span of one conversation that is under way, and those of its segments."""

    def __init__(self, tracer: Tracer, span: Span, clock: _WallClock, *, show_texts: bool) -> None:
        self._tracer = tracer
        self._span = span
        self._context = set_span_in_context(span, Context())
        self._clock = clock
        self._show_texts = show_texts
        self._begun: dict[int, SegmentStarted] = {}  # by the index of their segment
        self._failed: dict[int, str] = {}  # likewise: the codes of those that failed

    def sending(self, item: Outgoing | Answer) -> None:
        """Take note of what the client is about to be sent."""
        match item:
            case SegmentStarted(segment=segment):
                self._begun[segment.index] = item
            case SegmentFailed(segment=segment, error=error):
                self._failed[segment.index] = error.code
            case Cancelled():
                self._break_off("cancelled")
                self._span.add_event("cancelled", None, self._now())
            case ServerError():
                self._span.add_event("error", {"error.type": item.code}, self._now())

    def spoken(self, item: SegmentEnded, engine: str, sound_s: float) -> None:
        """Make the span of a segment that has been sent to its end: which engine spoke it, and the
        seconds of its sound."""
        timing = item.segment.timing
        facts: dict[str, Any] = {"voice.engine": engine, "voice.sound_s": sound_s}
        if sound_s and timing.worked_s:
            facts["voice.real_time_factor"] = timing.worked_s / sound_s
        begun = self._begun.pop(item.segment.index, None)
        if begun is not None and begun.pacing.hold_s:
            facts["voice.hold_s"] = begun.pacing.hold_s
        self._make_span(item.segment, facts)

    def end(self, account: Mapping[str, Any]) -> None:
        """End the conversation's span, with what the usage log is told of it."""
        self._break_off(account["ended"])
        facts = {
            "voice.route": account["route"],
            "voice.key": account["key"],
            "voice.request_id": account["request_id"],
            "voice.characters": account["characters"],
            "voice.sound_s": account["audio_seconds"],
            "voice.segments": account["segments"],
            "voice.ended": account["ended"],
            "error.type": account["error"],
        }
        said = {name: fact for name, fact in facts.items() if fact is not None and fact != ""}
        self._span.set_attributes(said)
        if account["ended"] == "failed":
            self._span.set_status(StatusCode.ERROR)
        self._span.end(self._now())

    def _break_off(self, why: str) -> None:
        """Make the spans of the segments that the client will not be sent to their end."""
        for begun in self._begun.values():
            self._make_span(begun.segment, {"voice.broken_off": why})
        self._begun.clear()

    def _make_span(self, segment: Segment, facts: dict[str, Any]) -> None:
        timing = segment.timing
        facts |= {
            "voice.name": segment.style.voice,
            "voice.segment": segment.index,
            "voice.characters": len(segment.source),
        }
        for stage, seconds in timing.spans_s().items():
            if seconds is not None:
                facts[f"voice.{stage}_s"] = seconds
        if segment.language is not None:
            facts["voice.language"] = segment.language
        if segment.remarks:
            facts["voice.remarks"] = list(segment.remarks)
        if self._show_texts:
            facts["voice.text"] = segment.source
        code = self._failed.pop(segment.index, None)
        if code is not None:
            facts["error.type"] = code
        span = self._tracer.start_span(
            "segment",
            self._context,
            attributes=facts,
            start_time=self._clock.wall_ns(timing.arrived),
        )
        for name, at in (
            ("segmented", timing.cut),
            ("synthesis begun", timing.started),
            ("first speech", timing.speech),
            ("first converted", timing.converted),
            ("first audio sent", timing.sent),
        ):
            if at is not None:
                span.add_event(name, None, self._clock.wall_ns(at))
        if code is not None:
            span.set_status(StatusCode.ERROR)
        span.end(self._now())

    def _now(self) -> int:
        return self._clock.wall_ns(trio.current_time())


class _Exporter(OTLPSpanExporter):
    """The SDK's exporter, which logs each attempt; this one says once that nothing is delivered,
    and once that it is again."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._url = url
        self._fails = False
        self._reason = ""
        for logger in self._loggers():
            logger.addFilter(self._listen)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """See `SpanExporter`; on the SDK's thread."""
        result = super().export(spans)
        fails = result is not SpanExportResult.SUCCESS
        if fails and not self._fails:
            told = "traces are not delivered to %s, and are lost until they are"
            log.warning(told, self._url, reason=self._reason)
        elif self._fails and not fails:
            log.info("traces are delivered again")
        self._fails = fails
        return result

    def _listen(self, record: logging.LogRecord) -> bool:
        """Whether a line of the SDK's is for the log: those of the exporter are for us."""
        if record.name == trace_exporter.__name__:
            self._reason = record.getMessage()
            return False
        return not self._fails

    def stop_listening(self) -> None:
        """Leave the SDK's loggers as they were."""
        for logger in self._loggers():
            logger.removeFilter(self._listen)

    @staticmethod
    def _loggers() -> tuple[logging.Logger, logging.Logger]:
        return logging.getLogger(trace_exporter.__name__), logging.getLogger(SDK_QUEUE)
