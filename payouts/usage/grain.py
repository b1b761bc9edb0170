"""Decide how finely usage is grouped, so that sums lose nothing on which a payout depends.

Summing first is exact if everything in a sum divides alike. Shares, groups and works change at known instants, and a
few territories have shares of their own: only these split usage into buckets, so that a hundred million events become
thousands of rows.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from ledger.registry.model import BEGINNING, FOREVER, WORLD
from ledger.registry.view import View
from ledger.types import format_time
from payouts.rules.base import Rule
from payouts.terms import Terms

ELSEWHERE: Final = WORLD
"""What stands in a row for all territories that nothing depends on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """The events of a run: below the closed size, before the period's end, and in no earlier period.

    `earlier` is the close before: what lay below its size and before its period's end belongs to it or to
    one before it. All else that is older arrived late and weighs here.
    """

    size: int
    end: datetime
    earlier: tuple[int, datetime] | None = None

    def takes(self, index: int, occurred_at: str) -> bool:
        """Return whether an event belongs to the run; times as written in leaves."""
        if index >= self.size or occurred_at >= format_time(self.end):
            return False
        return self.earlier is None or index >= self.earlier[0] or occurred_at >= format_time(self.earlier[1])


@dataclass(frozen=True, slots=True, kw_only=True)
class Grain:
    """The grouping of usage. `cuts`: sorted times at which a share may change; a month's start is always one.

    `territories`: those told apart, the rest is `ELSEWHERE`; `products`, `listeners`: whether these are told
    apart; `gross`: whether money is summed besides units.
    """

    cuts: tuple[str, ...] = ()
    territories: tuple[str, ...] = ()
    products: bool = False
    listeners: bool = False
    gross: bool = False

    def bucket(self, occurred_at: str) -> str:
        """Return the start of an instant's time bucket, within which nothing changes."""
        month = occurred_at[:7] + "-01T00:00:00Z"
        position = bisect_right(self.cuts, occurred_at)
        return max(month, self.cuts[position - 1]) if position else month

    def cuts_within(self, day: str) -> tuple[str, ...]:
        """Return the cuts that fall inside a day, not at its start."""
        first = bisect_right(self.cuts, day + "T00:00:00Z")
        return self.cuts[first : bisect_right(self.cuts, day + "T23:59:59Z")]

    def territory(self, territory: str) -> str:
        return territory if territory in self.territories else ELSEWHERE


def grain_of(view: View, terms: Terms, rule: Rule) -> Grain:
    """Return the grain that a pool needs, from the registry, the terms and the rule, all part of the run key."""
    instants = {instant for party in view.parties.values() for instant, _ in party.groups}
    territories = set(terms.territories)
    for lines in view.shares_of.values():
        for share in lines:
            if share.state == "confirmed":
                instants |= {share.start, share.end}
                territories.add(share.territory)
    for links in view.links.values():
        instants.update(instant for link in links for instant in (link.start, link.end))
    for grants in view.grants_of.values():
        territories.update(grant.territory for grant in grants)
    return Grain(
        cuts=tuple(sorted(instants - {BEGINNING, FOREVER})),
        territories=tuple(sorted(territories - {WORLD})),
        products=bool(terms.products),
        listeners=rule.listeners,
        gross=terms.weight == "gross",
    )
