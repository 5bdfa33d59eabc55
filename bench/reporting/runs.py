"""What is measured: one entry for each run of a bench, in the order of docs/performance.md.

A new bench needs an entry in RUNS. What of it stands beside a target, or in the README, is said in
`bench/reporting/figures.py`.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Run:
    """A bench with certain options."""

    name: str
    """Of its result, `bench/results/NAME.json`."""
    title: str
    script: str
    """In `bench/`, without `.py`."""
    arguments: str = ""
    random_weights: bool = False
    left_out_because: str = ""
    """Why it is run only if it is named; empty if it is always run."""

    @property
    def command(self) -> str:
        """As a person types it."""
        return f"python {self.path} {self.arguments}".rstrip()

    @property
    def path(self) -> str:
        """Of its bench, from the root of the project."""
        return f"bench/{self.script}.py"

    @property
    def docstring(self) -> str:
        """What its bench asks; read without importing it, since some want PyTorch.

        Raises ValueError if it has none.
        """
        source = (ROOT / self.path).read_text(encoding="utf-8")
        told = ast.get_docstring(ast.parse(source))
        if told is None:
            raise ValueError(f"{self.path} does not say what it asks")
        return told


RUNS = (
    Run("first_audio", "First sound", "first_audio"),
    Run("stage_cost", "Where each millisecond goes", "stage_cost"),
    Run(
        "sessions",
        "Many listeners",
        "sessions",
        # Up to where it breaks, with and without a pitch shift.
        "--listeners 1 10 50 100 200 300 400 --with-pitch 10 50 100 200 -- --max-listeners 600",
    ),
    Run("burst", "All at once", "sessions", "--burst"),
    Run("barge_in", "Barge-in", "barge_in"),
    Run("connections", "Connections and the start", "connections"),
    Run("idle", "Silent WebSockets", "idle"),
    Run(
        "disturbance",
        "Beside one who means no good",
        "disturbance",
        # One stops reading, one floods, one sends garbage; all thirteen take 16 minutes.
        "--kinds stalls tokens 'bad messages'",
    ),
    Run("leaving", "The end under load", "leaving"),
    Run("page", "The page", "page"),
    Run("soprano", "Soprano", "soprano", random_weights=True),
    Run("rvc", "RVC", "rvc", random_weights=True),
    Run("chain", "Soprano and RVC", "chain", random_weights=True),
    Run("soak", "A soak", "soak", left_out_because="it takes ten minutes"),
    Run(
        "gpu",
        "On a GPU",
        "gpu",
        random_weights=True,
        left_out_because="it needs an NVIDIA GPU",
    ),
)
