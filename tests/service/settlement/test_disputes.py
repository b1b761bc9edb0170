"""Disputes and money: whose part waits with its payee, and whose has none."""

from __future__ import annotations

from ledger.registry import acts
from service.registry import registering
from service.settlement import life, paying
from service.settlement.step import read_book
from service.settlement.stored import load
from tests.service.month import Month, asked, published


def squatter(made: Month) -> str:
    """bob, whose rec-2 came later, calls ann's rec-1 the squatter; the dispute's id."""
    done = registering.act(
        made.ws,
        None,
        lambda view, author: acts.open_dispute(view, author, subject="rec-1", claimant="bob", like="rec-2"),
    )
    return str(done.registered[0]["id"])


def test_what_a_squatter_and_its_rival_earn_has_no_payee(june: Month) -> None:
    """If this fails, contested money is held for the squatter, whom a later release would pay."""
    life.close(june.ws, "2026-06")
    before = life.run(june.ws, asked(), dry_run=True)
    squatter(june)
    june.now = june.now.replace(day=3)
    life.close(june.ws, "2026-06")
    assert life.run(june.ws, asked(), dry_run=True).run == before.run  # the registry is the close's
    june.now = june.now.replace(month=8)
    june.stream(["trk-1"] * 6 + ["trk-2"] * 3 + ["trk-3"], at="2026-07-09T10:00:00Z")
    life.close(june.ws, "2026-07")
    run = life.run(june.ws, asked(period="2026-07"))
    assert run.held_micros == 0
    assert run.suspense_micros == before.suspense_micros + 360_000_000 + 120_000_000
    others = {line.holder: line.micros for line in before.lines if line.holder not in ("ann", "bob")}
    assert {line.holder: line.micros for line in run.lines} == others
    lines = load(june.ws.log, read_book(june.ws).runs[run.run]).outcome.lines
    assert {(one.party, one.reason) for one in lines if one.group.startswith("?master:rec-1")} == {
        ("", "copy-contested")
    }


def test_a_squatter_dispute_after_the_calculation_blocks_both(june: Month) -> None:
    """If this fails, one of two who claim the same sound is paid on the eve of its dispute."""
    run = published(june)
    squatter(june)
    blocked = {(one.party, one.reason) for one in paying.pay(june.ws, run, "file").blocked}
    assert blocked == {("ann", "dispute"), ("bob", "dispute")}
