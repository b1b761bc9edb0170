"""Terms over a real log: agreed by two, booked by runs, stated, paid, proven, computed again, undone."""

from __future__ import annotations

import csv
import io
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ledger.errors import ConflictError, InputError, StateError
from ledger.proofs import leaf
from payouts import document
from payouts.accounts.account import Account, accounts
from payouts.accounts.clauses import Advance, Agreed, Clause, PaidIn, Rate, Reserve, Withholding
from payouts.accounts.deductions import DeductionStep, Stages
from payouts.life.records import Agree
from service.bundles import verify_bundle
from service.settlement import agreements, holds, life, paying
from service.settlement.step import read_book
from service.settlement.stored import load
from service.statements import recomputing, statements
from service.statements.proving import run_bundle
from tests.service.month import Month, asked, july, published

ADVANCE = Advance(party="ann", pool="default", currency="EUR", micros=200_000_000, ppm=500_000)
RESERVE = Reserve(party="ann", ppm=100_000, months=1)
TAX = Withholding(party="ann", ppm=150_000, territory="SE")
DOLLARS = PaidIn(party="ann", currency="USD")
RATE = Rate(currency="EUR", to="USD", rate="1.0861", date="2026-06-30")


def agree(june: Month, *clauses: Clause, period: str = "2026-06", note: str = "contract 12") -> list[str]:
    """Terms that two people agreed; their ids."""
    made = [agreements.agree(june.ws, clause, period=period, note=note).id for clause in clauses]
    for one in made:
        life.approve(june.ws, one, "approver")
    return made


def steps(june: Month, party: str, period: str) -> list[tuple[str, int]]:
    return [(one.kind, one.micros) for one in statements.state(june.ws, party, period).pools[0].deductions]


def test_from_allocated_to_paid_line_by_line(june: Month, tmp_path: Path) -> None:
    """If this fails, a statement does not say how what was allocated became what was paid, or it does not add up."""
    agree(june, RESERVE, ADVANCE, TAX, DOLLARS, RATE)
    run = published(june)
    paying.pay(june.ws, run, "file")
    assert steps(june, "ann", "2026-06") == [("reserve", -36_000_000), ("recouped", -162_000_000), ("tax", -24_300_000)]
    told = statements.state(june.ws, "ann", "2026-06")
    assert told.earned_micros + told.deductions_micros == told.net_micros + told.carried_micros
    (pool,) = told.pools
    assert (pool.net_micros, pool.carried_micros) == (137_700_000, 0)
    assert pool.converted is not None
    assert (pool.converted.currency, pool.converted.micros, pool.converted.rounding) == ("USD", 149_550_000, 5_970)
    assert (pool.converted.rate, pool.converted.date, pool.converted.source) == ("1.0861", "2026-06-30", "contract 12")
    july_rate = replace(RATE, rate="2", date="2026-07-31")
    agree(june, july_rate, period="2026-07", note="central bank")
    july(june)
    assert steps(june, "ann", "2026-07") == [
        ("reserve", -36_000_000),
        ("released", 36_000_000),
        ("recouped", -38_000_000),
        ("tax", -48_300_000),
    ]
    left = [
        (one.kind, one.opening_micros, one.closing_micros)
        for one in statements.state(june.ws, "ann", "2026-07").pools[0].beside
    ]
    assert left == [("reserve", 36_000_000, 0), ("advance", 38_000_000, 0), ("reserve", 0, 36_000_000)]
    assert steps(june, "bob", "2026-07") == []
    assert not read_book(june.ws).voids
    _stands_up_to_outsiders(june, tmp_path)


def _stands_up_to_outsiders(june: Month, folder: Path) -> None:
    """Both months: each holder's bundle, the whole run's, the recomputation, and the accounting program."""
    book = read_book(june.ws)
    for period in ("2026-06", "2026-07"):
        for party in ("ann", "bob", "cy"):
            assert verify_bundle(statements.prove(june.ws, party, period), june.ws.trust).ok
        stored = load(june.ws.log, next(run for run in book.standing() if run.period == period))
        assert verify_bundle(run_bundle(june.ws.log, june.ws.trust.policy, book, stored), june.ws.trust).ok
        recomputing.export(june.ws, period, folder / period)
        assert recomputing.recompute(folder / period, june.ws.trust).ok
        (file,) = recomputing.journals(june.ws, period, folder / "journal").files
        subprocess.run([Path(sys.executable).parent / "bean-check", file], check=True, capture_output=True)


