"""Honest quarters played on real workspaces: June and July by plan, through the service's own steps."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ledger.proofs import leaf
from ledger.proofs.keys import PrivateKey
from ledger.registry.importing import import_files
from ledger.registry.statement import Signer
from ledger.types import Period
from payouts.accounts.clauses import Rate
from service.fraud.holding import hold_suspects
from service.live import mandates
from service.live import paying as early
from service.log import batches, members
from service.log.ingesting import ingest_file
from service.log.sources import settle_source
from service.settlement import agreements, approvers, holds, life, paying
from service.settlement.carrying import instalment_payments, transfers
from service.settlement.step import read_book
from service.settlement.stored import load
from service.setup import create
from service.workspace import Workspace
from tests.months.plan import Plan
from tests.service.month import DECLARED, EARLY, JULY_OVER, NOW, Month, document, event

SECOND = "example.org/second"
WALLETS = {
    "cy": "0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
    "dee": "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC",
}
PLAYING = datetime(2026, 7, 20, 12, tzinfo=UTC)
"""While July plays."""
PLATFORM = PrivateKey.from_seed(b"platform".ljust(32, b"."))
"""The key of whoever speaks for source gamma, which signs its batches."""
PARTIES = ("ann", "bob", "cy", "dee")


def registry(*, chain: bool) -> dict[str, Any]:
    """Four holders; with `chain`, cy and dee are paid by contract."""
    rows = document()
    for payee in rows["payees"]:
        if chain and payee["party"] in WALLETS:
            payee |= {"method": "chain", "account": WALLETS[payee["party"]]}
    return rows


def base(folder: Path, *, chain: bool, logs: int) -> Path:
    """A workspace up to the end of June without streams: registered, attributed, Carol enrolled, perhaps two logs."""
    home, place = folder / "home", folder / "second"
    create(home, origin="example.org/test", operator="operator", passphrase=None, clock=lambda: EARLY)
    june = Month(home, now=EARLY)
    path = folder / "registry.json"
    path.write_text(json.dumps(registry(chain=chain)))
    imported = import_files(june.ws.registry, [path], Signer(june.ws.signer("operator"), "operator", "operator"))
    assert imported.accepted == imported.read, imported.refused
    for declared in DECLARED:
        june.assign(declared)
    approvers.enrol(june.ws, "carol")
    if logs == 2:
        create(place, origin=SECOND, operator="operator", passphrase=None, clock=lambda: EARLY)
        members.add(june.ws, place)
        settle_source(june.ws, "beta", log=SECOND)
    settle_source(june.ws, "gamma", party="ann", public=PLATFORM.public.raw.hex(), signed=True)
    june.ws.close()
    return folder


def copied(base: Path, folder: Path) -> Path:
    """A base of one's own: the folders that name each other by path name the copies."""
    shutil.copytree(base, folder)
    for name in ("home/logs.json", "second/settle.toml"):
        path = folder / name
        if path.exists():
            path.write_text(path.read_text().replace(str(base), str(folder)))
    return folder


