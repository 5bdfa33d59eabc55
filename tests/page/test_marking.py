"""The transcript: which word is heard, and what is not spoken at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.page.stubs import FAKE_SOCKET
from tests.page.visitor import wait_status

if TYPE_CHECKING:
    from tests.page.visitor import Visitor

SILENT = (
    "[...document.querySelectorAll('#transcript .silent')].map((span) => span.textContent.trim())"
)
WORD = "document.querySelector('#transcript [data-word=now]')"


async def test_words_are_marked_as_they_are_heard(any_visitor: Visitor) -> None:
    async with any_visitor.at() as page:
        await page.write("#text", "Wonderful elephants remember everything.")
        await page.click("#speak")
        for word in ("Wonderful", "elephants", "remember", "everything."):
            await page.wait_for(f"{WORD}?.textContent === '{word}'")
        await wait_status(page, "ended")
        assert await page.text("#transcript") == "Wonderful elephants remember everything."


async def test_what_is_not_spoken_is_dimmed(visitor: Visitor) -> None:
    """Markup, what it hides, and a script that the voice cannot read. Emoji are two units of a
    JavaScript string, and one character to the server."""
    text = "🎉🎉 Look at **this** now. [Here](https://example.org/x) it ends. Then 你好。"
    async with visitor.at() as page:
        await page.write("#text", text)
        await page.click("#speak")
        await wait_status(page, "ended")
        assert await page.text("#transcript") == text
        silent = await page.evaluate(SILENT)
        assert "🎉🎉" in silent
        assert "](https://example.org/x)" in silent
        assert "你好" in silent
        words = await page.evaluate(
            "[...document.querySelectorAll('#transcript [data-word]')]"
            ".map((one) => one.textContent)"
        )
        assert {"Look", "at", "this", "now.", "Here", "it", "ends.", "Then"} <= {
            word.strip("*") for word in words
        }


async def test_estimated_words_are_marked_as_such(visitor: Visitor) -> None:
    """They come at the end of their segment: until then the segment is marked as one."""
    async with visitor.at(before=FAKE_SOCKET) as page:
        await page.write("#text", "Two words!")
        await page.click("#speak")
        await page.evaluate("""
            window.tell({ event: "segment_start", segment: 0, text: "Two words!",
              spoken: "Two words!", sample_offset: 0 });
            window.sound(60);
        """)
        await page.wait_for("document.querySelector('#transcript [data-state=now]')")
        assert not await page.evaluate("document.querySelector('#transcript [data-word]')")
        await page.evaluate("""
            window.tell({ event: "words", segment: 0, words: [
              { word: "Two", start_sample: 0, end_sample: 1, char: [0, 3], exact: false },
              { word: "words!", start_sample: 1, end_sample: 2880000, char: [4, 10], exact: false },
            ] });
        """)
        await page.wait_for(f"{WORD}?.textContent === 'words!'")
        assert await page.evaluate(f"{WORD}.hasAttribute('data-estimated')")


async def test_a_text_in_parts_is_the_same_text(visitor: Visitor) -> None:
    async with visitor.at() as page:
        parts = await page.evaluate("""
            import("/web/marking.js").then(({ partsOf }) => {
              const word = (begin, end) => ({ begin, end, from: 0, to: 1, isExact: true });
              const of = (text, spoken, words, samples, remarks = []) =>
                partsOf({ text, spoken, words, samples, remarks }).map(
                  ({ text, word, isSilent }) => [text, word !== null, isSilent]);
              return [
                of("a **b** c", "a b c", [word(0, 1), word(4, 5)], null),
                of("a **b** c", "a b c", [word(0, 1), word(4, 5)], 9),
                of("a b", "a b", [], 9),
                of("```x```", "", [], null),
                of("[a](b)", "a", [word(1, 6)], null),
                of("Mr. 你好", "Mister.", [word(0, 6)], 9, ["skipped"]),
              ];
            })
        """)
    a, before, b = ["a", True, False], [" **", False, True], ["b", True, False]
    assert parts == [
        [a, before, b, ["** c", False, False]],  # its words may be to come
        [a, before, b, ["** c", False, True]],
        [["a b", False, False]],  # no times of words, and all of it is spoken
        [["```x```", False, True]],
        [["[", False, True], ["a", True, False], ["](b)", False, True]],
        [["Mr", True, False], [". ", True, False], ["你好", False, True]],
    ]