def test_the_bank_is_told_the_net_in_the_payees_currency(june: Month) -> None:
    """If this fails, a payment file pays the gross, or an amount of one currency in another."""
    agree(june, TAX, DOLLARS, RATE)
    run = published(june)
    done = paying.pay(june.ws, run, "file")
    assert done.paid_micros == 306_000_000 + 270_000_000
    texts = [Path(name).read_text(encoding="utf-8") for name in done.files]
    read = [row for text in texts for row in csv.DictReader(io.StringIO(text))]
    rows = {row["party"]: (row["amount"], row["currency"]) for row in read}
    assert rows["ann"] == ("332.34", "USD")
    assert rows["bob"] == ("120.00", "EUR")
    lost = paying.confirm(june.ws, run, "ann", "written-off")
    life.approve(june.ws, str(lost.id), "approver")
    agree(june, replace(RATE, rate="2"), period="2026-07")
    july(june)
    (pool,) = statements.state(june.ws, "ann", "2026-07").pools
    assert [(one.kind, one.micros) for one in pool.adjustments] == [("returned", 306_000_000)]
    assert steps(june, "ann", "2026-07") == [("tax", -54_000_000)]
    assert pool.converted is not None
    assert pool.converted.micros == 2 * (306_000_000 + 306_000_000)


def test_terms_need_two_people_and_somebody_known(june: Month) -> None:
    """If this fails, one person can take a part of somebody's money, or terms are about nobody."""
    made = agreements.agree(june.ws, TAX, period="2026-06", note="Treaty art. 12")
    with pytest.raises(StateError, match="another person"):
        life.approve(june.ws, made.id, "operator")
    with pytest.raises(InputError, match="not in the registry"):
        agreements.agree(june.ws, replace(TAX, party="nobody"), period="2026-06", note="n")
    with pytest.raises(InputError, match="reason"):
        agreements.agree(june.ws, TAX, period="2026-06", note=" ")
    assert agreements.agree(june.ws, TAX, period="2026-06", note="Treaty art. 12").already
    published(june)
    assert steps(june, "ann", "2026-06") == []
    assert [one.state for one in agreements.listed(june.ws)] == ["proposed"]
    life.approve(june.ws, made.id, "approver")
    assert [one.state for one in agreements.listed(june.ws)] == ["agreed"]


def test_terms_whose_id_is_not_their_digest_are_void(june: Month) -> None:
    """If this fails, a run's list of ids does not commit to what the terms say."""
    maker = june.ws.signer("operator")
    forged = replace(Agreed.of(period="2026-06", note="n", clause=TAX), clause=replace(TAX, ppm=999_999))
    record = Agree(at="2026-07-02T09:00:00Z", by="operator", key=maker.public.id, agreed=forged)
    june.ws.log.append([leaf.sign(record.leaf(), maker)])
    book = read_book(june.ws)
    assert not book.agreements
    assert "their content makes" in book.voids[0].reason


def test_what_changes_before_publication_is_calculated_again(june: Month) -> None:
    """If this fails, a run is published under terms that are no longer in force."""
    life.close(june.ws, "2026-06")
    run = life.run(june.ws, asked())
    life.approve(june.ws, run.run, "approver")
    agree(june, TAX)
    with pytest.raises(StateError, match="other terms"):
        life.publish(june.ws, run.run)
    again = life.run(june.ws, asked())
    assert again.run != run.run
    life.approve(june.ws, again.run, "approver")
    life.publish(june.ws, again.run)
    agree(june, RESERVE, period="2026-07")
    assert life.run(june.ws, asked()).already
    agree(june, replace(TAX, ppm=1))
    with pytest.raises(ConflictError):
        life.run(june.ws, asked())


def test_no_rate_no_run_and_no_dollars_on_the_chain(june: Month) -> None:
    """If this fails, somebody is paid at no rate or yesterday's, or in a token that is not the pool's currency."""
    agree(june, DOLLARS)
    agree(june, RATE, period="2026-05")
    life.close(june.ws, "2026-06")
    with pytest.raises(StateError, match="settle terms rate EUR USD --period 2026-06"):
        life.run(june.ws, asked())
    agree(june, RATE)
    run = life.run(june.ws, asked()).run
    life.approve(june.ws, run, "approver")
    with pytest.raises(StateError, match="ann is paid in USD, and the chain pays in EUR"):
        life.publish(june.ws, run, via="chain")
    assert life.publish(june.ws, run).payable_micros == 630_000_000


