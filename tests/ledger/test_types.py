"""Periods: the month after and before, across the year."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ledger.types import Period


@pytest.mark.parametrize(
    ("period", "following"), [("2026-01", "2026-02"), ("2026-11", "2026-12"), ("2026-12", "2027-01")]
)
def test_the_month_after_and_before(period: str, following: str) -> None:
    """If this fails, a period takes another month's events, or December has no end."""
    assert str(Period.parse(period).next()) == following
    assert str(Period.parse(following).previous()) == period
    assert Period.parse(period).end == Period.parse(following).start


def test_a_period_is_half_open() -> None:
    """If this fails, the first second of a month belongs to two periods, or to none."""
    assert Period.parse("2026-12").start == datetime(2026, 12, 1, tzinfo=UTC)
    assert Period.parse("2026-12").end == datetime(2027, 1, 1, tzinfo=UTC)
