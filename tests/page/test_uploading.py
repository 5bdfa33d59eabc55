"""One's own voices: dropped on the page, sent, refused, removed. The server's side is a stub."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.page.stubs import MANY_VOICES
from tests.page.visitor import VOICES, choose_voice

if TYPE_CHECKING:
    from pathlib import Path

    from tests.page.visitor import Visitor

TAKES_VOICES = (
    MANY_VOICES
    + """
window.voices.uploads = { max_bytes: 2000, quota_bytes: 10000, used_bytes: 2500 };
window.put = [];
window.refusal = null;
window.XMLHttpRequest = class {
  upload = {};
  open(method, path) { this.what = `${method} ${decodeURIComponent(path)}`; }
  setRequestHeader() {}
  async send(file) {
    window.put.push([this.what, await file.text()]);
    this.upload.onprogress({ loaded: 1, total: 2 });
    window.answer = () => {
      this.status = window.refusal === null ? 201 : 422;
      this.responseText = JSON.stringify(window.refusal ?? {});
      const name = this.what.split("/")[3];
      if (window.refusal === null && !window.voices.voices.some((voice) => voice.name === name)) {
        window.voices.voices.push(voice(name, "rvc", "en", "rvc", { removable: true }));
      }
      this.onload();
    };
    if (!window.isSlow) window.answer();
  }
};
"""
)
ROWS = "[...document.querySelectorAll('#upload-rows li')].map((row) => row.textContent)"
PUT = "window.put"


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """Files as somebody has them, by name."""
    names = ("Carla.pth", "added_IVF1_Carla_v2.index", "dora.zip", "huge.pth")
    for name in names:
        (tmp_path / name).write_bytes(b"x" * 5000 if name == "huge.pth" else name.encode())
    return {name: tmp_path / name for name in names}


async def test_who_may_not_upload_is_not_asked_to(visitor: Visitor, files: dict[str, Path]) -> None:
    async with visitor.at(before=MANY_VOICES) as page:
        assert await page.evaluate("document.querySelector('#add-voice').hidden")
        await page.click("#voice")
        assert await page.evaluate("document.querySelector('#upload').hidden")
        await page.press("Escape")
        await page.evaluate("addEventListener('drop', (event) => event.preventDefault())")
        await page.drop(files["Carla.pth"])
        assert not await page.evaluate("document.querySelector('#voice-dialog').open")


async def test_a_voice_is_dropped_anywhere_with_its_index_and_chosen(
    visitor: Visitor, files: dict[str, Path]
) -> None:
    async with visitor.at(before=TAKES_VOICES) as page:
        await page.drop(files["added_IVF1_Carla_v2.index"], files["Carla.pth"])
        await page.wait_for(f"{VOICES} === 'Carla'")
        assert await page.evaluate("document.querySelector('#voice-dialog').open")
        assert await page.evaluate(PUT) == [
            ["PUT /api/voices/Carla", "Carla.pth"],
            ["PUT /api/voices/Carla/index", "added_IVF1_Carla_v2.index"],
        ]
        assert await page.evaluate(ROWS) == [
            "Carla.pth is there.",
            "added_IVF1_Carla_v2.index is there.",
        ]
        assert (
            await page.evaluate("document.querySelector('#voice-list :checked').value") == "Carla"
        )


async def test_files_are_chosen_by_a_button_and_what_is_left_is_told(
    visitor: Visitor, files: dict[str, Path]
) -> None:
    async with visitor.at(before=TAKES_VOICES + "window.isSlow = true;") as page:
        await page.click("#add-voice")
        quota = await page.text("#upload-quota")
        assert quota == "2.5 kB of 10.0 kB used; a file may have 2.0 kB."
        await page.give_files("#upload-files", files["dora.zip"])
        await page.wait_for(f"{ROWS}[0] === 'dora.zip: 50 %'")
        assert await page.evaluate("document.querySelector('#upload-rows progress').value") == 0.5
        await page.evaluate("window.answer()")
        await page.wait_for(f"{ROWS}[0] === 'dora.zip is there.'")
        await page.wait_for(f"{VOICES} === 'dora'")


async def test_what_is_wrong_with_a_file_is_told_in_the_servers_words(
    visitor: Visitor, files: dict[str, Path]
) -> None:
    async with visitor.at(before=TAKES_VOICES) as page:
        await page.evaluate("window.refusal = { error: 'this is a checkpoint', code: 'bad' }")
        await page.drop(files["Carla.pth"], files["huge.pth"])
        await page.wait_for(f"{ROWS}.length === 2")
        assert await page.evaluate(ROWS) == [
            "Carla.pth: this is a checkpoint",
            "huge.pth has 5.0 kB; a file may have 2.0 kB.",
        ]
        assert [path for path, _ in await page.evaluate(PUT)] == ["PUT /api/voices/Carla"]
        assert await page.evaluate(VOICES) == "en-us"


async def test_an_index_finds_its_voice_by_name(visitor: Visitor, tmp_path: Path) -> None:
    known, unknown = tmp_path / "added_BEA_v2.index", tmp_path / "added_IVF9.index"
    for file in (known, unknown):
        file.write_bytes(b"")
    async with visitor.at(before=TAKES_VOICES) as page:
        await page.drop(known, unknown)
        await page.wait_for(f"{ROWS}.length === 2")
        assert [path for path, _ in await page.evaluate(PUT)] == ["PUT /api/voices/bea/index"]
        assert "name it after its voice" in (await page.evaluate(ROWS))[1]


async def test_a_voice_that_was_uploaded_is_removed_after_a_second_press(visitor: Visitor) -> None:
    removing = """
        window.answers["/api/voices/bea"] = () => {
          if (window.refusal !== null) return Response.json(window.refusal, { status: 409 });
          window.voices.voices = window.voices.voices.filter(({ name }) => name !== "bea");
          return new Response(null, { status: 204 });
        };
    """
    remove = "#voice-list .remove"
    async with visitor.at(before=TAKES_VOICES + removing, may_complain=True) as page:
        await choose_voice(page, "bea")
        await page.click("#voice")
        assert await page.evaluate(f"document.querySelectorAll('{remove}').length") == 1
        await page.evaluate("window.refusal = { error: 'somebody listens to it' }")
        await page.click(remove)
        assert await page.text(remove) == "Really remove?"
        assert await page.evaluate("window.asked.every(({ method }) => method === 'GET')")
        await page.click(remove)
        await page.wait_for(f"{ROWS}[0] === 'bea: somebody listens to it'")
        await page.evaluate("window.refusal = null")
        await page.click("#voice-search")  # who looks elsewhere has to press twice again
        assert await page.text(remove) == "Remove"
        await page.click(remove)
        await page.click(remove)
        await page.wait_for(f"{VOICES} === 'en-us'")
        assert not await page.evaluate(f"document.querySelector('{remove}')")
        assert "bea" in await page.text("#voice-gone")
