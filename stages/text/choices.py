"""What can be chosen of the reading of markup: as options need it, without the reader."""

from typing import Literal, TypeAlias

Urls: TypeAlias = Literal["host", "all", "link"]
Actions: TypeAlias = Literal["spoken", "silent", "pause"]
