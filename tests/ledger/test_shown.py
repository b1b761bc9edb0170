"""Figures as people read them: exact where they are exact, and parts that add up where they are rounded."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from ledger import shown
from ledger.types import MILLION


def number(text: str) -> Decimal:
    return Decimal(text.removesuffix(" %").replace(",", ""))


@given(parts=st.lists(st.integers(0, MILLION), max_size=12))
def test_parts_shown_add_up_to_the_whole_shown(parts: list[int]) -> None:
    """If this fails, somebody who adds up a column of a report finds another total than the report's."""
    assert sum(map(number, shown.percents(parts))) == number(shown.percent(sum(parts)))
    assert sum(map(number, shown.cents_together(parts))) == number(shown.cents(sum(parts)))
    for part, text in zip(parts, shown.percents(parts), strict=True):
        assert abs(number(text) - Decimal(part) / 10_000) < Decimal("0.01")


@given(st.tuples(*[st.integers(0, MILLION)] * 3), st.lists(st.integers(0, MILLION), max_size=5))
def test_a_share_is_shown_within_its_interval(three: tuple[int, int, int], others: list[int]) -> None:
    """If this fails, rounding shows a share below its lower end or above its upper."""
    low, share, high = sorted(three)
    least, most = (number(end) for end in shown.interval(low, high).split(" to "))
    for text in (shown.percent(share), shown.percents([share, *others])[0]):
        assert least <= number(text) <= most


def test_figures_are_written_one_way() -> None:
    """If this fails, the same figure reads differently on two pages."""
    assert shown.money(1_234_567_890_123, "EUR") == "1,234,567.890123 EUR"
    assert shown.money(-1) == "-0.000001"
    assert (shown.cents(-25_000), shown.cents(1_234_567_895_000)) == ("-0.02", "1,234,567.90")
    assert (shown.percent(333_350), shown.percent(MILLION)) == ("33.34 %", "100.00 %")
    assert shown.percents([333_333, 333_333, 333_334]) == ["33.33 %", "33.33 %", "33.34 %"]
    assert shown.whole_percents([420_104, 182_800, 172_500, 224_596]) == ["42 %", "18 %", "17 %", "23 %"]
    assert shown.whole_percents([3_000, 997_000, 0]) == ["under 1 %", "100 %", "0 %"]
    rates = (1_000_000, 150_000, 152_500, 12_345, 10_100, 500, 1)
    assert [shown.exact_percent(ppm) for ppm in rates] == [
        "100 %",
        "15 %",
        "15.25 %",
        "1.2345 %",
        "1.01 %",
        "0.05 %",
        "0.0001 %",
    ]
    assert shown.with_interval("39.64 %", 195_299, 597_401) == "39.64 % (19.52 to 59.75)"
    assert shown.with_interval("17.45 %", 174_500, 174_500) == "17.45 %"
    assert [shown.counted(n, "key") for n in (0, 1, 1_000)] == ["0 keys", "1 key", "1,000 keys"]
    assert shown.counted(2, "entry", "entries") == "2 entries"
