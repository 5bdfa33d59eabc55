"""Pages and a server with keys: our own page asks for one, and others need one too."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.page.browser import OTHER_NAME, DevToolsError, open_page
from tests.page.visitor import CONNECTED, RECORD, TEXT, VOICES, loading_anew, marked, wait_status
from tests.server_process import running_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.page.browser import Page
    from tests.server_process import ServerProcess

KEY, WRONG_KEY = "opensesame-opensesame", "openwheat-openwheat"

IS_ASKED = "!document.querySelector('#key-form').hidden"


@pytest.fixture(scope="module")
def guarded(server: ServerProcess) -> Iterator[ServerProcess]:
    """A server with a key, which the pages of the shared server may use."""
    options = ("--allowed-origins", server.http_url)
    with running_server(*options, env={"VOICE_API_KEYS": KEY}) as guarded:
        yield guarded
        assert "Traceback" not in guarded.log
        assert KEY not in guarded.log


async def give(page: Page, key: str) -> None:
    """Write a key and press Enter."""
    await page.write("#key", key)
    await page.press("Enter")


async def test_a_key_is_asked_for_until_it_is_right_and_then_all_goes_on(
    browser: str, guarded: ServerProcess
) -> None:
    async with open_page(browser, guarded.http_url, before=RECORD) as page:
        await page.wait_for(IS_ASKED)
        assert await page.text("#key-title") == "Key needed"
        assert await page.text("#connection") == "Key needed"
        assert await page.evaluate("document.activeElement.id") == "key"
        await page.write("#text", TEXT)
        await page.click("#speak")  # waits for the key
        await give(page, WRONG_KEY)
        await page.wait_for("document.querySelector('#key-title').textContent.includes('wrong')")
        await page.wait_for("document.querySelector('#connection').textContent.includes('wrong')")
        assert await page.text("#connection") == "That key is wrong"
        assert await page.evaluate(VOICES) == ""
        assert await page.text("#error") == ""

        await give(page, KEY)
        await page.wait_for(f"{CONNECTED} && {VOICES}")  # the WebSocket, and HTTP
        assert not await page.evaluate(IS_ASKED)
        assert await page.evaluate("document.querySelector('#key').value") == ""
        await wait_status(page, "ended")
        assert await marked(page, "heard") == TEXT
        # Where others might see it, there is only a placeholder.
        await page.click("#snippets summary")
        for language in ("python", "node", "curl"):
            await page.evaluate(
                "(() => { const choice = document.querySelector('#snippet-language');"
                f" choice.value = '{language}'; choice.dispatchEvent(new Event('change')) }})()"
            )
            snippet = await page.text("#snippet")
            assert "Bearer YOUR_KEY" in snippet
            assert KEY not in snippet

        async with loading_anew(page):
            await page.call("Page.reload")
        await page.wait_for(f"{CONNECTED} && {VOICES}")
        assert not await page.evaluate(IS_ASKED)
        # Where it would outlive the tab, or go out by itself, it is not.
        assert KEY not in await page.evaluate("JSON.stringify(localStorage) + document.cookie")
    async with open_page(browser, guarded.http_url) as page:
        await page.wait_for(IS_ASKED)


async def test_without_a_key_a_server_is_not_besieged(browser: str, guarded: ServerProcess) -> None:
    """The page used to try its wrong key for as long as it was open."""
    count = """
        window.nSockets = 0;
        const Real = WebSocket;
        window.WebSocket = class extends Real {
          constructor(url) { super(url); window.nSockets += 1; }
        };
    """
    async with open_page(browser, guarded.http_url, before=count) as page:
        await page.wait_for(IS_ASKED)
        n_before = await page.evaluate("window.nSockets")
        await page.evaluate("new Promise((resolve) => setTimeout(resolve, 1200))")
        assert await page.evaluate("window.nSockets") == n_before


async def test_a_page_of_an_allowed_host_can_tell_a_wrong_key_from_no_server(
    browser: str, server: ServerProcess, guarded: ServerProcess
) -> None:
    def asking(key: str) -> str:
        headers = f"{{headers: {{authorization: 'Bearer {key}'}}}}"
        return (
            f"fetch('{guarded.http_url}/api/voices', {headers})"
            ".then(async (answer) => [answer.status, (await answer.json()).code ?? null])"
        )

    async def without_policy(page: Page) -> None:
        """As another's page may be: ours may ask nobody but its own server."""
        await page.call("Page.setBypassCSP", {"enabled": True})
        async with loading_anew(page):
            await page.call("Page.reload")

    nothing = "/health/live"
    async with open_page(browser, server.http_url + nothing) as page:
        await without_policy(page)
        assert await page.evaluate(asking(WRONG_KEY)) == [401, "unauthorized"]
        assert await page.evaluate(asking(KEY)) == [200, None]
    async with open_page(browser, f"http://{OTHER_NAME}:{server.port}{nothing}") as page:
        await without_policy(page)
        with pytest.raises(DevToolsError, match="Failed to fetch"):
            await page.evaluate(asking(WRONG_KEY))
