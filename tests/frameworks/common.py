"""A server to speak to, and what is expected of its speech. Runs in the frameworks' own
environment (`make clients`), so it imports nothing of ours."""

from __future__ import annotations

import array
import math
import re
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / ".venv" / "bin" / "python"
"""The server's."""

KEY = "a-key-of-the-frameworks-tests"
RATE = 24_000

SENTENCES = ("The first sentence is about the weather.", "The second one asks about tomorrow.")
"""4 to 6 s of speech."""


@contextmanager
def server() -> Iterator[int]:
    """A server with a key, on a free port, which is given."""
    command = [PYTHON, "server.py", "--port", "0", "--engine", "espeak-ng"]
    process = subprocess.Popen(
        command, cwd=ROOT, env={"VOICE_API_KEYS": KEY}, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stderr is not None
        for line in process.stderr:
            if found := re.search(r"listening on port (\d+)", line):
                yield int(found[1])
                break
        else:
            sys.exit("the server did not start")
    finally:
        process.terminate()
        process.wait()


def check(name: str, sound: bytes, *, least_s: float = 3.0, most_s: float = 8.0) -> None:
    """Hold mono 16-bit speech to what the sentences must sound like: their length, a loudness
    like speech's, and the pause between the two."""
    samples = array.array("h", sound)
    length_s = len(samples) / RATE
    rms = math.sqrt(sum(sample * sample for sample in samples) / max(1, len(samples))) / 32_768
    print(f"{name}: {length_s:.2f} s, rms {rms:.3f}")
    assert least_s <= length_s <= most_s, f"{name}: {length_s} s of speech"
    assert 0.02 <= rms <= 0.3, f"{name}: rms {rms}"
