"""The law of the account: whatever clients queue, drop and leave behind, and in whatever order,
what is entered is never less than nothing, never more than the bound, and what the shares say."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from pipeline.holdings import Account, Holder, Share

BOUND = 1000
SIZES = st.integers(0, 2 * BOUND)


class AccountMachine(RuleBasedStateMachine):
    """Clients that come, hold something in several queues, and go."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.account = Account(BOUND, lambda: self.now)
        self.shares: dict[Holder, list[Share]] = {}
        self.cut_off: list[Holder] = []

    def holder(self, index: int) -> Holder:
        return list(self.shares)[index % len(self.shares)]

    def share(self, index: int) -> Share:
        shares = [share for own in self.shares.values() for share in own]
        return shares[index % len(shares)]

    @rule(n_shares=st.integers(1, 3))
    def come(self, n_shares: int) -> None:
        holder = self.account.open(lambda: self.cut_off.append(holder))
        self.shares[holder] = [holder.share() for _ in range(n_shares)]

    @rule(seconds=st.floats(0, 100))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule(index=st.integers(0), size=SIZES)
    def ask(self, index: int, size: int) -> None:
        if self.shares:
            share = self.share(index)
            before = share.n_bytes
            is_taken = share.ask(size)
            assert share.n_bytes in {before, size}
            assert is_taken or share.n_bytes == before

    @rule(index=st.integers(0), size=SIZES)
    def hold(self, index: int, size: int) -> None:
        if self.shares:
            self.share(index).set(size)

    @rule(index=st.integers(0))
    def read(self, index: int) -> None:
        if self.shares:
            self.holder(index).moved()

    @rule(index=st.integers(0))
    def drop_a_queue(self, index: int) -> None:
        if self.shares:
            share = self.share(index)
            share.close()
            share.set(BOUND)  # a late word about it counts for nothing
            assert share.n_bytes == 0

    @rule(index=st.integers(0))
    def go(self, index: int) -> None:
        if self.shares:
            holder = self.holder(index)
            holder.close()
            del self.shares[holder]

    @invariant()
    def within_the_bound(self) -> None:
        assert 0 <= self.account.held_bytes <= BOUND
        assert self.account.held_bytes == sum(own.n_bytes for own in self.shares)
        assert all(own.n_bytes >= 0 for own in self.shares)

    @invariant()
    def nobody_is_cut_off_twice(self) -> None:
        assert len(self.cut_off) == len(set(self.cut_off))
        assert all(own.n_bytes == 0 for own in self.cut_off)

    def teardown(self) -> None:
        for holder in self.shares:
            holder.close()
        assert self.account.held_bytes == 0


TestAccount = AccountMachine.TestCase
