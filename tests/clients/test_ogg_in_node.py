"""Ogg Opus for Discord bots in Node: read by prism-media, the demuxer of @discordjs/voice."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.audio.listening import hear_packets, pages_of
from tests.server_process import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.server_process import ServerProcess

TEXT = "Hello world! How are you today?"
PRE_SKIP = 312


@pytest.mark.parametrize("piece_bytes", [1, 100, 1 << 20])
def test_a_discord_bot_in_node_needs_no_ffmpeg(
    server: ServerProcess, spoken: Callable[[str], bytes], node: str, piece_bytes: int
) -> None:
    """Its probe looks for a head with two channels at 48000 Hz within 1024 bytes; its player hands
    the packets on as they are, 20 ms each."""
    answer = server.ask("/api/speak", "POST", json={"text": TEXT, "format": "opus"})
    assert answer.headers["content-type"] == "audio/ogg"
    script = Path(__file__).parent / "read_ogg.js"
    done = subprocess.run(
        (node, script, str(piece_bytes)),
        input=answer.content,
        capture_output=True,
        timeout=PATIENCE_S,
        check=True,
    )
    read = json.loads(done.stdout)
    assert (read["nTags"], read["unknown"]) == (1, [])
    head = bytes.fromhex(read["head"])
    assert (head[9], int.from_bytes(head[12:16], "little")) == (2, 48_000)
    assert answer.content.index(head) < 1024
    packets = [bytes.fromhex(packet) for packet in read["packets"]]
    assert packets == [page.packets[0] for page in list(pages_of(answer.content))[2:]]
    heard = hear_packets(packets)
    sound = np.frombuffer(spoken(TEXT), np.float32)
    assert len(packets) == -(-(len(sound) + PRE_SKIP) // 960)
    assert np.corrcoef(heard[1][PRE_SKIP:][: len(sound)], sound)[0, 1] > 0.98
