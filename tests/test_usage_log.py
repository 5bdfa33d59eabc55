"""The usage log: what its lines say, that no disk is waited for, and what is read back of it."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import trio

from pipeline import usage_log
from pipeline.connection import hold_conversation
from pipeline.tenants import DAY_S, Tenant, iso
from pipeline.usage import MAX_VOICES, Caller, Usage
from pipeline.usage_log import UsageLog, count_again
from stages.errors import CannotStart, Disconnected, ProtocolError
from stages.items import SegmentStarted, Style
from tests.fakes import CANCEL, FLUSH, ListPeer, segment, service, token

if TYPE_CHECKING:
    from trio.testing import MockClock

    from stages.items import ClientMessage

CALLER = Caller(Tenant("bot"), "192.0.2.7", "/ws/stream", "a-request")


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


async def kept(*said: ClientMessage | Exception, caller: Caller = CALLER) -> dict[str, Any]:
    """The line of a conversation in which a client says this and hangs up."""
    server = service()
    accounts: list[Usage] = []
    server.places.keep_usage = accounts.append
    conversation = server.new_conversation("eager", caller.tenant)
    with server.admit(conversation.style, caller) as usage:
        await hold_conversation(ListPeer(*said), server, conversation, usage)
        assert not accounts
    [account] = accounts
    return dict(account.line())


async def test_a_line_says_who_used_how_much_and_not_for_what(autojump_clock: MockClock) -> None:
    said = token("Gobbledygook! Hm."), FLUSH
    before = iso(time.time())
    line = await kept(*said)
    assert "gobbledygook" not in json.dumps(line).lower()
    assert before <= line.pop("start") <= line.pop("end") <= iso(time.time())
    assert line.pop("seconds") >= 0
    assert line == {
        "key": "bot",
        "address": "192.0.2.7",
        "route": "/ws/stream",
        "request_id": "a-request",
        "voices": ["plain"],
        "characters": 17,
        "audio_seconds": round(16 * 100 / 48_000, 3),
        "segments": 2,
        "ended": "finished",
        "error": None,
    }
    assert (await kept(*said, caller=Caller()))["key"] is None


async def test_a_line_says_how_it_ended(autojump_clock: MockClock) -> None:
    assert (await kept(token("Hm."), Disconnected()))["ended"] == "left"
    broken = await kept(ProtocolError("no"), token("Hm."), FLUSH)
    assert (broken["ended"], broken["error"]) == ("finished", "bad_message")
    assert (await kept(token("Hm."), CANCEL))["ended"] == "finished"
    failed = await kept(token("~ Oh."), FLUSH)
    assert (failed["segments"], failed["error"]) == (0, "synthesis_failed")


async def test_a_line_names_so_many_voices_and_no_more() -> None:
    usage = Usage()
    for number in range(1000):
        usage.sending(SegmentStarted(segment("Hm.", style=Style(f"voice {number}")), 0))
    assert usage.line()["voices"] == [f"voice {number}" for number in range(MAX_VOICES)]


async def test_lines_are_written_in_their_order_and_all_by_the_end(tmp_path: Path) -> None:
    file = tmp_path / "usage.jsonl"
    log = UsageLog(file)
    for number in range(500):
        log.write(Usage(Caller(route=str(number))))
    log.close()
    assert [line["route"] for line in lines(file)] == list(map(str, range(500)))
    assert file.stat().st_mode & 0o077 == 0
    log = UsageLog(file)
    log.write(Usage(Caller(route="more")))
    log.close()
    assert len(lines(file)) == 501


async def test_it_goes_on_in_a_new_file_once_the_old_one_was_moved(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """As logrotate does it. The old one stays where the new one cannot be made."""
    file, old = tmp_path / "folder" / "usage.jsonl", tmp_path / "old.jsonl"
    file.parent.mkdir()
    log = UsageLog(file)
    log.write(Usage(Caller(route="one")))
    log.reopen()
    log.write(Usage(Caller(route="two")))
    with trio.fail_after(60):
        while not file.exists() or len(lines(file)) < 2:
            await trio.sleep(0.01)
    file.rename(old)
    log.reopen()
    log.write(Usage(Caller(route="three")))
    with trio.fail_after(60):
        while not file.exists() or not lines(file):
            await trio.sleep(0.01)
    file.unlink()
    file.parent.rmdir()
    log.reopen()
    log.write(Usage(Caller(route="four")))
    log.close()
    assert [line["route"] for line in lines(old)] == ["one", "two"]
    assert "the old file is kept" in caplog.text


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
async def test_a_full_disk_is_told_now_and_then_and_ends_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    log = UsageLog(Path("/dev/full"))
    for _ in range(100):
        log.write(Usage())
    log.close()
    told = [record.getMessage() for record in caplog.records]
    assert [line for line in told if "No space left" in line and "1 lines" in line]
    assert len(told) == 2  # and at the end, how many more
    assert "99 lines" in told[1]


async def test_a_disk_that_hangs_is_not_waited_for_and_what_is_lost_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A pipe that nobody reads stands for the disk. All that waited went without a word."""
    monkeypatch.setattr(usage_log, "FLUSH_WITHIN_S", 0.0)
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reads = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        log = UsageLog(path)
        for _ in range(1000):  # more than fits into a pipe
            log.write(Usage())
        log.close()
        [told] = [record.getMessage() for record in caplog.records]
        assert "lines of the usage log are lost: some could not be written" in told
    finally:
        os.close(reads)  # which ends the thread's wait


def test_a_file_that_cannot_be_written_is_told_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(CannotStart, match="the usage log cannot be written"):
        UsageLog(tmp_path / "nowhere" / "usage.jsonl")


async def test_what_was_used_today_is_counted_again(tmp_path: Path) -> None:
    """The last lines first, up to the first of yesterday. What is no line of ours is passed over:
    half of one, where the disk was full."""
    now = time.time()
    file = tmp_path / "usage.jsonl"

    def line(end: float, key: str | None, characters: object = 10) -> str:
        told = {"end": iso(end), "key": key, "characters": characters, "audio_seconds": 1.5}
        return json.dumps(told)

    written = [
        line(now, "bot", 1000),  # before yesterday's line: not looked at any more
        line(now - DAY_S, "bot", 100),
        line(now, "bot"),
        line(now, "other"),
        line(now, None),
        line(now, "bot", None),
        '{"end": "2026-1',
        "[]",
        "[" * 100_000,
        line(now, "bot"),
        "",
    ]
    file.write_text("\n".join(written))
    tenants: dict[str, Tenant] = {}
    await count_again(file, lambda name: tenants.setdefault(name, Tenant(name)))
    assert {name: tenant.used(now) for name, tenant in tenants.items()} == {
        "bot": (20, 3.0),
        "other": (10, 1.5),
    }
