"""Which events a run takes, and how finely they are told apart."""

from __future__ import annotations

import pytest

from ledger.registry import facts as f
from ledger.registry.fold import fold
from ledger.registry.view import View
from ledger.types import parse_time
from payouts.rules.pro_rata import ProRata
from payouts.rules.user_centric import UserCentric
from payouts.terms import Terms
from payouts.usage.grain import ELSEWHERE, Grain, Membership, grain_of

MAY_END, JUNE_END = parse_time("2026-06-01T00:00:00Z"), parse_time("2026-07-01T00:00:00Z")
JUNE = Membership(size=100, end=JUNE_END, earlier=(60, MAY_END))
EVENTS = [
    (99, "2026-06-30T23:59:59Z", True),
    (100, "2026-06-30T23:59:59Z", False),
    (99, "2026-07-01T00:00:00Z", False),
    (59, "2026-05-31T23:59:59Z", False),
    (60, "2026-05-31T23:59:59Z", True),
    (59, "2026-06-01T00:00:00Z", True),
]


@pytest.mark.parametrize(("index", "occurred_at", "taken"), EVENTS)
def test_an_event_is_in_the_first_close_that_holds_it(index: int, occurred_at: str, *, taken: bool) -> None:
    """If this fails, a stream is paid twice, or in no period at all."""
    assert JUNE.takes(index, occurred_at) == taken
    may = Membership(size=60, end=MAY_END)
    assert not (may.takes(index, occurred_at) and JUNE.takes(index, occurred_at))


def test_the_first_close_takes_everything_before_its_end() -> None:
    """If this fails, events from before the log's first period are never paid."""
    first = Membership(size=100, end=JUNE_END)
    assert first.takes(0, "1999-01-01T00:00:00Z")
    assert not first.takes(0, "2026-07-01T00:00:00Z")
    assert not first.takes(100, "2026-06-01T00:00:00Z")


CUTS = Grain(cuts=("2026-05-20T00:00:00Z", "2026-06-10T00:00:00Z", "2026-06-10T12:00:00Z", "2026-06-11T00:00:00Z"))


@pytest.mark.parametrize(
    ("occurred_at", "bucket"),
    [
        ("2026-05-19T23:59:59Z", "2026-05-01T00:00:00Z"),
        ("2026-05-20T00:00:00Z", "2026-05-20T00:00:00Z"),
        ("2026-06-09T23:59:59Z", "2026-06-01T00:00:00Z"),
        ("2026-06-10T00:00:00Z", "2026-06-10T00:00:00Z"),
        ("2026-06-10T11:59:59Z", "2026-06-10T00:00:00Z"),
        ("2026-06-30T00:00:00Z", "2026-06-11T00:00:00Z"),
        ("2026-07-01T00:00:00Z", "2026-07-01T00:00:00Z"),
    ],
)
def test_a_bucket_starts_at_the_last_change(occurred_at: str, bucket: str) -> None:
    """If this fails, a stream is divided by the shares of before a change, or of another month."""
    assert CUTS.bucket(occurred_at) == bucket
    assert Grain().bucket(occurred_at) == occurred_at[:7] + "-01T00:00:00Z"


def test_cuts_inside_a_day_are_those_that_summing_by_day_would_miss() -> None:
    """If this fails, a day in which shares change at noon is summed as one."""
    assert CUTS.cuts_within("2026-06-10") == ("2026-06-10T12:00:00Z",)
    assert CUTS.cuts_within("2026-06-11") == ()
    assert Grain(cuts=("2026-06-10T23:59:59Z",)).cuts_within("2026-06-10") == ("2026-06-10T23:59:59Z",)


def test_only_territories_that_matter_are_told_apart() -> None:
    """If this fails, a Swedish share pays for other countries' streams, or a month is summed by every country."""
    grain = Grain(territories=("SE",))
    assert (grain.territory("SE"), grain.territory("NO")) == ("SE", ELSEWHERE)


def registered(*facts: f.AnyFact) -> View:
    return fold(enumerate(facts))


def at(month: int) -> str:
    return f"2026-{month:02d}-01T00:00:00Z"


TERMS = Terms(period="2026-06", currency="EUR", micros=1)


def test_shares_links_and_groups_cut_time_and_shares_and_grants_tell_places_apart() -> None:
    """If this fails, streams before and after a sale, or of countries with owners of their own, are summed as one."""
    view = registered(
        f.PartyFact(id="ann", kind="person", group="a", at=at(1)),
        f.PartyFact(id="ann", kind="person", group="b", start=at(2), at=at(1)),
        f.ShareFact(
            id="s1",
            subject="rec",
            party="ann",
            right="master",
            ppm=1,
            territory="SE",
            state="confirmed",
            start=at(3),
            end=at(4),
            at=at(1),
        ),
        f.ShareFact(
            id="s2",
            subject="rec",
            party="ann",
            right="master",
            ppm=1,
            territory="NO",
            state="asserted",
            start=at(9),
            end=at(10),
            at=at(1),
        ),
        f.LinkFact(id="l", recording="rec", work="wrk", ppm=1, state="confirmed", start=at(5), end=at(7), at=at(1)),
        f.GrantFact(
            id="g",
            grantor="ann",
            subject="rec",
            uses=("train",),
            decision="allow",
            territory="DE",
            start=at(11),
            at=at(1),
        ),
        f.GrantFact(id="h", grantor="ann", subject="*", uses=("train",), decision="allow", territory="WORLD", at=at(1)),
    )
    found = grain_of(view, Terms(period="2026-06", currency="EUR", micros=1, territories=("FI",)), ProRata())
    assert found == Grain(cuts=(at(2), at(3), at(4), at(5), at(7)), territories=("DE", "FI", "SE"))
    assert grain_of(registered(), TERMS, ProRata()) == Grain()


def test_products_listeners_and_money_are_told_apart_only_where_something_depends_on_them() -> None:
    """If this fails, a rule about listeners sees none, or a hundred million events stay a hundred million rows."""
    by_product = Terms(period="2026-06", currency="EUR", micros=1, products=("premium",))
    by_gross = Terms(period="2026-06", currency="EUR", micros=1, weight="gross")
    assert grain_of(registered(), by_product, ProRata()) == Grain(products=True)
    assert grain_of(registered(), by_gross, ProRata()) == Grain(gross=True)
    assert grain_of(registered(), TERMS, UserCentric()) == Grain(listeners=True)
