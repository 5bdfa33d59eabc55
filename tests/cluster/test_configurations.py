"""What deploy/haproxy/configure.py prints is taken by HAProxy, and what it is given becomes no line
of its own."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from deploy.haproxy.configure import configuration
from deploy.haproxy.options import read_options
from tests.haproxy import certificate, remarks
from tests.server_process import ROOT

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = ROOT / "deploy" / "haproxy" / "configure.py"
TWO = "--server", "10.0.0.1:8765", "--server", "10.0.0.2:8765,places=8,agent=9000,wyoming=10201"
TLS = "--certificate", "name.pem", "--redirect", "*:80"

CONFIGURATIONS = {
    "two servers": ("--places", "24", *TWO),
    "agents": ("--places", "24", "--agent-port", "8766", *TWO),
    "TLS and Wyoming": ("--places", "24", *TWO, *TLS, "--wyoming", "*:10200"),
    "IPv6": ("--server", "[2001:db8::1]:8765,places=4", "--bind", "[::]:8765"),
    "names": ("--server", "localhost:8765,places=4", "--wyoming", ":10200", "--no-root"),
    "more places than weights": ("--places", "4000", *TWO),
    "forty servers": (
        *("--places", "24", "--agent-port", "8766"),
        *(word for n in range(40) for word in ("--server", f"10.0.0.{n}:8765")),
    ),
}


@pytest.mark.parametrize("asked", CONFIGURATIONS.values(), ids=CONFIGURATIONS)
def test_haproxy_takes_it(haproxy: str, tmp_path: Path, asked: tuple[str, ...]) -> None:
    """Printed as its user does, by a Python that has no package of ours."""
    (tmp_path / "name.pem").write_text(certificate())
    printed = subprocess.run(
        [sys.executable, "-I", PROGRAM, *asked], capture_output=True, text=True, check=True
    ).stdout
    assert printed == configuration(read_options(asked))
    assert "[WARNING]" not in remarks(haproxy, printed, tmp_path)


REFUSED = {
    "no server": ("--places", "4"),
    "no places": ("--server", "10.0.0.1:8765"),
    "no port": ("--places", "4", "--server", "10.0.0.1"),
    "a port too large": ("--places", "4", "--server", "10.0.0.1:65536"),
    "unlimited": ("--server", "10.0.0.1:8765,places=0"),
    "an unknown word": ("--server", "10.0.0.1:8765,places=4,weight=3"),
    "one twice": ("--places", "4", *(2 * ("--server", "10.0.0.1:8765"))),
    "a redirect to nowhere": ("--places", "4", *TWO, "--redirect", "*:80"),
    "a line in a path": ("--places", "4", *TWO, "--certificate", "a\n  user root"),
    "a word in an address": ("--places", "4", *TWO, "--bind", "*:80 user root"),
    "no time": ("--places", "4", *TWO, "--queue", "2 s"),
    "a time that is none to HAProxy": ("--places", "4", *TWO, "--queue", "0s"),
    "a time beyond HAProxy's": ("--places", "4", *TWO, "--check", "99999m"),
    "digits that HAProxy takes for 0": ("--places", "\N{ARABIC-INDIC DIGIT THREE}", *TWO),
    "more places than fit": ("--places", "4294967296", *TWO),
    "a port too large to listen on": ("--places", "4", *TWO, "--bind", "*:65536"),
    "a socket that the network reaches": ("--places", "4", *TWO, "--socket", "0.0.0.0:9999"),
    "two at one port": ("--places", "4", *TWO, "--bind", ":80", "--wyoming", "*:80"),
    "an agent at the server's port": ("--places", "4", *TWO, "--agent-port", "8765"),
}


@pytest.mark.parametrize("asked", REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_is_refused(
    capsys: pytest.CaptureFixture[str], asked: tuple[str, ...]
) -> None:
    with pytest.raises(SystemExit) as ended:
        read_options(asked)
    assert ended.value.code == 2
    assert "error:" in capsys.readouterr().err


def test_shares_are_in_proportion_to_places() -> None:
    """HAProxy's weights end at 256; `maxconn:0` would be no limit, and a weight of 0 nobody."""
    asked = (
        "--server",
        "a:1,places=1024",
        "--server",
        "b:1,places=512",
        "--server",
        "c:1,places=1",
    )
    text = configuration(read_options(asked))
    for share in ("weight 256 maxconn 1024", "weight 128 maxconn 512", "weight 1 maxconn 1"):
        assert share in text
