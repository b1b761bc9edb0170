"""Journals, with an accounting program written by others as the judge."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from payouts.accounts.account import Account, Correction, accounts
from payouts.accounts.clauses import Advance, Agreed, Clause, PaidIn, Rate, Reserve, Withholding
from payouts.accounts.deductions import Balance, Stages
from payouts.accounts.journal import holder, journal
from payouts.compute import Inputs, Outcome, compute
from payouts.division.waterfill import Level
from tests.golden import check_golden
from tests.payouts.strategies import pools
from tests.payouts.years import CURRENCY, POOL, year

ROOTS: Final = re.compile(r"\b(Assets|Liabilities|Expenses|Equity|Income):")
DATED: Final = re.compile(r"\d{4}-\d\d-\d\d ")
AMOUNT: Final = re.compile(r"-?\d+\.\d{6}\b")
TOGETHER: Final = 50
"""Journals in one file: the program's time for a file grows faster than the file."""

OUTCOME = Outcome(
    pool=1_000_000_001,
    allocated=600_000_000,
    unattributed=200_000_001,
    held=100_000_000,
    suspense=99_999_999,
    reserve=1,
    units=10,
    weight=10,
    weight_unattributed=2,
    level=Level(cap=None, numerator=1, denominator=1, unattributed=0, reserve=0),
    cutoff=None,
    groups=(),
    lines=(),
)
ACCOUNTS = [
    Account(party="p-ann", opening=5, earned=400_000_000, corrections=(), payable=400_000_000, carried=5),
    Account(
        party="bob",
        opening=-3,
        earned=200_000_000,
        payable=195_500_000,
        carried=-3,
        corrections=(
            Correction(id="adjust-1", kind="adjustment", party="bob", micros=-7_000_000, run="r", reason='say "why"'),
            Correction(id='release "1"', kind="release", party="bob", micros=2_500_000, run="r"),
        ),
    ),
]


def written(**changed: object) -> str:
    given = {"accounts": ACCOUNTS, "paid": {"p-ann"}} | changed
    return journal(period="2026-06", pool="default", run="0" * 64, currency="EUR", outcome=OUTCOME, **given)  # type: ignore[arg-type]  # each key is given its own type above


def judged(text: str, folder: Path) -> tuple[int, set[int]]:
    """What the program leaves with, and the lines it complains of."""
    path = folder / "run.beancount"
    path.write_text(text)
    program = Path(sys.executable).parent / "bean-check"
    done = subprocess.run([program, path], capture_output=True, text=True, check=False)
    return done.returncode, {int(line) for line in re.findall(rf"^{re.escape(str(path))}:(\d+):", done.stderr, re.M)}


def beside_each_other(journals: Sequence[str]) -> str:
    """Several journals as one file: each under account names of its own, nothing else changed."""
    return "".join(ROOTS.sub(rf"\1:R{n}:", text) for n, text in enumerate(journals))


def off_by_one(text: str) -> Iterator[tuple[str, set[int]]]:
    """Copies of a journal in which amounts are a micro-unit off, until each was: one in each transaction at a time,
    and the balances by themselves, since an error in a transaction could make up for one in a balance.

    With each, the lines (counted from 0) at which something no longer adds up.
    """
    lines, legs, balances, start = text.splitlines(), defaultdict(list), {}, -1
    for n, line in enumerate(lines):
        if DATED.match(line):
            start = n
        if line.startswith("  "):
            legs[start].append(n)
        elif " balance " in line:
            balances[n] = n
    rounds = [
        {start: numbers[k] for start, numbers in legs.items() if k < len(numbers)}
        for k in range(max(map(len, legs.values())))
    ]
    for chosen in (*rounds, balances):
        changed = set(chosen.values())
        copy = [AMOUNT.sub(_more, line, count=1) if n in changed else line for n, line in enumerate(lines)]
        yield "\n".join(copy) + "\n", set(chosen)


def _more(amount: re.Match[str]) -> str:
    micros = int(amount[0].replace(".", "")) + 1
    return f"{'-' * (micros < 0)}{abs(micros) // 10**6}.{abs(micros) % 10**6:06d}"


def books(seeds: Iterable[int]) -> list[str]:
    """The journals of random years, run by run."""
    return [
        journal(
            period=month.period,
            pool=POOL,
            run="0" * 64,
            currency=CURRENCY,
            outcome=month.outcome,
            accounts=month.accounts,
            paid=month.paid,
        )
        for seed in seeds
        for month in year(seed).months
    ]


