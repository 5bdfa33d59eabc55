"""Hostile and broken clients on the Wyoming port, which asks for no key."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

import pytest
import trio

from pipeline.dialects.wyoming_events import EventReader, WyomingEvent, decode, encode
from tests.faults.raw_client import FREE_WITHIN_S, Connection, connected
from tests.server_process import PATIENCE_S, open_server, running_server, wyoming_port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.server_process import ServerProcess

TEXT = "Hello there!"
STORY = "It was a dark and stormy night, and the rain fell in torrents. " * 12

SMALL = 4096


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    """With two places, and little patience."""
    options = ("--wyoming-port", "0", "--max-listeners", "2", "--write-stall-s", "1")
    with running_server(*options) as server:
        yield server
        assert server.status is None
        assert "Traceback" not in server.log


@pytest.fixture
def port(server: ServerProcess) -> int:
    return wyoming_port(server)


class Client:
    """A client that reads events."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._reader = EventReader()

    async def say(self, kind: str, **data: object) -> None:
        await self.connection.send(encode(kind, data))

    async def next_event(self) -> WyomingEvent:
        """Raises `Closed` where there is none."""
        while (event := self._reader.next_event()) is None:
            await self.connection.read_more()
            self._reader.feed(bytes(self.connection.buffer))
            self.connection.buffer.clear()
        return decode(event)

    async def until(self, kind: str) -> list[str]:
        """The types of all events up to one of this type, without repetitions."""
        types: list[str] = []
        while kind not in types:
            event = await self.next_event()
            types += [event.type] if event.type not in types else []
        return types


async def answer(port: int, data: bytes) -> list[WyomingEvent]:
    """All that a client gets who sends this, until the server closes."""
    async with connected(port) as connection:
        await connection.send(data)
        reader = EventReader()
        reader.feed(await connection.read_to_end())
    events = []
    while (event := reader.next_event()) is not None:
        events.append(decode(event))
    return events


async def speaks(port: int) -> None:
    """It does, once there is a place."""
    with trio.fail_after(FREE_WITHIN_S):
        while True:
            async with connected(port) as connection:
                client = Client(connection)
                await client.say("synthesize", text=TEXT)
                event = await client.next_event()
                if event.type == "audio-start":
                    assert await client.until("audio-stop") == ["audio-chunk", "audio-stop"]
                    return
            await trio.sleep(0.02)


BROKEN = {
    "garbage": b"\x00\xff\x17garbage\n",
    "HTTP": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n" + bytes(64),
    "an empty line": b"\n",
    "a line without an end": b"a" * 300_000,
    "data beyond all bounds": b'{"type": "synthesize", "data_length": 99999999999}\n',
    "a payload beyond all bounds": b'{"type": "synthesize", "payload_length": 99999999999}\n',
    "a negative length": b'{"type": "synthesize", "data_length": -1}\n',
    "brackets": b"[" * 200_000 + b"\n",
    "data that is no object": b'{"type": "synthesize", "data_length": 2}\n[]',
    "no text": encode("synthesize", {"text": None}),
    "a stream that did not begin": encode("synthesize-chunk", {"text": TEXT}),
}


@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN)
async def test_what_is_broken_is_refused_with_the_reason(port: int, data: bytes) -> None:
    (event,) = await answer(port, data)
    assert event.type == "error"
    assert event.data["code"] == "bad_message"
    await speaks(port)


async def test_what_was_asked_for_before_an_error_is_spoken(port: int) -> None:
    good, bad = encode("synthesize", {"text": TEXT}), encode("synthesize", {"text": 7})
    types = [event.type for event in await answer(port, good + bad)]
    assert (types[-1], types.count("error")) == ("audio-stop", 1)


SLOW = {
    "nothing at all": b"",
    "half a line": b'{"type": "syn',
    "data that does not come": b'{"type": "synthesize", "data_length": 20}\n{"text": ',
    "a payload that does not come": b'{"type": "audio-chunk", "payload_length": 20}\n',
    "an event, and half of one": encode("ping", {}) + b'{"type": "syn',
}


async def test_an_event_that_does_not_come_is_given_up_after_five_seconds() -> None:
    async with open_server("--wyoming-port", "0") as server:
        await give_up_slow_clients(wyoming_port(server))


