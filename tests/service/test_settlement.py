"""Settlement over a real log and registry: every step, every refusal, every door."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ledger.errors import ConflictError, InputError, StateError
from service import paying, settlement
from service.runs import Request
from tests.service.month import Month, month

POOL: dict[str, Any] = {"period": "2026-06", "pool": "1000.00", "currency": "EUR", "rule": "pro-rata", "params": {}}


@pytest.fixture
def june(tmp_path: Path) -> Month:
    return month(tmp_path / "home")


def asked(**changed: Any) -> Request:
    return settlement.request(**(POOL | changed))


def published(june: Month) -> str:
    """June closed, run, approved and published; the run's id."""
    settlement.close(june.ws, "2026-06")
    run = settlement.run(june.ws, asked()).run
    settlement.approve(june.ws, run, "approver")
    settlement.publish(june.ws, run)
    return run


def test_the_whole_way(june: Month) -> None:
    """If this fails, a month cannot be brought from events to a payment file, or its parts do not sum."""
    closed = settlement.close(june.ws, "2026-06")
    assert settlement.close(june.ws, "2026-06").period_root == closed.period_root
    dry = settlement.run(june.ws, asked(), dry_run=True)
    size = june.ws.log.head().size
    assert settlement.run(june.ws, asked(), dry_run=True).run == dry.run
    assert june.ws.log.head().size == size
    found = settlement.run(june.ws, asked())
    assert found.run == dry.run
    # 10 units over 1000: trk-1 600 (360 ann, 120 bob), trk-2 300 (90 cy, 60 dee, 30 nobody known), trk-3 100 no vector.
    assert {line.holder: line.micros for line in found.lines} == {
        "ann": 360_000_000, "bob": 120_000_000, "cy": 90_000_000, "dee": 60_000_000
    }  # fmt: skip
    assert found.suspense_micros == 130_000_000
    assert found.unattributed_micros == 240_000_000
    assert settlement.run(june.ws, asked()).already
    with pytest.raises(StateError, match="not approved"):
        settlement.publish(june.ws, found.run)
    with pytest.raises(StateError, match="another person"):
        settlement.approve(june.ws, found.run, "operator")
    assert settlement.approve(june.ws, found.run, "approver").demo
    with pytest.raises(StateError, match="not published"):
        paying.pay(june.ws, found.run, "file")
    done = settlement.publish(june.ws, found.run)
    assert (done.payees, done.payable_micros, done.already) == (4, 630_000_000, False)
    assert settlement.publish(june.ws, found.run).already
    paid = paying.pay(june.ws, found.run, "file")
    assert (paid.payments, paid.paid_micros, paid.already, paid.blocked) == (4, 630_000_000, False, ())
    assert "360.00" in Path(paid.files[0]).read_text()
    again = paying.pay(june.ws, found.run, "file")
    assert again.already
    assert again.batches == 1
    assert settlement.show(june.ws, "2026-06").state == "paying"


def test_refused_on_the_way(june: Month) -> None:
    """If this fails, an open period can be run, or a published one run again, or one run paid by two routes."""
    with pytest.raises(StateError, match="settle period close 2026-06"):
        settlement.run(june.ws, asked())
    run = published(june)
    with pytest.raises(ConflictError, match="is published"):
        settlement.run(june.ws, asked(pool="2000.00"))
    assert settlement.run(june.ws, asked()).run == run
    with pytest.raises(ConflictError, match="by file"):
        paying.pay(june.ws, run, "chain")
    with pytest.raises(InputError, match="not a run"):
        settlement.publish(june.ws, "0" * 64)
