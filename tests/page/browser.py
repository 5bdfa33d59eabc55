"""A headless Chromium, and pages in it that are driven over the DevTools protocol.

    with running_browser() as endpoint:
        async with open_page(endpoint, "http://127.0.0.1:8765/") as page:
            await page.click("#speak")
            await page.wait_for("document.title === 'Voice server'")

Mouse and keys are the browser's own input, so that what only a person may do, such as starting
sound, is allowed. https://chromedevtools.github.io/devtools-protocol/
"""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import tempfile
import time
from contextlib import asynccontextmanager, contextmanager
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import trio
import trio_websocket

from tests.server_process import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping

NAMES = ("chromium", "chromium-browser", "google-chrome")

OTHER_NAME = "voice.test"
"""Leads to this machine, and the browser does not know that: as a page by plain HTTP from another
one it is no secure context (https://www.w3.org/TR/secure-contexts/)."""

OPTIONS = (
    "--headless=new",
    "--no-sandbox",  # it does not start as root with one, and loads nothing but our own page
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--hide-scrollbars",  # as on a phone
    "--no-first-run",
    # Its own pages for suggestions below the address, in each window: half of what a test costs.
    "--disable-features=WebUIOmniboxPopup,WebUIOmniboxAimPopup,WebUIOmniboxFullPopup",
    "--remote-debugging-port=0",
    f"--host-resolver-rules=MAP {OTHER_NAME} 127.0.0.1",
)


LOOK_EVERY_S = 0.02

MAX_MESSAGE_BYTES = 32 * 2**20
"""A screenshot comes as one message."""

HEIGHT = 900
"""Of the screen, in CSS pixels, where nothing else is asked for."""

CONTROL = 2
"""The modifier, as Input.dispatchKeyEvent has it."""

KEY_CODES = {
    "Tab": 9,
    "Enter": 13,
    "Escape": 27,
    " ": 32,
    "End": 35,
    "Home": 36,
    "ArrowLeft": 37,
    "ArrowUp": 38,
    "ArrowRight": 39,
    "ArrowDown": 40,
}
"""The Windows codes by which Chromium knows keys that write nothing."""


def find_browser() -> str | None:
    """The program; None: it is not installed."""
    return next(filter(None, map(shutil.which, NAMES)), None)


@contextmanager
def running_browser() -> Iterator[str]:
    """The DevTools' WebSocket of a browser that ends with the context."""
    program = find_browser()
    if program is None:
        msg = f"none of {', '.join(NAMES)} is installed"
        raise FileNotFoundError(msg)
    with tempfile.TemporaryDirectory(prefix="browser-test-", ignore_cleanup_errors=True) as folder:
        profile = Path(folder)
        log = profile / "log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [program, *OPTIONS, f"--user-data-dir={profile}", "about:blank"],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        try:
            yield _endpoint(process, profile, log)
        finally:
            process.terminate()
            process.wait()


def _endpoint(process: subprocess.Popen[bytes], profile: Path, log: Path) -> str:
    """Where the browser listens, which it writes into its profile."""
    file = profile / "DevToolsActivePort"
    give_up_at = time.monotonic() + PATIENCE_S
    while process.poll() is None and time.monotonic() < give_up_at:
        if file.exists() and len(lines := file.read_text().split()) == 2:
            port, path = lines
            return f"ws://127.0.0.1:{port}{path}"
        time.sleep(LOOK_EVERY_S)
    msg = f"the browser does not start (status {process.poll()}):\n{log.read_text()}"
    raise RuntimeError(msg)


class DevToolsError(Exception):
    """The browser refused a call, or a script in the page threw."""