def test_the_books_balance_to_the_micro_unit(tmp_path: Path) -> None:
    """If this fails, another accounting program finds that a run's figures do not add up."""
    assert judged(beside_each_other([written(), eventful()]), tmp_path) == (0, set())


def eventful() -> str:
    """A run in which everything happens that is ever booked, to three payees."""
    clauses: tuple[Clause, ...] = (
        Reserve(party="ann", ppm=100_000, months=3),
        Advance(party="ann", pool="default", currency="EUR", micros=90_000_000, ppm=500_000),
        Withholding(party="ann", ppm=150_000, territory="US"),
        PaidIn(party="ann", currency="JPY"),
        PaidIn(party="cy", currency="JPY"),
        Rate(currency="EUR", to="JPY", rate="161.07", date="2026-06-30"),
    )
    agreed = tuple(Agreed.of(period="2026-06", note=f"note {n}", clause=one) for n, one in enumerate(clauses))
    before = {
        "ann": (
            Balance(kind="reserve", term="old", micros=7_000_000, due="2026-06"),
            Balance(kind="reserve", term="old", micros=2_000_000, due="2026-08"),
            Balance(kind="advance", term="ended", micros=500_000),
        ),
        "bob": (Balance(kind="advance", term="over", micros=11_000_000),),
    }
    booked = accounts(
        currency="EUR",
        minimum=0,
        opening={"ann": 5, "bob": -3},
        earned={"ann": 100_000_000, "bob": 20_000_000, "cy": 30_000_000},
        corrections=ACCOUNTS[1].corrections,
        stages=Stages(period="2026-06", agreed=agreed, before=before),
    )
    outcome = replace(OUTCOME, pool=OUTCOME.pool - 450_000_000, allocated=150_000_000)
    return journal(
        period="2026-06",
        pool="default",
        run="0" * 64,
        currency="EUR",
        outcome=outcome,
        accounts=booked,
        paid={"ann", "cy"},
    )


def test_every_kind_of_booking_stands_where_it_stood() -> None:
    """If this fails, a bookkeeper's next journal uses other accounts, signs or days than the ones already imported."""
    check_golden("eventful.beancount", eventful().encode())


def test_one_micro_off_is_found_wherever_it_is(tmp_path: Path) -> None:
    """If this fails, the journal is written so that an accounting program overlooks a micro-unit."""
    _all_found([written(), *books([7])[-2:]], tmp_path)


@pytest.mark.slow
def test_a_thousand_random_runs_balance(tmp_path: Path) -> None:
    """If this fails, some outcome or some deduction is booked so that another accounting program refuses it."""
    made = books(range(50))

    @settings(max_examples=400, database=None)
    @given(pools(), st.integers(0, 2**32))
    def outcomes(inputs: Inputs, seed: int) -> None:
        """Runs as the rules make them, paid under the terms of some month of a random year."""
        found, month = compute(inputs), year(seed).months[-1]
        booked = accounts(
            currency=CURRENCY,
            minimum=month.minimum,
            opening={},
            earned=found.allocated_by_party(),
            corrections=(),
            stages=month.stages,
        )
        text = journal(
            period=month.period,
            pool=POOL,
            run="0" * 64,
            currency=CURRENCY,
            outcome=found,
            accounts=booked,
            paid={one.party for one in booked},
        )
        made.append(text)

    outcomes()
    assert len(made) >= 1000
    for start in range(0, len(made), TOGETHER):
        assert judged(beside_each_other(made[start : start + TOGETHER]), tmp_path) == (0, set()), start


@pytest.mark.slow
def test_any_posting_of_a_hundred_random_runs_off_by_one_is_found(tmp_path: Path) -> None:
    """If this fails, there is a kind of posting in which a misplaced micro-unit goes unseen."""
    _all_found(books(range(1000, 1009)), tmp_path)


def _all_found(journals: Sequence[str], folder: Path) -> None:
    """Each amount of each journal a micro-unit off in some copy, and each time complained of."""
    copies = [copy for text in journals for copy in off_by_one(text)]
    for start in range(0, len(copies), TOGETHER):
        batch = copies[start : start + TOGETHER]
        wrong, line = set(), 1
        for text, places in batch:
            wrong |= {line + place for place in places}
            line += len(text.splitlines())
        code, found = judged(beside_each_other([text for text, _ in batch]), folder)
        assert code == 1
        assert not wrong - found


def test_account_names_are_legal_whatever_the_party_is_called() -> None:
    """If this fails, a party's id can break the journal's syntax."""
    for name in ("p-ann", "=1+1", 'x"\n', "Åsa"):
        assert holder(name).removeprefix("Liabilities:Holders:H").isalnum()
