"""A month that was wrong: three logs, deductions, paid on a chain, undone by two people, made good by the next months.

What an accountant asks at the end: did everybody get on the chain what the standing runs say, less what was agreed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from unittest.mock import patch

import pytest

from payouts.accounts.clauses import Advance, Reserve, Withholding
from service.bundles import verify_bundle
from service.chain import pool, postings
from service.log import members
from service.log.ingesting import ingest_file
from service.log.sources import settle_source
from service.registry import registering
from service.settlement import holds, life
from service.settlement.carrying import payments_of
from service.settlement.step import read_book
from service.settlement.stored import Stored, load
from service.setup import create
from service.statements import recomputing, statements
from service.workspace import Workspace
from tests.postgres import database, server_url
from tests.service.chain.on_chain import PARTIES, account
from tests.service.month import EARLY, Month, month
from tests.service.settlement.test_agreements import agree

JUNE, JULY, AUGUST = "2026-06", "2026-07", "2026-08"
MEMBERS = {"beta": "example.org/second", "gamma": "example.org/third"}
"""Which log takes each of the other platforms' events."""


@dataclass
class Story:
    made: Month
    folder: Path
    runs: dict[str, str] = field(default_factory=dict)

    @property
    def ws(self) -> Workspace:
        return self.made.ws

    def stored(self, name: str) -> Stored:
        return load(self.ws.log, read_book(self.ws).runs[self.runs[name]])

    def stream(self, period: str) -> None:
        """Ten streams of each platform's, each into its log."""
        tracks = ["trk-1"] * 6 + ["trk-2"] * 3 + ["trk-3"]
        if period != JUNE:
            self.made.stream(tracks, at=f"{period}-09T10:00:00Z")
        for source in MEMBERS:
            rows = [
                {
                    "source": source,
                    "event_id": f"{source}-{period}-{n}",
                    "track": track,
                    "territory": "SE",
                    "units": 1,
                    "occurred_at": f"{period}-09T10:00:00Z",
                    "gross_micros": 4200,
                    "currency": "EUR",
                }
                for n, track in enumerate(tracks)
            ]
            file = self.folder / f"{source}.ndjson"
            file.write_text("".join(json.dumps(row) + "\n" for row in rows))
            member = Workspace.open(self.folder / source, clock=lambda: self.made.now)
            assert ingest_file(member, file).accepted == len(rows)
            member.close()

    def settle(self, name: str, period: str, amount: str) -> None:
        wanted = life.request(period=period, pool=amount, currency="EUR", rule="pro-rata", params={}, engine="log")
        self.runs[name] = run = life.run(self.ws, wanted).run
        life.approve(self.ws, run, "approver")
        life.publish(self.ws, run)


def placed(kind: str, stack: ExitStack, home: Path, make: object) -> None:
    """Make a workspace in this folder; where its log lies stands in its settle.toml, for whoever opens it."""
    assert callable(make)
    if kind == "sqlite":
        make()
        return
    url = stack.enter_context(database(server_url()))
    with patch.dict(os.environ, {"SETTLE_STORE": url}):
        make()
    config = home / "settle.toml"
    config.write_text(config.read_text().replace("[log]\n", f"[log]\nstore = {json.dumps(url)}\n"))