async def give_up_slow_clients(port: int) -> None:
    last: dict[str, WyomingEvent] = {}

    async def begin(name: str, data: bytes) -> None:
        last[name] = (await answer(port, data))[-1]

    async def dribble() -> None:
        """A byte now and then does not prolong it."""
        async with connected(port) as connection, trio.open_nursery() as nursery:

            @nursery.start_soon
            async def _send() -> None:
                try:
                    while True:
                        await connection.send(b"a")
                        await trio.sleep(0.1)
                except trio.BrokenResourceError:
                    pass

            assert b"5 s" in await connection.read_to_end()
            nursery.cancel_scope.cancel()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(dribble)
        for name, data in SLOW.items():
            nursery.start_soon(begin, name, data)
    assert last.keys() == SLOW.keys()
    for name, event in last.items():
        assert event.type == "error", name
        assert "5 s" in event.data["text"], name


async def test_a_client_between_two_texts_has_all_the_time_it_wants(port: int) -> None:
    """A language model may think for long within a stream, too."""
    async with connected(port) as connection:
        client = Client(connection)
        await client.say("synthesize-start")
        await trio.sleep(6)  # longer than an event may take
        await client.say("synthesize-chunk", text=TEXT)
        await client.say("synthesize-stop")
        assert (await client.until("synthesize-stopped"))[0] == "audio-start"


async def test_a_client_that_stops_reading_is_cut_off_and_frees_its_place(port: int) -> None:
    async with (
        connected(port, receive_buffer=SMALL) as one,
        connected(port, receive_buffer=SMALL) as other,
    ):
        for connection in (one, other):
            await Client(connection).say("synthesize", text=STORY)
        await speaks(port)


@pytest.mark.parametrize("leave", [Connection.reset, Connection.half_close])
async def test_a_client_that_leaves_frees_its_place(port: int, leave: Any) -> None:  # noqa: ANN401 - a method
    async with connected(port) as one, connected(port) as other:
        for connection in (one, other):
            client = Client(connection)
            await client.say("synthesize", text=STORY)
            assert (await client.next_event()).type == "audio-start"
            leave(connection)
        await speaks(port)


async def test_where_there_is_no_place_that_is_told_and_the_voices_all_the_same(port: int) -> None:
    async with connected(port) as one, connected(port) as other:
        for connection in (one, other):
            client = Client(connection)
            await client.say("synthesize-start")
            await client.say("synthesize-chunk", text="Hello! And")
            await client.until("audio-chunk")
        (event,) = await answer(port, encode("synthesize", {"text": TEXT}))
        assert (event.type, event.data["code"]) == ("error", "overloaded")
        async with connected(port) as connection:
            client = Client(connection)
            await client.say("describe")
            assert (await client.next_event()).type == "info"
    await speaks(port)


async def test_connections_are_bounded_in_number(port: int) -> None:
    """Two for each place: whoever only connects holds up nobody for long."""
    async with trio.open_nursery() as nursery:
        opened: list[Connection] = []
        leave = trio.Event()

        async def hold() -> None:
            async with connected(port) as connection:
                await connection.send(encode("ping", {}))
                await connection.read_more()
                opened.append(connection)
                await leave.wait()

        for _ in range(4):
            nursery.start_soon(hold)
        with trio.fail_after(PATIENCE_S):
            while len(opened) < 4:
                await trio.sleep(0.01)
        (event,) = await answer(port, b"")
        assert (event.type, event.data["code"]) == ("error", "overloaded")
        leave.set()
    await speaks(port)


async def test_a_flood_of_events_does_not_hold_up_others(port: int) -> None:
    async with connected(port) as connection, trio.open_nursery() as nursery:

        @nursery.start_soon
        async def _flood() -> None:
            try:
                while True:
                    await connection.send(encode("ping", {}) * 1000)
            except trio.BrokenResourceError:
                pass

        await speaks(port)
        nursery.cancel_scope.cancel()


async def test_at_a_shutdown_what_was_said_is_spoken_to_its_end() -> None:
    async with (
        open_server("--wyoming-port", "0", "--shutdown-grace-s", "600") as ending,
        connected(wyoming_port(ending), receive_buffer=SMALL) as whole,
        connected(wyoming_port(ending), receive_buffer=SMALL) as begun,
        connected(wyoming_port(ending)) as idle,
    ):
        asks, streams, waits = Client(whole), Client(begun), Client(idle)
        await asks.say("synthesize", text=STORY)
        await streams.say("synthesize-start")
        await streams.say("synthesize-chunk", text=STORY)
        await waits.say("ping")
        assert (await waits.next_event()).type == "pong"
        for client in (asks, streams):
            assert (await client.next_event()).type == "audio-start"
        ending.signal(signal.SIGTERM)
        assert await idle.read_to_end() == b""
        assert await asks.until("audio-stop") == ["audio-chunk", "audio-stop"]
        assert await streams.until("error") == ["audio-chunk", "error"]
        assert await ending.wait() == 0, ending.log
        assert "Traceback" not in ending.log
