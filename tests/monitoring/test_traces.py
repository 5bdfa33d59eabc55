"""Traces: what is in them, whose part they are, and what a collector that fails costs."""

from __future__ import annotations

import logging
import sys
import threading
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing

from pipeline.cli.settings import ServeSettings
from pipeline.cli.tracing import tracing
from pipeline.connection import hold_conversation
from pipeline.executor import open_executor
from pipeline.tenants import Tenant
from pipeline.traces import ConversationTrace, Traces
from pipeline.usage import NOBODY, Caller
from stages.errors import CannotStart
from stages.items import SegmentStarted
from tests.fakes import CANCEL, FLUSH, ListPeer, service, token
from tests.monitoring.collector import Collector, running_collector

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping

    from pipeline.service import Service
    from stages.items import Answer, Outgoing

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
"""W3C's own example."""


@pytest.fixture
def collector() -> Iterator[Collector]:
    with running_collector() as running:
        yield running


@asynccontextmanager
async def traced(
    collector: Collector, server: Service | None = None, *, show_texts: bool = False
) -> AsyncIterator[Service]:
    """A service that is traced; what waits has been delivered once this is left."""
    server = server or service()
    traces = Traces(collector.url, "1.2.3", show_texts=show_texts)
    server.places.traces = traces
    try:
        yield server
    finally:
        await traces.close()


async def converse(server: Service, peer: ListPeer, caller: Caller = NOBODY) -> None:
    """Hold a conversation as a socket does."""
    conversation = server.new_conversation("eager")
    conversation.configure({"events": True})
    with server.admit(conversation.style, caller) as usage:
        await hold_conversation(peer, server, conversation, usage)


async def test_a_conversation_is_a_span_with_one_for_each_segment(collector: Collector) -> None:
    """With the points of its way, in order, and not a word of what was said."""
    caller = Caller(Tenant("anna"), "10.0.0.1", "/ws/stream", "one")
    async with open_executor() as executor:
        server = service(executor)
        for engine in server.synthesizers.values():
            await executor.add(engine)
        async with traced(collector, server):
            await converse(server, ListPeer(token("Hello there! How are you?"), FLUSH), caller)
    conversation, *segments = collector.wait_for(3)
    assert conversation.name == "conversation"
    assert conversation.parent_id == ""
    assert conversation.facts == {
        "voice.route": "/ws/stream",
        "voice.key": "anna",
        "voice.request_id": "one",
        "voice.characters": len("Hello there! How are you?"),
        "voice.sound_s": pytest.approx(2400 / 48_000, abs=1e-3),
        "voice.segments": 2,
        "voice.ended": "finished",
    }
    for index, (span, text) in enumerate(zip(segments, ["Hello there!", " How are you?"],
                                             strict=True)):  # fmt: skip
        assert span.name == "segment"
        assert (span.trace_id, span.parent_id) == (conversation.trace_id, conversation.span_id)
        assert conversation.start_ns <= span.start_ns < span.end_ns <= conversation.end_ns
        assert [name for name, _ in span.events] == [
            "segmented", "synthesis begun", "first speech", "first converted", "first audio sent",
        ]  # fmt: skip
        times = [span.start_ns, *(at for _, at in span.events), span.end_ns]
        assert all(one <= other for one, other in pairwise(times))
        facts = span.facts
        assert facts["voice.segment"] == index
        assert facts["voice.characters"] == len(text)
        assert (facts["voice.name"], facts["voice.engine"]) == ("plain", "telling")
        assert facts["voice.sound_s"] == pytest.approx(1200 / 48_000)
        assert facts["voice.real_time_factor"] > 0
        in_parts = sum(facts[f"voice.{part}_s"] for part in ("wait", "queue", "tts", "rvc", "send"))
        assert facts["voice.first_audio_s"] == pytest.approx(in_parts)
    assert collector.paths == ["/v1/traces"] * len(collector.paths)
    resource = conversation.resource
    assert (resource["service.name"], resource["service.version"]) == ("voice-server", "1.2.3")
    sent = b"".join(collector.bodies)
    assert not [word for word in (b"Hello", b"How are", b"10.0.0.1") if word in sent]


async def test_the_text_is_told_where_the_log_may_tell_it(collector: Collector) -> None:
    async with traced(collector, show_texts=True) as server:
        await converse(server, ListPeer(token("Hello there!"), FLUSH))
    _, segment = collector.wait_for(2)
    assert segment.facts["voice.text"] == "Hello there!"


async def test_a_trace_goes_on_that_the_client_began(collector: Collector) -> None:
    caller = Caller(trace_context={"traceparent": PARENT, "tracestate": "vendor=1"})
    async with traced(collector) as server:
        await converse(server, ListPeer(token("Hello!"), FLUSH), caller)
    conversation, segment = collector.wait_for(2)
    _, trace_id, parent_id, _ = PARENT.split("-")
    assert conversation.trace_id == segment.trace_id == trace_id
    assert conversation.parent_id == parent_id
    assert segment.parent_id == conversation.span_id


@pytest.mark.parametrize("headers", [{"traceparent": f"{PARENT},{PARENT}"}, {"traceparent": "?"}])
async def test_what_is_no_trace_context_begins_a_trace_of_its_own(
    collector: Collector, headers: dict[str, str]
) -> None:
    async with traced(collector) as server:
        await converse(server, ListPeer(), Caller(trace_context=headers))
    [conversation] = collector.wait_for(1)
    assert conversation.parent_id == ""


