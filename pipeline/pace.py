"""How fast this server speaks, and what follows from it.

How long a sentence is held back so that it is heard without a gap, and whether one more listener
can be spoken to.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple, Protocol

import structlog
import trio

from pipeline.capacity import most_listeners
from pipeline.ledger import UNITS_PER_S, n_units
from pipeline.real_time import WorkFigures
from stages.sender.pacer import SLACK, Pacer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from pipeline.real_time import WorkMeter
    from stages.engine import Engine
    from stages.items import Segment, Style
    from stages.voices import Voice

log = structlog.stdlib.get_logger(__name__)

RENEW_S = 0.0002
"""How old what all listeners want may be when a sentence goes out, for each of them: a look at 500
takes half a millisecond, and who has come in the last 0.1 s changes little beside them."""

MAX_STRETCH = 2.0
"""The most that a synthesizer's sound is shortened to be heard: a speed of 2."""


class SpeakingRate:
    """How much text of a voice a second holds, learnt from what it has said. Pure."""

    _KEPT = 0.9
    _FIRST_UNITS = 30.0  # what the rate that is taken before anything was said counts for
    _FIRST_SPREAD = 0.1
    _MAX_SPREAD = 0.3
    _SPREADS = 1.5  # seven sentences of eight are no longer than so many mean deviations

    def __init__(self) -> None:
        self._units = self._FIRST_UNITS
        self._seconds = self._FIRST_UNITS / UNITS_PER_S
        self._spread = self._FIRST_SPREAD

    def learn(self, units: float, seconds: float) -> None:
        """Enter that so much text took so long, at speed 1."""
        error = abs(seconds * self._units / (units * self._seconds) - 1)
        weight = (1 - self._KEPT) * min(1.0, units / self._FIRST_UNITS)
        self._spread += weight * (min(error, self._MAX_SPREAD) - self._spread)
        self._units = self._KEPT * self._units + units
        self._seconds = self._KEPT * self._seconds + seconds

    def longest_s(self, units: float) -> float:
        """How long so much text will take at the most, as far as its like can tell."""
        return units * self._seconds / self._units * (1 + self._SPREADS * self._spread)


class Listener(Protocol):
    """Somebody who is spoken to now and then."""

    @property
    def style(self) -> Style:
        """The style that it has chosen."""

    def is_spoken_to(self, now: float) -> bool:
        """Whether there is text to speak to it now, or sound that it has not heard yet."""

    def left_to_hear_s(self, now: float) -> float:
        """About how long it will hear what there is for it by now."""


class Demand(NamedTuple):
    """What listeners want who are spoken to at the same time."""

    n_listeners: int
    seconds: Mapping[Engine, float]
    """The sound that each engine has to make in a second."""

    def with_more(self, shares: Mapping[Engine, float], n: int) -> Demand:
        """With so many more listeners, each of whom wants this."""
        more = {engine: self.seconds.get(engine, 0.0) + n * own for engine, own in shares.items()}
        return Demand(self.n_listeners + n, {**self.seconds, **more})

    def without(self, shares: Mapping[Engine, float]) -> Demand:
        """Without one of the listeners, who wants this."""
        less = {engine: self.seconds.get(engine, 0.0) - own for engine, own in shares.items()}
        kept = {engine: max(0.0, n) for engine, n in {**self.seconds, **less}.items()}
        return Demand(max(0, self.n_listeners - 1), kept)

    def of(self, n_listeners: int) -> Demand:
        """Of so many listeners who are alike."""
        ratio = n_listeners / self.n_listeners
        return Demand(n_listeners, {engine: n * ratio for engine, n in self.seconds.items()})


