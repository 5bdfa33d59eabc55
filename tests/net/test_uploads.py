"""Uploads of voices, without a socket: what is taken, what is refused, and that nothing is left."""

from __future__ import annotations

import pickle
import threading
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import httpx
import pytest
import torch
import trio
import trio.testing

from pipeline.net import uploads as uploads_module
from pipeline.net.http_api import create_app
from pipeline.net.request_head import Refused
from pipeline.net.upload_rules import UploadRules, UploadTarget
from pipeline.net.uploads import Uploads
from pipeline.voice_names import VoiceNames
from pipeline.voices import Voices
from stages.rvc.voices.received import check_voice
from tests.fakes import VOICES, service
from tests.hostile_rvc import Bomb, archive_of, cut, edit_voice, plant_bomb
from tests.random_rvc import TINY, build_index, build_safetensors, build_voice, checkpoint
from tests.random_rvc import voice as random_voice

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from trio.testing import MockClock


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    build_voice(folder / "anna.pth", size=TINY)
    build_index(folder / "anna.index", n_vectors=200)
    build_index(folder / "v1.index", width=256, n_vectors=200)
    return folder


@pytest.fixture
def anna(files: Path) -> bytes:
    return (files / "anna.pth").read_bytes()


class Server:
    """A service with a folder of voices, and its uploads."""

    def __init__(self, folder: Path, rules: UploadRules) -> None:
        self.folder = folder
        self.service = service()
        self.voices = Voices([*VOICES.values()])
        self.voices.offer_rvc(folder, None, "plain")
        self.service.voices = self.voices
        self.service.voice_names = VoiceNames(self.voices, "plain", {"Alloy": "plain"})
        self.uploads = Uploads(self.service, folder, rules)
        self.app = create_app(self.service, (), self.uploads)

    def client(self, peer: str = "127.0.0.1") -> httpx.AsyncClient:
        transport = httpx.ASGITransport(self.app, client=(peer, 1))
        return httpx.AsyncClient(transport=transport, base_url="http://localhost")

    async def ask(self, method: str, name: str, content: bytes = b"") -> httpx.Response:
        async with self.client() as http:
            return await http.request(method, f"/api/voices/{name}", content=content)

    def left(self) -> list[str]:
        """All files in the folder."""
        paths = [path.relative_to(self.folder) for path in self.folder.rglob("*")]
        return sorted(str(path) for path in paths if (self.folder / path).is_file())

    def count(self, outcome: str) -> float:
        value: float = self.service.metrics.uploads.labels(outcome)._value.get()  # noqa: SLF001 - as its own tests do
        return value


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path / "voices", UploadRules(is_private=True))
    yield made
    made.uploads.close()


async def test_a_voice_is_listed_at_once_and_gone_at_once(server: Server, anna: bytes) -> None:
    answer = await server.ask("PUT", "José", anna)
    assert answer.status_code == 201, answer.text
    voice = answer.json()
    assert (voice["name"], voice["type"], voice["removable"]) == ("José", "rvc", True)
    assert (voice["version"], voice["has_index"]) == ("v2", False)
    async with server.client() as http:
        listed = (await http.get("/api/voices")).json()
    assert voice in listed["voices"]
    assert listed["uploads"] == {
        "max_bytes": 500_000_000, "quota_bytes": 2_000_000_000, "used_bytes": len(anna),
    }  # fmt: skip
    assert server.left() == ["uploaded/José/voice.pth"]
    assert (await server.ask("DELETE", "Jose\u0301")).status_code == 204
    assert "José" not in server.voices
    assert server.left() == []
    assert server.uploads.used_bytes == 0
    assert [server.count(outcome) for outcome in ("taken", "removed", "refused")] == [1, 1, 0]


async def test_an_index_comes_behind_and_takes_the_place_of_another(
    server: Server, files: Path, anna: bytes
) -> None:
    await server.ask("PUT", "anna", anna)
    for _ in range(2):
        answer = await server.ask("PUT", "anna/index", (files / "anna.index").read_bytes())
        assert answer.status_code == 200, answer.text
        assert answer.json()["has_index"]
    assert server.left() == ["uploaded/anna/voice.index", "uploaded/anna/voice.pth"]
    assert server.voices.entries["anna"].index is not None


