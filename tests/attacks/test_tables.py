"""A, V1, V2, V9: tables that do not follow from what they rest on, made by an operator with a changed program."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from ledger.proofs import canon, dsse
from ledger.proofs.tree import leaf_hash
from ledger.types import format_time
from payouts.compute import Outcome, compute
from payouts.life.binding import RUN_TYPE
from payouts.life.places import RecordPlace
from payouts.life.records import Close, Run
from service.log.logs import sizes
from service.settlement import life, runs
from service.settlement.carrying import carried
from service.settlement.runs import calculate, given_of
from service.settlement.step import read_book, signed
from tests.attacks.victim import Victim


def test_a_an_honest_month_with_a_currency_term_alone_verifies(victim: Victim) -> None:
    """If this fails, an honest month is called forged because somebody is paid in another currency."""
    victim.do("period", "close", "2026-06")
    victim.agree("terms", "currency", "p-bob", "USD", "--from", "2026-06", "--reason", "contract")
    victim.agree(
        "terms",
        "rate",
        "EUR",
        "USD",
        "--period",
        "2026-06",
        "--rate",
        "1.10",
        "--date",
        "2026-06-30",
        "--source",
        "ECB",
    )
    victim.publish()
    assert victim.verify(victim.bundle("p-bob")).code == 0
    assert victim.verify(victim.run_bundle()).code == 0


def doubled_lines(victim: Victim, monkeypatch: pytest.MonkeyPatch) -> str:
    """A run that moves 500.00 from Ann to Bob by a second line of no weight under each heading."""
    honest = compute
    moved = 500_000_000

    def crooked(*inputs: Any, **more: Any) -> Outcome:
        outcome = honest(*inputs, **more)
        lines = []
        for line in outcome.lines:
            lines += [replace(line, weight=0, micros=-moved if line.party == "p-ann" else moved), line]
        return replace(outcome, lines=tuple(lines))

    victim.do("period", "close", "2026-06")
    with monkeypatch.context() as patch:
        patch.setattr(runs, "compute", crooked)
        made = victim.do("run", "--period", "2026-06", "--pool", "1000.00", "--currency", "EUR", "--engine", "log")
    return str(made["run"])


def test_v2_lines_under_one_heading_twice_are_refused(victim: Victim, monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, an operator moves money from one holder to another inside lines that sum to the same."""
    run = doubled_lines(victim, monkeypatch)
    if victim.settle("approve", run, "--as", "carol").code:
        return  # refused before anybody signed it
    if victim.settle("publish", run).code:
        return  # refused before anybody is paid by it
    assert victim.verify(victim.run_bundle()).code == 3
    assert {victim.verify(victim.bundle(party)).code for party in ("p-ann", "p-bob")} == {3}
    assert victim.recompute().code != 0


def test_v2_an_approver_does_not_sign_what_does_not_follow(victim: Victim, monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, a second person signs a run whose lines do not follow from the log."""
    run = doubled_lines(victim, monkeypatch)
    assert victim.settle("approve", run, "--as", "carol").code != 0


def test_v1_a_payment_more_than_the_accounts_owe_is_refused(victim: Victim) -> None:
    """If this fails, the operator alone publishes a payment to anybody after the approval, and everything says OK."""
    run = victim.calculate()["run"]
    victim.do("approve", run, "--as", "carol")
    with pytest.MonkeyPatch.context() as patch:
        intents = life._intents

        def crooked(*inputs: Any, **more: Any) -> Iterator[Mapping[str, Any]]:
            for row in intents(*inputs, **more):
                if row["party"] == "p-bob":
                    yield {**row, "micros": "5000000000"}
                yield row

        patch.setattr(life, "_intents", crooked)
        victim.settle("publish", run)
    victim.settle("pay", "2026-06", "--via", "file")
    assert victim.sent("p-bob") <= 200
    audited = victim.recompute()
    assert audited.code != 0


def test_v9_a_run_over_a_second_close_is_refused(victim: Victim) -> None:
    """If this fails, the operator chooses the month's root, events and registry anew and everything says OK."""
    victim.do("period", "close", "2026-06")
    victim.stream("late", units=500)
    ws = victim.open()
    operator, at, book = ws.signer("operator"), format_time(ws.clock()), read_book(ws)
    head = ws.log.head()
    second = Close(at=at, period="2026-06", logs=sizes(ws, book, head), registry_size=head.size)
    first = ws.log.append([second.leaf()]).first
    misled = read_book(ws)
    misled.closes["2026-06"] = second
    misled.places["close", "2026-06"] = RecordPlace(first, leaf_hash(ws.log.entry(first).body))
    request = life.request(period="2026-06", pool="1000.00", currency="EUR", rule="pro-rata", params={}, engine="log")
    takes = carried(ws.log, misled, period="2026-06", pool="default", currency="EUR")
    inputs = given_of(ws, misled, request, takes)
    result = calculate(ws, misled, inputs, takes, engine="log", on_progress=None)
    envelope = dsse.sign(RUN_TYPE, canon.encode(result.document.payload), [operator])
    record = Run(
        at=at,
        by=ws.operator,
        key=operator.public.id,
        run=inputs.key,
        period="2026-06",
        pool="default",
        sequence=1,
        engine="log",
        statement=envelope.digest,
    )
    ws.log.append([signed(record, operator)], blobs=[envelope.encode(), *result.document.blobs])
    ws.close()
    assert victim.settle("approve", inputs.key, "--as", "carol").code != 0
