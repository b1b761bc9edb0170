"""Statements over a real log: nil, minimum payout, late events, suspense, and texts that must not run."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from ledger.errors import InputError, StateError
from ledger.proofs import leaf, vector
from ledger.registry.importing import import_files
from ledger.registry.statement import Signer
from payouts.accounts.account import Correction
from payouts.accounts.payment import Instruction, PayeeAccount, payment_file
from payouts.statements import text as statement_text
from service.registry import people
from service.settlement import holds, life, paying
from service.settlement.payees import settled_parties
from service.statements import statements
from service.statements.writing import FORMATS, rendered, safe, write_all
from tests.service.month import ALLOW, JULY_OVER, Month, asked, july, month, published

EVIL = ('=HYPERLINK("http://x")', "+1+1", "-2+3", "@SUM(A1)", "\tx", "\r=1", "<script>alert(1)</script>", '"; drop')


def test_a_month_without_anything_is_stated_too(june: Month) -> None:
    """If this fails, a holder of whom nothing was used is told nothing, or gets an error instead of a nil statement."""
    with pytest.raises(StateError, match="is open"):
        statements.state(june.ws, "ann", "2026-06")
    life.close(june.ws, "2026-06")
    with pytest.raises(StateError, match="nothing was run"):
        statements.state(june.ws, "ann", "2026-06")
    june.now = JULY_OVER
    published(june)
    with pytest.raises(InputError, match="not in the registry"):
        statements.state(june.ws, "nobody", "2026-06")
    life.close(june.ws, "2026-07")
    life.run(june.ws, asked(period="2026-07"))
    nil = statements.state(june.ws, "ann", "2026-07")
    assert nil.nil
    assert "nil statement" in statement_text.as_html(nil)
    assert nil.pools[0].state == "calculated"
    assert "Not binding" in statement_text.as_html(nil)


def test_below_the_minimum_is_carried_and_added(june: Month, monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, small balances are paid, lost, or forgotten by the next run."""
    monkeypatch.setenv("SETTLE_PAYOUTS_MINIMUM_MICROS", "150000000")
    june.ws = june.reopened()
    published(june)
    bob = statements.state(june.ws, "bob", "2026-06")
    assert (bob.earned_micros, bob.net_micros, bob.carried_micros) == (120_000_000, 0, 120_000_000)
    assert bob.pools[0].payment.state == "nothing to pay"
    july(june)
    bob = statements.state(june.ws, "bob", "2026-07")
    assert (bob.opening_micros, bob.earned_micros, bob.net_micros) == (120_000_000, 120_000_000, 240_000_000)


def test_part_of_a_cent_stays_in_the_balance(june: Month) -> None:
    """If this fails, a bank is told to pay parts of a cent, or they vanish."""
    life.close(june.ws, "2026-06")
    run = life.run(june.ws, asked(pool="0.01")).run
    ann = statements.state(june.ws, "ann", "2026-06")
    assert (ann.earned_micros, ann.net_micros, ann.carried_micros) == (3_600, 0, 3_600)
    life.approve(june.ws, run, "approver")
    assert life.publish(june.ws, run).payees == 0


def test_late_events_weigh_in_the_receiving_period_once(june: Month) -> None:
    """If this fails, a stream reported late is lost, or paid in two periods."""
    published(june)
    june.stream(["trk-1"] * 4, at="2026-06-30T23:59:59Z")
    june.now = JULY_OVER
    june.stream(["trk-1"] * 5, at="2026-07-01T00:00:00Z")
    life.close(june.ws, "2026-07")
    found = life.run(june.ws, asked(period="2026-07"))
    assert found.units == 9
    assert life.run(june.ws, asked(period="2026-07", engine="duckdb")).run == found.run
    again = life.run(june.ws, asked())
    assert (again.units, again.already) == (10, True)