def test_a_reversed_run_gives_back_what_it_deducted(june: Month) -> None:
    """If this fails, undoing a run leaves an advance recouped, a reserve kept or tax taken twice."""
    agree(june, ADVANCE, RESERVE, TAX)
    run = published(june)
    paying.pay(june.ws, run, "file")
    once = steps(june, "ann", "2026-06")
    life.approve(june.ws, holds.reverse(june.ws, run, reason="again").id, "approver")
    second = life.run(june.ws, asked()).run
    life.approve(june.ws, second, "approver")
    life.publish(june.ws, second)
    told = statements.state(june.ws, "ann", "2026-06")
    assert steps(june, "ann", "2026-06") == once
    assert (told.net_micros, told.carried_micros) == (0, 0)
    assert told.pools[0].adjustments[0].kind == "reversal"


def test_ended_terms_bear_on_no_later_run(june: Month) -> None:
    """If this fails, terms go on after two people ended them, or what was kept or owed under them is forgotten."""
    advance, reserve = agree(june, ADVANCE, replace(RESERVE, months=2))
    published(june)
    with pytest.raises(InputError, match="settle terms list"):
        holds.release(june.ws, "terms-nothing", note="over")
    for one in (advance, reserve):
        life.approve(june.ws, holds.release(june.ws, one, note="over").id, "approver")
    july(june)
    (pool,) = statements.state(june.ws, "ann", "2026-07").pools
    assert (pool.deductions, pool.net_micros) == ((), 360_000_000)
    assert [(one.kind, one.closing_micros) for one in pool.beside] == [("reserve", 36_000_000), ("advance", 0)]
    assert [one.state for one in agreements.listed(june.ws, everything=True)] == ["ended", "ended"]
    with pytest.raises(StateError, match="was ended"):
        agreements.agree(june.ws, ADVANCE, period="2026-06", note="contract 12")


def more_tax(one: Account) -> Account:
    """A cent more is withheld, and every sum is right."""
    entries = tuple(
        replace(entry, micros=entry.micros - 10_000) if entry.kind == "tax" else entry
        for entry in one.deductions.entries
    )
    return replace(one, deductions=replace(one.deductions, entries=entries), payable=one.payable - 10_000)


def another_tax(one: Account) -> Account:
    """A deduction under no terms at all."""
    entries = (*one.deductions.entries, DeductionStep(kind="tax", term="terms-none", micros=-10_000))
    return replace(one, deductions=replace(one.deductions, entries=entries), payable=one.payable - 10_000)


def private_terms(one: Account) -> Account:
    """Terms that the run was never given, booked as they say."""
    invented = Agreed.of(period="2026-06", note="n", clause=replace(TAX, ppm=500_000))
    again = accounts(
        currency="EUR",
        minimum=0,
        opening={},
        earned={"ann": one.earned},
        corrections=(),
        stages=Stages(period="2026-06", agreed=(invented,)),
    )
    return again[0]


@pytest.mark.parametrize("tamper", [more_tax, another_tax, private_terms])
def test_a_holder_sees_a_false_deduction_alone(
    june: Month, monkeypatch: pytest.MonkeyPatch, tamper: Callable[[Account], Account]
) -> None:
    """If this fails, an operator can deduct what the terms do not say, and the holder's own bundle verifies."""
    agree(june, TAX)

    honest = document.accounts_for

    def cheating(*given: Any, **more: Any) -> list[Account]:
        return [tamper(one) if one.party == "ann" else one for one in honest(*given, **more)]

    with monkeypatch.context() as inside:
        inside.setattr(document, "accounts_for", cheating)
        published(june)
    report = verify_bundle(statements.prove(june.ws, "ann", "2026-06"), june.ws.trust)
    assert (report.ok, report.steps[-1].name) == (False, "the account adds up")
    assert verify_bundle(statements.prove(june.ws, "bob", "2026-06"), june.ws.trust).ok


def test_the_listing_says_what_was_agreed(june: Month) -> None:
    """If this fails, finance cannot see under which terms the next run will stand."""
    agree(june, ADVANCE)
    agree(june, RATE, note="central bank")
    told = agreements.listed(june.ws)
    assert [(one.kind, one.party, one.note) for one in told] == [
        ("advance", "ann", "contract 12"),
        ("rate", "", "central bank"),
    ]
    assert told[1].terms == {"currency": "EUR", "to": "USD", "rate": "1.0861", "date": "2026-06-30"}
