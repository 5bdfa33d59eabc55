"""The bounds of uploads: room, time, how many at once, and who."""

from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING

import httpx
import pytest
import trio
import trio.testing

from pipeline.net import uploads as uploads_module
from pipeline.net.http_api import create_app
from pipeline.net.request_head import Refused
from pipeline.net.upload_rules import UploadRules, UploadTarget
from stages.rvc.voices.received import check_voice
from tests.hostile_rvc import archive_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from trio.testing import MockClock


from tests.net.upload_server import UploadServer, refused


async def test_a_quota_holds_for_all_together(tmp_path: Path, anna: bytes) -> None:
    room = 2 * len(anna) + 1000
    server = UploadServer(tmp_path, UploadRules(is_private=True, quota_bytes=room))
    for name in ("anna", "bert"):
        assert (await server.ask("PUT", name, anna)).status_code == 201
    answer = await server.ask("PUT", "carl", anna)
    assert (answer.status_code, answer.json()["code"]) == (507, "quota_exceeded")
    assert (
        f"this takes {len(anna)} bytes, and of the {room} for uploads 1000 are left"
        in (answer.json()["error"])
    )
    await server.ask("DELETE", "anna")
    assert (await server.ask("PUT", "carl", anna)).status_code == 201
    again = UploadServer(
        tmp_path, UploadRules(is_private=True, quota_bytes=room)
    )  # after a restart
    assert again.uploads.used_bytes == 2 * len(anna)


