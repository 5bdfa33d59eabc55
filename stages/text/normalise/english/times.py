"""Times of day, and how long something takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stages.text.normalise.english import numbers
from stages.text.normalise.rules import any_of, rule

if TYPE_CHECKING:
    import re

    from stages.text.normalise.english.tables import EnglishTables
    from stages.text.normalise.rules import Target, TextRule

_HOUR = r"(2[0-4]|1\d|0?\d)"
_MINUTE = r"([0-5]\d)"
_HALF = r"([AaPp])(?:\.? ?[Mm]\b\.?)"
"""The half of the day: ``a.m.``, ``PM``."""
_BEGIN = r"(?<![\w.,:$-])"
_DASH = r" ?[-–—] ?"


def rules(tables: EnglishTables) -> list[TextRule]:
    zone = rf"(?: ({any_of(tables.zones)})(?![\w-]))?"
    return [
        # 9am-5pm, 9-11:30 a.m. EST
        rule(
            "0 mM -–—t",
            rf"{_BEGIN}{_HOUR}(?:[:.]{_MINUTE})?(?: ?{_HALF})?(?:{_DASH}| to )"
            rf"{_HOUR}(?:[:.]{_MINUTE})? ?{_HALF}(?!\w){zone}",
            _hours,
        ),
        # 9:00-17:00
        rule(
            "0 :",
            rf"{_BEGIN}{_HOUR}:{_MINUTE}{_DASH}{_HOUR}:{_MINUTE}(?![\w:]){zone}",
            lambda found, target: (
                f"{_clock(found[1], found[2])} to {_clock(found[3], found[4])}"
                + _zone(found[5], target)
            ),
        ),
        # 7:45 p.m., 4.30 pm, 5pm
        rule(
            "0 mM apAP",
            rf"(?<![\w.,:$]){_HOUR}(?:[:.]{_MINUTE}(?::[0-5]\d)?)? ?{_HALF}(?!\w){zone}",
            _hour,
        ),
        # 12:00:00, 1:30:15
        rule("0 :", rf"{_BEGIN}(\d\d?):{_MINUTE}:{_MINUTE}(?:\.\d+)?Z?(?![\w:])", _seconds),
        # John 3:16-18
        rule(
            "0 :",
            rf"\b({any_of(tables.books)}) (\d{{1,3}}):(\d{{1,3}})(?:[-–](\d{{1,3}}))?(?![\w:])",
            _verse,
        ),
        # 18:30
        rule(
            "0 :",
            rf"{_BEGIN}{_HOUR}:{_MINUTE}Z?(?![\w:]|[.,]\d){zone}",
            lambda found, target: _clock(found[1], found[2]) + _zone(found[3], target),
        ),
        rule(
            "0 d h",
            r"(?<![\w.,])(\d{1,3}) ?d(?:ays?)?,? (?=\d\d? ?h)",
            lambda found, _: f"{numbers.cardinal(found[1])} day{'' if found[1] == '1' else 's'} ",
        ),
        # 3h 20m, 5m 30s
        rule(
            "0 h",
            r"(?<![\w.,])(\d{1,3}) ?h(?:rs?)? ?(\d\d?) ?(?:m(?:ins?)?)?(?: ?(\d\d?) ?s(?:ecs?)?)?"
            r"(?!\w)",
            _duration,
        ),
        rule("0 m s", r"(?<![\w.,])()(\d{1,3}) ?m(?:in)? ?(\d\d?) ?s(?:ec)?(?!\w)", _duration),
    ]


def _clock(hour: str, minute: str) -> str:
    hours = numbers.cardinal(str(int(hour)))
    if minute == "00":
        return f"{hours} o'clock" if 1 <= int(hour) <= 12 else f"{hours} hundred"
    return _time(hour, minute)


def _time(hour: str, minute: str | None) -> str:
    said = numbers.cardinal(str(int(hour)))
    if minute is None or minute == "00":
        return said
    minutes = numbers.cardinal(minute.lstrip("0"))
    return f"{said} oh {minutes}" if minute[0] == "0" else f"{said} {minutes}"


def _hour(found: re.Match[str], target: Target) -> str:
    hour, minute, half, zone = found.groups()
    return f"{_time(hour, minute)} {_half(half, target)}{_zone(zone, target)}{_stop(found)}"


def _hours(found: re.Match[str], target: Target) -> str:
    hour, minute, half, until_hour, until_minute, until_half, zone = found.groups()
    first = _time(hour, minute) + (f" {_half(half, target)}" if half else "")
    second = f"{_time(until_hour, until_minute)} {_half(until_half, target)}"
    return f"{first} to {second}{_zone(zone, target)}{_stop(found)}"


def _half(letter: str, target: Target) -> str:
    return target.letters.spell(f"{letter}M")


def _zone(zone: str | None, target: Target) -> str:
    return f" {target.letters.spell(zone)}" if zone else ""


def _stop(found: re.Match[str]) -> str:
    return numbers.stop_at_end(found)


def _seconds(found: re.Match[str], _target: Target) -> str:
    hours, minutes, seconds = found.groups()
    if len(hours) == 2 and int(hours) < 24 and seconds == "00":
        return _clock(hours, minutes)
    return _amounts(hours, minutes, seconds) or "zero seconds"


def _duration(found: re.Match[str], _target: Target) -> str:
    return _amounts(*found.groups())


def _amounts(*amounts: str | None) -> str:
    return " ".join(
        f"{numbers.cardinal(str(int(amount)))} {unit}{'' if int(amount) == 1 else 's'}"
        for amount, unit in zip(amounts, ("hour", "minute", "second"), strict=True)
        if amount and int(amount)
    )


def _verse(found: re.Match[str], _target: Target) -> str:
    book, chapter, verse, until = found.groups()
    said = f"{book} {numbers.cardinal(chapter)} {numbers.cardinal(verse)}"
    return f"{said} to {numbers.cardinal(until)}" if until else said
