"""A cache of large things: what was used last stays, up to a number of bytes."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Collection, Hashable

T = TypeVar("T")


class LruCache(Generic[T]):
    """Keeps what was used last; the longest unused leaves first, and what is in use last.

    What was put last stays even if it alone is larger: it is about to be used. What has left
    lives on for those who still hold it, so memory can exceed the bound by what is in use."""

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        """May be changed: it holds from the next `put` on."""
        self._entries: OrderedDict[Hashable, _CacheEntry[T]] = OrderedDict()  # longest unused first

    @property
    def n_bytes(self) -> int:
        """The sum over all entries."""
        return sum(entry.n_bytes for entry in self._entries.values())

    def get(self, key: Hashable, stamp: Hashable) -> T | None:
        """The value under this key, if it was made of files with this stamp; it counts as used
        now. Made of others it is out of date, and leaves."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        if entry.stamp != stamp:
            del self._entries[key]
            return None
        self._entries.move_to_end(key)
        return entry.value

    def peek(self, key: Hashable) -> T | None:
        """The value under this key, of whatever files it was made."""
        entry = self._entries.get(key)
        return entry.value if entry is not None else None

    def put(
        self,
        key: Hashable,
        value: T,
        n_bytes: int,
        stamp: Hashable,
        *,
        in_use: Collection[Hashable] = (),
        ahead: bool = False,
    ) -> None:
        """Keep a value in place of the one under its key. To make room entries leave whose keys
        are not `in_use`, and then the others; but what is put `ahead` of its use is not kept
        where one of those would have to leave. The stamp must be from before the files were
        read: then a change meanwhile is noticed."""
        self._entries.pop(key, None)
        used = sum(entry.n_bytes for own, entry in self._entries.items() if own in in_use)
        if ahead and used and used + n_bytes > self.max_bytes:
            return
        for other in sorted(self._entries, key=lambda own: own in in_use):  # else in order of use
            if self.n_bytes + n_bytes <= self.max_bytes:
                break
            del self._entries[other]
        self._entries[key] = _CacheEntry(value, n_bytes, stamp)


@dataclass(frozen=True, slots=True)
class _CacheEntry(Generic[T]):
    value: T
    n_bytes: int
    stamp: Hashable
