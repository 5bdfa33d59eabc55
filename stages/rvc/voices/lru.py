"""Loaded voices, kept while there is room."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Collection, Hashable

T = TypeVar("T")


class Shelf(Generic[T]):
    """Keeps what was used last, up to a number of bytes; the rest leaves, longest unused first,
    and what is in use after all others.

    What was put last stays even if it alone is larger: it is about to be used. What has left
    lives on for those who still hold it, so memory can exceed the bound by what is in use. Any
    thread may call this."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._kept: OrderedDict[Hashable, _Kept[T]] = OrderedDict()  # longest unused first
        self._n_bytes = 0
        self._lock = threading.Lock()

    @property
    def n_bytes(self) -> int:
        """Of all that is kept."""
        return self._n_bytes

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: Hashable, stamp: Hashable) -> T | None:
        """What was put under this key, if it was made of files with this stamp; it counts as used
        now. Made of others it is out of date, and leaves."""
        with self._lock:
            kept = self._kept.get(key)
            if kept is None:
                return None
            if kept.stamp != stamp:
                self._drop(key)
                return None
            self._kept.move_to_end(key)
            return kept.value

    def put(
        self,
        key: Hashable,
        value: T,
        n_bytes: int,
        stamp: Hashable,
        in_use: Collection[Hashable] = (),
    ) -> None:
        """Keep a value in place of what was under its key; what leaves for it is first what is
        under none of the keys `in_use`. The stamp must be of before its files were read: then a
        change meanwhile is noticed."""
        with self._lock:
            self._put(key, _Kept(value, n_bytes, stamp), in_use)

    def offer(
        self,
        key: Hashable,
        value: T,
        n_bytes: int,
        stamp: Hashable,
        in_use: Collection[Hashable] = (),
    ) -> bool:
        """As `put`, but only where nothing in use has to leave for it; says whether it is kept."""
        with self._lock:
            others = (
                kept.n_bytes for own, kept in self._kept.items() if own in in_use and own != key
            )
            if sum(others) + n_bytes > self._max_bytes:
                return False
            self._put(key, _Kept(value, n_bytes, stamp), in_use)
            return True

    def _put(self, key: Hashable, kept: _Kept[T], in_use: Collection[Hashable]) -> None:
        if key in self._kept:
            self._drop(key)
        for other in sorted(self._kept, key=lambda own: own in in_use):  # else in order of use
            if self._n_bytes + kept.n_bytes <= self._max_bytes:
                break
            self._drop(other)
        self._kept[key] = kept
        self._n_bytes += kept.n_bytes

    def _drop(self, key: Hashable) -> None:
        self._n_bytes -= self._kept.pop(key).n_bytes


@dataclass(frozen=True, slots=True)
class _Kept(Generic[T]):
    value: T
    n_bytes: int
    stamp: Hashable
