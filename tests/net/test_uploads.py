"""Uploads of voices, without a socket: what is taken, what is refused, and that nothing is left."""

from __future__ import annotations

import pickle
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import torch

from pipeline.net.http_api import create_app
from pipeline.net.uploads import Uploads
from pipeline.voices import Voices
from tests.fakes import VOICES
from tests.hostile_rvc import Bomb, archive_of, cut, edit_voice, plant_bomb
from tests.net.upload_server import refused
from tests.random_rvc import TINY, build_safetensors, checkpoint
from tests.random_rvc import voice as random_voice

if TYPE_CHECKING:
    from pathlib import Path

    from tests.net.upload_server import UploadServer


async def test_a_voice_is_listed_at_once_and_gone_at_once(
    server: UploadServer, anna: bytes
) -> None:
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
    server: UploadServer, files: Path, anna: bytes
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
    server: UploadServer, tmp_path: Path, anna: bytes, kind: str
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
    server: UploadServer, contents: dict[str, bytes], said: str
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
    server: UploadServer, content: bytes, said: str
) -> None:
    assert said in await refused(server, "anna", content)


async def test_a_bomb_does_not_go_off(server: UploadServer, tmp_path: Path, anna: bytes) -> None:
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


async def test_a_voice_is_read_as_a_whole(
    server: UploadServer, tmp_path: Path, anna: bytes
) -> None:
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
    server: UploadServer, files: Path, anna: bytes
) -> None:
    await server.ask("PUT", "anna", anna)
    assert "the index holds features 256 wide; the voice's are 768 wide" in (
        await refused(server, "anna/index", (files / "v1.index").read_bytes())
    )
    whole = (files / "anna.index").read_bytes()
    assert "the index is cut short" in await refused(server, "anna/index", whole[:-1])


async def test_an_archive_with_a_bad_index_is_refused(
    server: UploadServer, files: Path, anna: bytes
) -> None:
    index = (files / "v1.index").read_bytes()
    archive = archive_of({"a.pth": anna, "added_a.index": index})
    assert "anna/added_a.index holds features 256 wide" in await refused(server, "anna", archive)


async def test_what_cannot_be_listed_does_not_stay(server: UploadServer, anna: bytes) -> None:
    archive = archive_of({"a.pth": anna, "voice.toml": b'speaks_with = "nobody"'})
    assert "speaks_with: there is no voice 'nobody'" in await refused(server, "anna", archive)


async def test_a_server_of_free_voices_takes_those_that_say_so(
    server: UploadServer, anna: bytes
) -> None:
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
async def test_names_that_are_taken(
    server: UploadServer, anna: bytes, name: str, said: str
) -> None:
    (server.folder / "uploaded" / "torn").mkdir(parents=True)
    (server.folder / "operators.pth").write_bytes(anna)
    assert (await server.ask("PUT", "taken", anna)).status_code == 201
    answer = await server.ask("PUT", name, anna)
    assert answer.status_code == 409
    assert answer.json()["code"] == "name_taken"
    assert said in answer.json()["error"]


async def test_what_the_operator_put_there_stays(
    server: UploadServer, files: Path, anna: bytes
) -> None:
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
    server: UploadServer, anna: bytes
) -> None:
    server.folder.mkdir(exist_ok=True)
    (server.folder / "anna.pth").write_bytes(anna)  # nobody has listed it yet
    answer = await server.ask("PUT", "anna", anna)
    assert answer.status_code == 422
    assert "anna/voice.pth has the same name as" in answer.json()["error"]
    assert server.left() == ["anna.pth"]


@pytest.mark.parametrize("method", ["DELETE", "PUT"])
async def test_nobody_is_unknown(server: UploadServer, method: str) -> None:
    answer = await server.ask(method, "nobody" if method == "DELETE" else "nobody/index", b"IwFl")
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_voice")
