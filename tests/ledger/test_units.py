"""Shares and amounts as people write them: each text is exactly one number, or is refused."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import units
from ledger.errors import InputError
from ledger.shown import exact_percent
from ledger.types import MILLION


@pytest.mark.parametrize(
    ("text", "ppm"),
    [
        ("60%", 600_000),
        ("15.825%", 158_250),
        ("15.825 %", 158_250),
        ("0.0001%", 1),
        ("1/4", 250_000),
        ("15,5%", 155_000),
        ("15,5\u00a0%", 155_000),
        ("158250", 158_250),
    ],
)
def test_a_share_is_read_as_it_is_written(text: str, ppm: int) -> None:
    """If this fails, a contract's percentage is stored as another number."""
    assert units.ppm(text) == ppm


@given(st.integers(0, MILLION))
def test_a_share_printed_is_read_back_as_the_same(ppm: int) -> None:
    """If this fails, what a statement prints cannot be typed back without changing it."""
    assert units.ppm(exact_percent(ppm)) == ppm == units.percentage(exact_percent(ppm))


@pytest.mark.parametrize(
    "text",
    ["0.00001%", "1/3", "1,5,5%", "15,5", "-5%", "1e3", "15.5", "%", "1/0", "\u0661%", "60 percent", ""],
)
def test_a_share_that_is_not_exact_or_not_clear_is_refused(text: str) -> None:
    """If this fails, a share is rounded, or read as another than what was agreed."""
    with pytest.raises(InputError, match="tax"):
        units.ppm(text, "tax")


def test_a_bare_number_is_no_percentage() -> None:
    """If this fails, --rate 15 withholds fifteen millionths of what the tax office is owed."""
    with pytest.raises(InputError, match="percentage"):
        units.percentage("15", "--rate")


@given(st.integers(-(10**20), 10**20))
def test_an_amount_is_exact(micros: int) -> None:
    """If this fails, an amount that is typed loses a millionth."""
    text = f"{'-' if micros < 0 else ''}{abs(micros) // MILLION}.{abs(micros) % MILLION:06d}"
    assert units.micros(text) == micros
    assert Fraction(text) * MILLION == micros


@pytest.mark.parametrize("text", ["12000,00", "1.0000001", "1,000.00", "1e6", "", " 1"])
def test_an_amount_in_another_spelling_is_refused(text: str) -> None:
    """If this fails, a decimal comma pays a hundred times as much."""
    with pytest.raises(InputError, match="amount"):
        units.micros(text)
