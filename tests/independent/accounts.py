"""Every holder's account over several months computed again: corrections, reserve, recoupment, tax, conversion.

Written from docs/deductions.md, from the leaves of an exported log and from the lines of `tests.independent.month`;
of a run's own accounts nothing is read. What it cannot do it refuses: adjustments, reversals, balances below zero,
appeals, and disputes of more than the other side was allocated.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from math import floor

from tests.independent.exported import Exported, Json
from tests.independent.month import MILLION, Month

CENT = 10_000


@dataclass
class Holding:
    """One party's account in one month."""

    opening: int = 0
    earned: int = 0
    corrected: int = 0
    reserved: int = 0
    released: int = 0
    recouped: int = 0
    tax: int = 0
    payable: int = 0
    carried: int = 0
    paid: tuple[str, int] | None = None
    reserves: dict[str, int] = field(default_factory=dict)
    """What is kept, by the month that releases it."""
    advances: dict[str, int] = field(default_factory=dict)
    """What is left of each advance."""

    @property
    def deducted(self) -> int:
        return self.released - self.reserved - self.recouped - self.tax


@dataclass(frozen=True)
class Terms:
    """What two people agreed, as of one run."""

    rows: Sequence[Json]
    period: str

    def of(self, party: str, kind: str) -> list[Json]:
        """A party's terms of a kind; of all but advances the newest counts alone."""
        found = [
            row | row["clause"]
            for row in self.rows
            if row["clause"]["kind"] == kind and row["clause"].get("party") == party and row["period"] <= self.period
        ]
        return found if kind == "advance" else found[-1:]

    def rate(self, currency: str) -> Fraction:
        (found,) = (
            row["clause"]["rate"]
            for row in self.rows
            if row["clause"]["kind"] == "rate" and row["period"] == self.period and row["clause"]["to"] == currency
        )
        return Fraction(found)


def restated(was: Month, now: Month) -> dict[str, int]:
    """What each holder would have had more or less, held money included: its hold was lifted, or it is still held."""
    out: dict[str, int] = defaultdict(int)
    for month, sign in ((now, 1), (was, -1)):
        for heading, micros in month.lines.items():
            if heading.state in {"allocated", "held"}:
                out[heading.party] += sign * micros
    return {party: micros for party, micros in out.items() if micros}


def quarter(
    months: Sequence[tuple[Exported, Json]], booked: Mapping[str, Mapping[str, int]]
) -> Iterator[tuple[Month, dict[str, Holding]]]:
    """Each month's lines and accounts, the second from the first month's on; months in order, one pool.

    `booked`: by month, the restatements of earlier months that it books.
    """
    before: dict[str, Holding] = {}
    earlier: list[tuple[str, Month]] = []
    for exported, run in months:
        again = Month(exported, run)
        at = next(n for n, leaf in enumerate(exported.leaves) if leaf["type"] == "run" and leaf["run"] == run["run"])
        terms = Terms(_approved(exported.leaves[:at], "agree"), exported.period)
        fresh = _released(exported, at, earlier)
        for party, micros in (*booked.get(exported.period, {}).items(), *_disputed(exported.leaves, at)):
            fresh[party] += micros
        earned: dict[str, int] = defaultdict(int)
        for heading, micros in again.lines.items():
            if heading.state == "allocated":
                earned[heading.party] += micros
        parties = {*before, *earned, *fresh, *(row["clause"].get("party", "") for row in terms.rows)} - {""}
        accounts = {
            party: _account(party, before.get(party, Holding()), earned[party], fresh[party], terms)
            for party in parties
        }
        yield again, accounts
        before = accounts
        earlier.append((run["run"], again))


def _approved(leaves: Sequence[Json], kind: str) -> list[Json]:
    approved = {leaf["subject"] for leaf in leaves if leaf["type"] == "approve"}
    return [leaf for leaf in leaves if leaf["type"] == kind and leaf["id"] in approved]


def _released(exported: Exported, at: int, earlier: Sequence[tuple[str, Month]]) -> dict[str, int]:
    """Money of earlier months whose hold two people lifted before this run and after the run before."""
    runs = [n for n, leaf in enumerate(exported.leaves[:at]) if leaf["type"] == "run"]
    known = {leaf["id"] for leaf in _approved(exported.leaves[: max(runs, default=0)], "release")}
    assert not _approved(exported.leaves[:at], "adjust")
    assert not any(leaf["type"] == "reverse" for leaf in exported.leaves[:at])
    out: dict[str, int] = defaultdict(int)
    for release in _approved(exported.leaves[:at], "release"):
        for run, month in earlier if release["id"] not in known else ():
            for heading, micros in month.lines.items():
                name = heading.ref or f"{run}/{heading.party}/{heading.reason}"
                if heading.state == "held" and name == release["hold"]:
                    out[heading.party] += micros
    return out


def _disputed(leaves: Sequence[Json], at: int) -> Iterator[tuple[str, int]]:
    """What disputes of lines hold or moved by this run and did not by the run before, by party."""
    runs = [n for n, leaf in enumerate(leaves[:at]) if leaf["type"] == "run"]
    for known, sign in ((leaves[:at], 1), (leaves[: max(runs, default=0)], -1)):
        assert not any(leaf["type"] == "appeal" for leaf in known)
        admitted = {leaf["dispute"] for leaf in known if leaf["type"] == "admit"}
        awards = {leaf["dispute"]: int(leaf["micros"]) for leaf in _approved(known, "decide")}
        for contest in (leaf for leaf in known if leaf["type"] == "contest"):
            if contest["id"] in awards:
                yield contest["claimant"], sign * awards[contest["id"]]
                yield contest["against"], -sign * awards[contest["id"]]
            elif contest["id"] in admitted:
                yield contest["against"], -sign * int(contest["micros"])


def _account(party: str, before: Holding, earned: int, released: int, terms: Terms) -> Holding:
    """The stages in their order; each takes its part of what the ones before left of this month's money."""
    made = Holding(opening=before.carried, earned=earned, corrected=released)
    assert made.opening >= 0
    fresh = earned + released
    for row in terms.of(party, "reserve"):
        made.reserved = fresh * row["ppm"] // MILLION
    fresh -= made.reserved
    made.reserves = dict(before.reserves)
    if made.reserved:
        (months,) = (row["months"] for row in terms.of(party, "reserve"))
        due = _later(terms.period, months)
        made.reserves[due] = made.reserves.get(due, 0) + made.reserved
    made.released = sum(micros for due, micros in made.reserves.items() if due <= terms.period)
    made.reserves = {due: micros for due, micros in made.reserves.items() if due > terms.period}
    fresh += made.released
    base = fresh
    for row in terms.of(party, "advance"):
        owed = before.advances.get(row["id"], int(row["micros"]))
        taken = min(owed, base * row["ppm"] // MILLION, fresh)
        made.advances[row["id"]] = owed - taken
        made.recouped += taken
        fresh -= taken
    for row in terms.of(party, "withhold"):
        made.tax = fresh * row["ppm"] // MILLION // CENT * CENT
    fresh -= made.tax
    balance = made.opening + fresh
    made.payable = balance // CENT * CENT
    made.carried = balance - made.payable
    for row in terms.of(party, "currency"):
        exact = floor(made.payable * terms.rate(row["currency"]))
        made.paid = (row["currency"], exact // CENT * CENT)
    return made


def _later(period: str, months: int) -> str:
    number = int(period[:4]) * 12 + int(period[5:]) - 1 + months
    return f"{number // 12:04d}-{number % 12 + 1:02d}"
