"""Somebody who looks at the page: opens it, speaks, and sees what it says."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from tests.page.browser import HEIGHT, Page, open_page

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

TEXT = "Hello there! How are you?"
STORY = "It was a dark and stormy night, and the rain fell in torrents. " * 4

RECORD = """
window.sent = [];
const send = WebSocket.prototype.send;
WebSocket.prototype.send = function (data) {
  window.sent.push(JSON.parse(data));
  return send.call(this, data);
};
"""
"""Keeps what the page sends to the server, in `sent`."""

CONNECTED = "document.querySelector('#connection').dataset.state === 'open'"
VOICES = "document.querySelector('#voice').value"


class Visitor:
    """Opens pages of one server in one browser."""

    def __init__(self, browser: str, url: str, player: str = "AudioWorklet") -> None:
        self.player = player
        """What the page should play by."""
        self._browser = browser
        self._url = url

    @asynccontextmanager
    async def at(
        self,
        path: str = "/",
        *,
        before: str = "",
        width: int = 1000,
        height: int = HEIGHT,
        is_dark: bool = False,
        may_complain: bool = False,
    ) -> AsyncIterator[Page]:
        """The page, when it is connected and knows its voices. Afterwards nothing may be on its
        console, unless it may complain."""
        async with open_page(
            self._browser,
            self._url + path,
            before=RECORD + before,
            width=width,
            height=height,
            is_dark=is_dark,
        ) as page:
            await page.wait_for(f"{CONNECTED} && {VOICES}")
            yield page
            if not may_complain:
                assert page.problems == [], page.problems


@asynccontextmanager
async def loading_anew(page: Page) -> AsyncIterator[None]:
    """What is done here makes the page load once more, which is awaited."""
    await page.evaluate("window.isBefore = true")
    yield
    await page.wait_for("!window.isBefore && document.readyState === 'complete'")


async def wait_status(page: Page, state: str) -> None:
    """Until the utterance is in this state."""
    await page.wait_for(f"document.querySelector('#status').dataset.state === {json.dumps(state)}")


async def sent(page: Page) -> list[dict[str, Any]]:
    """The messages that the page has sent."""
    messages = await page.evaluate("window.sent")
    assert isinstance(messages, list)
    return messages


async def marked(page: Page, state: str) -> str:
    """The text that is marked as heard, now, ahead or unheard."""
    text = await page.evaluate(
        f"[...document.querySelectorAll('#transcript [data-state={state}]')]"
        ".map((span) => span.textContent).join('')"
    )
    assert isinstance(text, str)
    return text


async def choose_voice(page: Page, name: str) -> None:
    """Choose a voice in the dialog."""
    await page.click("#voice")
    await page.click(f"#voice-list [value={json.dumps(name)}]")
    await page.wait_for("!document.querySelector('#voice-dialog').open")
    assert await page.evaluate(VOICES) == name


async def turn(page: Page, key: str, value: float) -> None:
    """Move a slider."""
    await page.evaluate(
        f"(() => {{ const dial = document.querySelector('#dial-{key}');"
        f" dial.closest('details').open = true; dial.valueAsNumber = {value};"
        " dial.dispatchEvent(new Event('input', { bubbles: true })) })()"
    )
