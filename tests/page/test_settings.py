"""How the text is to be spoken: what somebody sets, what the server gets, what is remembered."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.page.stubs import FAKE_SOCKET, MANY_VOICES
from tests.page.visitor import (
    TEXT,
    VOICES,
    choose_voice,
    loading_anew,
    marked,
    sent,
    turn,
    wait_status,
)

if TYPE_CHECKING:
    from tests.page.browser import Page
    from tests.page.visitor import Visitor

AS_SET = "as the voice is set"
RVC_KEYS = (
    *("index_rate", "protect", "rms_mix_rate", "filter_radius", "formant_shift", "speaker"),
)


async def config_of_speech(page: Page) -> dict[str, object]:
    """What the last text was sent with."""
    await page.click("#speak")
    message = next(one for one in reversed(await sent(page)) if "token" in one)
    config = message["config"]
    assert isinstance(config, dict)
    return config


async def choose_language(page: Page, tag: str) -> None:
    await page.evaluate(
        f"(() => {{ const choice = document.querySelector('#language'); choice.value = '{tag}';"
        " choice.dispatchEvent(new Event('change')) })()"
    )


async def test_every_setting_goes_to_the_server_and_is_taken_back(visitor: Visitor) -> None:
    async with visitor.at() as page:
        await page.write("#text", "Hi!")
        await turn(page, "speed", 1.5)
        await turn(page, "volume", -6)
        await choose_language(page, "de")
        assert await page.text("#settings-told") == "speed 1.5×, volume -6 dB, German (de)"
        config = await config_of_speech(page)
        assert (config["speed"], config["volume"], config["language"]) == (1.5, -6, "de")
        await wait_status(page, "ended")
        await page.click("#reset-speed")
        assert await page.text("#value-speed") == "1×"
        assert await page.evaluate("document.activeElement.id") == "dial-speed"
        await page.click("#reset")
        config = await config_of_speech(page)  # what the connection had must not stay
        assert (config["speed"], config["volume"], config["language"]) == (1, 0, None)
        assert await page.text("#settings-told") == ""
        await wait_status(page, "ended")
        assert await page.text("#error") == ""


async def test_rvcs_sliders_are_shown_for_its_voices_alone(visitor: Visitor) -> None:
    shown = "document.querySelector('#rvc-settings').checkVisibility()"
    async with visitor.at(before=MANY_VOICES + FAKE_SOCKET) as page:
        assert not await page.evaluate(shown)
        await choose_voice(page, "ann")
        assert await page.evaluate(shown)
        for key in RVC_KEYS:
            assert await page.text(f"#value-{key}") == AS_SET
        config = await config_of_speech(page)
        assert [config[key] for key in RVC_KEYS] == [None] * len(RVC_KEYS)
        await turn(page, "index_rate", 0.4)
        assert (await config_of_speech(page))["index_rate"] == 0.4
        await choose_voice(page, "joe")
        assert not await page.evaluate(shown)
        assert (await config_of_speech(page))["index_rate"] is None
        assert await page.text("#settings-told") == ""
        await choose_voice(page, "bea")
        await page.click("#reset-index_rate")
        assert await page.text("#value-index_rate") == AS_SET


async def test_a_real_server_takes_all_that_can_be_set(visitor: Visitor) -> None:
    async with visitor.at() as page:
        errors = await page.evaluate("""
            (async () => {
              const errors = [];
              for (const end of ["min", "max"]) {
                const values = [...document.querySelectorAll(".dial input")].map((dial) =>
                  [dial.id.replace("dial-", ""), Number(dial[end])]);
                const answer = await fetch("/api/speak", {
                  method: "POST",
                  headers: { "content-type": "application/json" },
                  body: JSON.stringify({ text: "Hi!", ...Object.fromEntries(values) }),
                });
                if (!answer.ok) errors.push(await answer.text());
              }
              return errors;
            })()
        """)
    assert errors == []


async def test_text_voice_and_settings_are_remembered(visitor: Visitor) -> None:
    async with visitor.at() as page:
        await page.write("#text", TEXT)
        await choose_voice(page, "en-us+m1")
        await turn(page, "pitch_shift", -3)
        await choose_language(page, "fr-fr")
        await page.click("#trickle")
        await page.write("#rate", "33")
        async with loading_anew(page):
            await page.call("Page.reload")  # at once: what was not saved yet is saved now
        await page.wait_for(f"{VOICES} === 'en-us+m1'")
        assert await page.evaluate("document.querySelector('#text').value") == TEXT
        assert await page.text("#value-pitch_shift") == "-3 semitones"
        assert await page.evaluate("document.querySelector('#language').value") == "fr-fr"
        assert await page.evaluate("document.querySelector('#trickle').checked")
        config = await config_of_speech(page)
        assert (config["voice"], config["pitch_shift"]) == ("en-us+m1", -3)
        await wait_status(page, "ended")


async def test_the_servers_default_is_not_remembered_as_if_it_were_chosen(
    visitor: Visitor,
) -> None:
    async with visitor.at() as page:
        await page.write("#text", TEXT)
        await page.wait_for("(localStorage.getItem('speak') ?? '').includes('Hello')")
        assert await page.evaluate("JSON.parse(localStorage.getItem('speak')).voice") is None


@pytest.mark.parametrize(
    "broken",
    [
        # Blocked by the visitor, full, and filled by another page of this host.
        (
            "for (const name of ['localStorage', 'sessionStorage'])"
            " Object.defineProperty(window, name, { get() { throw new Error('off') } });"
        ),
        "Storage.prototype.setItem = () => { throw new DOMException('', 'QuotaExceededError') };",
        "localStorage.setItem('speak', '[1, {'); localStorage.setItem('theme', 'no theme');",
        (
            "localStorage.setItem('speak', JSON.stringify({ voice: 7, text: {}, tokensPerS: 'x',"
            " settings: { speed: 99, language: [], pacing: 3 } }));"
        ),
    ],
)
async def test_a_browser_that_keeps_nothing_speaks_all_the_same(
    visitor: Visitor, broken: str
) -> None:
    async with visitor.at(before=broken) as page:
        await page.click("#theme")
        await choose_voice(page, "en-us")
        await page.write("#text", TEXT)
        await page.click("#speak")
        await wait_status(page, "ended")
        assert await marked(page, "heard") == TEXT
        assert await page.text("#value-speed") == "1×"
