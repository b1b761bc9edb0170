"""Listeners' money: who is without a part, and how an odd quantum falls."""

from __future__ import annotations

import hashlib

import pytest

from payouts.rules.listeners import by_listener, divide_money
from tests.payouts.worlds import plays


def test_rows_of_a_listener_who_brings_nothing_weigh_nothing() -> None:
    """If this fails, streams that nobody paid for take from those that somebody did."""
    rows = [plays("t", 1, listener="ann"), plays("t", 1, listener="bob")]
    assert divide_money(rows, {("acme", "ann"): [0]}, {("acme", "ann"): 7}, [1, 1]) == [7, 0]


@pytest.mark.parametrize("listener", ["ann", None])
def test_an_odd_quantum_goes_by_the_hash_of_the_row(listener: str | None) -> None:
    """If this fails, an outsider cannot recompute which of a listener's equal rows weighs one quantum more."""
    rows = [plays(f"t{n}", 1, listener=listener, vector=None) for n in range(5)]
    salt = b"acme\0" + (listener or "").encode()
    mark = "=ann" if listener else ""
    fields = [[f"t{n}", "SE", "2026-06-03T00:00:00Z", "acme", "", "=premium", mark, ""] for n in range(5)]
    order = sorted(range(5), key=lambda n: hashlib.sha256(salt + "\0".join(fields[n]).encode()).digest())
    parts = divide_money(rows, by_listener(rows), {("acme", listener): 2}, [1] * 5)
    assert [n for n in range(5) if parts[n]] == sorted(order[:2])
