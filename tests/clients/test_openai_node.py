"""OpenAI's own package for Node, unchanged, against our server."""

from __future__ import annotations

import base64
import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tests.audio.listening import hear
from tests.server_process import PATIENCE_S, running_server

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY = "a-key-that-nobody-guesses"
TEXT = "The train to London leaves at noon. Please turn off the kitchen light."
FORMATS = {"mp3": "mp3", "opus": "ogg", "aac": "aac", "flac": "flac", "wav": "wav"}


@pytest.fixture(scope="module")
def came(node: str) -> Iterator[dict[str, Any]]:
    """What came of all that the package was asked to do."""
    with running_server(env={"VOICE_API_KEYS": KEY}) as server:
        task = {
            "base_url": f"{server.http_url}/v1",
            "key": KEY,
            "voice": "marin",
            "text": TEXT,
            "formats": [*FORMATS, "pcm"],
        }
        done = subprocess.run(
            [node, Path(__file__).parent / "run_openai_node.js"],
            input=json.dumps(task),
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        yield json.loads(done.stdout)


def test_each_format_is_the_whole_text_and_as_loud(came: dict[str, Any]) -> None:
    sounds = {form: base64.b64decode(data) for form, data in came["sounds"].items()}
    pcm = np.frombuffer(sounds.pop("pcm"), "<i2") / 32_768
    for form, data in sounds.items():
        heard = hear(data)
        assert heard.container == FORMATS[form]
        length_s = heard.sound.shape[1] / heard.sample_rate
        assert length_s == pytest.approx(len(pcm) / 24_000, abs=0.08)
        assert np.std(heard.sound) == pytest.approx(np.std(pcm), rel=0.1)


def test_the_body_is_a_stream_of_the_same_sound(came: dict[str, Any]) -> None:
    pieces = [base64.b64decode(piece) for piece in came["pieces"]]
    assert len(pieces) > 1
    assert b"".join(pieces) == base64.b64decode(came["sounds"]["pcm"])


def test_models_are_listed(came: dict[str, Any]) -> None:
    assert "tts-1" in came["models"]


def test_errors_are_exceptions_with_our_words(came: dict[str, Any]) -> None:
    too_long, no_key = came["failures"]
    assert (too_long["kind"], too_long["status"]) == ("BadRequestError", 400)
    assert (too_long["param"], too_long["code"]) == ("input", "bad_message")
    assert "10000 characters" in too_long["message"]
    assert (no_key["kind"], no_key["status"]) == ("AuthenticationError", 401)
    assert "not one of ours" in no_key["message"]
