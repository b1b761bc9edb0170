"""The whole computation of one pool: usage -> filter -> weigh -> kernel -> totals -> cap -> one rounding -> lines.

A pure function of its inputs: the same inputs give the same outcome, byte for byte, on any machine, in any order, in
any batches. Amounts are rounded to integers at one place, `divided`; later steps divide integers.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from ledger.types import MILLION, InfluenceVector, Period, format_time
from payouts.allocate import Cutoff, divide, divided_at, round_shares
from payouts.division.contribute import Contribution, Contributor, weigh
from payouts.division.kernel import BILLION, RESERVE, UNATTRIBUTED, Claim, State
from payouts.division.waterfill import Level, fill
from payouts.protocols import HoldMatch, RegistryAnswers, UsageRow
from payouts.rules.base import Rule
from payouts.terms import Terms
from payouts.usage.intake import check_vectors, gather


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """All inputs of a pool's outcome.

    `period_root` salts every tie; shares are those at each row's own time. `carried`: micros that the pool's last run
    left unattributed; they are divided in addition to the amount.
    """

    terms: Terms
    rule: Rule
    period_root: bytes
    usage: Sequence[UsageRow]
    vectors: Mapping[str, InfluenceVector]
    view: RegistryAnswers
    holds: tuple[HoldMatch, ...] = ()
    carried: int = 0


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Line:
    """A line: one party's money under one heading. `party` is empty if the payee is not known."""

    group: str
    party: str
    state: State
    reason: str
    ref: str
    weight: int
    micros: int


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class GroupTotal:
    """One owner group's weight in the pool and its amount; `cutoff`: the cut-off of its own division."""

    group: str
    weight: int
    micros: int
    cutoff: Cutoff | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The outcome: five disjoint parts that sum to the pool, the lines, and the data that proves each line alone.

    A group of weight w gets floor(level.owed(w) / level.denominator), and one more where `cutoff` admits the
    remainder. `reserve` is what the terms keep back and what caps leave over.
    """

    pool: int
    allocated: int
    unattributed: int
    held: int
    suspense: int
    reserve: int
    units: int
    weight: int
    weight_unattributed: int
    level: Level
    cutoff: Cutoff | None
    groups: tuple[GroupTotal, ...]
    lines: tuple[Line, ...]

    def allocated_by_party(self) -> dict[str, int]:
        """Return each party's allocated money, before any minimum payout; parties with nothing allocated are absent."""
        out: dict[str, int] = defaultdict(int)
        for line in self.lines:
            if line.state == "allocated" and line.micros:
                out[line.party] += line.micros
        return dict(sorted(out.items()))


Heading = tuple[str, str, State, str, str]
"""Group, party, state, reason, ref: what a line is known by."""


def heading(claim: Claim) -> Heading:
    return (claim.group, claim.party, claim.state, claim.reason, claim.ref)


def contributor_of(inputs: Inputs) -> Contributor:
    """Return what turns the streams of these inputs into contributions."""
    ends_at = format_time(Period.parse(inputs.terms.period).end - timedelta(seconds=1))
    return Contributor(
        terms=inputs.terms,
        rule=inputs.rule,
        vectors=inputs.vectors,
        view=inputs.view,
        holds=inputs.holds,
        ends_at=ends_at,
        salt=inputs.period_root,
    )


def contributions(inputs: Inputs, rows: Sequence[UsageRow]) -> Iterator[Contribution]:
    """Yield every contribution to the pool from gathered rows, including unattributed weight."""
    contributor = contributor_of(inputs)
    training = inputs.rule.training_set()
    if training is not None:
        return contributor.shared_equally(*training, BILLION * BILLION)
    return contributor.contributions(weigh(inputs.terms, inputs.rule, rows, inputs.view))


def prepare(inputs: Inputs) -> list[UsageRow]:
    """Return the pool's rows, gathered and checked.

    Rows that do not fit the terms are an error before anything is computed.
    """
    if len(inputs.period_root) != 32:
        raise ValueError(f"period root of {len(inputs.period_root)} bytes: expected 32")
    rejected = {hold.id for hold in inputs.holds if hold.rejected is not None}
    rows = gather(inputs.terms, (row for row in inputs.usage if row.hold not in rejected))
    check_vectors(rows, inputs.vectors)
    return rows


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolWeights:
    """The weight under each heading of a pool, before any cap and before any amount."""

    units: int
    by_heading: Mapping[Heading, int]
    unattributed: int


