"""Deepgram's own package for Node, unchanged, against our server."""

from __future__ import annotations

import base64
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.server_process import PATIENCE_S, running_server

KEY = "a-key-that-nobody-guesses"
TEXT = "The train to London leaves at noon. Please turn off the kitchen light."
STORY = "It was a dark and stormy night, and the rain fell in torrents. " * 40


@pytest.fixture(scope="module")
def came(node: str) -> dict[str, Any]:
    """What came of all that the package was asked to do, and our own door's sound of the text."""
    with running_server(env={"VOICE_API_KEYS": KEY}) as server:
        task = {
            "address": f"{server.host}:{server.port}",
            "key": KEY,
            "voice": "aura-2-helena-en",
            "text": TEXT,
            "story": STORY,
        }
        done = subprocess.run(
            [node, Path(__file__).parent / "run_deepgram_node.js"],
            input=json.dumps(task),
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        asked = {"text": TEXT, "format": "s16le", "sample_rate": 24_000}
        headers = {"authorization": f"Bearer {KEY}"}
        answer = server.ask("/api/speak", "POST", json=asked, headers=headers)
        return {**json.loads(done.stdout), "expected": answer.content}


def sound(answer: dict[str, Any]) -> bytes:
    return base64.b64decode(answer["sound"])


def test_what_is_heard_is_the_whole_text_in_order_and_as_loud(came: dict[str, Any]) -> None:
    """In both versions, and over HTTP: the sound is that of our own door."""
    assert sound(came["spoken"]) == came["expected"]
    assert sound(came["turn"]) == came["expected"]
    assert base64.b64decode(came["overHttp"]) == came["expected"]


def test_nothing_late_is_heard_behind_a_barge_in(came: dict[str, Any]) -> None:
    assert sound(came["afterClear"]) == came["expected"]
    assert sound(came["afterInterrupt"]) == came["expected"]


def test_an_interrupt_tells_what_was_not_heard(came: dict[str, Any]) -> None:
    """The first turn had hardly begun to be played."""
    told = came["interrupted"]["messages"][-1]
    assert told["audio_played_ms"] == 1
    assert told["text_spoken"] + told["text_remaining"] == TEXT + STORY


def test_a_close_finishes_and_ends_in_order(came: dict[str, Any]) -> None:
    assert came["code"] == 1000
    [totals] = came["session"]["messages"]
    assert totals["total_input_character_count"] == 2 * len(TEXT) + len(STORY)


def test_an_error_over_http_says_what_was_wrong(came: dict[str, Any]) -> None:
    assert came["failure"]["status"] == 400
    assert came["failure"]["body"]["err_msg"].startswith("text: ")
