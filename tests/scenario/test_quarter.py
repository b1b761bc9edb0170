"""A quarter of a small platform: a pool for each of two countries, late streams, a hold, a correction, a lost payment.

What the test looks at is what an accountant would: every micro-unit that went into the pools is somewhere
at the end, balances continue from month to month, and every published statement verifies offline.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path

import pytest

from service.bundles import verify_bundle
from service.settlement import holds, life, paying
from service.settlement.carrying import paid_out
from service.settlement.step import read_book
from service.settlement.stored import load
from service.statements import recomputing, statements
from tests.service.month import Month, month

HOLDERS = ("ann", "bob", "cy", "dee")
MONTHS = ("2026-06", "2026-07", "2026-08")


def settle(made: Month, period: str, pool: str, amount: str | None, params: dict[str, str]) -> str:
    wanted = life.request(
        period=period, pool=amount, currency="EUR", rule="pro-rata", params=params, name=pool, engine="log"
    )
    run = life.run(made.ws, wanted).run
    life.approve(made.ws, run, "approver")
    life.publish(made.ws, run)
    paying.pay(made.ws, run, "file")
    return run


@pytest.fixture(scope="module")
def quarter(tmp_path_factory: pytest.TempPathFactory) -> tuple[Month, list[str]]:
    """June to August, everything that can happen in between, happening."""
    made = month(tmp_path_factory.mktemp("quarter") / "home")
    made.stream(["trk-1"] * 6 + ["trk-2"] * 3 + ["trk-3"], territory="NO")
    runs = []
    hold = holds.open_hold(made.ws, scope="party", subject="bob", reason="fraud")
    for n, period in enumerate(MONTHS):
        made.now = datetime(2026, 7 + n, 3, 9, 0, tzinfo=UTC)
        life.close(made.ws, period)
        runs.append(settle(made, period, "default", "1000.00", {"territories": "SE"}))
        runs.append(settle(made, period, "micro", None, {"price": "0.013", "territories": "NO"}))
        if n == 0:
            life.approve(made.ws, holds.release(made.ws, hold.id, note="streams are real").id, "approver")
            fix = holds.adjust(
                made.ws, "ann", period="2026-08", amount="-7.000001", currency="EUR", reason="late fix", line=runs[0]
            )
            life.approve(made.ws, fix.id, "approver")
            lost = paying.confirm(made.ws, runs[0], "cy", "written-off")
            life.approve(made.ws, str(lost.id), "approver")
        for territory in ("SE", "NO"):
            if n == 0:
                made.stream(["trk-2"] * 5, at="2026-06-29T08:00:00Z", territory=territory)
            played = ["trk-1"] * (3 + n) + ["trk-2"] * 2
            made.stream(played, at=f"2026-{7 + n:02d}-11T10:00:00Z", territory=territory)
    return made, runs


def test_every_micro_of_a_quarter_is_somewhere(quarter: tuple[Month, list[str]]) -> None:
    """If this fails, money was made or lost between June and August."""
    made, runs = quarter
    book = read_book(made.ws)
    assert not book.voids
    stored = [load(made.ws.log, book.runs[run]) for run in runs]
    into = sum(one.outcome.pool for one in stored)
    paid = sum(sum(paid_out(made.ws.log, book, one).values()) for one in stored)
    kept = sum(one.outcome.unattributed + one.outcome.suspense + one.outcome.reserve for one in stored)
    released = {
        (c.run, c.party): c.micros
        for one in stored
        for a in one.accounts.values()
        for c in a.corrections
        if c.kind == "release"
    }
    held = sum(one.outcome.held for one in stored) - sum(released.values())
    last = {one.record.pool: one for one in stored}
    carried = sum(account.carried for one in last.values() for account in one.accounts.values())
    assert into == paid + kept + held + carried + 7_000_001
    assert held == 0
    assert released.keys() == {(runs[0], "bob"), (runs[1], "bob")}


def test_balances_continue_from_month_to_month(quarter: tuple[Month, list[str]]) -> None:
    """If this fails, a statement opens with another balance than the one before it closed with."""
    made, _ = quarter
    balance: dict[tuple[str, str], int] = defaultdict(int)
    for period in MONTHS:
        for holder in HOLDERS:
            told = statements.state(made.ws, holder, period)
            for pool in told.pools:
                assert pool.opening_micros == balance[holder, pool.pool]
                total = pool.opening_micros + pool.earned_micros + pool.adjustments_micros
                assert total == pool.net_micros + pool.carried_micros
                balance[holder, pool.pool] = pool.carried_micros


def test_the_late_streams_weigh_once(quarter: tuple[Month, list[str]]) -> None:
    """If this fails, what a platform reported late is counted twice or not at all."""
    made, runs = quarter
    book = read_book(made.ws)
    units = [load(made.ws.log, book.runs[run]).outcome.units for run in runs]
    assert units == [10, 10, 10, 10, 6, 6]


def test_the_quarter_stands_up_to_outsiders(quarter: tuple[Month, list[str]], tmp_path: Path) -> None:
    """If this fails, a holder's proof does not verify, or an auditor comes to other bytes."""
    made, _ = quarter
    for period in MONTHS:
        for pool in ("default", "micro"):
            assert verify_bundle(statements.prove(made.ws, "dee", period, pool), made.ws.trust).ok
        recomputing.export(made.ws, period, tmp_path / "out" / period)
        again = recomputing.recompute(tmp_path / "out" / period, made.ws.trust)
        assert again.ok
        assert len(again.runs) == 2