@pytest.fixture(
    scope="module",
    params=[pytest.param("sqlite", marks=pytest.mark.slow), pytest.param("postgres", marks=pytest.mark.postgres)],
)
def story(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    folder = tmp_path_factory.mktemp("undone")
    with ExitStack() as stack:
        made: list[Month] = []
        placed(request.param, stack, folder / "home", lambda: made.append(month(folder / "home", payees=False)))
        told = Story(made[0], folder)
        told.ws.close()
        told.made.ws = told.made.reopened()
        for source, origin in MEMBERS.items():
            place = folder / source
            placed(
                request.param,
                stack,
                place,
                lambda place=place, origin=origin: create(
                    place, origin=origin, operator="operator", passphrase=None, clock=lambda: EARLY
                ),
            )
            members.add(told.ws, place)
            settle_source(told.ws, source, log=origin)
        _played(told)
        yield told
        told.ws.close()


def _played(told: Story) -> None:
    ws, path = told.ws, told.folder / "payees.json"
    rows = [{"party": name, "method": "chain", "account": account(name), "from": "2020-01-01"} for name in PARTIES]
    path.write_text(json.dumps({"payees": rows}))
    assert registering.load(ws, [path], by=None, dry_run=False, on_progress=None).accepted == len(PARTIES)
    told.stream(JUNE)
    agree(
        told.made,
        Reserve(party="ann", ppm=100_000, months=1),
        Advance(party="ann", pool="default", currency="EUR", micros=200_000_000, ppm=500_000),
        Withholding(party="bob", ppm=150_000, territory="SE"),
    )
    pool.deploy(ws, currency="EUR", token=None, window=0, owner=None, guardian=None)
    pool.fund(ws, "EUR", 10_000_000_000)
    life.close(ws, JUNE)
    told.settle("wrong", JUNE, "1000.00")
    paid = postings.pay_run(ws, told.runs["wrong"])
    assert paid.claims is not None
    life.approve(ws, holds.reverse(ws, told.runs["wrong"], reason="the pool was 600").id, "approver")
    told.settle("right", JUNE, "600.00")
    for n, (period, amount) in enumerate(((JULY, "1500.00"), (AUGUST, "1000.00"))):
        told.made.now = datetime(2026, 8 + n, 3, 9, 0, tzinfo=UTC)
        told.stream(period)
        life.close(ws, period)
        told.settle(period, period, amount)
        assert postings.pay_run(ws, told.runs[period]).claims is not None


STANDING = ("right", JULY, AUGUST)


def test_three_logs_were_settled(story: Story) -> None:
    """If this fails, the scenario proves nothing about members: their streams were not in it."""
    assert [story.stored(name).outcome.units for name in ("wrong", *STANDING)] == [30, 30, 30, 30]
    assert len(read_book(story.ws).closes[AUGUST].logs) == 3


def test_the_chain_paid_what_the_standing_runs_say(story: Story) -> None:
    """If this fails, a reversal after payment on a chain makes money, loses it, or takes a deduction twice."""
    handed = dict.fromkeys(PARTIES, 0)
    for name in ("wrong", *STANDING):
        book = read_book(story.ws)
        for batch in book.batches.get(story.runs[name], []):
            for payment in payments_of(story.ws.log, batch.statement):
                handed[payment["party"]] += int(payment["micros"])
    for party in PARTIES:
        accounts = [story.stored(name).accounts[party] for name in STANDING]
        earned = sum(one.earned for one in accounts)
        deducted = sum(one.deductions.total for one in accounts)
        assert earned + deducted == handed[party] + accounts[-1].carried, party
    report = postings.check(story.ws, "EUR")
    assert report.ok, report


def test_what_was_paid_too_much_is_owed_back_before_more_is_paid(story: Story) -> None:
    """If this fails, who was paid by the wrong run is paid again in full by the right one."""
    wrong, right = (story.stored(name).accounts for name in ("wrong", "right"))
    for party in PARTIES:
        assert [(one.kind, one.micros) for one in right[party].corrections] == [("reversal", -wrong[party].payable)]
        assert right[party].payable == 0
        assert right[party].carried <= 0
    assert right["bob"].carried < 0


def test_it_stands_up_to_outsiders(story: Story, tmp_path: Path) -> None:
    """If this fails, a month that was undone and paid on a chain cannot be checked by anybody else."""
    for period in (JUNE, JULY, AUGUST):
        for party in PARTIES:
            report = verify_bundle(statements.prove(story.ws, party, period), story.ws.trust)
            assert report.ok, report.steps[-1]
        recomputing.export(story.ws, period, tmp_path / period)
        again = recomputing.recompute(tmp_path / period, story.ws.trust)
        assert (again.ok, len(again.runs)) == (True, 1)
