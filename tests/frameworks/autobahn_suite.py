"""Autobahn's own test suite against our WebSocket, behind which a server says what it hears.

    make autobahn

The suite is for Python 2. `python tests/frameworks/autobahn_suite.py --translate` translates it
where it is installed, once, with fissix (the 2to3 that is still maintained). Its texts were bytes;
here they stay texts in which each character is a byte (latin-1), and become bytes on the way to
the library that they were written for, and texts again behind it.
"""

from __future__ import annotations

import binascii
import re
import subprocess
import sys
import types
import warnings
from collections import Counter
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[2]

VOID = ("12", "13")
"""Groups that need compression, on which our server does not agree: void."""

MOST_S = 600.0
"""Of all cases: they take two minutes."""

FINE = {"OK", "NON-STRICT", "INFORMATIONAL"}

REWRITTEN = (
    (r"# coding=utf-8", "# coding=latin-1"),  # or a letter in a payload would be two bytes
    (r"\(object, Case, \)", "(Case, )"),
    (r"len\(self\.payload\) / self", "len(self.payload) // self"),
    (r"payload_len / len\(payload\)", "payload_len // len(payload)"),
)
"""What a translation by syntax does not see."""


def translate() -> None:
    """Make Python 3 of the suite, and of the line of its library that still is Python 2."""
    suite, library = _folder_of("autobahntestsuite"), _folder_of("autobahn")
    program = [sys.executable, "-W", "ignore", "-m", "fissix", "--write", "--nobackups"]
    subprocess.run([*program, str(suite)], check=True, capture_output=True)
    for path in [*suite.rglob("*.py"), library / "websocket" / "protocol.py"]:
        text = path.read_text("utf-8")
        for old, new in REWRITTEN:
            text = re.sub(old, new, text)
        path.write_text(text, "utf-8")


def _folder_of(package: str) -> Path:
    spec = find_spec(package)  # which does not import it
    if spec is None or not spec.submodule_search_locations:
        sys.exit(f"{package} is not installed; make autobahn installs it")
    return Path(spec.submodule_search_locations[0])


def _as_bytes(text: object) -> object:
    return text.encode("latin-1") if isinstance(text, str) else text


def _as_text(data: object) -> object:
    return bytes(data).decode("latin-1") if isinstance(data, bytes | bytearray) else data


def _taking(turned: Callable[[object], object], function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, with each argument turned."""

    def taking(*arguments: object, **named: object) -> Any:  # noqa: ANN401 - as it does
        named = {name: turned(value) for name, value in named.items()}
        return function(*map(turned, arguments), **named)

    return taking


def _bridge() -> types.ModuleType:
    """The suite's fuzzing client, whose texts become bytes where its library takes them."""
    import zope.interface  # noqa: PLC0415 - here, since it is installed for this alone

    zope.interface.implements = lambda *_: None  # of Python 2's classes
    sys.modules["autobahntestsuite.wstest"] = types.ModuleType("wstest")  # its command line
    hexed = _taking(_as_bytes, binascii.b2a_hex)
    binascii.b2a_hex = lambda data: hexed(data).decode()

    from autobahn.websocket.protocol import WebSocketProtocol  # noqa: PLC0415 - likewise
    from autobahn.websocket.utf8validator import Utf8Validator  # noqa: PLC0415

    Utf8Validator.validate = _taking(_as_bytes, Utf8Validator.validate)
    for name in (
        "sendFrame", "sendPing", "sendPong", "sendData", "sendMessage", "sendCloseFrame",
        "sendMessageFrame", "sendMessageFrameData",
    ):  # fmt: skip
        setattr(WebSocketProtocol, name, _taking(_as_bytes, getattr(WebSocketProtocol, name)))

    from autobahntestsuite import fuzzing  # noqa: PLC0415

    told = fuzzing.FuzzingProtocol
    for name in ("onMessage", "onPong"):
        setattr(told, name, _taking(_as_text, getattr(told, name)))
    told.logRxFrame = told.logRxOctets = lambda *_: None  # for its report
    fuzzing.asciiLogData = lambda data, *_: str(data)[:64]
    fuzzing.FuzzingFactory.createReports = lambda _: None
    return fuzzing


def run(port: int) -> Counter[str]:
    """How many cases ended how. Those that failed are told."""
    fuzzing = _bridge()
    from twisted.internet import reactor  # noqa: PLC0415 - the suite has chosen which

    ends: Counter[str] = Counter()

    def count(_: object, result: dict[str, Any]) -> None:
        behaviours = {result["behavior"], result["behaviorClose"]}
        is_fine = behaviours <= FINE
        ends[result["behavior"] if is_fine else "FAILED"] += 1
        if not is_fine:
            print(f"{result['id']}: {result['result']} {result['resultClose']}")

    fuzzing.FuzzingFactory.logCase = count
    server = {"agent": "voice-server", "url": f"ws://127.0.0.1:{port}/ws/stream"}
    factory = fuzzing.FuzzingClientFactory({
        "servers": [server], "cases": ["*"], "exclude-cases": [f"{group}.*" for group in VOID],
        "exclude-agent-cases": {},
    })  # fmt: skip
    reactor.callLater(MOST_S, reactor.stop)
    reactor.run()
    ends["FAILED"] += len(factory.specCases) - ends.total()  # those that did not end
    return ends


def main() -> None:
    """Start the echo, run all cases against it, and tell how many passed."""
    warnings.simplefilter("ignore")
    program = [str(ROOT / ".venv/bin/python"), str(ROOT / "tests/frameworks/autobahn_echo.py")]
    with subprocess.Popen(
        program, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as echo:
        try:
            ends = run(int(echo.stdout.readline()))
        finally:
            echo.terminate()
    print(", ".join(f"{number} {end}" for end, number in sorted(ends.items())))
    sys.exit(bool(ends["FAILED"]) or not ends["OK"])


if __name__ == "__main__":
    translate() if sys.argv[1:] == ["--translate"] else main()