@pytest.mark.parametrize("kind", ["safetensors", "checkpoint", "zip", "deep zip"])
async def test_what_people_have_is_taken(
    server: Server, tmp_path: Path, anna: bytes, kind: str
) -> None:
    path = tmp_path / "sent"
    match kind:
        case "safetensors":
            build_safetensors(path, random_voice(size=TINY))
        case "checkpoint":
            torch.save(checkpoint(size=TINY), path)
        case "zip":
            path.write_bytes(archive_of({"model.pth": anna, "readme.txt": b"Hello!"}))
        case _:
            inner = archive_of({"voice.toml": b'description = "Anna"', "a/b/model.pth": anna})
            path.write_bytes(archive_of({"anna.zip": inner, "__MACOSX/._anna.zip": b""}))
    answer = await server.ask("PUT", "anna", path.read_bytes())
    assert answer.status_code == 201, answer.text
    assert (answer.json()["sample_rate"], answer.json()["version"]) == (48_000, "v2")
    if kind == "deep zip":
        assert answer.json()["description"] == "Anna"
    assert len(server.left()) <= 2


async def refused(server: Server, name: str, content: bytes) -> str:
    """What is said of an unusable file, of which nothing is left."""
    left = server.left()
    answer = await server.ask("PUT", name, content)
    assert answer.status_code == 422, answer.text
    assert answer.json()["code"] == "unusable_voice"
    said: str = answer.json()["error"]
    assert str(server.folder) not in said  # where it lies is nobody's business
    assert "\n" not in said
    assert server.left() == left
    return said


ZIPS: list[tuple[dict[str, bytes], str]] = [
    ({"readme.txt": b"Hello!"}, "this archive holds no voice"),
    ({"a.onnx": b"", "a.pth.txt": b""}, "this archive holds no voice"),
    ({"../a.pth": b""}, "is not safe to unpack: ../a.pth lies outside of the archive"),
    ({"a.pth": bytes(50_000_000)}, "would swell to more than 30 times its size"),
    ({"a.pth": b"nothing"}, "a.pth is not what torch.save writes"),
    ({"a.pth": b"", "b.pth": b""}, "this archive holds 2 voices, a, b: send each by itself"),
    ({"D_1.pth": b""}, "holds no voice; anna/D_1.pth is a training's discriminator"),
    ({"a.pth": b"", "voice.toml": b"colour = 1"}, "colour: unknown key; the voice anna is left"),
]


@pytest.mark.parametrize(("contents", "said"), ZIPS)
async def test_an_archive_that_is_none_of_a_voice_is_refused(
    server: Server, contents: dict[str, bytes], said: str
) -> None:
    archive = archive_of(contents, method=8)
    assert said in await refused(server, "anna", archive)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"hello", "this is no voice: send RVC's .pth, a .safetensors, or a .zip with one voice"),
        (b"7z\xbc\xaf\x27\x1c nothing", "a 7z archive: unpack it, and send its .pth, or a .zip"),
        (b"Rar!\x1a\x07\x00", "a RAR archive"),
        (b"IwFl nothing", "an index: send the voice first"),
        (b"\x08\x07\x12\x07pytorch", "an ONNX export, which cannot be streamed"),
        (b"PK\3\4 nothing", "the file is not a zip archive, or it is cut short"),
        (b"\x80\x02}q\x00.", "the file is not what torch.save writes"),
        (b"\x02\0\0\0\0\0\0\0{}", "the file is not an RVC voice: it misses emb_g.weight"),
    ],
)
async def test_another_file_is_refused_with_the_way_out(
    server: Server, content: bytes, said: str
) -> None:
    assert said in await refused(server, "anna", content)


async def test_a_bomb_does_not_go_off(server: Server, tmp_path: Path, anna: bytes) -> None:
    path, mark = tmp_path / "bomb.pth", tmp_path / "mark"
    path.write_bytes(anna)
    plant_bomb(path, mark)
    assert "it holds posix.mkdir, and only tensors" in (
        await refused(server, "anna", path.read_bytes())
    )
    assert "is not what torch.save writes" in (
        await refused(server, "anna", pickle.dumps(Bomb(mark)))
    )
    assert not mark.exists()


async def test_a_voice_is_read_as_a_whole(server: Server, tmp_path: Path, anna: bytes) -> None:
    """That its values are numbers only reading them shows, and in a list nobody would."""
    path = tmp_path / "nan.pth"
    path.write_bytes(anna)
    edit_voice(path, lambda saved: saved["weight"]["dec.conv_pre.bias"].fill_(float("nan")))
    assert "dec.conv_pre.bias holds values that are not finite" in (
        await refused(server, "anna", path.read_bytes())
    )
    path.write_bytes(anna)
    cut(path, 0.9)
    assert "cut short" in await refused(server, "anna", path.read_bytes())


