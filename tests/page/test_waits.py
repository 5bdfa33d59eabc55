"""What the page says while there is nothing to hear: the server starts, a voice is read, the
machine is slower than speech."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.page.browser import open_page
from tests.page.stubs import ANSWERS, FAKE_SOCKET, MANY_VOICES
from tests.page.visitor import CONNECTED, TEXT, choose_voice, marked, wait_status

if TYPE_CHECKING:
    from tests.page.visitor import Visitor
    from tests.server_process import ServerProcess

STATUS = "document.querySelector('#status').textContent"
IS_BUSY = "document.querySelector('#status').hasAttribute('data-busy')"
HOLDS = "!document.querySelector('#hold').hidden"

START = """
window.tell({ event: "segment_start", segment: 0, text: "Hi!", spoken: "Hi!", sample_offset: 0,
  pacing: { hold_ms: %d, real_time_factor: 3 } });
"""
READY = """
window.tell({ event: "ready", voice: "joe", pacing: { mode: "%s", real_time_factor: 2.96 } });
"""

STARTING = (
    ANSWERS
    + """
window.isStarting = true;
const starting = { error: "the server is starting: Soprano, 280 MB: reading", code: "starting" };
const warm = window.fetch;
window.fetch = async (path, options) =>
  window.isStarting && path.startsWith("/ws/stream")
    ? Response.json(starting, { status: 503 })
    : warm(path, options);
const Real = WebSocket;
window.WebSocket = class extends Real {
  constructor(url) { super(window.isStarting ? "ws://" + location.host + "/not/yet" : url); }
};
window.start = () => { window.isStarting = false; };
"""
)


async def test_a_server_that_starts_says_how_far_it_is_and_then_it_speaks(
    browser: str, server: ServerProcess
) -> None:
    async with open_page(browser, server.http_url, before=STARTING) as page:
        await page.wait_for("document.querySelector('#connection').dataset.state === 'starting'")
        assert await page.text("#starting") == "The server is starting: Soprano, 280 MB: reading"
        assert await page.text("#error") == ""
        await page.write("#text", TEXT)
        await page.click("#speak")
        await wait_status(page, "waiting")
        await page.evaluate("window.start()")
        await page.wait_for(CONNECTED)
        assert await page.text("#starting") == ""
        await wait_status(page, "ended")
        assert await marked(page, "heard") == TEXT


async def test_a_voice_that_is_read_is_waited_for_with_words(visitor: Visitor) -> None:
    async with visitor.at(before=MANY_VOICES + FAKE_SOCKET) as page:
        await choose_voice(page, "ann")
        await page.evaluate("window.tell({ event: 'preparing', voice: 'ann' })")
        assert await page.evaluate(STATUS) == "Preparing the voice ann…"
        assert await page.evaluate(IS_BUSY)
        await page.click("#speak")
        assert await page.evaluate(STATUS) == "Preparing the voice ann…"
        await page.evaluate("window.tell({ event: 'prepared', voice: 'ann' })")
        assert await page.evaluate(STATUS) == "Speaking…"
        assert not await page.evaluate(IS_BUSY)
        await page.evaluate("window.tell({ event: 'preparing', voice: 'ann' })")
        await page.evaluate("window.tell({ error: 'ann cannot be read', code: 'unusable_model' })")
        await wait_status(page, "failed")
        assert await page.evaluate(STATUS) == "The server refused this."
        assert await page.text("#error") == "ann cannot be read"


async def test_who_chooses_a_voice_that_is_there_waits_for_no_other(visitor: Visitor) -> None:
    """ "Preparing the voice ann…" stood there for ever."""
    async with visitor.at(before=MANY_VOICES + FAKE_SOCKET) as page:
        await choose_voice(page, "ann")
        await page.evaluate("window.tell({ event: 'preparing', voice: 'ann' })")
        assert await page.evaluate(IS_BUSY)
        await page.evaluate(READY % "smooth")
        assert not await page.evaluate(IS_BUSY)
        assert "Preparing" not in await page.evaluate(STATUS)


async def test_a_machine_slower_than_speech_is_told_with_the_wait_and_a_way_out(
    visitor: Visitor,
) -> None:
    async with visitor.at(before=MANY_VOICES + FAKE_SOCKET) as page:
        await choose_voice(page, "ann")
        await page.evaluate(READY % "smooth")
        await page.write("#text", "Hi!")
        await page.click("#speak")
        await page.evaluate(START % 7000)
        await page.wait_for(HOLDS)
        assert await page.text("#hold-words") == (
            "This machine needs 3 s for a second of speech:"
            " the sound comes in about 7 s, and then without a gap."
        )
        assert await page.text("#hold-way") == "Quicker: joe without RVC, or a GPU."
        await page.wait_for("document.querySelector('#hold-left').textContent === '6 s'")
        assert await page.evaluate("document.querySelector('#hold-bar').value") > 0
        await page.evaluate("window.sound(60)")  # sooner than was said
        await page.wait_for(f"!({HOLDS})")
        await page.click("#stop")


async def test_a_wait_is_not_told_while_there_is_something_to_hear(visitor: Visitor) -> None:
    async with visitor.at(before=FAKE_SOCKET) as page:
        await page.click("#speak")
        await page.evaluate("window.sound(60)")
        await page.evaluate(START % 5000)
        await page.wait_for("document.querySelector('#transcript .segment')")
        assert not await page.evaluate(HOLDS)
        await page.click("#speak")  # what is heard of the first has gone, and nothing comes
        await page.evaluate("window.tell({ event: 'cancelled', samples: 0 })")
        await page.evaluate(START % 300)
        await page.wait_for("document.querySelector('#transcript .segment')")
        assert not await page.evaluate(HOLDS), "too short to be read"


async def test_who_wants_the_sound_at_once_is_told_of_gaps(visitor: Visitor) -> None:
    """A connection keeps its pacing, so another one needs another connection."""
    url = "window.sockets.at(-1).url"
    async with visitor.at(before=MANY_VOICES + FAKE_SOCKET) as page:
        hidden = "document.querySelector('#pacing-choice').hidden"
        assert await page.evaluate(hidden)  # this server has not said that it paces
        await page.click("#speak")
        assert "pacing" not in await page.evaluate(url)
        await page.evaluate(READY % "smooth")
        assert not await page.evaluate(hidden)
        assert await page.text("#pacing-warning") == ""
        await page.evaluate(
            "(() => { const choice = document.querySelector('#pacing'); choice.value = 'asap';"
            " choice.dispatchEvent(new Event('change')) })()"
        )
        await page.click("#speak")
        await page.wait_for(f"{url}.includes('pacing=asap')")
        await wait_status(page, "speaking")
        await page.evaluate(READY % "asap")
        assert "3 s for a second of speech: there will be gaps" in await page.text(
            "#pacing-warning"
        )
        await page.click("#speak")  # once is enough
        assert await page.evaluate("window.sockets.length") == 2
