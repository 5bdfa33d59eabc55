"""SIGHUP, limits and the usage log, of the real program."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING, Any

import pytest
import trio
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from tests.cli.program import complaint, run, started, wait_for_log
from tests.server_process import HOST, PATIENCE_S, running_server, wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from websockets.sync.client import ClientConnection

    from tests.server_process import ServerProcess

ALICE, BOB, EVE = "a-key-of-alices-1", "a-key-of-bobs-1234", "a-key-of-eves-1234"

KEYS = f"""
[keys.alice]
key = "{ALICE}"

[keys.bob]
key = "{BOB}"
listeners = 1
characters_a_day = 40
"""


def keys_file(folder: Path, text: str = KEYS) -> Path:
    file = folder / "keys.toml"
    file.write_text(text)
    file.chmod(0o600)
    return file


def with_key(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def joined(server: ServerProcess, key: str) -> ClientConnection:
    return connect(
        f"{server.websocket_url}?events=true",
        additional_headers=with_key(key),
        open_timeout=PATIENCE_S,
    )


def hear_until(client: ClientConnection, word: str) -> dict[str, Any]:
    """The next message that is this event, or an error with this code."""
    told: dict[str, Any] = {}
    while word not in {told.get("event"), told.get("code")}:
        message = client.recv(PATIENCE_S)
        told = json.loads(message) if isinstance(message, str) else {}
    return told


def reload(server: ServerProcess, says: str) -> None:
    n_before = server.log.count(says)
    server.signal(signal.SIGHUP)
    wait_until(lambda: server.log.count(says) > n_before, says)


def usage(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_sighup_puts_new_keys_and_limits_into_force_and_drops_nobody(tmp_path: Path) -> None:
    """Not even somebody whose key is gone; only the next time it is refused. A broken file changes
    nothing, and nor does one that others may read."""
    file = keys_file(tmp_path)
    with running_server("--api-keys-file", str(file)) as server:
        with joined(server, ALICE) as alice, joined(server, BOB) as bob:
            with pytest.raises(InvalidStatus) as full:
                joined(server, BOB)
            assert full.value.response.status_code == 429
            assert full.value.response.headers["retry-after"] == "2"
            file.write_text(f'[keys.bob]\nkey = "{BOB}"\nlisteners = 2\n[keys.eve]\nkey = "{EVE}"')
            reload(server, "again: there are 2 keys")
            with joined(server, BOB), joined(server, EVE):
                pass
            assert server.ask("/api/voices", headers=with_key(ALICE)).status_code == 401
            for client in (alice, bob):
                client.send(json.dumps({"token": "Hello there!", "flush": True}))
                hear_until(client, "flushed")
            for broken, told in (
                (f'[keys.bob]\nkey = "{BOB}', "is not TOML"),
                ("", "has no key in it"),
                ('[keys.bob]\nkey = "hunter2"', "keys.bob.key is too easy to guess"),
            ):
                file.write_text(broken)
                reload(server, f"{told}")
            file.write_text(KEYS)
            file.chmod(0o644)
            reload(server, "its mode is 644")
            file.unlink()
            reload(server, "No such file or directory; the keys stay as they were")
            assert server.ask("/api/voices", headers=with_key(EVE)).status_code == 200
        for key in (ALICE, BOB, EVE, "hunter2"):
            assert key not in server.log
        assert "Traceback" not in server.log


def test_limits_are_told_on_the_socket_and_usage_is_kept(tmp_path: Path) -> None:
    """Also over a restart, which does not give a new day."""
    options = ("--api-keys-file", str(keys_file(tmp_path)), "--usage-log")
    log = tmp_path / "usage.jsonl"
    with running_server(*options, str(log)) as server:
        with joined(server, BOB) as bob:
            for text in ("Gobbledygook, thirty characters", "and ten more"):
                bob.send(json.dumps({"token": text, "flush": True}))
            told = hear_until(bob, "limit_reached")
            hear_until(bob, "flushed")
            assert (told["limit"], told["most"], told["fatal"]) == ("characters_a_day", 40, False)
            assert told["ends"].endswith("T00:00:00Z")
            assert told["ends"] in told["error"]
        refused = server.ask(
            "/api/speak", "POST", json={"text": "Hello there!"}, headers=with_key(BOB)
        )
        assert refused.status_code == 429
        spoken = server.ask("/api/speak", "POST", json={"text": "Hello!"}, headers=with_key(ALICE))
        assert spoken.status_code == 200
        figures = server.ask("/metrics", headers=with_key(ALICE)).text
        assert 'voice_key_characters_total{key="bob"} 31.0' in figures
        assert 'voice_key_refused_total{key="bob",limit="characters_a_day"} 2.0' in figures
    first, second, third = usage(log)
    assert "gobbledygook" not in log.read_text().lower()
    assert (first["key"], first["route"], first["address"]) == ("bob", "/ws/stream", "127.0.0.1")
    assert (first["characters"], first["error"], first["ended"]) == (31, "limit_reached", "left")
    assert first["audio_seconds"] > 1
    assert (second["key"], second["characters"]) == ("bob", 0)
    assert (second["ended"], second["error"]) == ("failed", "limit_reached")
    assert (third["key"], third["route"], third["ended"]) == ("alice", "/api/speak", "finished")
    assert third["segments"] == 1
    assert third["voices"] == ["en-us+f3"]
    with running_server(*options, str(log)) as server:
        again = server.ask(
            "/api/speak", "POST", json={"text": "Hello there!"}, headers=with_key(BOB)
        )
        assert again.status_code == 429
        with running_server(*options[:2]) as other:  # without the log, nobody remembers
            spoken = other.ask(
                "/api/speak", "POST", json={"text": "Hello there!"}, headers=with_key(BOB)
            )
            assert spoken.status_code == 200


def test_sighup_opens_the_usage_log_again(tmp_path: Path) -> None:
    """Without any key, too: then a line has none."""
    log, old = tmp_path / "usage.jsonl", tmp_path / "usage.jsonl.1"
    with running_server("--usage-log", str(log)) as server:
        server.ask("/api/speak", "POST", json={"text": "Hello!"})
        wait_until(lambda: len(usage(log)) == 1, "a line")
        log.rename(old)
        reload(server, "the usage log goes on in")
        server.ask("/api/speak", "POST", json={"text": "Hello!"})
        wait_until(lambda: log.exists() and len(usage(log)) == 1, "a line")
        assert server.status is None
    assert [line["key"] for line in usage(old) + usage(log)] == [None, None]


async def test_sighup_with_nothing_to_read_again_ends_as_sigterm_does() -> None:
    """With a close frame, behind what was said: it cut everybody off."""
    with running_server() as server:
        with connect(f"{server.websocket_url}?events=true") as client:
            client.send(json.dumps({"token": "Hello there!", "flush": True}))
            hear_until(client, "segment_start")
            server.signal(signal.SIGHUP)
            hear_until(client, "flushed")
            with pytest.raises(ConnectionClosed) as closed:
                hear_until(client, "nothing")
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1001
        with trio.fail_after(PATIENCE_S):
            assert await server.wait() == 0
        assert "closed" in server.log


def test_sighup_in_mid_start_ends_it_with_words_or_reads_again(tmp_path: Path) -> None:
    with started("--port", "0") as process:
        assert process.stderr is not None
        wait_for_log(process, b"starting; how far it is")
        process.send_signal(signal.SIGHUP)
        assert process.wait(PATIENCE_S) == 0
        assert b"closed" in process.stderr.read()
    with started("--port", "0", "--api-keys-file", str(keys_file(tmp_path))) as process:
        wait_for_log(process, b"starting; how far it is")
        process.send_signal(signal.SIGHUP)
        wait_for_log(process, b"again: there are 2 keys")
        assert process.poll() is None


def test_a_program_under_nohup_outlives_its_terminal(tmp_path: Path) -> None:
    """Whoever starts it with SIGHUP ignored wants that it goes on; it is read again all the same
    where there is anything to read."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with (
            running_server() as server,
            running_server("--api-keys-file", str(keys_file(tmp_path))) as with_keys,
        ):
            server.signal(signal.SIGHUP)
            reload(with_keys, "again: there are 2 keys")
            assert server.ask("/health/live").status_code == 200
            assert "closing" not in server.log
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_keys_file_that_others_may_read_ends_the_start_with_the_way_out(tmp_path: Path) -> None:
    file = keys_file(tmp_path)
    file.chmod(0o640)
    told = complaint(run("--port", "0", "--api-keys-file", str(file)))
    assert "its mode is 640" in told
    assert f"chmod 600 {file}" in told


def test_a_usage_log_that_cannot_be_written_ends_the_start(tmp_path: Path) -> None:
    told = complaint(run("--port", "0", "--usage-log", str(tmp_path)))
    assert "the usage log cannot be written" in told


def test_sockets_that_wait_in_a_pool_are_counted_by_key(tmp_path: Path) -> None:
    """They take no place before there is something to say, and one key of one place held all that
    a server has, for an hour: whoever came was told that it was full."""

    def pooled(server: ServerProcess, key: str) -> ClientConnection:
        url = f"ws://{HOST}:{server.port}/tts/websocket"
        return connect(url, additional_headers=with_key(key), open_timeout=PATIENCE_S)

    options = ("--api-keys-file", str(keys_file(tmp_path)), "--max-listeners", "2")
    with running_server(*options) as server, pooled(server, BOB), pooled(server, BOB):
        with pytest.raises(InvalidStatus) as full:
            pooled(server, BOB)
        assert full.value.response.status_code == 429
        assert b"this key may have 2 WebSockets, and has" in full.value.response.body
        with joined(server, ALICE), pooled(server, ALICE):
            with pytest.raises(InvalidStatus) as full:
                pooled(server, ALICE)
            assert full.value.response.status_code == 503
