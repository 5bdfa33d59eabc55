"""Voices as somebody chooses them: in groups, by a search, and by how they sound."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.page.stubs import ANSWERS, MANY_VOICES
from tests.page.visitor import TEXT, VOICES, choose_voice, marked, sent, wait_status

if TYPE_CHECKING:
    from tests.page.browser import Page
    from tests.page.visitor import Visitor

GROUPS = (
    "[...document.querySelectorAll('#voice-list fieldset:not([hidden])')].map((group) =>"
    " [group.querySelector('legend').textContent,"
    "  ...[...group.querySelectorAll('.voice-item:not([hidden]) input')].map((one) => one.value)])"
)
HEARD = "document.querySelector('.voice-item [data-preview=heard]')?.ariaLabel"


async def search(page: Page, words: str) -> list[list[str]]:
    """The groups that a search leaves."""
    await page.write("#voice-search", words)
    groups = await page.evaluate(GROUPS)
    assert isinstance(groups, list)
    return groups


async def test_ones_own_voices_come_first_and_the_built_in_ones_last(visitor: Visitor) -> None:
    async with visitor.at(before=MANY_VOICES) as page:
        await page.click("#voice")
        assert await page.evaluate(GROUPS) == [
            ["Your RVC voices", "ann", "bea"],
            ["Neural voices", "joe", "soprano"],
            ["Built-in · American English", "en-us", "en-us+f3"],
            ["Built-in · other languages", "en-gb-x-rp", "de", "ja", "cy"],  # by their names
        ]
        assert (
            await page.evaluate("document.querySelector('#voice-list :checked').value") == "en-us"
        )


async def test_a_search_finds_voices_by_all_that_is_known_of_them(visitor: Visitor) -> None:
    async with visitor.at(before=MANY_VOICES) as page:
        await page.click("#voice")
        assert await search(page, "german") == [
            ["Your RVC voices", "bea"],
            ["Built-in · other languages", "de"],
        ]
        assert await search(page, "NEURAL free") == [["Neural voices", "soprano"]]
        assert await search(page, "nobody") == []
        assert "No voice" in await page.text("#voice-count")
        assert len(await search(page, "")) == 4


async def test_few_voices_need_no_search(visitor: Visitor) -> None:
    few = MANY_VOICES + "window.voices.voices.length = 3;"
    async with visitor.at(before=few) as page:
        await page.click("#voice")
        assert await page.evaluate("document.querySelector('#voice-search').hidden")


async def test_it_is_told_whose_voice_it_is_and_on_what_terms(visitor: Visitor) -> None:
    async with visitor.at(before=MANY_VOICES, may_complain=True) as page:
        for name, terms in (
            ("joe", "terms apply Joe's, for no trade"),
            ("soprano", "free to use Apache 2.0"),
            ("ann", "terms unknown Nobody has said"),
        ):
            await choose_voice(page, name)
            assert (await page.text("#voice-terms")).startswith(terms)
            assert await page.text("#voice-description") == f"the voice {name}"
        assert await page.text("#voice-kind") == "American English · RVC · over joe"


async def test_a_chosen_voice_speaks_and_is_read_before_that(visitor: Visitor) -> None:
    async with visitor.at() as page:
        await choose_voice(page, "en-us+m3")
        await page.wait_for("window.sent.at(-1).config.voice === 'en-us+m3'")
        assert "token" not in (await sent(page))[-1]
        await page.write("#text", TEXT)
        await page.click("#speak")
        await wait_status(page, "ended")
        assert await marked(page, "heard") == TEXT


async def test_a_voice_is_tried_in_its_own_language_and_stops_the_one_before(
    visitor: Visitor,
) -> None:
    async with visitor.at(before=ANSWERS) as page:
        await page.click("#voice")
        await page.click("[aria-label='Hear de']")
        await page.wait_for(f"{HEARD} === 'Stop de'")
        await page.click("[aria-label='Hear sw']")
        await page.wait_for(f"{HEARD} === 'Stop sw'")
        assert await page.evaluate("document.querySelectorAll('[data-preview=heard]').length") == 1
        await page.wait_for("document.querySelectorAll('[data-preview=heard]').length === 0")
        asked = await page.evaluate(
            "window.asked.filter(({ path }) => path === '/api/speak').map(({ body }) => body)"
        )
        assert [(body["voice"], body["text"]) for body in asked] == [
            ("de", "Hallo! So klinge ich, wenn ich dir etwas vorlese."),
            ("sw", "Kiswahili: 1, 2, 3, 4, 5."),  # there is no sentence of ours
        ]
        assert await page.evaluate(VOICES) == "en-us+f3"  # trying is not choosing


async def test_the_chosen_voice_is_tried_beside_its_name_and_stopped_by_the_same_button(
    visitor: Visitor,
) -> None:
    async with visitor.at() as page:
        await page.click("#preview")
        await page.wait_for("document.querySelector('#preview').dataset.preview === 'heard'")
        assert (
            await page.evaluate("document.querySelector('#preview').ariaLabel") == "Stop en-us+f3"
        )
        await page.click("#preview")
        await page.wait_for("document.querySelector('#preview').dataset.preview === ''")
        await page.click("#preview")
        await page.wait_for("document.querySelector('#preview').dataset.preview === 'heard'")
        await page.write("#text", TEXT)
        await page.click("#speak")  # ends it, too
        assert await page.evaluate("document.querySelector('#preview').dataset.preview") == ""
        await wait_status(page, "ended")


async def test_a_voice_that_cannot_be_tried_says_why(visitor: Visitor) -> None:
    async with visitor.at(before=MANY_VOICES, may_complain=True) as page:
        await page.click("#voice")
        await page.click("[aria-label='Hear ann']")  # the server does not know her
        await page.wait_for("document.querySelector('#voice-error').textContent.includes('ann')")


async def test_a_remembered_voice_that_has_gone_is_told_and_another_one_speaks(
    visitor: Visitor,
) -> None:
    gone = """
        localStorage.setItem("speak", JSON.stringify({ voice: "carla", text: "Hi!" }));
    """
    async with visitor.at(before=gone) as page:
        assert await page.evaluate(VOICES) == "en-us+f3"
        told = await page.text("#voice-gone")
        assert "carla" in told
        assert "en-us+f3" in told
        await page.click("#speak")
        await wait_status(page, "ended")
        await choose_voice(page, "en-us")
        assert await page.text("#voice-gone") == ""
