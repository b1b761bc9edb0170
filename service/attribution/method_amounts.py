"""What each method would have paid: a published month divided again by its vectors, for comparison alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ledger.errors import StateError
from ledger.types import InfluenceVector
from payouts.compute import compute
from service.settlement.finding import runs_of
from service.settlement.runs import given_again, inputs_of
from service.settlement.step import read_book
from service.settlement.stored import load

if TYPE_CHECKING:
    from service.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodAmount:
    """A party's part of a pool by a method's vectors, and by those that paid.

    `tracks`: how many tracks of the month have a vector of the method; the others stay as they were paid.
    """

    pool: str
    method: str
    tracks: int
    party: str
    currency: str
    micros: int
    paid_micros: int


def amounts(ws: Workspace, newest: Mapping[tuple[str, str], InfluenceVector], period: str) -> tuple[MethodAmount, ...]:
    """By pool, method and party; a pool's other terms, rule and holds stay as they were."""
    book = read_book(ws)
    runs = [run for run in runs_of(book, period) if run.run in book.published]
    if not runs:
        raise StateError(f"{period} has no published run to compare with: settle period show {period}")
    rows: list[MethodAmount] = []
    for run in runs:
        stored = load(ws.log, run)
        terms = given_again(stored)
        played = {row.track for row in stored.usage}
        paid = stored.outcome.allocated_by_party()
        for method in sorted({method for _, method in newest}):
            exchanged = {
                track: estimate for (track, own), estimate in newest.items() if own == method and track in played
            }
            if not exchanged:
                continue
            by_method = Counter(compute(inputs_of(ws, terms, stored.usage, exchanged)).allocated_by_party())
            rows += [
                MethodAmount(
                    pool=run.pool,
                    method=method,
                    tracks=len(exchanged),
                    party=party,
                    currency=stored.currency,
                    micros=by_method[party],
                    paid_micros=paid.get(party, 0),
                )
                for party in sorted({*by_method, *paid})
            ]
    return tuple(rows)
