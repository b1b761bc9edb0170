"""Accrual: what each party earned so far in an open month, where every stream has a price and divides alone.

The weights are those of the month's run, from the same division. Amounts wait for the period root, which decides
ties; until then every amount is the least that these streams can come to, so that nothing shown is taken back by a
rounding. No money moves here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from payouts.compute import Heading, Inputs, Line, contributor_of, divided, prepare, weights_of
from payouts.division.contribute import weigh
from payouts.division.kernel import BILLION, UNATTRIBUTED, State
from payouts.errors import TermsError
from payouts.protocols import UsageRow
from payouts.rules.base import Rule
from payouts.terms import Terms

OPEN: Final = bytes(32)
"""Stands for the period root of a month that is not closed."""


def why_not_linear(terms: Terms, rule: Rule) -> str | None:
    """Return why the streams of this pool cannot be valued one by one; None if they can."""
    kind = type(rule)
    reasons = {
        "it shares out an amount, so what a stream brings is known when the month is over; give a price per stream: "
        "--param price=0.004": terms.price_micros is None,
        f"it weighs streams by {terms.weight}, so what a stream brings depends on all others; use weight=units": (
            terms.weight != "units"
        ),
        "it keeps a reserve from the whole pool, which is known when the month is over": terms.reserve_ppm != 0,
        "it adds what the month before left to all streams of this one; use unattributed=return": (
            terms.unattributed == "carry"
        ),
        f"rule {rule.name} shares the pool out whatever was played": rule.training_set() is not None,
        f"rule {rule.name} caps a group's part of the whole pool, which is known when the month is over": (
            rule.cap_ppm() is not None
        ),
        f"rule {rule.name} looks at all streams of the month to decide what one of them counts": (
            kind.filter is not Rule.filter or kind.weigh is not Rule.weigh
        ),
    }
    return next((reason for reason, applies in reasons.items() if applies), None)


def check_linear(terms: Terms, rule: Rule) -> int:
    """Return the price of a stream; refuses a pool whose streams cannot be valued one by one."""
    reason = why_not_linear(terms, rule)
    if reason is not None or terms.price_micros is None:
        raise TermsError(f"pool {terms.pool} has no accrual: {reason}")
    return terms.price_micros


@dataclass(frozen=True, slots=True, kw_only=True)
class Accrual:
    """The state of an open month. Lines and `unattributed` sum to `pool` less `undecided`.

    `undecided`: micro-units that go to one party or another when the period root is known.
    """

    units: int
    pool: int
    unattributed: int
    undecided: int
    lines: tuple[Line, ...]

    def micros(self, state: State) -> int:
        return sum(line.micros for line in self.lines if line.state == state)

    def earned_by_party(self) -> dict[str, int]:
        """Each party's money that nothing holds."""
        earned: dict[str, int] = defaultdict(int)
        for line in self.lines:
            if line.state == "allocated" and line.micros:
                earned[line.party] += line.micros
        return dict(sorted(earned.items()))


def accrue(inputs: Inputs) -> Accrual:
    """The accrual of these streams; of a closed month, whose root is known, exactly what its run allocates."""
    price = check_linear(inputs.terms, inputs.rule)
    weights = weights_of(inputs)
    pool = price * weights.units
    if inputs.period_root == OPEN:
        lines = least(weights.by_heading, price)
        unattributed = weights.unattributed * price // BILLION
    else:
        outcome = divided(
            inputs.terms,
            None,
            inputs.period_root,
            carried=0,
            units=weights.units,
            weights=weights.by_heading,
            unattributed=weights.unattributed,
        )
        lines, unattributed = outcome.lines, outcome.unattributed
    return Accrual(
        units=weights.units,
        pool=pool,
        unattributed=unattributed,
        undecided=pool - unattributed - sum(line.micros for line in lines),
        lines=lines,
    )


def least(weights: Mapping[Heading, int], price: int) -> tuple[Line, ...]:
    """Return the least that each heading gets: the run divides group, party and heading, and rounds at each level."""
    parties: dict[str, dict[str, dict[Heading, int]]] = defaultdict(lambda: defaultdict(dict))
    for key, weight in weights.items():
        if weight:
            parties[key[0]][key[1]][key] = weight
    lines = []
    for shares in parties.values():
        in_all = {party: sum(headings.values()) for party, headings in shares.items()}
        group_weight = sum(in_all.values())
        group_micros = group_weight * price // BILLION
        for party, headings in shares.items():
            party_micros = group_micros * in_all[party] // group_weight
            for key, weight in headings.items():
                micros = party_micros * weight // in_all[party]
                group, name, state, reason, ref = key
                lines.append(
                    Line(group=group, party=name, state=state, reason=reason, ref=ref, weight=weight, micros=micros)
                )
    return tuple(sorted(lines))


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class AccruedPart:
    """What a party earned through one track, one source of its vector and one territory; `micros` is rounded down."""

    party: str
    state: State
    reason: str
    track: str
    source: str
    aspect: str
    territory: str
    weight: int
    micros: int


def parts(inputs: Inputs, parties: Collection[str] | None = None) -> list[AccruedPart]:
    """Take the accrual of some parties apart by track, source and territory (of all: None).

    `inputs.usage` tells every territory apart. Tracks are summed, and shown as none, where money goes through a
    style group or a training set.
    """
    price = check_linear(inputs.terms, inputs.rule)
    contributor = contributor_of(inputs)
    by_territory: dict[str, list[UsageRow]] = defaultdict(list)
    for row in prepare(inputs):
        by_territory[row.territory].append(row)
    weights: dict[tuple[str, State, str, str, str, str, str], int] = defaultdict(int)
    for territory, rows in sorted(by_territory.items()):
        for claim, track, weight in contributor.contributions(weigh(inputs.terms, inputs.rule, rows, inputs.view)):
            if claim.group != UNATTRIBUTED and (parties is None or claim.party in parties):
                weights[claim.party, claim.state, claim.reason, track, claim.source, claim.aspect, territory] += weight
    return [
        AccruedPart(
            party=party,
            state=state,
            reason=reason,
            track=track,
            source=source,
            aspect=aspect,
            territory=territory,
            weight=weight,
            micros=weight * price // BILLION,
        )
        for (party, state, reason, track, source, aspect, territory), weight in sorted(weights.items())
    ]
