"""The law of tenants: whoever comes, speaks and goes in whatever order, and whenever the limits are
changed, no more text is taken in a day than the limit of that moment allows, sound goes beyond its
limit by what had begun before, a new day begins with nothing used, and no place stays taken."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from pipeline.tenants import DAY_S, Limits, Tenant

limits = st.builds(
    Limits,
    listeners=st.none() | st.integers(1, 3),
    characters_a_day=st.none() | st.integers(1, 50),
    audio_seconds_a_day=st.none() | st.integers(1, 20),
)
segments = st.integers(1, 10)  # whole seconds, so that sums are exact


class OneTenant(RuleBasedStateMachine):
    """A tenant, and a model that keeps what was used by day and adds it up each time."""

    def __init__(self) -> None:
        super().__init__()
        self.tenant = Tenant("bot")
        self.now = 0.0
        self.characters: list[tuple[int, int]] = []  # each with its day
        self.audio: list[tuple[int, int]] = []
        self.begun: list[int] = []  # the seconds of segments that are under way
        self.n_listeners = 0

    @property
    def day(self) -> int:
        return int(self.now // DAY_S)

    def used(self, of: list[tuple[int, int]]) -> int:
        return sum(amount for day, amount in of if day == self.day)

    @rule(new=limits)
    def change_limits(self, new: Limits) -> None:
        self.tenant.limits = new

    @rule(seconds=st.sampled_from([1.0, 3600.0, DAY_S - 1.0, float(DAY_S), 2.5 * DAY_S]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def come(self) -> None:
        most = self.tenant.limits.listeners
        refusal = self.tenant.refuses_place()
        assert (refusal is None) is (most is None or self.n_listeners < most)
        if refusal is None:
            self.tenant.enter()
            self.n_listeners += 1
        else:
            assert (refusal.limit, refusal.most, refusal.ends) == ("listeners", most, None)

    @precondition(lambda self: self.n_listeners)
    @rule()
    def leave(self) -> None:
        self.tenant.leave()
        self.n_listeners -= 1

    @rule(n_chars=st.integers(1, 30))
    def say(self, n_chars: int) -> None:
        refusal = self.tenant.refuses_text(n_chars, self.now)
        own = self.tenant.limits
        fits = own.characters_a_day is None or (
            self.used(self.characters) + n_chars <= own.characters_a_day
        )
        has_sound = own.audio_seconds_a_day is None or (
            self.used(self.audio) < own.audio_seconds_a_day
        )
        assert (refusal is None) is (fits and has_sound)
        if refusal is None:
            self.tenant.use(self.now, characters=n_chars)
            self.characters.append((self.day, n_chars))
        else:
            assert refusal.limit == ("audio_seconds_a_day" if fits else "characters_a_day")
            # Whoever comes back when it is told to comes on the next day, and soon.
            assert int((self.now + refusal.retry_after_s) // DAY_S) == self.day + 1
            assert self.now + refusal.retry_after_s <= (self.day + 1) * DAY_S + 2

    @rule(seconds=segments)
    def begin_segment(self, seconds: int) -> None:
        if self.tenant.refuses_sound(self.now) is None:
            self.begun.append(seconds)

    @precondition(lambda self: self.begun)
    @rule()
    def send_segment(self) -> None:
        seconds = self.begun.pop(0)
        self.tenant.use(self.now, audio_s=seconds)
        self.audio.append((self.day, seconds))

    @invariant()
    def counts_are_the_models(self) -> None:
        characters, audio_s = self.tenant.used(self.now)
        assert characters == self.used(self.characters)
        assert audio_s == self.used(self.audio)
        assert self.tenant.n_listeners == self.n_listeners

    def teardown(self) -> None:
        for _ in range(self.n_listeners):
            self.tenant.leave()
        assert self.tenant.n_listeners == 0


TestOneTenant = OneTenant.TestCase