class Unable(Traces):
    """Fails at each beginning."""

    def begin(self, headers: Mapping[str, str] | None) -> ConversationTrace | None:
        raise RuntimeError(f"no trace of {headers}")


async def test_a_trace_that_fails_to_begin_keeps_no_place(collector: Collector) -> None:
    """Else the server would be full, a while after, of nobody."""
    async with traced(collector) as server:
        server.places.traces = unable = Unable(collector.url, "1.2.3")
        with pytest.raises(RuntimeError), server.admit():
            pass
        assert server.n_listeners == 0
        await unable.close()


async def test_what_a_client_says_of_its_trace_does_not_fill_the_log(
    collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    """The SDK quotes each member that is none: 16 kilobytes of them, at each conversation."""
    states = ("forged line\x85,= ,A=b", "a=b," * 40, "a=1,a=2", "x" * 9_000)
    async with traced(collector) as server:
        for state in states:
            headers = {"traceparent": PARENT, "tracestate": state}
            await converse(server, ListPeer(), Caller(trace_context=headers))
    collector.wait_for(len(states))
    assert said(caplog) == []


async def test_who_says_that_it_is_not_sampled_is_not_traced(collector: Collector) -> None:
    async with traced(collector) as server:
        unsampled = Caller(trace_context={"traceparent": PARENT[:-1] + "0"})
        await converse(server, ListPeer(token("Hello!"), FLUSH), unsampled)
        with server.admit(caller=unsampled) as usage:
            assert usage.trace is None
    assert collector.bodies == []


async def test_the_standard_variables_say_how_many_are_traced(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a client says nothing: so there is no option of ours. What they say of the server goes
    before what it says of itself."""
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "anna's voice")
    async with traced(collector) as server:
        await converse(server, ListPeer(token("Hello!"), FLUSH))
        sampled = Caller(trace_context={"traceparent": PARENT})
        await converse(server, ListPeer(), sampled)
    [conversation] = collector.wait_for(1)
    assert conversation.trace_id in PARENT
    assert conversation.resource["service.name"] == "anna's voice"


class Interrupting(ListPeer):
    """Stops reading behind the first segment's start, until it has been taken in that it barges
    in."""

    async def send(self, item: Outgoing | Answer) -> None:
        await super().send(item)
        if isinstance(item, SegmentStarted):
            self.stop_reading()
            self.say(CANCEL)
            self.hang_up()
            await trio.testing.wait_all_tasks_blocked()
            self.go_on_reading()


async def test_a_barge_in_breaks_off_what_was_being_said(collector: Collector) -> None:
    async with traced(collector) as server:
        await converse(server, Interrupting(token("Hello there!"), FLUSH, ends=False))
    conversation, segment = collector.wait_for(2)
    assert [name for name, _ in conversation.events] == ["cancelled"]
    assert segment.facts["voice.broken_off"] == "cancelled"
    assert "voice.sound_s" not in segment.facts


async def test_a_segment_that_fails_says_why_and_nothing_else_does(collector: Collector) -> None:
    """By its code alone: a message may quote the text."""
    async with traced(collector) as server:
        await converse(server, ListPeer(token("a~! Good!"), FLUSH))
    conversation, *segments = collector.wait_for(3)
    assert [span.failed for span in segments] == [True, False]
    assert [span.facts.get("error.type") for span in segments] == ["synthesis_failed", None]
    assert not conversation.failed  # it went on
    assert conversation.facts["error.type"] == "synthesis_failed"
    assert b"a~" not in b"".join(collector.bodies)


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


async def test_a_collector_that_fails_is_told_once_and_so_is_its_return(
    collector: Collector, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "1")
    caplog.set_level(logging.INFO)
    collector.status = 400  # is not tried again
    async with traced(collector) as server:
        for n_requests in (1, 2):
            await converse(server, ListPeer())
            await trio.to_thread.run_sync(
                collector.wait_until, lambda most=n_requests: len(collector.bodies) >= most
            )
        collector.status = 200
        await converse(server, ListPeer())
        collector.wait_for(1)
    told = [line for line in said(caplog) if "traces" in line or "export" in line]
    assert len(told) == 2, told
    assert "traces are not delivered" in told[0]
    assert "again" in told[1]


@pytest.mark.parametrize("fails", ["hangs", "refuses"])
async def test_a_collector_that_takes_nothing_holds_up_nobody_at_the_end(
    collector: Collector, fails: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The SDK itself would wait for half a minute."""
    if fails == "hangs":
        collector.answers.clear()
    else:
        collector.status = 503  # "try again later"
    async with traced(collector) as server:
        await converse(server, ListPeer(token("Hello!"), FLUSH))
    assert "the last traces are lost" in caplog.text
    collector.answers.set()


async def test_without_the_package_the_start_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delitem(sys.modules, "pipeline.traces")
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.resources", None)
    options = ServeSettings.model_validate({"otlp_endpoint": "http://collector:4318"})
    with pytest.raises(
        CannotStart, match=r"otlp.endpoint.*pip install -r requirements/tracing.txt"
    ):
        async with tracing(options):
            pass


async def test_without_the_option_there_is_none() -> None:
    threads = threading.active_count()
    async with tracing(ServeSettings.model_validate({})) as traces:
        assert traces is None
        assert threading.active_count() == threads
