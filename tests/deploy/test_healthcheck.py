"""The image's HEALTHCHECK, run as the image runs it, against a real server."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.server_process import PATIENCE_S, free_port, running_server

PROGRAM = Path(__file__).parent.parent.parent / "deploy" / "healthcheck.py"


CERTIFICATES = PROGRAM.parent.parent / "tests" / "tls"


def ends_with(port: int, **variables: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, str(PROGRAM)],
        env=os.environ | {"VOICE_PORT": str(port), "http_proxy": "http://127.0.0.1:9"} | variables,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    return done.returncode, done.stderr


def test_a_server_that_is_ready_is_healthy_also_with_keys() -> None:
    with running_server(env={"VOICE_API_KEYS": "a-key-of-more-than-16-characters"}) as server:
        assert ends_with(server.port) == (0, "")


def test_tls_is_spoken_where_the_server_does() -> None:
    tls = {
        "VOICE_TLS_CERTIFICATE": str(CERTIFICATES / "certificate.pem"),
        "VOICE_TLS_KEY": str(CERTIFICATES / "key.pem"),
    }
    with running_server(env=tls) as server:
        assert ends_with(server.port, **tls) == (0, "")


def test_where_nothing_answers_it_says_so() -> None:
    port = free_port()
    status, reason = ends_with(port)
    assert status == 1
    assert f"no answer on port {port}" in reason
