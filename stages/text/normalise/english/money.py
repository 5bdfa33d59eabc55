"""Amounts of money."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from stages.text.normalise.english import numbers
from stages.text.normalise.rules import any_of, rule

if TYPE_CHECKING:
    from stages.text.normalise.english.tables import Currency, EnglishTables
    from stages.text.normalise.rules import Target, TextRule

_AMOUNT = (
    r"(?:\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d{1,3}(?:\.\d{3})+(?:,\d\d)?(?![\d.])"
    r"|\d+(?:\.\d+|,\d{1,2}(?!\d))?|\.\d+)"
)
"""``1,234.56``, ``1.234,56``, ``3,50``, ``.99``."""
_ARTICLE = r"(?:(?<!\w)(?P<article>[Aa]n?) )?"
_SIGN = r"(?P<sign>[-+])?"
_BEGIN = r"(?<![\w.,$€£-])"
_DASH = r"(?: ?[-–—] ?| to )"
_MARKS = re.compile(r"[.,]")
_NOUN = re.compile(r"[ -][a-z]")


def rules(tables: EnglishTables) -> list[TextRule]:
    signs = any_of(sign for sign in tables.currencies if not sign.isalpha())
    codes = any_of(code for code in tables.currencies if code.isalpha())
    words, letters = any_of(tables.magnitude_words), any_of(tables.magnitudes)

    def magnitude(name: str) -> str:
        return rf"(?:[ -]?(?P<{name}_word>{words})\b| ?(?P<{name}_letters>{letters})(?!\w))?"

    first = rf"(?P<first>{_AMOUNT}){magnitude('first')}"
    second = rf"(?P<second>{_AMOUNT}){magnitude('second')}"
    per = rf"(?: ?/ ?(?P<per>{any_of(tables.per)})(?!\w)(?:\.(?= [a-z(]))?)?(?!\d)"

    def say(found: re.Match[str], target: Target) -> str:
        part = found.groupdict()
        currency = tables.currencies[part["symbol"]]
        magnitudes = [
            part[f"{name}_word"] or tables.magnitudes.get(part[f"{name}_letters"] or "")
            for name in ("first", "second")
        ]
        follows = found.string[found.end() : found.end() + 2]
        singular = bool(part.get("article") and not part["second"] and _NOUN.match(follows))
        said = [part.get("article") or "", _SIGNS[part["sign"]]]
        if part["second"]:
            said += [_plain(part["first"]), magnitudes[0] or "", "to"]
        amount, size = (
            (part["second"], magnitudes[1]) if part["second"] else (part["first"], magnitudes[0])
        )
        said.append(_money(amount, size, currency, singular=singular))
        if part["per"]:
            said += ["per", tables.per[part["per"]]]
        return " ".join(filter(None, said)).replace("U.S.", target.letters.spell("US"))

    return [
        # $5, US$5.3 billion, -£3.50, $5-10, a $20 million deal, $5/month
        rule(
            "0 $€£¥₹₩₽₺₴₪₫₱₦₿฿円元",
            rf"{_ARTICLE}(?<![\w$]){_SIGN}(?P<symbol>{signs}) ?{first}"
            rf"(?:{_DASH}(?:{signs})?{second})?{per}",
            say,
        ),
        # CHF 50
        rule(
            "0 DPNRKLYFCHSTBkz",
            rf"{_ARTICLE}(?<![\w$]){_SIGN}(?P<symbol>{codes}) ?{first}(?:{_DASH}{second})?{per}",
            say,
        ),
        # 20 €, 50 USD, 100-200 EUR
        rule(
            "0",
            rf"{_ARTICLE}{_BEGIN}{_SIGN}{first}(?:{_DASH}{second})?"
            rf" ?(?P<symbol>{signs}|(?<=[ \d])(?:{codes})(?!\w)){per}",
            say,
        ),
        # 5¢, 99p
        rule("¢", rf"{_BEGIN}(\d+) ?¢", lambda found, _: _small(found[1], "cent", "cents")),
        rule(
            "0 p",
            rf"{_BEGIN}(\d{{1,3}})p(?= (?:each|a|per|coin|off|piece)\b)",
            lambda found, _: _small(found[1], "penny", "pence"),
        ),
    ]


_SIGNS = {None: "", "-": "minus", "+": "plus"}


def _money(amount: str, magnitude: str | None, currency: Currency, *, singular: bool) -> str:
    unit, hundredth = currency
    if magnitude:
        return f"{_plain(amount)} {magnitude} {unit.singular if singular else unit.plural}"
    whole, fraction = _parts(amount)
    if fraction and (len(fraction) > 2 or hundredth is None):
        return f"{_plain(amount)} {unit.singular if singular else unit.plural}"
    cents = int(fraction.ljust(2, "0") or 0)
    said = []
    if cents == 0 or int(whole or 0):
        said.append(
            f"{numbers.cardinal(whole or '0')} {unit.singular if singular else unit.of(whole)}"
        )
    if cents and hundredth is not None:
        said.append(_small(str(cents), hundredth.singular, "" if singular else hundredth.plural))
    return " and ".join(said)


def _small(amount: str, singular: str, plural: str) -> str:
    return f"{numbers.cardinal(amount)} {singular if amount == '1' else plural or singular}"


def _plain(amount: str) -> str:
    whole, fraction = _parts(amount)
    return numbers.number(f"{whole}.{fraction}" if fraction else whole)


def _parts(amount: str) -> tuple[str, str]:
    """The whole and the fraction: a mark before three last digits parts thousands."""
    mark = max(amount.rfind("."), amount.rfind(","))
    n_digits = len(amount) - mark - 1
    if mark < 0 or n_digits == 3 or (amount[mark] == "," and n_digits > 2):
        return _MARKS.sub("", amount), ""
    return _MARKS.sub("", amount[:mark]), amount[mark + 1 :]
