"""What somebody hears and sees who has a text spoken."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests.page.stubs import MANY_VOICES
from tests.page.visitor import (
    STORY,
    TEXT,
    VOICES,
    choose_voice,
    marked,
    sent,
    turn,
    wait_status,
)

if TYPE_CHECKING:
    from tests.page.visitor import Visitor


async def test_typed_text_is_spoken_and_the_waits_are_told(any_visitor: Visitor) -> None:
    async with any_visitor.at() as page:
        assert await page.text("#player") == any_visitor.player
        await page.write("#text", TEXT)
        await page.click("#speak")
        await wait_status(page, "ended")
        assert await marked(page, "heard") == TEXT
        for figure in ("#first-sound", "#first-audio"):
            assert re.fullmatch(r"[\d.]+ ms", await page.text(figure))
        assert float(await page.text("#real-time-factor")) > 0
        await page.write("#text", "Once more!")
        await page.click("#speak")
        await page.wait_for("document.querySelector('#transcript').textContent === 'Once more!'")
        await wait_status(page, "ended")


async def test_segments_are_marked_as_they_are_heard(any_visitor: Visitor) -> None:
    async with any_visitor.at() as page:
        await page.write("#text", TEXT)
        await page.click("#speak")
        now = "document.querySelector('#transcript [data-state=now]')?.textContent"
        await page.wait_for(f"{now} === 'Hello there!'")
        await page.wait_for(f"{now} === ' How are you?'")
        assert await marked(page, "heard") == "Hello there!"


async def test_stop_cancels_and_strikes_out_what_was_not_heard(any_visitor: Visitor) -> None:
    async with any_visitor.at() as page:
        await page.write("#text", STORY)
        await page.click("#speak")
        await page.wait_for("document.querySelectorAll('#transcript [data-state=heard]').length")
        await page.click("#stop")
        await wait_status(page, "stopped")
        # The page's own guess is whole segments; the server's answer ends with any word.
        await page.wait_for("document.querySelector('#transcript [data-state=unheard]')")
        cancel = (await sent(page))[-1]
        assert cancel["cancel"] is True
        assert cancel["played_ms"] > 0
        heard, unheard = await marked(page, "heard"), await marked(page, "unheard")
        assert heard + unheard == STORY
        assert heard.startswith("It was a dark")
        assert unheard


async def test_speaking_again_interrupts(visitor: Visitor) -> None:
    async with visitor.at() as page:
        await page.write("#text", STORY)
        await page.click("#speak")
        await page.wait_for("document.querySelector('#transcript [data-state=now]')")
        await page.write("#text", TEXT)
        await page.click("#speak")
        await wait_status(page, "ended")
        assert await marked(page, "heard") == TEXT


async def test_text_trickles_in_token_by_token(visitor: Visitor) -> None:
    async with visitor.at() as page:
        await page.write("#text", TEXT)
        await page.click("[value=trickle]")
        await page.write("#rate", "50")
        await page.click("#speak")
        await wait_status(page, "ended")
        messages = [message for message in await sent(page) if "token" in message]
        assert len(messages) > 4
        assert "".join(message["token"] for message in messages) == TEXT
        assert [message["flush"] for message in messages] == [False] * (len(messages) - 1) + [True]


async def test_a_long_text_is_sent_as_it_is_needed(visitor: Visitor) -> None:
    book = STORY * 20
    async with visitor.at() as page:
        await page.evaluate(f"document.querySelector('#text').value = {book!r}")
        await page.click("#speak")
        await page.wait_for("document.querySelector('#transcript [data-state=now]')")
        tokens = [message["token"] for message in await sent(page) if "token" in message]
        assert book.startswith("".join(tokens))
        assert len("".join(tokens)) < len(book) / 2
        assert all(token.endswith(". ") for token in tokens)  # cut where a sentence ends
        await page.click("#stop")
        await wait_status(page, "stopped")
        await page.wait_for(
            "document.querySelector('#transcript').textContent.length === " + str(len(book))
        )


async def test_a_voice_and_a_pitch_are_asked_for(visitor: Visitor) -> None:
    async with visitor.at() as page:
        assert await page.evaluate(VOICES) == "en-us+f3"
        await choose_voice(page, "en-us")
        assert await page.text("#voice-description") == "English (America): espeak-ng's own voice"
        await turn(page, "pitch_shift", 1)
        await page.evaluate("document.querySelector('#dial-pitch_shift').focus()")
        await page.press("ArrowRight")
        assert await page.text("#value-pitch_shift") == "+2 semitones"
        await page.write("#text", "Hi!")
        await page.click("#speak")
        await wait_status(page, "ended")
        config = next(message["config"] for message in await sent(page) if "token" in message)
        assert (config["voice"], config["pitch_shift"], config["speed"]) == ("en-us", 2, 1)


async def test_an_error_is_shown_in_words(visitor: Visitor) -> None:
    """The list has a voice that has gone since."""
    async with visitor.at(before=MANY_VOICES) as page:
        await choose_voice(page, "ann")
        await page.wait_for("document.querySelector('#error').textContent.includes('ann')")
        await page.click("#speak")
        await wait_status(page, "failed")
        assert "ann" in await page.text("#error")
        await choose_voice(page, "en-us")
        await page.write("#text", "Hi!")
        await page.click("#speak")
        await wait_status(page, "ended")
        assert await page.text("#error") == ""


async def test_segments_are_told_with_remarks(visitor: Visitor) -> None:
    async with visitor.at() as page:
        await page.write("#text", "Hello! 안녕하세요! Bye!")
        await page.click("#speak")
        await wait_status(page, "ended")
        rows = await page.evaluate(
            "[...document.querySelectorAll('#segments tr')]"
            ".map((row) => [...row.cells].map((cell) => cell.textContent))"
        )
        assert [row[0] for row in rows] == ["Hello!", "안녕하세요!", "Bye!"]
        assert re.fullmatch(r"[\d.]+ s", rows[0][1])
        assert re.fullmatch(r"[\d.]+ ms", rows[0][2])