def weights_of(inputs: Inputs) -> PoolWeights:
    """Return the pool's weights. They sum to the weight of its rows times one billion."""
    rows = prepare(inputs)
    weights: dict[Heading, int] = defaultdict(int)
    unattributed = 0
    for claim, _, weight in contributions(inputs, rows):
        if claim.group == UNATTRIBUTED:
            unattributed += weight
        else:
            weights[heading(claim)] += weight
    return PoolWeights(units=sum(row.units for row in rows), by_heading=weights, unattributed=unattributed)


def compute(inputs: Inputs) -> Outcome:
    """Compute the outcome of the pool."""
    weights = weights_of(inputs)
    return divided(
        inputs.terms,
        inputs.rule.cap_ppm(),
        inputs.period_root,
        carried=inputs.carried,
        units=weights.units,
        weights=weights.by_heading,
        unattributed=weights.unattributed,
    )


def divided(
    terms: Terms,
    cap_ppm: int | None,
    salt: bytes,
    *,
    carried: int,
    units: int,
    weights: Mapping[Heading, int],
    unattributed: int,
) -> Outcome:
    """Round once, and divide each group's integer among its parties and their headings.

    The whole outcome follows from the weight under each heading; run and verifier call this same function.
    """
    pool = carried + (terms.micros if terms.micros is not None else (terms.price_micros or 0) * units)
    by_group: dict[str, int] = defaultdict(int)
    for key, weight in weights.items():
        by_group[key[0]] += weight
    by_group = {group: weight for group, weight in sorted(by_group.items()) if weight}
    reserve = pool * terms.reserve_ppm // MILLION
    cap = None if cap_ppm is None else (pool - reserve) * cap_ppm // MILLION
    level = fill(by_group, unattributed, pool - reserve, cap)
    names = [*by_group, UNATTRIBUTED, RESERVE]
    owed = [level.owed(weight) for weight in by_group.values()]
    micros, cutoff = round_shares(names, [*owed, level.unattributed, level.reserve], level.denominator, salt=salt)
    groups = tuple(
        GroupTotal(group=group, weight=weight, micros=amount)
        for (group, weight), amount in zip(by_group.items(), micros, strict=False)
    )
    groups, lines = _lines(groups, weights, salt)
    sums: dict[str, int] = defaultdict(int)
    for line in lines:
        sums[line.state] += line.micros
    outcome = Outcome(
        pool=pool,
        allocated=sums["allocated"],
        unattributed=micros[-2],
        held=sums["held"],
        suspense=sums["suspense"],
        reserve=reserve + micros[-1],
        units=units,
        weight=sum(by_group.values()) + unattributed,
        weight_unattributed=unattributed,
        level=level,
        cutoff=cutoff,
        groups=groups,
        lines=lines,
    )
    parts = outcome.allocated + outcome.unattributed + outcome.held + outcome.suspense + outcome.reserve
    if parts != pool:
        raise AssertionError(f"the parts sum to {parts} micros of {pool}: a defect; nothing may be paid from this")
    return outcome


def _lines(
    groups: Sequence[GroupTotal], weights: Mapping[Heading, int], salt: bytes
) -> tuple[tuple[GroupTotal, ...], tuple[Line, ...]]:
    """Divide each integer from group to party to heading by the same routine; no level depends on a finer one."""
    parties: dict[str, dict[str, dict[Heading, int]]] = defaultdict(lambda: defaultdict(dict))
    for key, weight in weights.items():
        if weight:
            parties[key[0]][key[1]][key] = weight
    totals: list[GroupTotal] = []
    lines: list[Line] = []
    for total in groups:
        shares = parties[total.group]
        in_all = {party: sum(headings.values()) for party, headings in shares.items()}
        amounts, cutoff = divided_at(total.micros, in_all, salt=salt)
        totals.append(total if cutoff is None else replace(total, cutoff=cutoff))
        for party, headings in shares.items():
            lines += party_lines(headings, amounts[party], salt)
    return tuple(totals), tuple(sorted(lines))


def party_lines(headings: Mapping[Heading, int], micros: int, salt: bytes) -> list[Line]:
    """Divide a party's part of one group among its headings by their weights."""
    parts = divide(micros, {"\0".join(key): weight for key, weight in headings.items()}, salt=salt)
    return [
        Line(
            group=key[0],
            party=key[1],
            state=key[2],
            reason=key[3],
            ref=key[4],
            weight=weight,
            micros=parts["\0".join(key)],
        )
        for key, weight in headings.items()
    ]
