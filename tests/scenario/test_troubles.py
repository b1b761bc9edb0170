"""Three months in which everything happens once that an operator is afraid of.

Late streams, a dispute, a revocation, a sale, a clawback, a reversed run, keys handed over, a backup put back
over a living log, payments on a chain that fail. The books reconcile each month, and whatever the first month
handed out still verifies at the end.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

import pytest

from contracts.errors import PreflightError
from ledger.errors import ConflictError, VerificationError
from ledger.proofs.trust import Trust
from ledger.registry import acts
from payouts.accounts.account import Account
from service import operating
from service.bundles import read_log, verify_bundle
from service.chain import pool, postings
from service.log import keys
from service.registry import exporting, registering
from service.settlement import holds, life, paying
from service.settlement.carrying import paid_out
from service.settlement.step import read_book
from service.settlement.stored import Stored, load
from service.statements import recomputing, statements
from tests.independent.exported import Exported
from tests.independent.month import Heading
from tests.independent.month import Month as Again
from tests.scenario.places import Place, postgres, sqlite
from tests.service.chain.on_chain import account
from tests.service.month import Month, month

JUNE, JULY, AUGUST = "2026-06", "2026-07", "2026-08"
HOLDERS = ("ann", "bob", "cy", "dee", "eve")
POOL = 1_000_000_000
CLAWBACK = -7_000_001


@dataclass
class Quarter:
    """The workspace, what was published for each month, and what June handed out with the trust of that day."""

    made: Month
    place: Place
    folder: Path
    runs: dict[str, str] = field(default_factory=dict)
    reversed: str = ""
    bundles: dict[str, bytes] = field(default_factory=dict)
    trust: Trust | None = None

    def on(self, month: int, day: int) -> None:
        self.made.now = datetime(2026, month, day, 9, 0, tzinfo=UTC)

    def approve(self, what: str | None) -> None:
        life.approve(self.made.ws, str(what), "approver")

    def settle(self, period: str, amount: str = "1000.00") -> str:
        """Close, run, approve, publish; the run."""
        ws = self.made.ws
        life.close(ws, period)
        wanted = life.request(period=period, pool=amount, currency="EUR", rule="pro-rata", params={}, engine="duckdb")
        run = life.run(ws, wanted).run
        self.approve(run)
        life.publish(ws, run)
        return run

    def stored(self, run: str) -> Stored:
        return load(self.made.ws.log, read_book(self.made.ws).runs[run])


@pytest.fixture(
    scope="module",
    params=[pytest.param(sqlite, marks=pytest.mark.slow), pytest.param(postgres, marks=pytest.mark.postgres)],
    ids=["sqlite", "postgres"],
)
def quarter(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Quarter]:
    folder = tmp_path_factory.mktemp("troubles")
    with request.param(folder / "home") as place:
        told = Quarter(month(folder / "home", payees=False), place, folder)
        _before(told)
        _june(told)
        _july(told)
        _august(told)
        yield told
        told.made.ws.close()


def _before(told: Quarter) -> None:
    """Dee is paid on the chain, the others by bank; eve will claim to own what is bob's."""
    rows = [
        {"party": name, "method": "bank", "account": f"ACC-{name}", "from": "2020-01-01"}
        for name in ("ann", "bob", "cy", "eve")
    ]
    rows.append({"party": "dee", "method": "chain", "account": account("dee"), "from": "2020-01-01"})
    path = told.folder / "more.json"
    path.write_text(json.dumps({"parties": [{"id": "eve", "kind": "person", "name": "Eve"}], "payees": rows}))
    loaded = registering.load(told.made.ws, [path], by=None, dry_run=False, on_progress=None)
    assert loaded.accepted == loaded.read, loaded.refused


def _june(told: Quarter) -> None:
    """Published and paid; on the chain the first posting is vetoed, and the second serves after its window."""
    ws = told.made.ws
    told.on(7, 2)
    run = told.runs[JUNE] = told.settle(JUNE)
    paying.pay(ws, run, "file")
    pool.deploy(ws, currency="EUR", token=None, window=3600, owner=None, guardian=None)
    with pytest.raises(PreflightError, match="lacks 60000000"):
        postings.pay_run(ws, run)
    pool.fund(ws, "EUR", POOL)
    assert postings.pay_run(ws, run).claims is None
    pool.veto(ws, "EUR")
    assert postings.pay_run(ws, run).posting.sequence == 2
    told.on(7, 3)
    paid = postings.pay_run(ws, run).claims
    assert paid is not None
    assert paid.paid == 60_000_000
    assert postings.check(ws, "EUR").ok
    recomputing.export(ws, JUNE, told.folder / JUNE)
    exporting.export(ws, told.folder / "registry.json")
    postings.claim_files(ws, run, told.folder / "claims")
    told.bundles = {
        **{f"statement of {one}": statements.prove(ws, one, JUNE) for one in ("ann", "bob", "cy", "dee")},
        **{f"event {n}": operating.prove(ws, event=f"acme:e-{n}").bundle for n in range(1, 11)},
        **{path.name: path.read_bytes() for path in (told.folder / "claims").glob("*.bundle")},
        **{path.name: path.read_bytes() for path in (told.folder / JUNE).glob("*.bundle")},
    }
    told.trust = ws.trust


