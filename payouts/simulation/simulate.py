"""Compare rules on a period: spread of the money, winners and losers, effects of noise and fraud.

All in integers (ppm of a whole) and pure: randomness is a stream of hashes of a seed passed in, so that
anybody can repeat a simulation.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import msgspec

from ledger.types import ASPECTS, MILLION, AspectVector, Influence, InfluenceVector
from payouts.allocate import round_shares
from payouts.compute import Inputs, Outcome, compute
from payouts.protocols import UsageRow

PERCENT: Final = 101
"""Points of a Lorenz curve: after 0, 1, ... 100 per cent of the holders."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Concentration:
    """How unequally an amount is spread over a population; unpaid members count.

    `gini_ppm` is 0 when all get the same; `top1_ppm` is what the best-paid hundredth gets; `lorenz` is what the
    least-paid n per cent get together, in ppm, for n = 0 ... 100.
    """

    population: int
    paid: int
    gini_ppm: int
    top1_ppm: int
    lorenz: tuple[int, ...]


def concentration(amounts: Sequence[int]) -> Concentration:
    """Compute the concentration of non-negative amounts; all zeros, and no amounts, count as equal."""
    ordered = sorted(amounts)
    count, total = len(ordered), sum(ordered)
    paid = sum(1 for amount in ordered if amount)
    if not total:
        even = tuple(MILLION * n // 100 for n in range(PERCENT))
        return Concentration(population=count, paid=0, gini_ppm=0, top1_ppm=0, lorenz=even)
    ranked = sum(rank * amount for rank, amount in enumerate(ordered, 1))
    gini = MILLION * (2 * ranked - (count + 1) * total) // (count * total)
    top = sum(ordered[count - -(-count // 100) :])
    return Concentration(
        population=count,
        paid=paid,
        gini_ppm=gini,
        top1_ppm=MILLION * top // total,
        lorenz=tuple(_lorenz(ordered, total)),
    )


def _lorenz(ordered: Sequence[int], total: int) -> Iterator[int]:
    """Interpolate linearly between holders, as the curve is drawn."""
    reached, summed = 0, 0
    for n in range(PERCENT):
        whole, part = divmod(len(ordered) * n, 100)
        summed += sum(ordered[reached:whole])
        reached = whole
        between = part * ordered[whole] if part else 0
        yield MILLION * (100 * summed + between) // (100 * total)


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """The difference of two outcomes: winners, losers, money moved between holders. `changes`: largest first."""

    winners: int
    losers: int
    moved_micros: int
    changes: tuple[tuple[str, int], ...]


def moved(before: Mapping[str, int], after: Mapping[str, int]) -> Moved:
    """Compare parties' amounts. Gains and losses need not sum to zero: money also moves to or from other parts."""
    changes = {party: after.get(party, 0) - before.get(party, 0) for party in before.keys() | after.keys()}
    ordered = sorted(((party, by) for party, by in changes.items() if by), key=lambda change: (-abs(change[1]), change))
    return Moved(
        winners=sum(1 for _, by in ordered if by > 0),
        losers=sum(1 for _, by in ordered if by < 0),
        moved_micros=sum(abs(by) for _, by in ordered) // 2,
        changes=tuple(ordered),
    )


class Draws:
    """Draws integers from SHA-256(seed || counter), which gives the same results everywhere."""

    def __init__(self, seed: bytes) -> None:
        self._seed = seed
        self._counter = 0

    def between(self, low: int, high: int) -> int:
        """Return an integer uniform over low ...

        high, both included; 128 bits make rejection unnecessary below 2^64 values.
        """
        self._counter += 1
        block = hashlib.sha256(self._seed + self._counter.to_bytes(8, "big")).digest()
        return low + int.from_bytes(block[:16], "big") * (high - low + 1) // 2**128


def resampled(vector: InfluenceVector, draws: Draws) -> InfluenceVector:
    """Draw a vector: each source at random within its interval, together at most the whole."""
    recording, composition, style = (_resampled(vector.aspect(aspect), draws) for aspect in ASPECTS)
    return replace(vector, recording=recording, composition=composition, style=style)


def _resampled(aspect: AspectVector, draws: Draws) -> AspectVector:
    drawn = [draws.between(source.low, source.high) for source in aspect.sources]
    total = sum(drawn)
    if total > MILLION:
        names = [source.id for source in aspect.sources]
        drawn, _ = round_shares(names, [ppm * MILLION for ppm in drawn], total, salt=b"resampled")
    sources = tuple(_at(source, ppm) for source, ppm in zip(aspect.sources, drawn, strict=True))
    return AspectVector(sources=sources, unattributed=MILLION - sum(drawn))


def _at(source: Influence, ppm: int) -> Influence:
    return replace(source, ppm=ppm, low=min(source.low, ppm), high=max(source.high, ppm))


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensitivity:
    """The effect of attribution errors: the part of the money that goes to others, and each party's range."""

    draws: int
    moved_ppm: int
    ranges: tuple[tuple[str, int, int], ...]
    """(party, least, most) over the draws."""


def sensitivity(inputs: Inputs, outcome: Outcome, *, seed: bytes, draws: int) -> Sensitivity:
    """Compute the pool again `draws` times, with every vector drawn within its intervals."""
    if draws < 1:
        raise ValueError(f"{draws} draws: expected at least one")
    base = outcome.allocated_by_party()
    least, most = dict(base), dict(base)
    shifted = 0
    stream = Draws(seed)
    for _ in range(draws):
        vectors = {digest: resampled(vector, stream) for digest, vector in sorted(inputs.vectors.items())}
        amounts = compute(replace(inputs, vectors=vectors)).allocated_by_party()
        shifted += sum(abs(by) for _, by in moved(base, amounts).changes)
        for party in base.keys() | amounts.keys():
            amount = amounts.get(party, 0)
            least[party] = min(least.get(party, 0), amount)
            most[party] = max(most.get(party, 0), amount)
    whole = 2 * draws * sum(base.values())
    return Sensitivity(
        draws=draws,
        moved_ppm=MILLION * shifted // whole if whole else 0,
        ranges=tuple((party, least[party], most[party]) for party in sorted(most)),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """An attack by invented streams: `units` of one track by one listener, and the money that they move."""

    track: str
    units: int
    party: str
    gain_micros: int
    gain_ppm_of_pool: int


def attack(inputs: Inputs, outcome: Outcome, *, units: int) -> Attack | None:
    """Simulate `units` more streams of the least-played track with a vector, by one listener.

    Returns None if there are no streams.
    """
    played: dict[str, int] = {}
    rows: dict[str, UsageRow] = {}
    for row in sorted(inputs.usage):
        if row.vector is not None:
            played[row.track] = played.get(row.track, 0) + row.units
            rows.setdefault(row.track, row)
    if not played:
        return None
    track = min(played, key=lambda name: (played[name], name))
    made_up = _made_up(rows[track], units, listeners=inputs.rule.listeners)
    allocated = compute(replace(inputs, usage=[*inputs.usage, made_up])).allocated_by_party()
    gains = moved(outcome.allocated_by_party(), allocated).changes
    party, gain = max(gains, key=lambda change: (change[1], change[0]), default=("", 0))
    return Attack(
        track=track,
        units=units,
        party=party if gain > 0 else "",
        gain_micros=max(gain, 0),
        gain_ppm_of_pool=MILLION * max(gain, 0) // outcome.pool if outcome.pool else 0,
    )


def _made_up(row: UsageRow, units: int, *, listeners: bool) -> UsageRow:
    """Return invented streams like those of a row, each with the row's average gross."""
    gross = None if row.gross is None else row.gross * units // max(row.units, 1)
    listener = "attacker" if listeners else row.listener
    return msgspec.structs.replace(row, units=units, count=units, gross=gross, listener=listener)
