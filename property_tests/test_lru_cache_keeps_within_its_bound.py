"""The law: a cache is a bounded memory. It gives back what was put last under a key with the same
stamp or nothing, keeps to its bound but for the one thing put last, and lets go of what has been
unused for longest, and only when it must; of what is in use last, and never for what is put ahead
of its use."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from stages.neural.lru import LruCache

MAX_BYTES = 100
KEYS = st.sampled_from("abcdef")
STAMPS = st.integers(0, 1)
CALLS = st.lists(
    st.one_of(
        st.tuples(st.just("get"), KEYS, STAMPS, st.just(0), st.just(frozenset[str]())),
        st.tuples(
            st.sampled_from(["put", "put ahead"]),
            KEYS,
            STAMPS,
            st.integers(0, 130),
            st.frozensets(KEYS),
        ),
    ),
    max_size=40,
)


@given(CALLS)
def test_a_cache_does_what_a_list_in_order_of_use_would(
    calls: list[tuple[str, str, int, int, frozenset[str]]],
) -> None:
    cache = LruCache[int](MAX_BYTES)
    model: list[tuple[str, int, int, int]] = []  # key, stamp, value, bytes; longest unused first
    for value, (call, key, stamp, n_bytes, in_use) in enumerate(calls):
        mine = [entry for entry in model if entry[0] == key]
        others = [entry for entry in model if entry[0] != key]
        if call == "get":
            fresh = [entry for entry in mine if entry[1] == stamp]
            assert cache.get(key, stamp) == (fresh[0][2] if fresh else None)
            model = [*others, *fresh]
        else:
            is_ahead = call == "put ahead"
            cache.put(key, value, n_bytes, stamp, in_use=in_use, ahead=is_ahead)
            used_bytes = sum(entry[3] for entry in others if entry[0] in in_use)
            fits = not used_bytes or used_bytes + n_bytes <= MAX_BYTES
            model = others
            if fits or not is_ahead:
                while others and sum(entry[3] for entry in others) + n_bytes > MAX_BYTES:
                    unused = [entry for entry in others if entry[0] not in in_use]
                    others.remove((unused or others)[0])
                model = [*others, (key, stamp, value, n_bytes)]
        assert cache.n_bytes == sum(entry[3] for entry in model)
        assert cache.n_bytes <= MAX_BYTES or len(model) == 1
