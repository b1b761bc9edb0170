"""The interface of a rule: filter, weigh, kernel and cap, each with a default, and typed parameters.

A rule is a frozen dataclass; its fields are its parameters. A plug-in overrides only the methods that it changes; the
defaults are those of pro-rata. The engine does all rounding, so a rule works in exact integers.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Final, Literal, Self

from ledger.types import MILLION
from payouts.errors import RuleError, TermsError
from payouts.protocols import UsageRow
from payouts.terms import Weight, share, whole_number

WHOLE: Final = 10**12
"""A whole vector in kernel units: masses are parts of this, what they leave of it is unattributed."""

Verdict = Literal["counts", "unattributed", "leaves"]
"""`unattributed`: stays in the divisor, pays nobody. `leaves`: out of the divisor, so its money goes to the rest."""

Masses = tuple[int, ...]
"""What each owner group holds of one vector, in parts of WHOLE; all more than zero, summing to at most WHOLE."""


@dataclass(frozen=True, slots=True)
class Split:
    """The division of one vector's weight among owner groups: numerators over one denominator, in their order.

    The remainder of the denominator is unattributed.
    """

    numerators: tuple[int, ...]
    denominator: int


def parameter(*, default: Any, low: int = 0, high: int = 10**18, choices: tuple[str, ...] = (), doc: str = "") -> Any:
    """Declare a rule's parameter: an int within [low, high], or one of `choices`."""
    return dataclasses.field(default=default, metadata={"low": low, "high": high, "choices": choices, "doc": doc})


def base_weights(rows: Sequence[UsageRow], weight: Weight) -> list[int]:
    """Return a row's own weight: its units, or its gross in micro-units."""
    return [row.units for row in rows] if weight == "units" else [row.gross or 0 for row in rows]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """The base class of rules. Every method is a pure function of its arguments and the parameters."""

    name: ClassVar[str]
    version: ClassVar[str] = "1"
    listeners: ClassVar[bool] = False
    """Whether usage must be grouped by listener as well: costs memory, so only where the rule looks at listeners."""

    def __post_init__(self) -> None:
        for field in fields(self):
            self._check(field.name, getattr(self, field.name), field.metadata)

    def _check(self, name: str, value: object, limits: Mapping[str, Any]) -> None:
        choices = limits.get("choices", ())
        if choices:
            if value not in choices:
                raise TermsError(f"{self.name}: {name}={value}; expected one of {', '.join(choices)}")
        elif isinstance(value, int) and not isinstance(value, bool):
            low, high = limits.get("low", 0), limits.get("high", 10**18)
            if not low <= value <= high:
                raise TermsError(f"{self.name}: {name}={value}; expected from {low} to {high}")
        elif not isinstance(value, str):
            raise TermsError(f"{self.name}: {name}={value!r}; expected a whole number")

    @classmethod
    def parse(cls, params: Mapping[str, str]) -> Self:
        """Return the rule with parameters from text; refuse an unknown name and list the known ones."""
        parameters = {field.name: field for field in fields(cls)}
        values: dict[str, Any] = {}
        for name, text in sorted(params.items()):
            if name not in parameters:
                listed = ", ".join(parameters) or "none"
                raise TermsError(
                    f"{cls.name} has no parameter {name!r}: expected one of its own ({listed}) or a pool term"
                )
            values[name] = _value(parameters[name], text)
        missing = [
            name for name, field in parameters.items() if field.default is dataclasses.MISSING and name not in values
        ]
        if missing:
            raise TermsError(f"{cls.name} needs --param {missing[0]}=...; nothing was computed")
        return cls(**values)

    def payload(self) -> dict[str, Any]:
        """Return name, version and every parameter, which are part of the run key."""
        return {
            "name": self.name,
            "version": self.version,
            "params": {field.name: getattr(self, field.name) for field in fields(self)},
        }

    def filter(self, rows: Sequence[UsageRow]) -> Sequence[Verdict]:
        """Return which rows are eligible, given all rows of the pool, sorted."""
        return ["counts"] * len(rows)

    def weigh(self, rows: Sequence[UsageRow], weight: Weight) -> Sequence[int]:
        """Return the integer weights of the rows; `weight` is the pool's measure, units or gross."""
        return base_weights(rows, weight)

    def kernel(self, masses: Masses) -> Split | None:
        """Divide one vector's weight; None if the exact answer cannot be computed: the weight goes to suspense."""
        return Split(masses, WHOLE)

    def kernels(self, batch: Sequence[Masses]) -> Sequence[Split | None]:
        """Compute `kernel` of each game.

        Override it to compute many at once. The result must equal `kernel` bit for bit.
        """
        return [self.kernel(masses) for masses in batch]

    def training_set(self) -> tuple[str, str] | None:
        """Return the model and version whose training set shares the pool equally, independent of streams.

        It is None by default: streams are counted.
        """
        return None

    def cap_ppm(self) -> int | None:
        """Return the largest part of the pool, in ppm, that one owner group may get."""
        return None


def _value(field: dataclasses.Field[Any], text: str) -> int | str:
    """Parse a parameter's value; one with a maximum of a million is read as a share."""
    if not isinstance(field.default, int):
        return text
    return (share if field.metadata.get("high") == MILLION else whole_number)(field.name, text)


def check_split(rule: Rule, split: Split, count: int) -> None:
    """Refuse a split that breaks the contract of rules."""
    total = sum(split.numerators)
    if len(split.numerators) != count or min(split.numerators, default=0) < 0 or not 0 <= total <= split.denominator:
        raise RuleError(
            f"rule {rule.name} {rule.version} split {count} groups into {len(split.numerators)} parts summing to "
            f"{total}/{split.denominator}: expected one part each, none negative, at most the whole; fix the rule"
        )
