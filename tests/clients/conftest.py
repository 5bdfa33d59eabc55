"""The server that the clients speak to, and what it should say to them."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.server_process import running_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.server_process import ServerProcess


NODE_MODULES = Path(__file__).parent.parent / "node" / "node_modules"


@pytest.fixture(scope="session")
def node() -> str:
    """Node, if it is there with its packages, and can run what the tests have for it."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("there is no Node.js here; `make test` says why it could not install it")
    packages = json.loads((NODE_MODULES.parent / "package.json").read_text())["dependencies"]
    for package in packages:
        if not (NODE_MODULES / package).is_dir():
            pytest.skip(f"the package {package} is not installed: run tests/node/install.sh")
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
    if int(version.lstrip("v").split(".")[0]) < 18:
        pytest.skip(f"Node.js is too old: {version.strip()}, and this needs 18")
    return node


@pytest.fixture(scope="session")
def server() -> Iterator[ServerProcess]:
    """A server as it is by default, on another port; its warnings are errors."""
    with running_server(env={"PYTHONWARNINGS": "error"}) as server:
        yield server
        assert "Traceback" not in server.log
        assert "Warning" not in server.log


@pytest.fixture(scope="session")
def spoken(server: ServerProcess) -> Callable[[str], bytes]:
    """A text's sound, as float32, from the server's other door."""

    def speak(text: str) -> bytes:
        answer = server.ask("/api/speak", "POST", json={"text": text, "format": "f32le"})
        assert answer.status_code == 200, answer.text
        return answer.content

    return speak