async def test_an_index_of_another_voice_is_refused(
    server: Server, files: Path, anna: bytes
) -> None:
    await server.ask("PUT", "anna", anna)
    assert "the index holds features 256 wide; the voice's are 768 wide" in (
        await refused(server, "anna/index", (files / "v1.index").read_bytes())
    )
    whole = (files / "anna.index").read_bytes()
    assert "the index is cut short" in await refused(server, "anna/index", whole[:-1])


async def test_an_archive_with_a_bad_index_is_refused(
    server: Server, files: Path, anna: bytes
) -> None:
    index = (files / "v1.index").read_bytes()
    archive = archive_of({"a.pth": anna, "added_a.index": index})
    assert "anna/added_a.index holds features 256 wide" in await refused(server, "anna", archive)


async def test_what_cannot_be_listed_does_not_stay(server: Server, anna: bytes) -> None:
    archive = archive_of({"a.pth": anna, "voice.toml": b'speaks_with = "nobody"'})
    assert "speaks_with: there is no voice 'nobody'" in await refused(server, "anna", archive)


async def test_a_server_of_free_voices_takes_those_that_say_so(server: Server, anna: bytes) -> None:
    plain = replace(VOICES["plain"], is_free=True)
    server.voices = server.service.voices = Voices([plain])
    server.voices.offer_rvc(server.folder, None, "plain", free_only=True)
    server.uploads.close()
    server.uploads = Uploads(server.service, server.folder, server.uploads.rules)
    server.app = create_app(server.service, (), server.uploads)
    assert "this server offers free voices alone" in await refused(server, "anna", anna)
    archive = archive_of({"a.pth": anna, "voice.toml": b'licence = "CC0, by Anna"\nfree = true'})
    answer = await server.ask("PUT", "anna", archive)
    assert answer.status_code == 201, answer.text


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("plain", "a voice or an alias of this server has this name"),
        ("ALLOY", "a voice or an alias of this server has this name"),
        ("operators", "a voice or an alias of this server has this name"),
        ("taken", "there is an uploaded voice of this name: remove it first"),
        ("torn", "a file on the server has this name, and is no voice"),
    ],
)
async def test_names_that_are_taken(server: Server, anna: bytes, name: str, said: str) -> None:
    (server.folder / "uploaded" / "torn").mkdir(parents=True)
    (server.folder / "operators.pth").write_bytes(anna)
    assert (await server.ask("PUT", "taken", anna)).status_code == 201
    answer = await server.ask("PUT", name, anna)
    assert answer.status_code == 409
    assert answer.json()["code"] == "name_taken"
    assert said in answer.json()["error"]


async def test_what_the_operator_put_there_stays(server: Server, files: Path, anna: bytes) -> None:
    (server.folder).mkdir(exist_ok=True)
    (server.folder / "operators.pth").write_bytes(anna)
    assert (await server.ask("DELETE", "operators")).status_code == 404  # not searched yet
    async with server.client() as http:
        await http.get("/api/voices")
    for method, path in (("DELETE", "operators"), ("PUT", "operators/index"), ("DELETE", "plain")):
        answer = await server.ask(method, path, (files / "anna.index").read_bytes())
        assert (answer.status_code, answer.json()["code"]) == (409, "not_uploaded")
    assert server.left() == ["operators.pth"]


async def test_a_name_that_the_operator_takes_meanwhile_is_the_operators(
    server: Server, anna: bytes
) -> None:
    server.folder.mkdir(exist_ok=True)
    (server.folder / "anna.pth").write_bytes(anna)  # nobody has listed it yet
    answer = await server.ask("PUT", "anna", anna)
    assert answer.status_code == 422
    assert "anna/voice.pth has the same name as" in answer.json()["error"]
    assert server.left() == ["anna.pth"]


@pytest.mark.parametrize("method", ["DELETE", "PUT"])
async def test_nobody_is_unknown(server: Server, method: str) -> None:
    answer = await server.ask(method, "nobody" if method == "DELETE" else "nobody/index", b"IwFl")
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_voice")


async def test_a_quota_holds_for_all_together(tmp_path: Path, anna: bytes) -> None:
    room = 2 * len(anna) + 1000
    server = Server(tmp_path, UploadRules(is_private=True, quota_bytes=room))
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
    again = Server(tmp_path, UploadRules(is_private=True, quota_bytes=room))  # after a restart
    assert again.uploads.used_bytes == 2 * len(anna)


