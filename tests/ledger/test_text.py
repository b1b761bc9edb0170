"""Tokens have one spelling: what is read back is what was written, and nothing else is read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import text
from ledger.errors import VerificationError


@given(st.binary(max_size=80))
def test_base64_is_read_as_written(data: bytes) -> None:
    """If this fails, hashes and signatures do not survive being written."""
    assert text.parse_base64(text.format_base64(data), "x") == data


@pytest.mark.parametrize("wrong", ["QQ", "QQ=", "QQ===", "QR==", "Q Q=", "QQ==\n", "-_==", "é", "="])
def test_other_spellings_of_base64_are_refused(wrong: str) -> None:
    """If this fails, one signature has two spellings, and a changed byte goes unnoticed."""
    with pytest.raises(VerificationError):
        text.parse_base64(wrong, "x")


@given(st.text(max_size=20))
def test_any_text_as_base64(token: str) -> None:
    """If this fails, some text crashes the reader or is read as what it does not say."""
    try:
        data = text.parse_base64(token, "x")
    except VerificationError:
        return
    assert text.format_base64(data) == token


def test_lengths_are_checked() -> None:
    """If this fails, a short hash passes for a hash."""
    with pytest.raises(VerificationError, match="3 bytes, expected 32"):
        text.parse_base64("AAAA", "root", 32)


@given(st.integers(0, text.UINT63_MAX))
def test_decimals_are_read_as_written(number: int) -> None:
    """If this fails, sizes do not survive being written."""
    assert text.parse_decimal(str(number), "x") == number


@pytest.mark.parametrize(
    "wrong", ["", "00", "01", "-1", "+1", " 1", "1 ", "1\n", "1_0", "٣", "1.0", str(2**63), "9" * 5000]
)
def test_other_spellings_of_decimals_are_refused(wrong: str) -> None:
    """If this fails, one size has two spellings, or a size overflows other people's programs."""
    with pytest.raises(VerificationError):
        text.parse_decimal(wrong, "x")


@pytest.mark.parametrize("wrong", ["", "AB", "a", "zz", "ab ", "ab\n", "abcd", None, 12, b"ab"])
def test_only_lowercase_hex_of_the_right_length(wrong: object) -> None:
    """If this fails, one digest has two spellings."""
    with pytest.raises(VerificationError):
        text.parse_hex(wrong, "x", 1)


def test_hex_is_read_as_written() -> None:
    """If this fails, digests do not survive being written."""
    assert text.parse_hex("00ff", "x", 2) == b"\x00\xff"
