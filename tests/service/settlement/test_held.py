"""Held and suspense money in one place: its sums are the runs' own parts, and what became of it is said."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cli.finance import held_text
from service.settlement import held, holds, life, months, paying
from service.statements.history import history
from tests.cli.support import settle
from tests.service.month import Month, july, month, published


@pytest.fixture(scope="module")
def summer(tmp_path_factory: pytest.TempPathFactory) -> Month:
    """June with a hold on bob, released in July; both months published. Track 3 has no vector: suspense."""
    made = month(tmp_path_factory.mktemp("held") / "home")
    hold = holds.open_hold(made.ws, scope="party", subject="bob", reason="fraud")
    published(made)
    life.approve(made.ws, holds.release(made.ws, hold.id, note="checked").id, "approver")
    holds.open_hold(made.ws, scope="party", subject="ann", reason="tax")
    july(made)
    return made


def test_what_waits_adds_up_to_the_parts_of_every_run(summer: Month) -> None:
    """If this fails, held money is in no list, or is listed twice."""
    report = held.report(summer.ws)
    assert [parts.period for parts in report.runs] == ["2026-06", "2026-07"]
    for parts in report.runs:
        mine = [line for line in report.lines if line.run == parts.run]
        assert sum(line.micros for line in mine if line.gives_up) == parts.suspense_micros > 0
        assert sum(line.micros for line in mine if not line.gives_up) == parts.held_micros > 0
        five = (parts.allocated_micros, parts.unattributed_micros, parts.held_micros, parts.suspense_micros)
        assert sum(five) + parts.reserve_micros == parts.pool_micros
    total = sum(line.micros for line in report.lines)
    for sums in (report.by_reason, report.by_party, report.by_month, report.by_age):
        assert sum(one.micros for one in sums) == total
    states = {(line.period, line.party, line.state) for line in report.lines if line.party}
    assert states == {("2026-06", "bob", "released"), ("2026-07", "ann", "held")}


def test_each_line_says_what_would_release_it(summer: Month) -> None:
    """If this fails, nobody knows what to do about money that waits."""
    report = held.report(summer.ws)
    (of_ann,) = (line for line in report.lines if line.party == "ann")
    assert f"settle hold resolve {of_ann.ref}" in of_ann.releases
    (of_bob,) = (line for line in report.lines if line.party == "bob")
    assert of_bob.releases == "booked in 2026-07"
    assert all(line.releases for line in report.lines)
    alone = held.report(summer.ws, period="2026-07", party="ann")
    assert [line.ref for line in alone.lines] == [of_ann.ref]


def test_suspense_is_given_up_when_the_terms_say_so(summer: Month) -> None:
    """If this fails, suspense_months and suspense_to have no effect."""
    suspended = [line for line in held.report(summer.ws).lines if line.gives_up]
    assert {(line.period, line.gives_up, line.gives_up_to, line.state) for line in suspended} == {
        ("2026-06", "2029-06", "return", "suspense"),
        ("2026-07", "2029-07", "return", "suspense"),
    }
    now, summer.now = summer.now, datetime(2029, 6, 1, tzinfo=UTC)
    try:
        later = {line.period: line.state for line in held.report(summer.ws).lines if line.gives_up}
    finally:
        summer.now = now
    assert later == {"2026-06": "given up", "2026-07": "suspense"}


def test_a_month_is_shown_beside_the_month_before(summer: Month) -> None:
    """If this fails, finance cannot see a month's five parts, or what moved since the last one."""
    (june,) = months.show(summer.ws, "2026-06").runs
    (july_row,) = months.show(summer.ws, "2026-07").runs
    assert june.before is None
    assert july_row.before == june.parts
    text = settle("period", "show", "2026-07", home=summer.home).out
    change = july_row.parts.held_micros - june.parts.held_micros
    assert f"{change / 1_000_000:,.6f} EUR" in text
    assert settle("held", home=summer.home).out.count("2026-07")


def test_a_payment_that_a_later_hold_blocks_is_listed_with_what_releases_it(tmp_path: Path) -> None:
    """If this fails, money that a hold stops after publication is in no list, and its payee reads "to be paid"."""
    june = month(tmp_path / "home")
    run = published(june)
    hold = holds.open_hold(june.ws, scope="party", subject="bob", reason="fraud")
    report = held.report(june.ws)
    (blocked,) = report.blocked
    assert (blocked.party, blocked.reason, blocked.micros) == ("bob", "fraud", 120_000_000)
    assert f"settle hold resolve {hold.id} " in blocked.releases
    assert not held.report(june.ws, party="ann").blocked
    assert [month.payment for month in history(june.ws, "bob")] == ["blocked"]
    life.approve(june.ws, holds.release(june.ws, hold.id, note="checked").id, "approver")
    assert not held.report(june.ws).blocked
    wider = holds.open_hold(june.ws, scope="track", subject="trk-1", reason="legal")
    assert {(payment.party, payment.ref) for payment in held.report(june.ws).blocked} == {
        ("ann", wider.id),
        ("bob", wider.id),
    }
    paying.pay(june.ws, run, "file")
    assert {payment.party for payment in held.report(june.ws).blocked} == {"ann", "bob"}


def test_a_list_with_blocked_payments_does_not_say_that_nothing_is_held(summer: Month) -> None:
    """If this fails, the text contradicts the rows below it."""
    report = replace(held.report(summer.ws), lines=())
    (of_ann,) = report.blocked
    text = held_text(report)
    assert "nothing is held" not in text
    assert of_ann.releases in text
    assert held_text(replace(report, blocked=())) == "nothing is held or in suspense"


def test_a_command_that_proposes_or_grants_says_what_follows(tmp_path: Path) -> None:
    """If this fails, a newcomer does not know who signs next, or believes that a link gives roles."""
    june = month(tmp_path / "home")
    hold = holds.open_hold(june.ws, scope="party", subject="bob", reason="fraud")
    proposed = settle("hold", "resolve", hold.id, "--reason", "checked", home=june.home).out
    assert re.search(r"^id +(\S+)$(.|\n)*^next: settle approve \1 --as PARTY$", proposed, re.MULTILINE)
    link = settle("access", "link", "bob", home=june.home).out
    assert re.search(r"^scopes +whatever roles the party has$", link, re.MULTILINE)
    assert re.search(r"^roles now +holder$", link, re.MULTILINE)


def test_a_workspace_without_runs_has_nothing_waiting(tmp_path: Path) -> None:
    """If this fails, the command fails before the first month is published."""
    assert "nothing is held" in settle("held", home=month(tmp_path / "home").home).out
