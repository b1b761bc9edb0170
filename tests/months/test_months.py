"""Honest months: whatever was agreed, paid, corrected or undone in them, every check says so."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from service.bundles import verify_bundle
from service.settlement.step import read_book
from service.settlement.stored import load
from service.statements import proving, recomputing
from service.statements.statements import state
from tests.months.plan import RULES, TERMS, plan
from tests.months.played import PARTIES, Quarter, base, copied

FEW = (1, 31, 43)
"""A currency alone; everything at once over two logs; a chain, late events and a payment that failed."""
MANY = 150
"""Quarters of two months each: 300 months."""
HERE = int(os.environ.get("SETTLE_QUARTERS", "30"))
"""Quarters in the slow suite; `make forge` plays them all, in about half an hour of one core."""

EARLY = (70, 94)
"""Quarters whose July is paid in part before it is over."""


Bases = Callable[[bool, int], Path]


@pytest.fixture(scope="session")
def bases(tmp_path_factory: pytest.TempPathFactory) -> Bases:
    """Workspaces to start from, made when first asked for: whether some payees are paid on a chain, how many logs."""

    @cache
    def made(chain: bool, logs: int) -> Path:
        return base(tmp_path_factory.mktemp("base"), chain=chain, logs=logs)

    return made


def check(quarter: Quarter) -> None:
    """Both months recompute, and each party's statement is proved by its bundle, figure by figure."""
    ws, trust = quarter.ws, quarter.ws.trust
    book = read_book(ws)
    for month, run in quarter.runs.items():
        folder = quarter.folder / month
        recomputing.export(ws, month, folder)
        again = recomputing.recompute(folder, trust)
        assert again.ok, (quarter.plan, month, again)
        stored = load(ws.log, book.runs[run])
        for party in PARTIES:
            report = verify_bundle(proving.statement_bundle(ws.log, ws.trust.policy, book, stored, party), trust)
            assert report.ok, (quarter.plan, month, party, report.steps[-1])
            pools = [pool for pool in state(ws, party, month).pools if pool.run == run]
            account = stored.accounts.get(party)
            assert bool(pools) >= (account is not None), (quarter.plan, month, party)
            for pool in pools:
                net, carried = (account.payable, account.carried) if account is not None else (0, 0)
                assert (pool.net_micros, pool.carried_micros) == (net, carried), (quarter.plan, month, party)
    ws.close()


def test_plans_have_every_combination_of_terms() -> None:
    """If this fails, the generated months leave out a combination of terms, and nobody notices that one fails."""
    assert {plan(n).terms for n in range(2 ** len(TERMS))} == {
        frozenset(name for bit, name in enumerate(TERMS) if n >> bit & 1) for n in range(2 ** len(TERMS))
    }
    plans = [plan(n) for n in range(MANY)]
    assert {p.rule[0] for p in plans} == {name for name, _ in RULES}
    for seen in (
        {p.reversed for p in plans},
        {p.late for p in plans},
        {p.chain for p in plans},
        {p.logs == 2 for p in plans},
    ):
        assert seen == {False, True}


@pytest.mark.parametrize("number", FEW)
def test_an_honest_quarter_verifies(number: int, bases: Bases, tmp_path: Path) -> None:
    """If this fails (finding A), an honest operator's month is refused, or a statement is proved with other figures."""
    chosen = plan(number)
    check(Quarter(chosen, copied(bases(chosen.chain, chosen.logs), tmp_path / "quarter")).play())


@pytest.mark.slow
@pytest.mark.parametrize("number", sorted({*range(HERE), *EARLY}))
def test_every_honest_quarter_verifies(number: int, bases: Bases, tmp_path: Path) -> None:
    """If this fails (finding A), some combination of terms, rules and corrections makes an honest month look forged."""
    chosen = plan(number)
    check(Quarter(chosen, copied(bases(chosen.chain, chosen.logs), tmp_path / "quarter")).play())
