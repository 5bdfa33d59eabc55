"""The pages at the root and under docs/, taken apart."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.server_process import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PATHS = [
    ROOT / "README.md",
    ROOT / "CHANGELOG.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "SECURITY.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "docs" / "adr").glob("*.md")),
]

_FENCED = re.compile(r"^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)
_LINK = re.compile(r"\]\(([^)\s]+)\)")


@dataclass(frozen=True)
class Snippet:
    """What stands between two fences."""

    where: str
    """File and line, for a failure."""
    language: str
    text: str

    def commands(self) -> Iterator[str]:
        """Its lines, those that go on behind a backslash joined; without remarks on their own."""
        for line in self.text.replace("\\\n", " ").splitlines():
            if line.strip() and not line.startswith("#"):
                yield line.strip()


@dataclass(frozen=True)
class Page:
    """One file."""

    path: Path

    @property
    def name(self) -> str:
        """From the root of the project."""
        return str(self.path.relative_to(ROOT))

    @property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    def snippets(self, *languages: str) -> list[Snippet]:
        """In these languages; all of them where none is named."""
        found = []
        for match in _FENCED.finditer(self.text):
            line = self.text.count("\n", 0, match.start()) + 1
            if not languages or match["language"] in languages:
                found.append(Snippet(f"{self.name}:{line}", match["language"], match["text"]))
        return found

    def prose(self) -> str:
        """All but what is between fences."""
        return _FENCED.sub("", self.text)

    def links(self) -> list[str]:
        """Where its links lead."""
        return _LINK.findall(re.sub(r"`[^`]*`", "", self.prose()))

    def anchors(self) -> set[str]:
        """Of its headings, as forges make them."""
        headings = _HEADING.findall(self.prose())
        return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in headings}

    def section(self, heading: str) -> str:
        """What stands below a heading, up to the next."""
        _, _, rest = self.text.partition(f"\n## {heading}\n")
        return rest.partition("\n## ")[0]


PAGES = [Page(path) for path in PATHS]


def page(name: str) -> Page:
    """The page of this name, from the root of the project."""
    return Page(ROOT / name)


def rows(text: str) -> list[list[str]]:
    """The cells of each row in the tables of a text, their heads and lines left out."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [
        row
        for row, below in zip(cells, [*cells[1:], [""]], strict=True)
        if not set("".join(row)) <= {"-"} and not (below[0] and set("".join(below)) <= {"-"})
    ]
