"""Which events a run takes, and how finely they are told apart."""

from __future__ import annotations

import pytest

from ledger.types import parse_time
from payouts.grain import ELSEWHERE, Grain, Membership

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