def _july(told: Quarter) -> None:
    """Trouble from all sides; the run is published with the wrong pool, undone, and done again."""
    made, ws = told.made, told.made.ws
    told.on(7, 5)
    made.stream(["trk-2"] * 2, at="2026-06-30T23:00:00Z")
    made.stream(["trk-1"] * 4 + ["trk-2"] * 3, at="2026-07-04T10:00:00Z")
    told.on(7, 6)
    registering.act(ws, None, lambda view, who: acts.open_dispute(view, who, subject="rec-2", claimant="eve"))
    told.on(7, 10)
    registering.act(
        ws, None, lambda view, who: acts.revoke(view, who, grant="g-rec-1-ann", when="2026-07-10T09:00:00Z")
    )
    _a_track_made_after_the_revocation(told)
    made.stream(["trk-4"] * 3, at="2026-07-11T10:00:00Z")
    told.on(7, 20)
    for name in ("log", "operator", "approver"):
        keys.rotate(ws, name)
    keys.publish(ws, keys.ring(ws))
    ws.close()
    told.place.back_up()
    told.on(7, 25)
    made.ws = ws = made.reopened()
    made.stream(["trk-1"] * 2, at="2026-07-24T10:00:00Z")
    _a_backup_put_back(told)
    told.on(8, 3)
    told.reversed = told.settle(JULY, "2000.00")
    paying.pay(made.ws, told.reversed, "file")
    told.approve(holds.reverse(made.ws, told.reversed, reason="twice the pool").id)
    run = told.runs[JULY] = told.settle(JULY)
    with pytest.raises(ConflictError, match="to be paid by chain"):
        paying.pay(made.ws, run, "file")  # the bank has paid twice as much already
    assert postings.pay_run(made.ws, run).claims is None


def _a_track_made_after_the_revocation(told: Quarter) -> None:
    path = told.folder / "track.json"
    track = {"id": "trk-4", "title": "Track 4", "model": "mdl", "version": "1"}
    path.write_text(json.dumps({"tracks": [track]}))
    registering.load(told.made.ws, [path], by=None, dry_run=False, on_progress=None)
    told.made.assign({"track": "trk-4", "sources": [{"recording": "rec-1", "ppm": 500_000, "use": "condition"}]})


def _a_backup_put_back(told: Quarter) -> None:
    """What was acknowledged since the backup is missing: nothing is signed until the export has brought it back."""
    made = told.made
    before = made.ws.log.head()
    operating.export(made.ws, told.folder / "nightly")
    made.ws.close()
    told.place.put_back()
    made.ws = made.reopened()
    with pytest.raises(VerificationError, match="settle ledger recover"):
        made.stream(["trk-1"], at="2026-07-25T08:00:00Z")
    made.ws.close()
    made.ws = made.reopened()
    back = operating.recover(made.ws, tiles=told.folder / "nightly", new_origin=None, reason=None)
    assert (back.size, back.root) == (before.size, before.root.hex())
    assert back.replayed == 2
    made.ws.close()
    made.ws = made.reopened()
    assert operating.fsck(made.ws).ok


def _august(told: Quarter) -> None:
    """Cy sells to ann in the middle of the month, the dispute ends, ann gives back what she got too much."""
    made, ws = told.made, told.made.ws
    told.on(8, 4)
    (dispute,) = ws.registry.view().disputes
    registering.act(
        ws, "approver", lambda view, who: acts.resolve_dispute(view, who, dispute=dispute, outcome="released")
    )
    held = next(line for line in told.stored(told.runs[JULY]).outcome.lines if line.reason == "dispute")
    told.approve(holds.release(ws, f"{told.runs[JULY]}/{held.party}/dispute", note="the claim was withdrawn").id)
    told.approve(
        holds.adjust(
            ws, "ann", period=AUGUST, amount="-7.000001", currency="EUR", reason="counted twice", line=told.runs[JUNE]
        ).id
    )
    registering.act(
        ws,
        None,
        lambda view, who: acts.transfer(
            view, who, subject="rec-3", right="master", seller="cy", buyer="ann", when="2026-08-15T00:00:00Z"
        ),
    )
    made.stream(["trk-2"] * 4, at="2026-08-14T23:59:59Z")
    made.stream(["trk-2"] * 4, at="2026-08-15T00:00:00Z")
    made.stream(["trk-1"] * 2, at="2026-08-20T10:00:00Z")
    told.on(9, 2)
    run = told.runs[AUGUST] = told.settle(AUGUST)
    paying.pay(ws, run, "file")
    assert postings.pay_run(ws, run).claims is None
    told.on(9, 3)
    assert postings.pay_run(ws, run).claims is not None