@dataclass
class Quarter:
    """June and July of a plan, played; `runs` are the published runs that stand, by month."""

    plan: Plan
    folder: Path
    runs: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        config = self.folder / "home" / "settle.toml"
        config.write_text(config.read_text() + f"\n[payouts]\nminimum_micros = {self.plan.minimum}\n")
        self._month = Month(self.folder / "home", now=NOW)
        self._month.digests = {
            body["track"]: body["vector"]
            for entry in self.ws.log.entries(types={"assign"})
            for body in [leaf.decode(entry.body)]
        }

    @property
    def ws(self) -> Workspace:
        return self._month.ws

    def play(self) -> Quarter:
        """The whole quarter."""
        self._agree()
        self._stream("2026-06")
        self._suspect("2026-06")
        if "held" in self.plan.events:
            holds.open_hold(self.ws, scope="party", subject="bob", reason="fraud")
        self._settle("2026-06", self.plan.amounts[0])
        if self.plan.reversed:
            self._approve(holds.reverse(self.ws, self.runs["2026-06"], reason="wrong pool").id)
            self._settle("2026-06", self.plan.amounts[1])
        self._answers()
        self._corrections()
        self._month.now = PLAYING
        if self.plan.late:
            self._month.stream(["trk-2"], at="2026-06-29T23:59:59Z", units=self.plan.units[4])
        self._stream("2026-07")
        if self.plan.early:
            self._pay_early()
        self._month.now = JULY_OVER
        self._suspect("2026-07")
        self._settle("2026-07", self.plan.amounts[1])
        return self

    def _approve(self, subject: str) -> None:
        life.approve(self.ws, subject, "carol")

    def _agree(self) -> None:
        for clause, period in self.plan.clauses():
            note = "ECB" if isinstance(clause, Rate) else "contract 7"
            self._approve(agreements.agree(self.ws, clause, period=period, note=note).id)

    def _stream(self, month: str) -> None:
        units = self.plan.units
        for n, track in enumerate(("trk-1", "trk-2", "trk-3", "trk-1")):
            self._month.stream(
                [track], at=f"{month}-0{n + 1}T11:05:00Z", units=units[n], territory="DE" if n == 3 else "SE"
            )
        self._stream_signed(month)
        if self.plan.logs == 2:
            self._stream_second(month)

    def _suspect(self, month: str) -> None:
        """A listener who plays trk-1 more often than fits into a day, and the hold on these streams."""
        if not self.plan.listeners:
            return
        busy = event(
            900 + int(month[5:]), "trk-1", at=f"{month}-05T11:05:00Z", digest=self._month.digests["trk-1"], units=500
        )
        self.ws.log.append([busy | {"listener": hashlib.sha256(month.encode()).hexdigest()}])
        assert hold_suspects(self.ws, Period.parse(month), scorer="even-spread").streams == 500

    def _stream_signed(self, month: str) -> None:
        """A batch of source gamma, signed by its platform."""
        row = {"source": "gamma", "territory": "SE", "units": 2, "gross_micros": 900, "currency": "EUR"}
        rows = [
            row | {"event_id": f"g-{month}-{track}", "track": track, "occurred_at": f"{month}-11T10:00:00Z"}
            for track in ("trk-1", "trk-2")
        ]
        path, signed = (self.folder / f"gamma-{month}.{end}" for end in ("ndjson", "batch"))
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        before = self.folder / "gamma-2026-06.batch"
        previous = before if month != "2026-06" else None
        batches.sign_file(path, PLATFORM, source="gamma", log=self.ws.log.origin, previous=previous, out=signed)
        assert ingest_file(self.ws, path, batch_file=signed).accepted == len(rows)

    def _stream_second(self, month: str) -> None:
        row = {"source": "beta", "territory": "SE", "units": self.plan.units[5], "gross_micros": 700, "currency": "EUR"}
        rows = [
            row | {"event_id": f"b-{month}-{track}", "track": track, "occurred_at": f"{month}-09T10:00:00Z"}
            for track in ("trk-1", "trk-2")
        ]
        path = self.folder / "beta.ndjson"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        second = Workspace.open(self.folder / "second", clock=lambda: self._month.now)
        assert ingest_file(second, path).accepted == len(rows)
        second.close()

    def _pay_early(self) -> None:
        """Two instalments of July, of which the bank sends one payment back."""
        rule, params = self.plan.rule
        self._approve(
            mandates.propose(
                self.ws, currency="EUR", rule=rule, params=self.plan.pool | params, early_ppm=650_000, hour="1000.00",
                party="200.00", hours=1, via="file", until="2026-12-31", note="board",
            ).id
        )  # fmt: skip
        first = early.pay(self.ws)[0]
        if first.instalment is not None and "failed" in self.plan.events:
            book = read_book(self.ws)
            (party, *_) = instalment_payments(self.ws.log, book, book.mandates.instalments[first.instalment])
            self._approve(str(paying.confirm(self.ws, first.instalment, party, "failed", note="entry 3").id))
        self._month.now += timedelta(hours=2)
        early.pay(self.ws)

    def _settle(self, month: str, amount: str) -> None:
        """Close, calculate, approve, publish, pay by each route."""
        rule, params = self.plan.rule
        terms = dict(self.plan.pool)
        priced = "price" in terms
        life.close(self.ws, month)
        request = life.request(
            period=month,
            pool=None if priced else amount,
            currency="EUR",
            rule=rule,
            params=terms | params,
            engine="log",
        )
        run = life.run(self.ws, request).run
        self._approve(run)
        for route in life.publish(self.ws, run).routes:
            paying.pay(self.ws, run, route)
        self.runs[month] = run

    def _answers(self) -> None:
        """What the bank says of June's payments."""
        run = self.runs["2026-06"]
        book = read_book(self.ws)
        moved = transfers(self.ws.log, book, load(self.ws.log, book.runs[run]))
        outcomes = {"failed": ["failed"], "written-off": ["failed", "written-off"], "returned": ["settled", "returned"]}
        chosen = [name for name in outcomes if name in self.plan.events]
        banked = [party for party in moved if not (self.plan.chain and party in WALLETS) and moved[party].moved]
        for party, name in zip(banked, chosen, strict=False):
            for outcome in outcomes[name]:
                heard = paying.confirm(self.ws, run, party, outcome, note=f"entry {party} {outcome}")
                if heard.id is not None:
                    self._approve(heard.id)
        if "failed" in chosen[: len(banked)]:
            assert paying.pay(self.ws, run, "file").sent == 1

    def _corrections(self) -> None:
        line = self.runs["2026-06"]
        for correction, amount, party in (("adjusted up", "12.34", "bob"), ("adjusted down", "-1.000001", "ann")):
            if correction in self.plan.events:
                proposed = holds.adjust(
                    self.ws, party, period="2026-07", amount=amount, currency="EUR", reason="a late invoice", line=line
                )
                self._approve(proposed.id)
        if self.plan.listeners:
            (listed,) = (shown for shown in holds.list_holds(self.ws) if shown.scope == "listeners")
            end = holds.reject if self.plan.number % 2 else holds.release
            self._approve(end(self.ws, listed.id, note="looked at").id)
        if "held" in self.plan.events:
            (held,) = (shown for shown in holds.list_holds(self.ws) if shown.scope == "party")
            self._month.now = NOW + timedelta(hours=1)
            self._approve(holds.release(self.ws, held.id, note="cleared").id)
