"""HAProxy's program, where it is installed, and what it says."""

from __future__ import annotations

import csv
import shutil
import subprocess
from typing import TYPE_CHECKING

from tests.server_process import ROOT

if TYPE_CHECKING:
    from pathlib import Path


def find_haproxy() -> str | None:
    """HAProxy's program, which Debian has where only root looks."""
    return shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin:/usr/local/sbin")


def certificate() -> str:
    """What the one file has that HAProxy wants: the tests' certificate, and its key."""
    parts = (ROOT / "tests" / "tls" / name for name in ("certificate.pem", "key.pem"))
    return "".join(part.read_text() for part in parts)


def remarks(program: str, configuration: str, folder: Path) -> str:
    """What it has to say to a configuration: no line with ``[WARNING]``, where all is right. Files
    that it names are in this folder."""
    (folder / "haproxy.cfg").write_text(configuration)
    words = [program, "-c", "-f", "haproxy.cfg"]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stderr


def rows_of(statistics: str, proxy: str) -> dict[str, dict[str, str]]:
    """What ``show stat`` tells of a proxy: of each server, of ``FRONTEND`` and of ``BACKEND``."""
    rows = csv.DictReader(statistics.removeprefix("# ").splitlines())
    return {row["svname"]: row for row in rows if row["pxname"] == proxy}