def test_the_totals_of_each_month_reconcile(quarter: Quarter) -> None:
    """If this fails, a month's five parts, its lines or its accounts do not add up to its pool."""
    for period, run in quarter.runs.items():
        stored = quarter.stored(run)
        found = stored.outcome
        assert found.pool == POOL
        assert found.allocated + found.unattributed + found.held + found.suspense + found.reserve == POOL, period
        assert sum(line.micros for line in found.lines) == found.allocated + found.held + found.suspense
        assert sum(one.earned for one in stored.accounts.values()) == found.allocated
        for one in stored.accounts.values():
            assert one.opening + one.earned + one.corrected == one.payable + one.carried, (period, one.party)
    assert postings.check(quarter.made.ws, "EUR").ok
    assert not read_book(quarter.made.ws).voids


def test_every_micro_unit_of_the_quarter_is_somewhere(quarter: Quarter) -> None:
    """If this fails, money was made or lost between a reversal, a clawback and a release."""
    book, log = read_book(quarter.made.ws), quarter.made.ws.log
    stored = [quarter.stored(run) for run in quarter.runs.values()]
    corrections = [c for one in stored for a in one.accounts.values() for c in a.corrections]
    by_kind: dict[str, int] = defaultdict(int)
    for one in corrections:
        by_kind[one.kind] += one.micros
    out = sum(sum(paid_out(log, book, one).values()) for one in [*stored, quarter.stored(quarter.reversed)])
    kept = sum(one.outcome.unattributed + one.outcome.suspense + one.outcome.reserve for one in stored)
    held = sum(one.outcome.held for one in stored) - by_kind["release"]
    carried = sum(_last(quarter).values())
    assert by_kind["adjustment"] == CLAWBACK
    assert by_kind["release"] > 0
    assert by_kind["reversal"] < 0
    assert len(stored) * POOL == out + kept + held + carried - CLAWBACK


def _last(quarter: Quarter) -> dict[str, int]:
    accounts: dict[str, Account] = quarter.stored(quarter.runs[AUGUST]).accounts
    return {party: one.carried for party, one in accounts.items()}


def test_balances_continue(quarter: Quarter) -> None:
    """If this fails, a statement opens with another balance than the one before it closed with."""
    balance = dict.fromkeys(HOLDERS, 0)
    for period in (JUNE, JULY, AUGUST):
        for holder in HOLDERS:
            told = statements.state(quarter.made.ws, holder, period)
            assert told.opening_micros == balance[holder], (period, holder)
            balance[holder] = told.carried_micros


def test_each_trouble_is_where_it_belongs(quarter: Quarter) -> None:
    """If this fails, a trouble moved money that it does not concern, or did not move what it does."""
    ws = quarter.made.ws
    june, july, august = (quarter.stored(quarter.runs[period]).outcome for period in (JUNE, JULY, AUGUST))
    assert (june.units, july.units, august.units) == (10, 14, 10)
    held = {(line.party, line.reason): line.micros for line in july.lines if line.state == "held"}
    due = {("bob", "dispute"): Fraction(6 * 2, 140), ("ann", "permission"): Fraction(3 * 5, 140)}
    assert held.keys() == due.keys()
    assert all(abs(held[one] - POOL * due[one]) < 1 for one in due), "the exact share, rounded one way or the other"
    assert not any(line.state == "held" for line in august.lines)
    of_cy, of_ann = (statements.state(ws, party, AUGUST) for party in ("cy", "ann"))
    assert of_cy.earned_micros == POOL * 4 * 3 // 100
    bought = [one for one in of_ann.pools[0].earnings if one.source == "rec-3"]
    assert [one.micros for one in bought] == [POOL * 4 * 3 // 100]
    assert statements.state(ws, "eve", AUGUST).nil


def test_what_june_handed_out_still_verifies(quarter: Quarter) -> None:
    """If this fails, proofs of the first month die with a rotation, a recovery or a reversal."""
    assert len(quarter.bundles) == 16
    # Under the new trust the log key of June has retired: a newer copy of the log shows what it signed (V6).
    newer = quarter.folder / "newer"
    operating.export(quarter.made.ws, newer)
    for trust, copy in ((quarter.trust, None), (quarter.made.ws.trust, read_log(newer))):
        for name, data in quarter.bundles.items():
            report = verify_bundle(data, trust, copy)
            assert report.ok, (name, report.steps[-1])
        assert trust is not None
        assert recomputing.recompute(quarter.folder / JUNE, trust, newer=copy).ok
    for period in (JUNE, JULY, AUGUST):
        recomputing.export(quarter.made.ws, period, quarter.folder / "late" / period)
        assert recomputing.recompute(quarter.folder / "late" / period, quarter.made.ws.trust).ok


def test_june_is_computed_again_by_a_stranger(quarter: Quarter) -> None:
    """If this fails, suspense and unknown owners are divided otherwise than the documents say."""
    exported = Exported(quarter.folder / JUNE, quarter.folder / "registry.json")
    (run,) = exported.runs
    again = Again(exported, run)
    assert again.lines == {
        Heading(row["group"], row["party"], row["state"], row["reason"], row["ref"]): int(row["micros"])
        for row in exported.table(run, "lines")
    }
    assert {heading.reason for heading in again.lines if heading.state == "suspense"} == {"no-vector", "shares-short"}
