"""A collector of traces: it takes OTLP over HTTP, and keeps the spans.

with running_collector() as collector: ...
spans = collector.wait_for(2)
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.server_process import HOST, PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue


@dataclass
class Spanned:
    """A span as it came."""

    name: str
    trace_id: str
    span_id: str
    parent_id: str
    start_ns: int
    end_ns: int
    failed: bool
    facts: dict[str, Any]
    events: list[tuple[str, int]]
    resource: dict[str, Any] = field(repr=False)


class Collector:
    """What came so far. Any thread may ask."""

    def __init__(self) -> None:
        self.url = ""
        self.spans: list[Spanned] = []
        self.bodies: list[bytes] = []
        self.paths: list[str] = []
        self.status = 200
        """Of its answers."""
        self.answers = threading.Event()
        """While it is not set, no request is answered."""
        self.answers.set()
        self._changed = threading.Condition()

    def take(self, path: str, body: bytes) -> None:
        """Keep a request, and its spans if it is to be answered well."""
        with self._changed:
            self.paths.append(path)
            self.bodies.append(body)
            if self.status == 200 and self.answers.is_set():
                self.spans += _spans(body)
            self._changed.notify_all()

    def wait_until(self, is_so: Callable[[], bool]) -> None:
        """Until what came is so."""
        with self._changed:
            if not self._changed.wait_for(is_so, PATIENCE_S):
                raise TimeoutError(self.spans)

    def wait_for(self, n_spans: int) -> list[Spanned]:
        """So many spans, in the order in which they began."""
        self.wait_until(lambda: len(self.spans) >= n_spans)
        return sorted(self.spans, key=lambda span: span.start_ns)


def _spans(body: bytes) -> Iterator[Spanned]:
    for of_server in ExportTraceServiceRequest.FromString(body).resource_spans:
        resource = _facts(of_server.resource.attributes)
        for span in (span for scope in of_server.scope_spans for span in scope.spans):
            yield Spanned(
                span.name,
                span.trace_id.hex(),
                span.span_id.hex(),
                span.parent_span_id.hex(),
                span.start_time_unix_nano,
                span.end_time_unix_nano,
                span.status.code == span.status.STATUS_CODE_ERROR,
                _facts(span.attributes),
                [(event.name, event.time_unix_nano) for event in span.events],
                resource,
            )


def _facts(attributes: Any) -> dict[str, Any]:  # noqa: ANN401 - protobuf's repeated fields
    pairs: list[KeyValue] = list(attributes)
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: AnyValue) -> Any:  # noqa: ANN401 - as it is
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(each) for each in value.array_value.values]
    return getattr(value, kind or "string_value")


@contextmanager
def running_collector(port: int = 0) -> Iterator[Collector]:
    """A collector on a port; 0: any that is free."""
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            collector.take(self.path, body)
            collector.answers.wait()
            self.send_response(collector.status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        block_on_close = False

        def handle_error(self, *_: object) -> None:
            """A client that gave up waiting."""

    with Server((HOST, port), Handler) as server:
        collector.url = f"http://{HOST}:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield collector
        finally:
            collector.answers.set()
            server.shutdown()
            thread.join()
