"""The program as a person starts it, and what it says."""

from __future__ import annotations

import os
import select
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.server_process import PATIENCE_S, ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAM = (sys.executable, "-W", "error", str(ROOT / "server.py"))


def run(
    *arguments: str, text: str = "", env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Run the program to its end, with a text on standard input."""
    return subprocess.run(
        [*PROGRAM, *arguments],
        input=text.encode(),
        capture_output=True,
        timeout=PATIENCE_S,
        check=False,
        env=os.environ | (env or {}),
    )


def says(*arguments: str, text: str = "") -> bytes:
    """The sound of a run that goes well."""
    done = run(*arguments, "-o", "-", "--log-level", "warning", text=text)
    assert done.returncode == 0
    assert done.stderr == b""
    return done.stdout


def complaint(done: subprocess.CompletedProcess[bytes]) -> str:
    """The one line in which a run says why it failed."""
    assert done.returncode == 1
    assert done.stdout == b""
    lines = done.stderr.decode().splitlines()
    complaints = [line for line in lines if " INFO " not in line]  # those are the log's
    assert len(complaints) == 1, lines
    assert complaints[0] == lines[-1]
    return complaints[0]


@contextmanager
def started(*arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """A run that is spoken to. It does not outlive the test."""
    with subprocess.Popen(
        [*PROGRAM, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def tell(process: subprocess.Popen[bytes], text: str) -> None:
    """Write to its standard input."""
    assert process.stdin is not None
    process.stdin.write(text.encode())


def hear(process: subprocess.Popen[bytes], n_bytes: int | None = None) -> bytes:
    """The next so many bytes that it writes, or all up to its end."""
    assert process.stdout is not None
    heard = b""
    while n_bytes is None or len(heard) < n_bytes:
        assert select.select([process.stdout], [], [], PATIENCE_S)[0], "it has fallen silent"
        most = 1 << 16 if n_bytes is None else n_bytes - len(heard)
        if not (data := os.read(process.stdout.fileno(), most)):
            break
        heard += data
    return heard


def wait_for_log(process: subprocess.Popen[bytes], words: bytes) -> None:
    """Until it has logged this."""
    assert process.stderr is not None
    log = b""
    while words not in log:
        data = os.read(process.stderr.fileno(), 4096)
        assert data, log
        log += data