def test_a_claimant_sees_what_lies_in_suspense(june: Month, tmp_path: Path) -> None:
    """If this fails, a holder is not told that money waits for a share to be confirmed."""
    share = {
        "subject": "rec-4",
        "party": "ann",
        "right": "master",
        "ppm": 500_000,
        "territory": "WORLD",
        "from": "2020-01-01",
        "state": "confirmed",
    }
    path = tmp_path / "more.json"
    path.write_text(json.dumps({"shares": [share]}))
    import_files(june.ws.registry, [path], Signer(june.ws.signer("operator"), "operator", "operator"))
    published(june)
    ann = statements.state(june.ws, "ann", "2026-06")
    assert [(one.state, one.subject, one.reason, one.micros) for one in ann.pools[0].waiting] == [
        ("suspense", "master:rec-4", "shares-short", 30_000_000)
    ]
    assert statements.state(june.ws, "bob", "2026-06").suspense_micros == 0


def test_nothing_in_a_statement_runs(june: Month, tmp_path: Path) -> None:
    """If this fails, a name or an id that somebody registered runs in a browser or a spreadsheet."""
    recordings = [{"id": f"r{n}{text.strip()}", "title": text.strip()} for n, text in enumerate(EVIL[:7])]
    document = {
        "parties": [{"id": "eve", "name": EVIL[6], "kind": "person"}],
        "recordings": recordings,
        "shares": [
            {
                "subject": one["id"],
                "party": "eve",
                "right": "master",
                "ppm": 1_000_000,
                "territory": "WORLD",
                "from": "2020-01-01",
                "state": "confirmed",
            }
            for one in recordings
        ],
        "grants": [
            {"id": f"ge-{n}", "grantor": "eve", "subject": one["id"], **ALLOW} for n, one in enumerate(recordings)
        ],
    }
    path = tmp_path / "evil.json"
    path.write_text(json.dumps(document))
    done = import_files(june.ws.registry, [path], Signer(june.ws.signer("operator"), "operator", "operator"))
    assert done.accepted == done.read
    june.now = june.now.replace(minute=1)
    sources = [{"recording": one["id"], "ppm": 100_000} for one in recordings]
    key = june.ws.signer("attribution")
    envelope = vector.sign(vector.from_declared({"track": "trk-3", "sources": sources}), key)
    june.ws.log.append(
        [leaf.assign(june.now, track="trk-3", vector=envelope.digest, signer=key)], blobs=[envelope.encode()]
    )
    published(june)
    eve = statements.state(june.ws, "eve", "2026-06")
    assert eve.earned_micros + eve.held_micros == 70_000_000
    page = statement_text.as_html(eve)
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    rows = list(csv.DictReader(io.StringIO(statement_text.as_csv(eve).decode(), newline="")))
    assert sum(int(row["micros"]) for row in rows if row["row"] in ("earning", "held")) == 70_000_000
    assert not any(row["source"].startswith(("=", "+", "-", "@")) for row in rows)


def test_a_pdf_is_the_same_each_time_and_takes_any_text(june: Month) -> None:
    """If this fails, a statement cannot be filed because a name is odd or long, or filed twice it is two documents."""
    published(june)
    told = statements.state(june.ws, "ann", "2026-06")
    names = ("Ann", "\u0160t\u011bp\u00e1n \u6771\u4eac \x00\u202e", "x" * 3000, "so many words " * 900, *EVIL)
    for name in names:
        fix = Correction(id="a", kind="adjustment", party="ann", micros=1, run="r", reason=name)
        odd = replace(told, name=name, pools=(replace(told.pools[0], adjustments=(fix,)),))
        data = rendered(odd, "pdf")
        assert data.startswith(b"%PDF-")
        assert data == rendered(odd, "pdf")
        outside = re.sub(rb"\bstream\b.*?\bendstream\b", b"", data, flags=re.DOTALL)  # packed text may say anything
        assert not any(word in outside for word in (b"/JavaScript", b"/URI", b"/Launch"))
    assert len(rendered(told, "pdf")) < 100_000


def test_a_nil_statement_can_be_filed(june: Month) -> None:
    """If this fails, somebody of whom nothing was used cannot be sent the same document as everybody else."""
    published(june)
    june.now = JULY_OVER
    life.close(june.ws, "2026-07")
    life.run(june.ws, asked(period="2026-07"))
    nil = statements.state(june.ws, "ann", "2026-07")
    assert nil.nil
    assert rendered(nil, "pdf").startswith(b"%PDF-")