async def test_what_an_archive_swells_to_counts(tmp_path: Path, anna: bytes) -> None:
    archive = archive_of({"a.pth": anna}, method=8)
    assert len(archive) < len(anna)
    rules = UploadRules(is_private=True, quota_bytes=(len(archive) + len(anna)) // 2)
    server = UploadServer(tmp_path, rules)
    assert f"would unpack to more than {rules.quota_bytes} bytes" in (
        await refused(server, "anna", archive)
    )


async def test_a_file_over_the_bound_is_refused(tmp_path: Path, anna: bytes) -> None:
    server = UploadServer(tmp_path, UploadRules(is_private=True, max_bytes=len(anna) - 1))
    answer = await server.ask("PUT", "anna", anna)
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


@pytest.mark.parametrize("peer", ["192.168.1.5", "::2"])
async def test_who_may_not_upload_is_not_told_of_room(
    server: UploadServer, anna: bytes, peer: str
) -> None:
    async with server.client(peer) as http:
        assert (await http.get("/api/voices")).json()["uploads"] is None
        for method in ("PUT", "DELETE"):
            answer = await http.request(method, "/api/voices/anna", content=anna)
            assert (answer.status_code, answer.json()["code"]) == (403, "uploads_need_a_key")
    assert server.left() == []


async def test_a_server_without_rvc_says_what_is_missing(tmp_path: Path, anna: bytes) -> None:
    server = UploadServer(tmp_path, UploadRules(is_private=True))
    server.voices.converts = False
    server.voices.lacks = "RVC lacks torch; to get it: make setup"
    answer = await server.ask("PUT", "anna", anna)
    assert (answer.status_code, answer.json()["code"]) == (501, "rvc_missing")
    assert "to get it: make setup" in answer.json()["error"]
    async with server.client() as http:
        assert (await http.get("/api/voices")).json()["uploads"] is None


async def test_a_server_that_closes_takes_no_more(server: UploadServer, anna: bytes) -> None:
    server.service.leaving.close()
    answer = await server.ask("PUT", "anna", anna)
    assert (answer.status_code, answer.json()["code"]) == (503, "overloaded")
    assert int(answer.headers["retry-after"]) > 0


class Sender:
    """A body that comes when it is told to."""

    def __init__(self) -> None:
        self._send, self._receive = trio.open_memory_channel[bytes](0)
        self.send = self._send.send

    def end(self) -> None:
        self._send.close()

    async def body(self) -> AsyncIterator[bytes]:
        async for data in self._receive:
            yield data


async def test_of_two_uploads_of_one_name_the_second_is_refused(
    server: UploadServer, anna: bytes
) -> None:
    first = Sender()
    async with trio.open_nursery() as nursery:
        target = UploadTarget("anna", is_index=False)
        nursery.start_soon(server.uploads.take, target, len(anna), first.body())
        await first.send(anna[:1000])
        answer = await server.ask("PUT", "anna", anna)
        assert (answer.status_code, answer.json()["code"]) == (409, "name_taken")
        assert "another upload of it is on its way" in answer.json()["error"]
        assert (await server.ask("PUT", "bert", anna)).status_code == 201  # others are not held up
        await first.send(anna[1000:])
        first.end()
    assert {"anna", "bert"} <= {*server.voices}


async def test_no_more_than_a_few_are_on_their_way_and_all_count(
    tmp_path: Path, anna: bytes
) -> None:
    rules = UploadRules(is_private=True, quota_bytes=5 * len(anna))
    server = UploadServer(tmp_path, rules)
    with trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:
            for number in range(uploads_module.MAX_AT_ONCE):
                sender = Sender()
                target = UploadTarget(f"v{number}", is_index=False)
                take = partial(server.uploads.take, target, len(anna), sender.body())
                nursery.start_soon(take)
                await sender.send(anna[:10])
                if number == 1:
                    answer = await server.ask("PUT", "large", bytes(3 * len(anna) + 1))
                    assert answer.status_code == 507  # not yet on the disk, and promised
            answer = await server.ask("PUT", "more", anna[:1])
            assert (answer.status_code, answer.json()["code"]) == (503, "overloaded")
            scope.cancel()
    assert server.left() == []
    assert server.count("broken_off") == uploads_module.MAX_AT_ONCE
    assert (await server.ask("PUT", "more", anna)).status_code == 201


async def test_an_upload_that_is_broken_off_leaves_nothing(
    server: UploadServer, anna: bytes
) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield anna[:100]
        assert server.left() == ["uploaded/" + server.left()[0].split("/")[1] + "/sent"]
        raise trio.BrokenResourceError

    target = UploadTarget("anna", is_index=False)
    with pytest.raises(trio.BrokenResourceError):
        await server.uploads.take(target, len(anna), body())
    assert server.left() == []
    assert server.count("broken_off") == 1
    assert (await server.ask("PUT", "anna", anna)).status_code == 201


async def test_what_a_server_left_unfinished_is_swept_at_the_start(tmp_path: Path) -> None:
    unfinished = tmp_path / "uploaded" / ".unfinished-1" / "voices" / "anna"
    unfinished.mkdir(parents=True)
    (unfinished / "voice.pth").touch()
    server = UploadServer(tmp_path, UploadRules(is_private=True))
    assert server.left() == []
    assert "anna" not in server.voices


async def test_a_client_that_sends_slowly_is_cut_off(
    server: UploadServer, anna: bytes, mock_clock: MockClock
) -> None:
    """A byte now and then does not do."""
    sender = Sender()
    refusals = []

    async def take() -> None:
        target = UploadTarget("anna", is_index=False)
        try:
            await server.uploads.take(target, len(anna), sender.body())
        except Refused as refused:
            refusals.append((refused.status, refused.code))
            sender.end()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(take)
        for _ in range(3):
            await sender.send(b"x")
            mock_clock.jump(uploads_module.STEP_WITHIN_S / 3 + 0.1)
    assert refusals == [(408, "too_slow")]
    assert server.left() == []


async def test_a_client_that_sends_steadily_may_take_long(
    tmp_path: Path, anna: bytes, mock_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads_module, "STEP_BYTES", 10_000)
    server = UploadServer(tmp_path, UploadRules(is_private=True))
    sender = Sender()
    async with trio.open_nursery() as nursery:
        target = UploadTarget("anna", is_index=False)
        nursery.start_soon(server.uploads.take, target, len(anna), sender.body())
        for start in range(0, len(anna), 10_000):
            await sender.send(anna[start : start + 10_000])
            await written(server, start)
            mock_clock.jump(uploads_module.STEP_WITHIN_S * 0.45)
        sender.end()
    assert "anna" in server.voices


async def written(server: UploadServer, n_bytes: int) -> None:
    """Until so much is on the disk, and more is waited for; the clock stands still meanwhile."""
    while not server.left() or (server.folder / server.left()[0]).stat().st_size < n_bytes:
        await trio.lowlevel.checkpoint()
    await trio.testing.wait_all_tasks_blocked()


async def test_checking_holds_up_nobody_on_the_loop(
    server: UploadServer, anna: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One is checked at a time, on a thread of its own."""
    threads = []
    go_on = threading.Event()

    def held_up(*arguments: Path, max_bytes: int) -> None:
        threads.append(threading.current_thread().name)
        assert go_on.wait(60)
        check_voice(*arguments, max_bytes=max_bytes)

    monkeypatch.setattr(uploads_module, "check_voice", held_up)
    async with trio.open_nursery() as nursery:
        for name in ("anna", "bert"):
            nursery.start_soon(server.ask, "PUT", name, anna)
        while not threads:
            await trio.sleep(0.001)
        async with server.client() as http:
            listed = (await http.get("/api/voices")).json()["voices"]  # the loop is free
        assert [voice["name"] for voice in listed] == ["plain", "other"]
        assert len(threads) == 1
        go_on.set()
    assert threads == ["uploads_0"] * 2


@pytest.mark.parametrize("part", ["uploaded", "voices"])
async def test_a_folder_that_may_not_be_written_is_told(
    tmp_path: Path, anna: bytes, part: str
) -> None:
    """A file takes the folder's place here: root may write everywhere."""
    folder = tmp_path / "voices"
    if part == "uploaded":
        folder.mkdir()
        (folder / "uploaded").touch()
    else:
        folder.touch()
    server = UploadServer(folder, UploadRules(is_private=True))
    answer = await server.ask("PUT", "anna", anna)
    assert (answer.status_code, answer.json()["code"]) == (507, "not_stored")
    assert answer.json()["error"].startswith("the server cannot keep uploads: ")


async def test_a_search_that_began_before_an_upload_does_not_hide_it(
    server: UploadServer, anna: bytes
) -> None:
    """Searches come one after the other: one that had begun before put its older list in place of
    the newer one."""
    async with trio.open_nursery() as nursery, server.client() as http:
        for _ in range(20):
            nursery.start_soon(http.get, "/api/voices")
        assert (await server.ask("PUT", "anna", anna)).status_code == 201
        assert "anna" in server.voices
    assert "anna" in server.voices


def test_the_openapi_page_tells_of_uploads(server: UploadServer) -> None:
    paths = server.app.openapi()["paths"]
    assert paths["/api/voices/{name}"].keys() == {"put", "delete"}
    put = paths["/api/voices/{name}"]["put"]
    assert "application/octet-stream" in put["requestBody"]["content"]
    assert put["responses"].keys() >= {"201", "409", "413", "422", "507"}
    assert "put" in paths["/api/voices/{name}/index"]


async def test_a_page_that_may_ask_may_upload(server: UploadServer) -> None:
    app = create_app(server.service, ["https://friend.example"], server.uploads)
    headers = {"origin": "https://friend.example", "access-control-request-method": "PUT"}
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
        asked = await http.options("/api/voices/anna", headers=headers)
        foreign = await http.options(
            "/api/voices/anna", headers={**headers, "origin": "https://evil.example"}
        )
    assert "PUT" in asked.headers["access-control-allow-methods"]
    assert asked.status_code == 200
    assert foreign.status_code == 400
    assert "access-control-allow-origin" not in foreign.headers
