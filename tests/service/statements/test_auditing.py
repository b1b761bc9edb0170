"""A period handed to an outsider, who computes it again with nothing but the export and a trust file."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from ledger.errors import InputError, StateError, VerificationError
from ledger.proofs.keys import PrivateKey
from ledger.proofs.trust import Trust, make
from service.log import ingesting
from service.settlement import holds, life, paying
from service.settlement.step import read_book, signed
from service.statements import recomputing
from tests.service.month import Month, july, published


def test_an_outsider_comes_to_the_same_bytes(june: Month, tmp_path: Path) -> None:
    """If this fails, a published payout cannot be recomputed by somebody who trusts only the log's keys."""
    hold = holds.open_hold(june.ws, scope="party", subject="bob", reason="fraud")
    run = published(june)
    paying.pay(june.ws, run, "file")
    life.approve(june.ws, holds.release(june.ws, hold.id, note="real").id, "approver")
    late = july(june)
    for period, key in (("2026-06", run), ("2026-07", late)):
        out = tmp_path / period
        recomputing.export(june.ws, period, out)
        recomputing.export(june.ws, period, out)
        again = recomputing.recompute(out, june.ws.trust)
        assert again.ok
        assert [one.run for one in again.runs] == [key]


def test_money_that_left_twice_is_a_finding(june: Month, tmp_path: Path) -> None:
    """If this fails, a log in which a payment left twice, as release 0.1 allowed (M1 to M3), passes an audit."""
    run = published(june)
    paying.pay(june.ws, run, "file")
    (batch,) = read_book(june.ws).batches[run]
    june.ws.log.append([signed(replace(batch, batch=2), june.ws.signer("operator"))])
    recomputing.export(june.ws, "2026-06", tmp_path / "out")
    again = recomputing.recompute(tmp_path / "out", june.ws.trust)
    assert not again.ok
    named = [problem for problem in again.problems if problem.endswith("(findings M1 to M3)")]
    assert any("were handed to ann beyond its one payment" in problem for problem in named)


def test_an_export_counts_what_it_does_not_hold(june: Month, tmp_path: Path) -> None:
    """If this fails, an operator closes rows that should be paid, and the export looks as if none had been there."""
    published(june)
    place = tmp_path / "odd.ndjson"
    event = {"source": "acme", "track": "nobody", "occurred_at": "2026-06-03T11:05:00Z", "territory": "SE", "units": 1}
    place.write_text("".join(json.dumps({**event, "event_id": f"odd-{i}"}) + "\n" for i in range(3)))
    assert ingesting.ingest_file(june.ws, place).quarantined == 3
    ingesting.discard(june.ws, [ingesting.quarantined(june.ws)[0].id], "no")
    done = recomputing.export(june.ws, "2026-06", tmp_path / "out")
    assert (done.waiting, done.discarded) == (2, 1)


def test_a_month_that_is_none_is_refused_as_such(june: Month, tmp_path: Path) -> None:
    """If this fails, whoever mistypes a month is told to close one that does not exist."""
    with pytest.raises(InputError, match="expected YYYY-MM"):
        recomputing.export(june.ws, "2026-13", tmp_path / "out")


def test_what_was_tampered_with_is_refused(june: Month, tmp_path: Path) -> None:
    """If this fails, an export can be altered and still be taken for the period that was published."""
    with pytest.raises(StateError, match="open"):
        recomputing.export(june.ws, "2026-06", tmp_path / "out")
    published(june)
    out = tmp_path / "out"
    recomputing.export(june.ws, "2026-06", out)
    stranger = PrivateKey.generate()
    keys = [one for one in june.ws.trust.logs[0].keys if one.role != "log"]
    other = make(june.ws.log.origin, [*keys, type(keys[0])(role="log", party="x", public=stranger.public)])
    with pytest.raises(VerificationError):
        recomputing.recompute(out, other)
    with pytest.raises(VerificationError, match="does not name"):
        recomputing.recompute(out, Trust((type(other.logs[0])("elsewhere.example/log", other.logs[0].keys),)))
    for place in sorted(path for path in out.rglob("*") if path.is_file() and "tile" in path.parts):
        spoiled = tmp_path / "spoiled"
        shutil.copytree(out, spoiled)
        copy = spoiled / place.relative_to(out)
        data = copy.read_bytes()
        copy.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
        with pytest.raises((VerificationError, InputError)):
            recomputing.recompute(spoiled, june.ws.trust)
        shutil.rmtree(spoiled)
