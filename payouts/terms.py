"""The terms of a pool: the amount, the events it covers, and the treatment of the unattributed part.

Terms and rule parameters come in one list of `key=value`; `parse_terms` reads the terms and returns the others for the
rule. `payload` is the canonical form that enters the run key.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Final, Literal, cast, get_args

from ledger import units
from ledger.errors import InputError
from ledger.shown import money
from ledger.types import ASPECTS, MILLION, Aspect, Period
from payouts.errors import TermsError
from payouts.money import parse_amount, scale

Weight = Literal["units", "gross"]
Destination = Literal["return", "training", "carry"]
Fallback = Literal["suspense", "training"]

_TERRITORY = re.compile(r"[A-Z]{2}\Z", re.ASCII)
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}\Z", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """One pool in one period. Exactly one of `micros` and `price_micros` is given.

    `sources`, `products`, `territories`: which events count; empty means all.
    `aspects`: (aspect, ppm) in the order of `ledger.types.ASPECTS`, summing to 1,000,000.
    `unattributed`: back to the payer, to the track's training set in equal parts, or into the next pool.
    `reserve_ppm`: kept back from the pool before anything is shared, for claims still to come.
    `fallback`: where an event without a reliable vector goes; a vector is not reliable when it is estimated
    and its method's measured error is missing or above `error_max_ppm` (1,000,000 trusts every vector).
    `suspense_months` and `suspense_to`: when money in suspense is given up, and to whom.
    """

    period: str
    currency: str
    micros: int | None = None
    price_micros: int | None = None
    pool: str = "default"
    sources: tuple[str, ...] = ()
    products: tuple[str, ...] = ()
    territories: tuple[str, ...] = ()
    weight: Weight = "units"
    aspects: tuple[tuple[Aspect, int], ...] = (("recording", MILLION),)
    unattributed: Destination = "return"
    reserve_ppm: int = 0
    fallback: Fallback = "suspense"
    error_max_ppm: int = MILLION
    suspense_months: int = 36
    suspense_to: Destination = "return"

    def __post_init__(self) -> None:
        Period.parse(self.period)
        scale(self.currency)
        if not _NAME.match(self.pool):
            raise TermsError(f"pool name {self.pool!r}: expected up to 64 of a-z, 0-9, '.', '_', '-'")
        self._check_amount()
        for name in ("sources", "products", "territories"):
            if odd := [item for item in getattr(self, name) if not isinstance(item, str)]:
                raise TermsError(f"{name} name {odd[0]!r}: expected texts")
        for territory in self.territories:
            if not _TERRITORY.match(territory):
                raise TermsError(f"territory {territory!r}: expected ISO 3166 alpha-2 codes, such as SE|NO")
        for name in ("reserve_ppm", "error_max_ppm"):
            _within(name.removesuffix("_ppm"), getattr(self, name), 0, MILLION)
        _within("suspense_months", self.suspense_months, 1, 1200)
        for name, allowed in _CHOICES.items():
            _one_of(name, getattr(self, name), allowed)
        self._check_aspects()
        for name in ("sources", "products", "territories"):
            object.__setattr__(self, name, tuple(sorted(set(getattr(self, name)))))

    def _check_amount(self) -> None:
        amounts = [amount for amount in (self.micros, self.price_micros) if amount is not None]
        if len(amounts) != 1:
            has = "an amount and a price per stream" if amounts else "neither an amount nor a price per stream"
            raise TermsError(
                f"pool {self.pool!r} has {has}: expected one of them; give --pool AMOUNT or --param price=AMOUNT, "
                "such as --pool 1000000.00"
            )
        if amounts[0] <= 0:
            raise TermsError(
                f"pool {self.pool!r} is {money(amounts[0], self.currency)}: expected more than zero, such as "
                "--pool 1000000.00"
            )

    def _check_aspects(self) -> None:
        names = [name for name, _ in self.aspects]
        for name in names:
            _one_of("aspects", name, ASPECTS)
        if len(set(names)) != len(names):
            raise TermsError(f"aspects {','.join(names)}: expected each aspect at most once")
        for name, ppm in self.aspects:
            _within(f"aspect {name}", ppm, 0, MILLION)
        total = sum(ppm for _, ppm in self.aspects)
        if total != MILLION:
            raise TermsError(
                f"aspects sum to {total} ppm: expected 1000000; for example aspects=recording:70%,composition:30%"
            )
        ordered = tuple((name, ppm) for name in ASPECTS for aspect, ppm in self.aspects if aspect == name and ppm)
        object.__setattr__(self, "aspects", ordered)

    def overlaps(self, other: Terms) -> bool:
        """Return whether an event may meet the criteria of both; not if a criterion has no value in common."""
        criteria = ((getattr(self, name), getattr(other, name)) for name in ("sources", "products", "territories"))
        return not any(own and others_ and set(own).isdisjoint(others_) for own, others_ in criteria)

    def cover(self, source: str, product: str | None, territory: str) -> bool:
        """Return whether the pool includes such events."""
        return (
            (not self.sources or source in self.sources)
            and (not self.products or product in self.products)
            and (not self.territories or territory in self.territories)
        )

    def payload(self) -> dict[str, Any]:
        """Return the terms as canonical JSON: every field, amounts as decimal strings (they may exceed 2^53)."""
        out: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(self)}
        for name in ("micros", "price_micros"):
            out[name] = None if out[name] is None else str(out[name])
        for name in ("sources", "products", "territories"):
            out[name] = list(out[name])
        out["aspects"] = dict(self.aspects)
        return out

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any]) -> Terms:
        """The inverse of `payload`."""
        values = dict(payload)
        unknown = sorted(set(values) - {field.name for field in fields(cls)})
        if unknown:
            raise TermsError(f"terms have unknown fields {unknown}: written by another version?")
        for name in ("micros", "price_micros"):
            values[name] = None if values.get(name) is None else int(values[name])
        for name in ("sources", "products", "territories"):
            values[name] = tuple(values.get(name, ()))
        values["aspects"] = tuple(values["aspects"].items())
        return cls(**values)


_CHOICES: Final[dict[str, tuple[str, ...]]] = {
    "weight": get_args(Weight),
    "unattributed": get_args(Destination),
    "fallback": get_args(Fallback),
    "suspense_to": get_args(Destination),
}


def _within(name: str, value: int, low: int, high: int) -> None:
    if type(value) is not int or not low <= value <= high:  # True would be a second spelling of 1
        raise TermsError(f"{name} {value}: expected a whole number from {low} to {high}")


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise TermsError(f"{name} {value!r}: expected one of {', '.join(allowed)}")


def whole_number(name: str, text: str) -> int:
    """Parse a parameter as an int of ASCII digits only, so that 0.5 or 1e6 is refused, not rounded."""
    if not re.fullmatch(r"\d{1,18}", text, re.ASCII):
        raise TermsError(f"{name}={text}: expected a whole number")
    return int(text)


def share(name: str, text: str) -> int:
    """Parse a share (percentage, fraction or whole ppm) as ppm."""
    try:
        return units.ppm(text)
    except InputError:
        raise TermsError(
            f"{name}={text}: expected a percentage, at most four decimals, such as 15.825%, or a whole number of ppm"
        ) from None


def _listed(_: str, text: str) -> tuple[str, ...]:
    return tuple(part for part in text.split("|") if part)


def _mix(name: str, text: str) -> tuple[tuple[Aspect, int], ...]:
    out = []
    for part in text.split(","):
        aspect, colon, ppm = part.partition(":")
        if not colon:
            raise TermsError(f"{name}={text}: expected aspects with shares, such as recording:70%,composition:30%")
        out.append((cast("Aspect", aspect), share(f"aspect {aspect}", ppm)))
    return tuple(out)


_PARAMS: Final[dict[str, tuple[str, Callable[[str, str], object]]]] = {
    "price": ("price_micros", lambda _, text: parse_amount(text)),
    "sources": ("sources", _listed),
    "products": ("products", _listed),
    "territories": ("territories", _listed),
    "weight": ("weight", lambda _, text: text),
    "aspects": ("aspects", _mix),
    "unattributed": ("unattributed", lambda _, text: text),
    "reserve": ("reserve_ppm", share),
    "fallback": ("fallback", lambda _, text: text),
    "error_max": ("error_max_ppm", share),
    "suspense_months": ("suspense_months", whole_number),
    "suspense_to": ("suspense_to", lambda _, text: text),
}

PARAMS: Final[Mapping[str, tuple[str, str]]] = {
    "price": ("none", "what a unit brings, such as 0.004, instead of an amount to share out"),
    "sources": ("all", "event sources that count: NAME|NAME"),
    "products": ("all", "products that count: NAME|NAME"),
    "territories": ("all", "countries that count: SE|NO"),
    "weight": ("units", "what an event weighs: units or gross"),
    "aspects": ("recording:100%", "which influence is paid, and how much of it: recording:70%,composition:30%"),
    "unattributed": ("return", "influence of nobody who can be named: return to the payer, training, or carry"),
    "reserve": ("0%", "part of the pool kept back for claims to come"),
    "fallback": ("suspense", "events without a reliable vector: suspense or training"),
    "error_max": ("100%", "the measured error above which an estimated vector is not reliable"),
    "suspense_months": (
        "36",
        "months after which money in suspense is given up (settle held, the journal)",
    ),
    "suspense_to": ("return", "to whom it goes then: return (the payer), training or carry"),
}
"""The pool terms that may be given as `--param`, with default and meaning; everything else belongs to the rule."""


def parse_terms(
    *, period: str, currency: str, pool: str = "default", micros: int | None = None, params: Mapping[str, str]
) -> tuple[Terms, dict[str, str]]:
    """Return the terms, and the other parameters, which are for the rule."""
    own_params = {name: text for name, text in params.items() if name in _PARAMS}
    values: dict[str, Any] = {_PARAMS[name][0]: _PARAMS[name][1](name, text) for name, text in own_params.items()}
    terms = Terms(period=period, currency=currency, pool=pool, micros=micros, **values)
    return terms, {name: text for name, text in params.items() if name not in own_params}
