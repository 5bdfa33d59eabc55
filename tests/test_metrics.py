"""What Prometheus is told: that it is right, and that no client decides what it is about."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import trio
from prometheus_client import CONTENT_TYPE_LATEST
from prometheus_client.parser import text_string_to_metric_families

from pipeline.executor import open_executor
from pipeline.metrics import Metrics
from pipeline.net.http_api import create_app
from pipeline.playback import PlaybackClock
from stages.errors import Overloaded, ProtocolError
from stages.items import ClientMessage, Timing
from tests.fakes import CANCEL, FLUSH, ListPeer, TellingEngine, converse, segment, service, token
from tests.inline_models import InlineModels
from tests.server_process import PATIENCE_S, ROOT, running_server

if TYPE_CHECKING:
    from collections.abc import MutableMapping, Sequence

    from trio.testing import MockClock

    from pipeline.service import Service
    from stages.engine import Request


class Figures:
    """What was rendered, to be asked: ``figures("voice_refused_total", reason="full")``."""

    def __init__(self, rendered: bytes) -> None:
        self.samples = [
            sample
            for family in text_string_to_metric_families(rendered.decode())
            for sample in family.samples
        ]

    def __call__(self, name: str, **labels: str) -> float | None:
        for sample in self.samples:
            if sample.name == name and sample.labels == labels:
                return float(sample.value)
        return None


def figures_of(server: Service) -> Figures:
    return Figures(server.metrics.render())


async def test_what_was_spoken_and_sent(autojump_clock: MockClock) -> None:
    server = service()
    await converse(ListPeer(token("Hello there! How are you?"), FLUSH), server)
    figures = figures_of(server)
    assert figures("voice_segments_total", voice="plain") == 2
    n_samples = 100 * len("Hello there!" + "How are you?")  # as the telling engine has it
    assert figures("voice_speech_seconds_total", voice="plain") == pytest.approx(n_samples / 48_000)
    assert figures("voice_sent_bytes_total") == 4 * n_samples
    assert figures("voice_pending_text_bytes") == 0
    assert figures("voice_queued_segments", engine="telling") == 0
    for stage in ("wait", "queue", "tts", "rvc", "send"):
        n_seen = figures("voice_stage_seconds_count", stage=stage)
        # Nothing is started by a model thread where there is none.
        assert n_seen == (None if stage in {"queue", "tts"} else 2)


async def test_first_audio_is_what_somebody_waited_for(autojump_clock: MockClock) -> None:
    """The second sentence is made while the first is heard: nobody waits for it."""
    server = service(InlineModels(iter([0.25] + [0.0] * 1000)))
    peer = ListPeer(token("A long first sentence, which is played for a while! And one more!"),
                    FLUSH)  # fmt: skip
    await converse(peer, server)
    figures = figures_of(server)
    assert figures("voice_segments_total", voice="plain") == 3
    assert figures("voice_first_audio_seconds_count") == 1
    assert figures("voice_first_audio_seconds_sum") == pytest.approx(0.25)


async def test_sound_that_comes_too_late_is_a_gap(autojump_clock: MockClock) -> None:
    """Each step makes 100 samples, 2 ms. The framer sends the first at once and holds the others
    until there are 160 ms; the third message comes late."""
    delays = [0.0] * 90 + [1.0] + [0.0] * 200
    server = service(InlineModels(iter(delays)))
    await converse(ListPeer(token("x" * 190 + "!"), FLUSH), server)
    figures = figures_of(server)
    assert figures("voice_gaps_total") == 1
    assert figures("voice_gap_seconds_total") == pytest.approx(1.0, abs=0.2)


async def test_a_barge_in_is_timed(autojump_clock: MockClock) -> None:
    server = service()
    peer = ListPeer(token("Hello there!"), CANCEL, CANCEL, token("Yes!"), FLUSH)
    await converse(peer, server)
    assert figures_of(server)("voice_cancel_seconds_count") == 2


async def test_a_barge_in_is_timed_for_clients_without_events(autojump_clock: MockClock) -> None:
    server = service()
    await converse(ListPeer(token("Hello there!"), CANCEL), server, events=False)
    assert figures_of(server)("voice_cancel_seconds_count") == 1


async def test_errors_are_counted_by_code(autojump_clock: MockClock) -> None:
    server = service()
    peer = ListPeer(
        ProtocolError("what?"), ClientMessage(config={"voice": "nobody"}), token("a~! b!"), FLUSH
    )
    await converse(peer, server)
    figures = figures_of(server)
    for code in ("bad_message", "unknown_voice", "synthesis_failed"):
        assert figures("voice_errors_total", code=code) == 1
    assert figures("voice_segments_total", voice="plain") == 2


async def test_errors_over_http_are_counted_once(autojump_clock: MockClock) -> None:
    server = service()
    transport = httpx.ASGITransport(create_app(server))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
        await http.post("/api/speak", json={"text": "~a"})
        await http.post("/api/speak", json={})
        await http.get("/nothing")
        answer = await http.get("/metrics")
    assert answer.headers["content-type"] == CONTENT_TYPE_LATEST
    figures = Figures(answer.content)
    for code in ("synthesis_failed", "bad_message", "not_found"):
        assert figures("voice_errors_total", code=code) == 1


async def test_a_client_that_hangs_up_has_sent_no_bad_message(autojump_clock: MockClock) -> None:
    """It was told that it had, and counted as if it had been told."""
    models = InlineModels(iter([10.0] * 1000))
    server = service(models)
    body = b'{"text": "A long story"}'
    to_app, requests = trio.open_memory_channel[dict[str, object]](2)
    to_app.send_nowait({"type": "http.request", "body": body})
    answers: list[MutableMapping[str, Any]] = []

    async def answer(message: MutableMapping[str, Any]) -> None:
        await trio.lowlevel.checkpoint()
        answers.append(message)

    scope = {
        "type": "http", "method": "POST", "path": "/api/speak", "query_string": b"",
        "headers": [(b"content-type", b"application/json")],
    }  # fmt: skip
    async with trio.open_nursery() as nursery:
        nursery.start_soon(create_app(server), scope, requests.receive, answer)
        await trio.sleep(3)
        assert models.open_requests
        to_app.send_nowait({"type": "http.disconnect"})
    assert not models.open_requests
    assert answers[0]["status"] == 499
    assert "voice_errors_total" not in {sample.name for sample in figures_of(server).samples}


async def test_places_are_counted(autojump_clock: MockClock) -> None:
    server = service(max_listeners=1)
    with server.admit():
        with pytest.raises(Overloaded), server.admit():
            pass
        assert figures_of(server)("voice_listeners") == 1
    assert figures_of(server)("voice_ready") == 1
    server.leaving.close()
    with pytest.raises(Overloaded), server.admit():
        pass
    figures = figures_of(server)
    assert figures("voice_listeners") == figures("voice_ready") == 0
    assert figures("voice_admitted_total") == 1
    assert figures("voice_refused_total", reason="full") == 1
    assert figures("voice_refused_total", reason="closing") == 1


async def test_text_that_waits_is_told(autojump_clock: MockClock) -> None:
    server = service()
    peer = ListPeer(token("Hello there! It goes on"), ends=False)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(converse, peer, server)
        await trio.sleep(5)
        assert figures_of(server)("voice_pending_text_bytes") == len(" It goes on")
        peer.vanish()
    assert figures_of(server)("voice_pending_text_bytes") == 0


class SlowEngine(TellingEngine):
    """Takes both requests in each step."""

    def __init__(self) -> None:
        super().__init__(width=2)

    def can_step(self, request: Request) -> bool:
        return self.both_are_there or bool(self.batches)

    both_are_there = False

    def choose(self, requests: Sequence[Request]) -> Sequence[Request]:
        return requests[: self.width]


async def test_steps_are_told_by_engine() -> None:
    metrics, engine = Metrics(), SlowEngine()
    async with open_executor(metrics) as executor:
        await executor.add(engine)
        with (
            executor.open(engine, segment("ab", 0), PlaybackClock()) as one,
            executor.open(engine, segment("ab", 1), PlaybackClock()) as two,
        ):
            with trio.fail_after(PATIENCE_S):
                while executor.n_queued(engine) != 2:
                    await trio.sleep(0.001)
            engine.both_are_there = True
            executor.wake()
            for job in (one, two):
                async for _ in job:
                    pass
        with trio.fail_after(PATIENCE_S):
            while len(engine.left) < 2:
                await trio.sleep(0.001)
    figures = Figures(metrics.render())
    assert figures("voice_step_seconds_count", engine="telling") == 3  # a, b, the end
    assert figures("voice_batch_size_sum", engine="telling") == 6
    assert figures("voice_batch_size_bucket", engine="telling", le="1.0") == 0
    assert figures("voice_batch_size_bucket", engine="telling", le="2.0") == 3
    assert figures("voice_real_time_factor_count", engine="telling") == 2
    steps_s = figures("voice_step_seconds_sum", engine="telling")
    factors = figures("voice_real_time_factor_sum", engine="telling")
    assert steps_s is not None
    assert factors == pytest.approx(2 * steps_s / (200 / 48_000))


class BrokenOff(TellingEngine):
    """Says so of each of its segments."""

    def step(self, batch: Sequence[Request]) -> None:
        for request in batch:
            request.segment.remarks[:] = ["repetition", "length", "skipped"]
        super().step(batch)


async def test_what_models_were_broken_off_in_is_told(autojump_clock: MockClock) -> None:
    """Once for each segment that was heard, though its converter knows its remarks, too."""
    server = service(synthesizer=BrokenOff())
    await converse(ListPeer(token("Hello there! How are you?", 5.0), FLUSH), server)
    figures = figures_of(server)
    for reason in ("repetition", "length"):
        assert figures("voice_model_cuts_total", engine="telling", reason=reason) == 2
    assert figures("voice_model_cuts_total", engine="telling", reason="skipped") is None


def test_servers_do_not_share_their_figures() -> None:
    one, two = Metrics(), Metrics()
    one.sent_bytes.inc(5)
    assert Figures(one.render())("voice_sent_bytes_total") == 5
    assert Figures(two.render())("voice_sent_bytes_total") == 0


def test_parts_of_the_way_that_were_not_passed_are_not_counted() -> None:
    metrics = Metrics()
    metrics.began(Timing(arrived=1, cut=2, sent=4), was_waiting=True)
    figures = Figures(metrics.render())
    assert figures("voice_first_audio_seconds_sum") == 3
    assert figures("voice_stage_seconds_sum", stage="wait") == 1
    assert figures("voice_stage_seconds_sum", stage="tts") is None


def test_a_server_tells_of_its_clients_and_repeats_nothing_of_theirs() -> None:
    """Each value of a label stays for ever: a client who could choose one could fill the memory."""
    with running_server() as server:
        spoken = server.ask("/api/speak", "POST", json={"text": "Gobbledygook!"})
        assert spoken.status_code == 200
        server.ask("/api/speak", "POST", json={"text": "a", "voice": "gobbledygook"})
        server.ask("/gobbledygook")
        server.ask("/", headers={"Host": "gobbledygook"})
        server.ask("/", headers={"Origin": "gobbledygook"})
        server.ask("/", "GOBBLEDYGOOK")
        told = server.ask("/metrics")
    assert told.headers["content-type"] == CONTENT_TYPE_LATEST
    assert "gobbledygook" not in told.text.lower()
    figures = Figures(told.content)
    assert figures("voice_admitted_total") == 1  # the voice is refused before a place is taken
    assert figures("voice_segments_total", voice="en-us+f3") == 1
    assert figures("voice_refused_total", reason="foreign_host") == 1
    assert figures("voice_refused_total", reason="foreign_origin") == 1
    assert figures("voice_errors_total", code="unknown_voice") == 1
    assert figures("voice_step_seconds_count", engine="espeak-ng")
    assert figures("voice_real_time_factor_count", engine="espeak-ng") == 2 + 4  # and rehearsals
    assert figures("process_open_fds")


def test_the_documentation_tells_of_each_and_of_no_other() -> None:
    async def names() -> set[str]:
        rendered = service().metrics.render().decode()
        return {
            name.removesuffix("_total")
            for name in re.findall(r"^# TYPE (\w+)", rendered, re.MULTILINE)
            if not name.endswith("_created")
        }

    told = re.findall(r"`(voice_\w+)", (ROOT / "docs" / "metrics.md").read_text())
    ours = {name for name in trio.run(names) if not name.startswith(("process_", "python_"))}
    assert {name.removesuffix("_total") for name in told} == ours
    assert all(name.startswith("voice_") for name in ours)