class ServerPace:
    """What is known of the engines' speed and the voices' rate; it grows while they speak."""

    def __init__(
        self,
        engines_for: Callable[[Style], Iterator[tuple[Engine, Style]]],
        meters: Mapping[Engine, WorkMeter],
        voices: Mapping[str, Voice],
        most_listeners: int,
    ) -> None:
        """`engines_for`: the engines that a style's text goes through, with their own styles.
        `meters`: in the order of the data, better engines before quicker ones. `most_listeners`:
        for whom there are places."""
        self._engines_for = engines_for
        self._meters = meters
        self._voices = voices
        self._most_listeners = most_listeners
        self.listeners: set[Listener] = set()
        """All that there are."""
        self._rates: dict[str, SpeakingRate] = {}  # by the voice that speaks
        self._known: dict[int, tuple[Style, dict[Engine, float]]] = {}
        """What each style that was met at the last look wants of the engines, by its `id`, which is
        no other's while the style is kept here. To find it out takes ten times as long."""
        self._demand = Demand(0, {})
        self._renew_at = -math.inf
        self._warned: set[tuple[str, ...]] = set()  # of chains of engines

    def chain(self, style: Style) -> WorkFigures | None:
        """What a second of sound in this style takes of all its engines; None: nobody knows."""
        (engine, own), *converters = self._engines_for(style)
        figures = self._figures(engine)
        for converter, _ in converters:
            after = self._figures(converter)
            if figures is None or after is None:
                return None
            # Who is made faster afterwards takes more than a second of speech for a second.
            speed = style.speed / engine.own_speed(own.speed)
            factor = figures.factor * speed + after.factor
            rest = figures.rest * speed + after.rest
            figures = WorkFigures(factor, rest, after.piece_s)
        return figures

    def _figures(self, engine: Engine) -> WorkFigures | None:
        meter = self._meters.get(engine)
        return None if meter is None else meter.figures

    def factor(self, style: Style) -> float | None:
        """Seconds of work for a second of sound in this style; None: nobody knows yet."""
        figures = self.chain(style)
        return None if figures is None else figures.factor

    def engine_factor(self, engine: Engine) -> float:
        """One engine's; not a number where nobody knows yet."""
        figures = self._figures(engine)
        return math.nan if figures is None else figures.factor

    # One listener.

    def pacer(
        self, segment: Segment, listener: Listener, *, message_s: float, may_hold: bool
    ) -> Pacer:
        """The pacer of a segment of which there is some sound. `message_s`: see `Pacer`."""
        style = segment.speaking_style
        figures = self.chain(style)
        if figures is None:
            return Pacer(None)
        factor = figures.rest
        # Else it is fast enough, whatever others take.
        if figures.factor * len(self.listeners) > 1 - SLACK:
            factor = self._factor_now(figures, listener)
        if not may_hold or factor <= 1 - SLACK:
            return Pacer(factor, max_hold_s=0.0)
        length_s = segment.timing.length_s
        if length_s is None:
            pause_s, units = segment.pause_s, n_units(segment.spoken)
            length_s = (pause_s + self._rate(style).longest_s(units)) / style.speed
        return Pacer(factor, length_s=length_s, piece_s=figures.piece_s, message_s=message_s)

    def _factor_now(self, figures: WorkFigures, listener: Listener) -> float:
        """A chain's factor for this listener, who is spoken to, beside all others who are: by what
        they leave it, and no more than what it takes to speak to all of them."""
        now = trio.current_time()
        if now >= self._renew_at:
            self._demand = self._current_demand(now)
            self._renew_at = now + RENEW_S * len(self.listeners)
        others = self._demand.without(self._shares(listener.style))
        if not others.n_listeners:
            return figures.rest
        taken, all_of_it = self._load(others), self._load(self._demand)
        left = 1 - taken
        factor = min((all_of_it - taken) / left, all_of_it) if left > 0 else all_of_it
        return max(figures.rest, factor)

    def _rate(self, style: Style) -> SpeakingRate:
        (_, own), *_ = self._engines_for(style)
        return self._rates.setdefault(own.voice, SpeakingRate())

    def spoken(self, segment: Segment, sound_s: float) -> None:
        """Learn from a segment that came well to its end."""
        style, units = segment.speaking_style, n_units(segment.spoken)
        seconds = sound_s * style.speed - segment.pause_s
        if units and seconds > 0 and not segment.remarks:
            self._rate(style).learn(units, seconds)

    def warn(self, segment: Segment) -> None:
        """Say in the log, once for each chain of engines, that it is too slow for speech without a
        wait, and what helps."""
        style = segment.speaking_style
        factor = self.factor(style)
        engines = [engine for engine, _ in self._engines_for(style)]
        names = tuple(engine.name for engine in engines)
        if factor is None or factor <= 1 or names in self._warned:
            return
        self._warned.add(names)
        log.warning(
            "%s takes %.1f s for a second of sound on %s, so sentences wait until they can be heard"
            " without a gap%s",
            " with ".join(names),
            factor,
            engines[-1].runs_on,
            f". What is quicker: {ways}" if (ways := self._ways_out(engines)) else "",
        )

    def _ways_out(self, engines: list[Engine]) -> str:
        """Empty where there is none."""
        ways = []
        if len(engines) > 1:
            ways.append(f"{engines[0].name} without {engines[-1].name}")
        if any(engine.can_use_gpu and engine.runs_on.startswith("cpu") for engine in engines):
            ways.append("a GPU (--device)")
        quicker = list(self._meters)[list(self._meters).index(engines[0]) + 1 :]
        for engine in quicker:
            for voice in self._voices.values():
                if voice.engine == engine.name and voice.speaks_with is None:
                    return ", ".join([*ways, f"a voice of {engine.name} (--voice {voice.name})"])
        return ", ".join(ways)

    # All listeners.

    def load(self) -> float:
        """The part of the model thread's or the device's time that those need who are being spoken
        to, as far as is known; above 1 they need more than there is."""
        return self._load(self._current_demand(trio.current_time()))

    def engine_load(self, engine: Engine) -> float:
        """The part of it for one engine."""
        n_listeners = self._current_demand(trio.current_time()).seconds.get(engine, 0.0)
        return self._meters[engine].load(n_listeners) if n_listeners else 0.0

    def capacity(self, style: Style) -> int:
        """How many listeners can be spoken to in real time who have the voices of those who are
        spoken to now; where nobody is, this style. As many as there are places, while nobody knows
        better."""
        demand = self._current_demand(trio.current_time())
        if not demand.n_listeners:
            demand = demand.with_more(self._shares(style), 1)
        return most_listeners(lambda n: self._load(demand.of(n)), self._most_listeners)

    def engine_capacity(self, engine: Engine) -> int:
        """How many there could be if nothing but this engine were at work."""
        meter = self._meters.get(engine)
        most = self._most_listeners
        return most if meter is None else most_listeners(meter.load, most)

    def has_room(self, style: Style) -> bool:
        """Whether a newcomer of this style could be spoken to beside all who are now. True where
        nobody is, and where nobody knows what they need."""
        most = (len(self.listeners) + 1) * MAX_STRETCH
        if sum(meter.load(most) for meter in self._meters.values()) <= 1:
            return True  # all of it for everybody: seen at a glance
        demand = self._current_demand(trio.current_time())
        return not demand.n_listeners or self._load(demand.with_more(self._shares(style), 1)) <= 1

    def room(self, style: Style) -> int:
        """How many newcomers of this style, who come one after the other and are spoken to, would
        find that the server `has_room` beside all who are spoken to now; at most for whom there
        are places."""
        demand, shares = self._current_demand(trio.current_time()), self._shares(style)
        n = most_listeners(lambda n: self._load(demand.with_more(shares, n)), self._most_listeners)
        return n if n > 1 or self.has_room(style) else 0

    def room_in_s(self) -> float:
        """How long it takes until the first of those who are spoken to has heard all that there is
        for it by now: where there is no room for a newcomer, there is likely to be some then."""
        now = trio.current_time()
        spoken_to = [listener for listener in self.listeners if listener.is_spoken_to(now)]
        return min((listener.left_to_hear_s(now) for listener in spoken_to), default=0.0)

    def _shares(self, style: Style) -> dict[Engine, float]:
        """How much sound each of the engines makes for a second in this style."""
        (engine, own), *converters = self._engines_for(style)
        # Who is made faster afterwards takes more than a second of speech for a second.
        speed = style.speed / engine.own_speed(own.speed) if converters else 1.0
        return {engine: speed, **{converter: 1.0 for converter, _ in converters}}

    def _current_demand(self, now: float) -> Demand:
        known, self._known = self._known, {}
        seconds: dict[Engine, float] = {}
        n_listeners = 0
        for listener in self.listeners:
            if listener.is_spoken_to(now):
                n_listeners += 1
                style = listener.style
                found = known.get(id(style)) or (style, self._shares(style))
                self._known[id(style)] = found
                for engine, share in found[1].items():
                    seconds[engine] = seconds.get(engine, 0.0) + share
        return Demand(n_listeners, seconds)

    def _load(self, demand: Demand) -> float:
        meters = self._meters
        return sum(meters[own].load(n) for own, n in demand.seconds.items() if own in meters)
