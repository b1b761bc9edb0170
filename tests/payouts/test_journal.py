"""Journals, with an accounting program written by others as the judge."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from payouts.account import Account, Correction
from payouts.compute import Outcome
from payouts.journal import holder, journal
from payouts.waterfill import Level

OUTCOME = Outcome(
    pool=1_000_000_001, allocated=600_000_000, unattributed=200_000_001, held=100_000_000, suspense=99_999_999,
    reserve=1, units=10, weight=10, weight_unattributed=2,
    level=Level(cap=None, numerator=1, denominator=1, unattributed=0, reserve=0), cutoff=None, groups=(), lines=(),
)  # fmt: skip
ACCOUNTS = [
    Account(party="p-ann", opening=5, earned=400_000_000, corrections=(), payable=400_000_000, carried=5),
    Account(party="bob", opening=-3, earned=200_000_000, payable=195_500_000, carried=-3, corrections=(
        Correction(id="adjust-1", kind="adjustment", party="bob", micros=-7_000_000, run="r", reason='say "why"'),
        Correction(id='release "1"', kind="release", party="bob", micros=2_500_000, run="r"),
    )),
]  # fmt: skip


def written(**changed: object) -> str:
    given = {"accounts": ACCOUNTS, "paid": {"p-ann"}} | changed
    return journal(period="2026-06", pool="default", run="0" * 64, currency="EUR", outcome=OUTCOME, **given)  # type: ignore[arg-type]  # each key is given its own type above


def judged(text: str, folder: Path) -> int:
    path = folder / "run.beancount"
    path.write_text(text)
    program = Path(sys.executable).parent / "bean-check"
    return subprocess.run([program, path], capture_output=True, check=False).returncode


def test_the_books_balance_to_the_micro_unit(tmp_path: Path) -> None:
    """If this fails, another accounting program finds that a run's figures do not add up."""
    assert judged(written(), tmp_path) == 0


def test_one_micro_off_is_found(tmp_path: Path) -> None:
    """If this fails, the journal is written so that an accounting program overlooks a micro-unit."""
    text = written()
    for amount in ("400.000000 EUR", "-200.000001 EUR", "-0.000005 ~ 0", "-195.500000 ~ 0"):
        whole, point, rest = amount.partition(".")
        off = f"{whole}{point}{rest[:5]}{(int(rest[5]) + 1) % 10}{rest[6:]}"
        assert amount in text
        assert judged(text.replace(amount, off, 1), tmp_path) == 1, amount


def test_account_names_are_legal_whatever_the_party_is_called() -> None:
    """If this fails, a party's id can break the journal's syntax."""
    for name in ("p-ann", "=1+1", 'x"\n', "Åsa"):
        assert holder(name).removeprefix("Liabilities:Holders:H").isalnum()