def test_a_payment_file_holds_no_formula() -> None:
    """If this fails, opening a payment file in a spreadsheet runs what a payee called themselves."""
    rows = [
        (
            Instruction(party=f"p{n}", micros=10_000, reference=f"ST{n}", account="0" * 64),
            PayeeAccount(party=f"p{n}", name=text, method="bank", account=text),
        )
        for n, text in enumerate(EVIL)
    ]
    data = payment_file(rows, currency="EUR", period="2026-06", pool="default", run="0" * 64)
    read = list(csv.DictReader(io.StringIO(data.decode(), newline="")))
    assert [row["amount"] for row in read] == ["0.01"] * len(EVIL)
    for row in read:
        for text in row.values():
            assert not text.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
    assert payment_file(reversed(rows), currency="EUR", period="2026-06", pool="default", run="0" * 64) == data


def test_a_party_without_an_account_is_not_paid_and_not_lost(tmp_path: Path) -> None:
    """If this fails, money leaves without an account to go to, or is gone when there is none."""
    june = month(tmp_path / "home", payees=False)
    run = published(june)
    paid = paying.pay(june.ws, run, "file")
    assert (paid.payments, {one.reason for one in paid.blocked}) == (0, {"payee-incomplete"})
    path = tmp_path / "payees.json"
    path.write_text(json.dumps({"payees": [{"party": "ann", "method": "bank", "account": "A", "from": "2020-01-01"}]}))
    import_files(
        june.ws.registry,
        [path],
        Signer(june.ws.signer("operator"), "operator", "operator"),
        settled=lambda: settled_parties(june.ws),
    )
    assert paying.due(june.ws, run, "file") == [], "one person names the account of money that is published already"
    (account,) = people.list_payees(june.ws, "ann")
    people.approve_payee(june.ws, account.id, "approver")
    june.now += timedelta(hours=72)
    assert [one["party"] for one in paying.due(june.ws, run, "file")] == ["ann"]
    assert paying.pay(june.ws, run, "file").paid_micros == 360_000_000


def test_what_the_registry_held_is_released_by_two(june: Month, tmp_path: Path) -> None:
    """If this fails, money held for a missing permission can never be paid, or one person can let it go."""
    share = {
        "subject": "rec-4",
        "party": "bob",
        "right": "master",
        "ppm": 1_000_000,
        "territory": "WORLD",
        "from": "2020-01-01",
        "state": "confirmed",
    }
    path = tmp_path / "more.json"
    path.write_text(json.dumps({"shares": [share]}))
    import_files(june.ws.registry, [path], Signer(june.ws.signer("operator"), "operator", "operator"))
    run = published(june)
    (waiting,) = statements.state(june.ws, "bob", "2026-06").pools[0].waiting
    assert (waiting.reason, waiting.micros, waiting.subject) == ("permission", 30_000_000, "trk-2")
    assert waiting.ref == f"{run}/bob/permission"
    with pytest.raises(InputError, match="not a hold"):
        holds.release(june.ws, f"{run}/ann/permission", note="x")
    proposed = holds.release(june.ws, waiting.ref, note="licensed since")
    with pytest.raises(StateError):
        life.approve(june.ws, proposed.id, "operator")
    life.approve(june.ws, proposed.id, "approver")
    july(june)
    bob = statements.state(june.ws, "bob", "2026-07")
    assert [(one.kind, one.micros) for one in bob.pools[0].adjustments] == [("release", 30_000_000)]


@pytest.mark.parametrize("form", FORMATS)
def test_everybody_gets_a_statement_once(june: Month, tmp_path: Path, form: str) -> None:
    """If this fails, finance cannot hand out a month's statements, or they differ from the ones asked for singly."""
    published(june)
    for _ in range(2):
        written = write_all(june.ws, "2026-06", tmp_path / "out", form)
        assert (written.statements, written.nil) == (4, 0)
    for party in ("ann", "bob", "cy", "dee"):
        single = rendered(statements.state(june.ws, party, "2026-06"), form)
        assert (tmp_path / "out" / f"2026-06-{party}.{form}").read_bytes() == single
    assert safe("../a b/ä") == "~2e~~2e~~2f~a~20~b~2f~~e4~"
