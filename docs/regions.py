"""Regions of a page that a program writes, between two comments that no reader sees:

<!-- figures: written by a program -->
<!-- end of figures -->
"""

from __future__ import annotations

import re


def replaced(page: str, region: str, body: str) -> str:
    """The page with `body` between the remarks of this region; ValueError if it has not got
    exactly one such region."""
    found = list(_region(region).finditer(page))
    if len(found) != 1:
        raise ValueError(f"the page has {len(found)} regions {region!r} instead of one")
    (match,) = found
    return f"{page[: match.end('begin')]}\n\n{body.strip()}\n\n{page[match.start('end') :]}"


def removed(page: str, region: str) -> str:
    """The page without what is between the remarks."""
    return _region(region).sub("", page)


def _region(region: str) -> re.Pattern[str]:
    name = re.escape(region)
    return re.compile(
        rf"(?P<begin><!-- {name}: .*? -->).*?(?P<end><!-- end of {name} -->)", re.DOTALL
    )
