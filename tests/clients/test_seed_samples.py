"""The two samples of the document that fixed our wire run as they are.

Both call the server ``localhost``, which is made to mean ::1 first, where nobody listens: they
find it at 127.0.0.1 all the same (Node from version 20 on).
"""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
import wave
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.server_process import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.server_process import ServerProcess

HERE = Path(__file__).parent

TEXT = "Hello world! How are you today? I would say, rather well; and so would everybody else"
STORY = "".join(
    f"This is sentence number {n}, which has a pause; it is spoken, all of it! " for n in range(12)
)


def words(text: str) -> list[str]:
    """As language models send them, each with the space before it."""
    return re.findall(r"\s*\S+|\s+", text)


def run_client(*command: str | Path, **task: object) -> bytes:
    """What a client received; fails with its errors where it had any."""
    done = subprocess.run(
        command,
        input=json.dumps(task).encode(),
        capture_output=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    assert done.stderr == b""
    return done.stdout


def test_python_sample_receives_all_sound_in_order(
    server: ServerProcess, spoken: Callable[[str], bytes]
) -> None:
    received = run_client(
        *(sys.executable, "-W", "error", HERE / "run_seed_python.py"),
        port=server.port,
        tokens=words(TEXT),
    )
    assert received == spoken(TEXT)


def test_node_sample_receives_all_sound_in_order(
    server: ServerProcess, spoken: Callable[[str], bytes], node: str
) -> None:
    expected = spoken(TEXT)
    received = run_client(
        *(node, HERE / "run_seed_node.js"),
        port=server.port,
        tokens=words(TEXT),
        n_samples=len(expected) // 4,
        busy_ms=0,
    )
    assert received == expected


@pytest.mark.parametrize("busy_ms", [0, 5, 20])
def test_node_sample_never_meets_an_unaligned_frame(
    server: ServerProcess, spoken: Callable[[str], bytes], node: str, busy_ms: int
) -> None:
    """Its Float32Array throws on one. Node hands `ws` what one read brought, up to 64 KiB, and
    a client that is busy finds many frames there: the read must end a multiple of four bytes
    from where it began, or the first whole frame of the next one is off."""
    expected = spoken(STORY)
    received = run_client(
        *(node, HERE / "run_seed_node.js"),
        port=server.port,
        tokens=words(STORY),
        n_samples=len(expected) // 4,
        busy_ms=busy_ms,
    )
    assert received == expected


def test_the_documents_conversions_work_on_what_is_received(
    spoken: Callable[[str], bytes],
) -> None:
    """Its lines "To WAV" and "To Discord Opus". The latter's cast would wrap around outside
    of [-1, 1]: full scale would become a click."""
    audio_bytes = spoken(STORY)
    audio_float = np.frombuffer(audio_bytes, dtype=np.float32)
    assert np.abs(audio_float).max() <= 1.0
    audio_int16 = (audio_float * 32767).astype(np.int16)
    np.testing.assert_allclose(audio_int16 / 32767, audio_float, atol=1 / 32767)

    file = io.BytesIO()
    with wave.open(file, "wb") as wav:
        wav.setnchannels(1)
        wav.setsampwidth(4)
        wav.setframerate(48000)
        wav.writeframes(audio_bytes)
    file.seek(0)
    with wave.open(file, "rb") as wav:
        assert wav.getnframes() == len(audio_float)
        assert wav.readframes(wav.getnframes()) == audio_bytes