async def test_what_an_archive_swells_to_counts(tmp_path: Path, anna: bytes) -> None:
    archive = archive_of({"a.pth": anna}, method=8)
    assert len(archive) < len(anna)
    rules = UploadRules(is_private=True, quota_bytes=(len(archive) + len(anna)) // 2)
    server = Server(tmp_path, rules)
    assert f"would unpack to more than {rules.quota_bytes} bytes" in (
        await refused(server, "anna", archive)
    )


async def test_a_file_over_the_bound_is_refused(tmp_path: Path, anna: bytes) -> None:
    server = Server(tmp_path, UploadRules(is_private=True, max_bytes=len(anna) - 1))
    answer = await server.ask("PUT", "anna", anna)
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


@pytest.mark.parametrize("peer", ["192.168.1.5", "::2"])
async def test_who_may_not_upload_is_not_told_of_room(
    server: Server, anna: bytes, peer: str
) -> None:
    async with server.client(peer) as http:
        assert (await http.get("/api/voices")).json()["uploads"] is None
        for method in ("PUT", "DELETE"):
            answer = await http.request(method, "/api/voices/anna", content=anna)
            assert (answer.status_code, answer.json()["code"]) == (403, "uploads_need_a_key")
    assert server.left() == []


async def test_a_server_without_rvc_says_what_is_missing(tmp_path: Path, anna: bytes) -> None:
    server = Server(tmp_path, UploadRules(is_private=True))
    server.voices.converts = False
    server.voices.lacks = "RVC lacks torch; to get it: make setup"
    answer = await server.ask("PUT", "anna", anna)
    assert (answer.status_code, answer.json()["code"]) == (501, "rvc_missing")
    assert "to get it: make setup" in answer.json()["error"]
    async with server.client() as http:
        assert (await http.get("/api/voices")).json()["uploads"] is None


async def test_a_server_that_closes_takes_no_more(server: Server, anna: bytes) -> None:
    server.service.closing.set()
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
    server: Server, anna: bytes
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
    server = Server(tmp_path, rules)
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


async def test_an_upload_that_is_broken_off_leaves_nothing(server: Server, anna: bytes) -> None:
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
    server = Server(tmp_path, UploadRules(is_private=True))
    assert server.left() == []
    assert "anna" not in server.voices


async def test_a_client_that_sends_slowly_is_cut_off(
    server: Server, anna: bytes, mock_clock: MockClock
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
    server = Server(tmp_path, UploadRules(is_private=True))
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


async def written(server: Server, n_bytes: int) -> None:
    """Until so much is on the disk, and more is waited for; the clock stands still meanwhile."""
    while not server.left() or (server.folder / server.left()[0]).stat().st_size < n_bytes:
        await trio.lowlevel.checkpoint()
    await trio.testing.wait_all_tasks_blocked()


async def test_checking_holds_up_nobody_on_the_loop(
    server: Server, anna: bytes, monkeypatch: pytest.MonkeyPatch
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
    server = Server(folder, UploadRules(is_private=True))
    answer = await server.ask("PUT", "anna", anna)
    assert (answer.status_code, answer.json()["code"]) == (507, "not_stored")
    assert answer.json()["error"].startswith("the server cannot keep uploads: ")


async def test_a_search_that_began_before_an_upload_does_not_hide_it(
    server: Server, anna: bytes
) -> None:
    """Searches come one after the other: one that had begun before put its older list in place of
    the newer one."""
    async with trio.open_nursery() as nursery, server.client() as http:
        for _ in range(20):
            nursery.start_soon(http.get, "/api/voices")
        assert (await server.ask("PUT", "anna", anna)).status_code == 201
        assert "anna" in server.voices
    assert "anna" in server.voices


def test_the_openapi_page_tells_of_uploads(server: Server) -> None:
    paths = server.app.openapi()["paths"]
    assert paths["/api/voices/{name}"].keys() == {"put", "delete"}
    put = paths["/api/voices/{name}"]["put"]
    assert "application/octet-stream" in put["requestBody"]["content"]
    assert put["responses"].keys() >= {"201", "409", "413", "422", "507"}
    assert "put" in paths["/api/voices/{name}/index"]


async def test_a_page_that_may_ask_may_upload(server: Server) -> None:
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
