"""Uploads to a real server that has RVC, over a real socket."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
import trio

from tests.faults.raw_client import ask, connected, get, parse_response, websocket
from tests.faults.raw_frames import TEXT, sound
from tests.faults.test_upload_requests import KEY, WITH_KEY, put
from tests.random_rvc import TINY, build_index, build_voice
from tests.random_rvc_features import TINY as TINY_HUBERT
from tests.random_rvc_features import build_hubert
from tests.server_process import PATIENCE_S, running_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from tests.faults.raw_client import Connection
    from tests.server_process import ServerProcess


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("uploads")
    build_hubert(folder / "models" / "hubert" / "hubert_base.pt", size=TINY_HUBERT)
    (folder / "voices").mkdir()
    build_voice(folder / "anna.pth", size=TINY)
    build_index(folder / "anna.index", n_vectors=200)
    return folder


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[ServerProcess]:
    options = ("--models", str(folder / "models"), "--voices", str(folder / "voices"))
    with running_server(*options, env={"VOICE_API_KEYS": KEY}) as running:
        yield running
        assert "Traceback" not in running.log
        assert KEY not in running.log


@pytest.fixture(scope="module")
def anna(folder: Path) -> bytes:
    return (folder / "anna.pth").read_bytes()


def with_key(request: bytes) -> bytes:
    return request.replace(b"\r\n\r\n", f"\r\n{WITH_KEY}\r\n\r\n".encode(), 1)


async def upload(server: ServerProcess, name: str, body: bytes) -> tuple[int, dict[str, Any]]:
    answer = await ask(server.port, put(name, len(body), WITH_KEY) + body)
    return answer.status, answer.json()


async def remove(server: ServerProcess, name: str) -> int:
    head = f"DELETE /api/voices/{name} HTTP/1.1\r\nHost: localhost\r\n{WITH_KEY}\r\n\r\n"
    return (await ask(server.port, head.encode())).status


def left(folder: Path) -> list[str]:
    voices = folder / "voices"
    return sorted(str(each.relative_to(voices)) for each in voices.rglob("*") if each.is_file())


@asynccontextmanager
async def begun(
    server: ServerProcess, folder: Path, name: str, anna: bytes, *headers: str
) -> AsyncIterator[Connection]:
    """An upload of which half has come."""
    async with connected(server.port) as connection:
        half = b"" if headers else anna[: len(anna) // 2]
        await connection.send(put(name, len(anna), WITH_KEY, *headers) + half)
        await until(lambda: any("unfinished" in each for each in left(folder)))
        yield connection


async def until(is_so: Any) -> None:  # noqa: ANN401 - a lambda
    with trio.fail_after(PATIENCE_S):
        while not is_so():
            await trio.sleep(0.01)


async def test_it_is_spoken_with_and_those_who_speak_finish(
    server: ServerProcess, folder: Path, anna: bytes
) -> None:
    status, voice = await upload(server, "anna", anna)
    assert status == 201, voice
    assert voice["removable"]
    index = (folder / "anna.index").read_bytes()
    status, voice = await upload(server, "anna/index", index)
    assert (status, voice["has_index"]) == (200, True)
    assert f"a voice was uploaded voice=anna bytes={len(anna)} has_key=True" in server.log
    assert f"an index was uploaded voice=anna bytes={len(index)}" in server.log

    async with websocket(server.port, f"events=true&key={KEY}") as client:
        await client.say(config={"voice": "anna"})
        await client.speak("It rains. ", flush=True)
        first = await client.frames_until_event("flushed")
        assert sound(first)
        assert await remove(server, "anna") == 204
        await client.speak("Shall we stay in?", flush=True)
        frames = await client.frames_until_event("flushed")
        assert sound(frames)
        texts = [each.json() for each in first + frames if each.opcode == TEXT]
        assert not [text for text in texts if "error" in text]
        await client.say(config={"voice": "anna"})
        assert (await client.next_text())["code"] == "unknown_voice"
        await client.close()
    assert left(folder) == []
    assert await remove(server, "anna") == 404


async def test_a_client_that_asks_whether_to_go_on_is_told_to(
    server: ServerProcess, folder: Path, anna: bytes
) -> None:
    async with begun(server, folder, "bert", anna, "Expect: 100-continue") as connection:
        await connection.read_head()
        assert connection.buffer.startswith(b"HTTP/1.1 100 ")
        await connection.send(anna)
        answer = parse_response(await connection.read_to_end())
    assert (answer.status, answer.n_informational) == (201, 1)
    assert await remove(server, "bert") == 204


async def test_a_client_that_leaves_in_the_middle_leaves_nothing(
    server: ServerProcess, folder: Path, anna: bytes
) -> None:
    for leave in ("reset", "half_close"):
        async with begun(server, folder, "carl", anna) as connection:
            getattr(connection, leave)()
            await until(lambda: left(folder) == [])
    status, _ = await upload(server, "carl", anna)
    assert status == 201
    assert await remove(server, "carl") == 204


async def test_an_upload_that_stalls_holds_up_nobody(
    server: ServerProcess, folder: Path, anna: bytes
) -> None:
    """While it waits others speak, list and upload; in the end it is cut off, and told so."""
    async with begun(server, folder, "slow", anna) as connection:
        status, said = await upload(server, "slow", anna)
        assert (status, said["code"]) == (409, "name_taken")
        assert (await upload(server, "quick", anna))[0] == 201
        listed = (await ask(server.port, with_key(get("/api/voices")))).json()
        names = [voice["name"] for voice in listed["voices"] if voice["removable"]]
        assert names == ["quick"]
        assert listed["uploads"]["used_bytes"] == len(anna)
        answer = parse_response(await connection.read_to_end())
        assert (answer.status, answer.json()["code"]) == (408, "too_slow")
    assert left(folder) == ["uploaded/quick/voice.pth"]
    assert await remove(server, "quick") == 204


async def test_what_comes_behind_an_upload_is_not_answered(
    server: ServerProcess, anna: bytes
) -> None:
    behind = with_key(get("/api/voices"))
    answer = await ask(server.port, put("dora", len(anna), WITH_KEY) + anna + behind)
    assert (answer.status, answer.rest) == (201, b"")
    assert await remove(server, "dora") == 204


async def counted(server: ServerProcess, outcome: str) -> float:
    """How many uploads ended so."""
    told = (await ask(server.port, with_key(get("/metrics")))).body.decode()
    line = f'voice_uploads_total{{outcome="{outcome}"}} '
    return sum(float(each.removeprefix(line)) for each in told.splitlines() if line in each)


async def test_metrics_count_uploads(server: ServerProcess, folder: Path, anna: bytes) -> None:
    outcomes = "taken", "removed", "broken_off"
    before = [await counted(server, outcome) for outcome in outcomes]
    async with begun(server, folder, "emma", anna) as connection:
        connection.reset()
        await until(lambda: left(folder) == [])
    assert (await upload(server, "emma", anna))[0] == 201
    assert await remove(server, "emma") == 204
    after = [await counted(server, outcome) for outcome in outcomes]
    assert [now - then for now, then in zip(after, before, strict=True)] == [1, 1, 1]
