"""What somebody takes away from the page: files, and programs that say the same."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import wave
from typing import TYPE_CHECKING

import pytest
import trio

from tests.page.stubs import ANSWERS
from tests.page.visitor import choose_voice, turn
from tests.server_process import PATIENCE_S

if TYPE_CHECKING:
    from pathlib import Path

    from tests.page.browser import Page
    from tests.page.visitor import Visitor

RATE = 48_000
HARD_TEXT = 'It\'s "hard" – \\n, $HOME & `x` 🙂\nhalf: \ud83d!'
"""What shells, Python and JavaScript read in a way of their own, and half a character."""


async def downloaded(page: Page, folder: Path, form: str) -> Path:
    """The file that a press of the button brings."""
    await page.download_to(folder)
    await page.click(f"#download-{form}")
    await page.wait_for(
        f"/{form}, [\\d.]+ [kM]?B$/.test(document.querySelector('#download-told').textContent)"
    )
    name = (await page.text("#download-told")).split(",")[0]
    file = folder / name
    with trio.fail_after(PATIENCE_S):
        while not file.exists():
            await trio.sleep(0.02)
    return file


async def test_a_text_is_downloaded_as_it_is_set(visitor: Visitor, tmp_path: Path) -> None:
    async with visitor.at() as page:
        await choose_voice(page, "en-us+m1")
        await page.write("#text", "Hello there! How are you?")
        file = await downloaded(page, tmp_path, "wav")
        assert file.name == "hello-there-how-are-you--en-us+m1.wav"
        with wave.open(str(file)) as wav:  # its head tells its length
            assert wav.getparams()[:3] == (1, 2, RATE)
            whole = wav.getnframes()
            assert whole == (file.stat().st_size - 44) // 2
        await turn(page, "speed", 2)
        with wave.open(str(await downloaded(page, tmp_path / "quick", "wav"))) as wav:
            assert wav.getnframes() < whole * 0.6
        mp3 = await downloaded(page, tmp_path, "mp3")
        assert mp3.read_bytes()[:2] in {b"\xff\xfb", b"\xff\xf3"}


async def test_a_file_that_cannot_be_made_says_why(visitor: Visitor) -> None:
    async with visitor.at(before=ANSWERS, may_complain=True) as page:
        await page.evaluate("document.querySelector('#text').value = 'word '.repeat(2500)")
        await page.click("#download-wav")
        await page.wait_for(
            "document.querySelector('#download-told').textContent.includes('10000')"
        )


async def test_files_have_sensible_names(visitor: Visitor) -> None:
    async with visitor.at() as page:
        names = await page.evaluate("""
            import("/web/download.js").then(({ fileStem }) => [
              ["Hello, world!", "en-us+f3"], ["../../etc/passwd", "a/b"], ["🙂", ""],
              ["Ça va où? 你好", "José"], ["word ".repeat(20), "x"],
            ].map(([text, voice]) => fileStem(text, voice)))
        """)
    assert names == [
        "hello-world--en-us+f3",
        "etc-passwd--a-b",
        "speech",
        "ça-va-où-你好--josé",
        "word-word-word-word-word-word-word-word--x",
    ]


async def snippet(page: Page, language: str) -> str:
    """The program that the page shows."""
    await page.evaluate(
        "(() => { document.querySelector('#snippets').open = true;"
        " const choice = document.querySelector('#snippet-language');"
        f" choice.value = '{language}'; choice.dispatchEvent(new Event('change')) }})()"
    )
    return await page.text("#snippet")


def run(command: list[str], folder: Path) -> None:
    """Run a program, which must write a WAV."""
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (folder / "speech.wav").stat().st_size > 10_000


@pytest.mark.parametrize("language", ["python", "curl", "node"])
@pytest.mark.parametrize("text", ["Hello there!", HARD_TEXT, "word " * 200])
async def test_programs_say_the_same(
    visitor: Visitor, tmp_path: Path, language: str, text: str
) -> None:
    """They are run as they stand on the page, against its server."""
    async with visitor.at() as page:
        await choose_voice(page, "en-us+m1")
        await turn(page, "speed", 1.5)
        await page.evaluate(f"document.querySelector('#text').value = {json.dumps(text)}")
        program = await snippet(page, language)
    assert '"voice": "en-us+m1", "speed": 1.5' in program
    assert "YOUR_KEY" not in program  # no key is asked for
    if language == "python":
        command = [sys.executable, "-W", "error", "-c", program]
    elif (runner := shutil.which(language)) is None:
        pytest.skip(f"there is no {language}")
    elif language == "node":
        (tmp_path / "speak.mjs").write_text(program, encoding="utf-8")
        command = [runner, "speak.mjs"]
    else:
        command = ["bash", "-c", program]
    await trio.to_thread.run_sync(run, command, tmp_path)


async def test_programs_for_a_server_with_tls_use_it(visitor: Visitor) -> None:
    async with visitor.at() as page:
        programs = await page.evaluate("""
            import("/web/snippets.js").then((snippets) =>
              ["inPython", "inNode", "inCurl"].map((name) => snippets[name]({
                origin: "https://voice.example.org", hasKey: true, text: "Hi!", config: {} })))
        """)
    assert "wss://voice.example.org/ws/stream" in programs[0]
    assert all("https://voice.example.org/api/speak" in program for program in programs[1:])
    assert all("Bearer YOUR_KEY" in program for program in programs)


async def test_a_program_is_copied_also_where_there_is_no_clipboard(any_visitor: Visitor) -> None:
    """On a page that came by plain HTTP from another machine."""
    async with any_visitor.at() as page:
        await snippet(page, "curl")
        await page.click("#snippet-copy")
        await page.wait_for("document.querySelector('#snippet-told').textContent === 'Copied.'")
