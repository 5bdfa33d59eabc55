"""Who is refused, and who is cut off, where clients together want to hold more than may be held."""

from __future__ import annotations

from pipeline.holdings import Account, Holder

BOUND = 1000


class Crowd:
    """An account with a clock of its own, and clients by name."""

    def __init__(self) -> None:
        self.now = 0.0
        self.account = Account(BOUND, lambda: self.now)
        self.gone: list[str] = []
        self.n_told = 0
        self.account.note_cut_off = self._count

    def _count(self) -> None:
        self.n_told += 1

    def client(self, name: str, n_bytes: int = 0) -> Holder:
        holder = self.account.open(lambda: self.gone.append(name))
        holder.share().set(n_bytes)
        return holder


def test_whoever_holds_most_is_refused_more() -> None:
    crowd = Crowd()
    crowd.client("little", 100)
    share = crowd.client("much").share()
    assert share.ask(900)
    assert not share.ask(901)
    assert share.n_bytes == 900, "what it has it keeps"
    assert crowd.gone == []


def test_whoever_holds_little_is_given_room_by_whoever_holds_most() -> None:
    """A listener with a sentence was refused, since others had filled the room."""
    crowd = Crowd()
    crowd.client("much", 600)
    crowd.client("less", 400)
    little = crowd.client("little").share()
    assert little.ask(50)
    assert crowd.gone == ["much"]
    assert crowd.n_told == 1
    assert crowd.account.held_bytes == 450


def test_many_of_one_client_make_room_before_one_who_holds_more_than_any_of_them() -> None:
    """250 who came back as soon as they were cut off each held less than a listener's sentence, and
    nothing of theirs had been stuck for long: so the listener was cut off."""
    crowd = Crowd()
    crowd.client("listener", 190)
    for name in "abcdefgh":
        crowd.client(name, 100).who = "one address"
    crowd.client("newcomer", 50)
    assert len(crowd.gone) == 1
    assert crowd.gone != ["listener"]


def test_whoever_reads_stays_where_somebody_else_does_not() -> None:
    """Of two with as much to be sent, the one makes room that has read nothing for longer, even if
    the other is just about to hold more."""
    crowd = Crowd()
    crowd.client("stuck", 400)
    reading = crowd.client("reading", 500)
    for _ in range(10):
        crowd.now += 1
        reading.moved()
    crowd.client("new", 300)
    assert crowd.gone == ["stuck"]


def test_what_has_just_begun_to_wait_has_not_waited_since_the_client_came() -> None:
    crowd = Crowd()
    idle = crowd.client("idle for an hour").share()
    crowd.now = 3600
    crowd.client("stuck", 600)
    crowd.now += 10
    idle.set(500)
    assert crowd.gone == ["stuck"]


def test_a_client_that_is_cut_off_counts_for_nothing_more() -> None:
    crowd = Crowd()
    holder = crowd.client("much", 500)
    share = holder.share()
    share.set(501)
    assert crowd.gone == ["much"]
    share.set(700)
    assert share.ask(900)
    holder.close()
    assert crowd.account.held_bytes == 0
