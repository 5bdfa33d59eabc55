"""The law: a shelf is a bounded memory. It gives back what was put last under a key with the same
stamp or nothing, keeps to its bound but for the one thing put last, and lets go of what has been
unused for longest, and only when it must; of what is in use last, and for what is only offered
never."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from stages.rvc.voices.lru import Shelf

MAX_BYTES = 100
KEYS = st.sampled_from("abcdef")
STAMPS = st.integers(0, 1)
CALLS = st.lists(
    st.one_of(
        st.tuples(st.just("get"), KEYS, STAMPS, st.just(0), st.just(frozenset[str]())),
        st.tuples(
            st.sampled_from(["put", "offer"]),
            KEYS,
            STAMPS,
            st.integers(0, 130),
            st.frozensets(KEYS),
        ),
    ),
    max_size=40,
)


@given(CALLS)
def test_a_shelf_does_what_a_list_in_order_of_use_would(
    calls: list[tuple[str, str, int, int, frozenset[str]]],
) -> None:
    shelf: Shelf[int] = Shelf(MAX_BYTES)
    model: list[tuple[str, int, int, int]] = []  # key, stamp, value, bytes; longest unused first
    for value, (call, key, stamp, n_bytes, in_use) in enumerate(calls):
        mine = [entry for entry in model if entry[0] == key]
        others = [entry for entry in model if entry[0] != key]
        if call in {"put", "offer"}:
            used_bytes = sum(entry[3] for entry in others if entry[0] in in_use)
            is_kept = call == "put" or used_bytes + n_bytes <= MAX_BYTES
            if call == "put":
                shelf.put(key, value, n_bytes, stamp, in_use)
            else:
                assert shelf.offer(key, value, n_bytes, stamp, in_use) == is_kept
            if is_kept:
                while others and sum(entry[3] for entry in others) + n_bytes > MAX_BYTES:
                    unused = [entry for entry in others if entry[0] not in in_use]
                    others.remove((unused or others)[0])
                model = [*others, (key, stamp, value, n_bytes)]
        else:
            fresh = [entry for entry in mine if entry[1] == stamp]
            assert shelf.get(key, stamp) == (fresh[0][2] if fresh else None)
            model = [*others, *fresh]
        assert len(shelf) == len(model)
        assert shelf.n_bytes == sum(entry[3] for entry in model)
        assert shelf.n_bytes <= MAX_BYTES or len(shelf) == 1