class Page:
    """One page, in a profile of its own."""

    def __init__(self, socket: trio_websocket.WebSocketConnection) -> None:
        self.problems: list[str] = []
        """Whatever went to the console as a warning or worse, and what was thrown."""
        self._socket = socket
        self._session: str | None = None
        self._context = ""
        self._numbers = count(1)
        self._answers: dict[int, dict[str, Any]] = {}
        self._answered = trio.lowlevel.ParkingLot()

    async def open(self, url: str, before: str, settings: Mapping[str, Any]) -> None:
        """Load a URL; `before` is a script that runs first."""
        context = await self.call("Target.createBrowserContext")
        self._context = context["browserContextId"]
        target = await self.call(
            "Target.createTarget", {"url": "about:blank", "browserContextId": self._context}
        )
        attached = await self.call(
            "Target.attachToTarget", {"targetId": target["targetId"], "flatten": True}
        )
        self._session = attached["sessionId"]
        for domain in ("Runtime", "Log", "Page"):
            await self.call(f"{domain}.enable")
        for method, parameters in settings.items():
            await self.call(method, parameters)
        await self.call("Page.addScriptToEvaluateOnNewDocument", {"source": before})
        await self.call("Page.navigate", {"url": url})
        await self.wait_for("document.readyState === 'complete'")

    async def close(self) -> None:
        """Close it, and forget what it has stored."""
        self._session = None
        await self.call("Target.disposeBrowserContext", {"browserContextId": self._context})

    async def call(self, method: str, parameters: Mapping[str, Any] | None = None) -> Any:  # noqa: ANN401 - as the protocol has it
        """Call a method. Raises `DevToolsError`."""
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters or {}}
        if self._session is not None:
            message["sessionId"] = self._session
        await self._socket.send_message(json.dumps(message))
        with trio.fail_after(PATIENCE_S):
            while number not in self._answers:
                await self._answered.park()
        answer = self._answers.pop(number)
        if "error" in answer:
            raise DevToolsError(f"{method}: {answer['error']['message']}")
        return answer["result"]

    async def listen(self) -> None:
        """Take in what the browser says, until it has gone."""
        while True:
            message = json.loads(await self._socket.get_message())
            if "id" in message:
                self._answers[message["id"]] = message
                self._answered.unpark_all()
            else:
                self._note(message["method"], message["params"])

    def _note(self, method: str, event: dict[str, Any]) -> None:
        if method == "Runtime.exceptionThrown":
            details = event["exceptionDetails"]
            thrown = details.get("exception", {}).get("description", "")
            self.problems.append(f"{details['text']} {thrown}")
        elif method == "Runtime.consoleAPICalled" and event["type"] in {"error", "warning"}:
            self.problems.append(" ".join(str(arg.get("value")) for arg in event["args"]))
        elif method == "Log.entryAdded" and event["entry"]["level"] in {"error", "warning"}:
            self.problems.append(f"{event['entry']['text']} {event['entry'].get('url', '')}")

    async def evaluate(self, script: str) -> Any:  # noqa: ANN401 - whatever the script gives
        """A script's value, awaited, as JSON has it. Raises `DevToolsError` if it throws."""
        answer = await self.call(
            "Runtime.evaluate",
            {"expression": script, "awaitPromise": True, "returnByValue": True},
        )
        if "exceptionDetails" in answer:
            raise DevToolsError(f"{script}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    async def wait_for(self, script: str) -> None:
        """Until a script gives something that JavaScript takes for true."""
        with trio.move_on_after(PATIENCE_S):
            while not await self.evaluate(f"Boolean({script})"):
                await trio.sleep(LOOK_EVERY_S)
            return
        text = await self.evaluate("document.body.innerText")
        msg = f"{script} did not come true; problems: {self.problems}; the page:\n{text}"
        raise AssertionError(msg)

    async def text(self, selector: str) -> str:
        """What an element says."""
        text = await self.evaluate(f"document.querySelector({json.dumps(selector)}).textContent")
        assert isinstance(text, str)
        return text

    async def click(self, selector: str) -> None:
        """Click in the middle of an element."""
        at = await self.evaluate(
            f"(() => {{ const it = document.querySelector({json.dumps(selector)});"
            " it.scrollIntoView({block: 'center', behavior: 'instant'});"
            " const box = it.getBoundingClientRect();"
            " return {x: box.x + box.width / 2, y: box.y + box.height / 2} })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            await self.call(
                "Input.dispatchMouseEvent", {"type": kind, "button": "left", "clickCount": 1, **at}
            )

    async def press(self, key: str, modifiers: int = 0) -> None:
        """Press and release a key."""
        parameters = {
            "key": key,
            "code": key,
            "modifiers": modifiers,
            "windowsVirtualKeyCode": KEY_CODES[key],
        }
        text = {"Enter": "\r", " ": " "}.get(key)
        down = {"type": "keyDown", "text": text} if text else {"type": "rawKeyDown"}
        await self.call("Input.dispatchKeyEvent", {**parameters, **down})
        await self.call("Input.dispatchKeyEvent", {**parameters, "type": "keyUp"})

    async def write(self, selector: str, text: str) -> None:
        """Put text in place of what a field has."""
        await self.evaluate(
            f"document.querySelector({json.dumps(selector)}).focus();"
            f" document.querySelector({json.dumps(selector)}).select()"
        )
        await self.call("Input.insertText", {"text": text})

    async def drop(self, *files: Path) -> None:
        """Drop files in the middle of the page."""
        data = {"items": [], "files": [str(file) for file in files], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            event = {"type": kind, "x": 200, "y": 200, "data": data}
            await self.call("Input.dispatchDragEvent", event)

    async def give_files(self, selector: str, *files: Path) -> None:
        """Choose files for a field, as its dialog would."""
        await self.call("DOM.enable")
        root = await self.call("DOM.getDocument")
        query = {"nodeId": root["root"]["nodeId"], "selector": selector}
        field = await self.call("DOM.querySelector", query)
        paths = [str(file) for file in files]
        await self.call("DOM.setFileInputFiles", {"files": paths, "nodeId": field["nodeId"]})

    async def download_to(self, folder: Path) -> None:
        """Keep what is downloaded from now on in this folder."""
        behaviour = {"behavior": "allow", "downloadPath": str(folder)}
        where = {"browserContextId": self._context}
        await self.call("Browser.setDownloadBehavior", behaviour | where)

    async def screenshot(self, file: Path) -> None:
        """Write a picture of the whole page, as PNG."""
        shot = await self.call(
            "Page.captureScreenshot", {"format": "png", "captureBeyondViewport": True}
        )
        await trio.Path(file).write_bytes(base64.b64decode(shot["data"]))


@asynccontextmanager
async def open_page(
    endpoint: str,
    url: str,
    *,
    before: str = "",
    width: int = 1000,
    height: int = HEIGHT,
    is_dark: bool = False,
) -> AsyncIterator[Page]:
    """A page at this URL, on a screen so many CSS pixels wide and high."""
    settings: dict[str, Mapping[str, Any]] = {
        "Emulation.setFocusEmulationEnabled": {"enabled": True},
        "Emulation.setDeviceMetricsOverride": {
            "width": width,
            "height": height,
            "deviceScaleFactor": 1,
            "mobile": False,
        },
        "Emulation.setEmulatedMedia": {
            "features": [{"name": "prefers-color-scheme", "value": "dark" if is_dark else "light"}]
        },
    }
    async with trio_websocket.open_websocket_url(
        endpoint, max_message_size=MAX_MESSAGE_BYTES
    ) as socket:
        page = Page(socket)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(page.listen)
            await page.open(url, before, settings)
            try:
                yield page
            finally:
                with trio.CancelScope(shield=True):
                    await page.close()
            nursery.cancel_scope.cancel()
