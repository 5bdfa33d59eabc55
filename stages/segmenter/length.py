"""Where a segment is cut that is full."""

from __future__ import annotations

from bisect import bisect_right
from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple

import regex

from stages.text.markup import Kind

if TYPE_CHECKING:
    from collections.abc import Sequence
