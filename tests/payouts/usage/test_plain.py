"""Usage summed event by event: which events, told apart by what, and what each sum says."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from ledger.errors import VerificationError
from ledger.event import Entry
from ledger.proofs import canon
from ledger.types import parse_time
from payouts.errors import UsageError
from payouts.protocols import UsageRow
from payouts.terms import Terms
from payouts.usage.grain import ELSEWHERE, Grain, Membership
from payouts.usage.intake import check_vectors, gather
from payouts.usage.plain import EntrySelection, VectorBinding, usage
from tests.payouts.worlds import digest, plays, vector

JUNE = Membership(size=1_000_000, end=parse_time("2026-07-01T00:00:00Z"))
FINE = Grain(territories=("NO", "SE"), products=True, listeners=True)


def terms(**more: Any) -> Terms:
    given: dict[str, Any] = {"period": "2026-06", "currency": "EUR", "micros": 10**9} | more
    return Terms(**given)


def entry(index: int, **changed: Any) -> Entry:
    """An event in the log, with everything an event can carry but money."""
    body = {
        "source": "acme",
        "event_id": f"e-{index}",
        "track": "t",
        "occurred_at": "2026-06-03T11:05:00Z",
        "territory": "SE",
        "units": 1,
        "vector": "v",
        "product": "premium",
        "listener": "l",
    } | changed
    return Entry(index=index, body=canon.encode(body))


def bound(first: dict[str, str], unproven: str = "unproven") -> VectorBinding:
    return VectorBinding(first, lambda _, __, vector: vector != unproven)


def summed(*entries: Entry, grain: Grain = FINE, assigned: dict[str, str] | None = None, **more: Any) -> list[UsageRow]:
    part = EntrySelection(origin="o", membership=JUNE, entries=entries)
    return usage([part], assigned=bound(assigned or {}), terms=terms(**more), grain=grain)


def test_events_alike_are_one_row() -> None:
    """If this fails, streams are counted twice or not at all, or events for units."""
    assert summed(entry(0), entry(1, units=3), entry(2, units=0)) == [
        UsageRow(
            track="t",
            vector="v",
            territory="SE",
            at="2026-06-01T00:00:00Z",
            source="acme",
            product="premium",
            listener="l",
            units=4,
            count=3,
        )
    ]
    assert summed() == []


@pytest.mark.parametrize(
    "changed",
    [
        {"track": "u"},
        {"vector": "w"},
        {"territory": "NO"},
        {"source": "other"},
        {"product": "free"},
        {"product": None},
        {"listener": "m"},
        {"listener": None},
        {"occurred_at": "2026-05-03T11:05:00Z"},
    ],
)
def test_what_money_depends_on_is_told_apart(changed: dict[str, Any]) -> None:
    """If this fails, streams of different tracks, places, products or listeners are paid as if they were one."""
    (name, value), *_ = changed.items()
    rows = summed(entry(0), entry(1, **changed))
    assert len(rows) == 2
    if name != "occurred_at":
        assert {getattr(row, name) for row in rows} == {getattr(summed(entry(0))[0], name), value}
    together = summed(entry(0), entry(1, **changed), grain=Grain())
    assert len(together) == (1 if name in ("territory", "product", "listener") else 2)
    assert {(row.territory, row.product, row.listener) for row in together} == {(ELSEWHERE, None, None)}


def test_an_event_without_a_vector_has_its_tracks_first_later_one() -> None:
    """If this fails, streams before an assignment are paid by another vector, or bound streams by a later one."""
    assigned = {"t": "first", "u": "other"}
    rows = summed(entry(0, vector=None), entry(1, vector="bound"), entry(2, track="x", vector=None), assigned=assigned)
    assert {(row.track, row.vector) for row in rows} == {("t", "first"), ("t", "bound"), ("x", None)}


def test_an_event_bound_to_a_vector_that_nobody_assigned_pays_by_its_tracks_own() -> None:
    """If this fails, whoever holds the log key alone decides whom a stream pays (finding V3)."""
    events = (entry(0, vector="unproven"), entry(1, track="x", vector="unproven"))
    rows = summed(*events, assigned={"t": "first"})
    assert {(row.track, row.vector) for row in rows} == {("t", "first"), ("x", None)}


@pytest.mark.parametrize(
    ("limit", "inside", "outside"),
    [
        ({"sources": ("acme",)}, {}, {"source": "other"}),
        ({"products": ("premium", "free")}, {"product": "free"}, {"product": None}),
        ({"territories": ("NO", "SE")}, {"territory": "NO"}, {"territory": "DE"}),
    ],
)
def test_a_pool_takes_only_what_its_terms_cover(
    limit: dict[str, Any], inside: dict[str, Any], outside: dict[str, Any]
) -> None:
    """If this fails, one pool pays for the streams of another, or leaves out its own."""
    events = [entry(0, **outside), entry(1, **inside), entry(2, **outside)]
    assert [row.count for row in summed(*events, **limit)] == [1]
    assert sum(row.count for row in summed(*events)) == 3
    rows = summed(*events)
    assert gather(terms(**limit), rows) == summed(*events, **limit)


def test_each_log_takes_what_belongs_to_its_close() -> None:
    """If this fails, a member log's events are judged by the home log's size, or one log ends the run."""
    small = EntrySelection(origin="a", membership=Membership(size=1, end=JUNE.end), entries=[entry(0), entry(1)])
    large = EntrySelection(
        origin="b", membership=JUNE, entries=[entry(0), entry(1, occurred_at="2026-07-01T00:00:00Z"), entry(2)]
    )
    assert [row.count for row in usage([small, large], assigned=bound({}), terms=terms(), grain=FINE)] == [3]


def test_money_is_summed_where_the_pool_goes_by_it() -> None:
    """If this fails, a pool by gross divides by other money than the platform reported."""
    rich = {"gross_micros": 4200, "currency": "EUR"}
    by_gross = Grain(gross=True)
    (row,) = summed(entry(0, **rich), entry(1, **rich | {"gross_micros": 0}), grain=by_gross, weight="gross")
    assert (row.gross, row.currency, row.units, row.count) == (4200, "EUR", 2, 2)
    (plain,) = summed(entry(0, **rich))
    assert (plain.gross, plain.currency) == (None, None)


@pytest.mark.parametrize("poor", [{}, {"gross_micros": 5, "currency": "USD"}, {"currency": "EUR"}])
def test_an_event_without_money_stops_a_pool_by_money(poor: dict[str, Any]) -> None:
    """If this fails, events without money, or in another currency, weigh nothing without a word."""
    rich = {"gross_micros": 4200, "currency": "EUR"}
    with pytest.raises(UsageError, match=r"acme:e-7 \(entry 7 of log o\)"):
        summed(entry(0, **rich), entry(7, **poor), grain=Grain(gross=True), weight="gross")
    outside = {"occurred_at": "2026-07-01T00:00:00Z"}
    assert len(summed(entry(0, **rich), entry(7, **poor | outside), grain=Grain(gross=True), weight="gross")) == 1


def test_what_is_no_event_is_named() -> None:
    """If this fails, a broken log crashes settlement, or is passed over."""
    bad = Entry(index=9, body=b"{}")
    with pytest.raises(VerificationError, match="entry 9 of log o"):
        summed(entry(0), bad)


def test_progress_is_told_now_and_then() -> None:
    """If this fails, a long sum is silent, or slowed down by telling of every event."""
    told: list[tuple[int, int | None]] = []

    def tell(done: int, size: int | None) -> None:
        told.append((done, size))

    part = EntrySelection(
        origin="o", membership=JUNE, entries=[entry(n) for n in (0, 1, 65_535, 65_536, 65_537, 131_072)]
    )
    usage([part], assigned=bound({}), terms=terms(), grain=FINE, on_progress=tell)
    assert told == [(0, JUNE.size), (65_536, JUNE.size), (131_072, JUNE.size)]


def test_rows_come_in_one_order_and_equal_ones_are_summed() -> None:
    """If this fails, the same streams in another order, or from two engines, make another run."""
    rows = [
        plays(track, units, territory=territory, product=product, listener=listener, vector=bound)
        for track in "ut"
        for territory in ("SE", "NO")
        for product in ("p", None, "")
        for listener in (None, "l")
        for bound in (None, "v")
        for units in (1, 2)
    ]
    found = gather(terms(), rows)
    assert found == gather(terms(), reversed(rows))
    assert {(row.units, row.count) for row in found} == {(3, 3)}
    assert len(found) == 48
    assert [row.track for row in found] == ["t"] * 24 + ["u"] * 24
    # Nothing sorts before an empty text, and is never taken for one.
    assert [row.product for row in found[:12] if row.vector is None and row.listener is None] == [None, "", "p"]


def gross(*amounts: int | None) -> Iterable[UsageRow]:
    return (plays("t", 1, gross=one, currency="EUR") for one in amounts)


def test_a_sum_has_money_only_where_all_its_parts_have() -> None:
    """If this fails, part of the money stands for the whole."""
    assert [row.gross for row in gather(terms(), gross(1, 2, 3))] == [6]
    for amounts in ((1, None), (None, 1), (None, None)):
        assert [row.gross for row in gather(terms(), gross(*amounts))] == [None]


@pytest.mark.parametrize("below", [{"units": -1}, {"count": -1}, {"gross": -1}])
def test_nothing_below_zero_is_summed(below: dict[str, Any]) -> None:
    """If this fails, a faulty engine takes streams away from somebody."""
    with pytest.raises(UsageError, match="track t"):
        gather(terms(), [plays("t", **{"units": 1} | below)])
    assert gather(terms(), [plays("t", 0, count=0, gross=0)])


@pytest.mark.parametrize("poor", [{}, {"gross": 5, "currency": "USD"}, {"gross": None, "currency": "EUR"}])
def test_rows_without_money_stop_a_pool_by_money(poor: dict[str, Any]) -> None:
    """If this fails, an engine that forgot the money divides the pool by nothing."""
    with pytest.raises(UsageError, match="track t from acme"):
        gather(terms(weight="gross"), [plays("t", 1, **poor)])
    assert gather(terms(weight="gross"), [plays("t", 1, gross=5, currency="EUR")])


def test_every_vector_is_at_hand_and_of_its_track() -> None:
    """If this fails, a track is paid by the vector of another, or a missing blob is found out in the middle."""
    vectors = {digest("t"): vector("t")}
    check_vectors([plays("u", 1, vector=None), plays("t", 1)], vectors)
    with pytest.raises(UsageError, match="track u"):
        check_vectors([plays("u", 1, vector=None), plays("t", 1), plays("u", 1)], vectors)
    with pytest.raises(UsageError, match="of track t"):
        check_vectors([plays("u", 1, vector=digest("t"))], vectors)
