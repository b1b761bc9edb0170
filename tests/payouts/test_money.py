"""Amounts: read exactly, written back the same, paid out by whole minor units."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payouts.errors import TermsError
from payouts.money import SCALES, format_amount, parse_amount, payable, scale


@pytest.mark.parametrize(
    ("text", "micros"),
    [
        ("1000000.00", 10**12),
        ("0", 0),
        ("0.000001", 1),
        ("12345678901234567.89", 12345678901234567890000),
        ("-1.5", -1_500_000),
    ],
)
def test_amounts_are_exact(text: str, micros: int) -> None:
    """If this fails, an amount is wrong before anything is computed."""
    assert parse_amount(text) == micros


@pytest.mark.parametrize("text", ["", "1e6", "1,000", ".5", "1.", "1.0000001", " 1", "１", "NaN", "0x1", "1_000"])
def test_anything_else_is_refused(text: str) -> None:
    """If this fails, a typing error becomes an amount of money."""
    with pytest.raises(TermsError, match="amount"):
        parse_amount(text)


@given(st.integers(-(10**24), 10**24), st.sampled_from(sorted(SCALES)))
def test_what_is_written_reads_back(micros: int, currency: str) -> None:
    """If this fails, a statement shows another amount than the one that was computed."""
    assert parse_amount(format_amount(micros, currency)) == micros


@given(st.integers(0, 10**24), st.sampled_from(sorted(SCALES)))
def test_a_payment_is_whole_minor_units_and_the_rest_stays(micros: int, currency: str) -> None:
    """If this fails, a bank is asked for a fraction of a cent, or one is lost."""
    paid, rest = payable(micros, currency)
    assert paid + rest == micros
    assert paid % 10 ** (6 - scale(currency)) == 0
    assert 0 <= rest < 10 ** (6 - scale(currency))


def test_yen_has_no_decimals_and_dinars_three() -> None:
    """If this fails, amounts are shown with the wrong number of decimals."""
    assert format_amount(1_000_000, "JPY") == "1"
    assert format_amount(1_000_000, "KWD") == "1.000"
    assert format_amount(1_234_500, "EUR") == "1.2345"
    assert format_amount(1_500_000, "EUR") == "1.50"
    assert format_amount(-500_000, "EUR") == "-0.50"
    assert format_amount(0, "EUR") == "0.00"
    assert payable(1_999_999, "JPY") == (1_000_000, 999_999)


def test_a_debt_is_not_paid_out() -> None:
    """If this fails, flooring a negative balance would pay a cent that is not owed."""
    with pytest.raises(ValueError, match="zero or more"):
        payable(-1, "EUR")
