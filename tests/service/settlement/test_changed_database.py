"""What whoever can write to the database tries: other entries than were signed, or entries that nobody reads."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ledger.errors import VerificationError
from service.demo.tampering import unguarded
from service.settlement import holds, life, paying, restating
from service.settlement.step import read_book
from tests.service.month import Month, asked, published

ACTS: dict[str, Callable[[Month, str], object]] = {
    "run": lambda made, _: life.run(made.ws, asked(pool="2000.00")),
    "publish": lambda made, run: life.publish(made.ws, run),
    "pay": lambda made, run: paying.pay(made.ws, run, "file"),
    "restate": lambda made, _: restating.propose(made.ws, "2026-06", into="2026-07"),
}


def altered(made: Month, statement: str, *values: object) -> None:
    """One row of the log's table, past its guards, seen by another process."""
    with unguarded(str(made.home / "settle.db")) as (cursor, _):
        cursor.execute(statement, values)
    made.ws = made.reopened()


def test_a_hold_that_is_filed_as_something_else_stops_every_payment(june: Month) -> None:
    """If this fails, whoever writes to the database lifts a hold alone, and the money is paid."""
    run = published(june)
    holds.open_hold(june.ws, scope="party", subject="bob", reason="fraud")
    june.stream(["trk-1"] * 9, at="2026-07-03T10:00:00Z")  # so that opening the log does not read the hold again
    altered(june, "UPDATE entry SET type = 'seal' WHERE type = 'hold'")
    assert not read_book(june.ws).open_holds()
    for act in ACTS.values():
        with pytest.raises(VerificationError, match="is filed as 'seal' and is another leaf"):
            act(june, run)


def test_an_event_that_was_altered_is_not_divided_by(june: Month) -> None:
    """If this fails, whoever writes to the database multiplies the streams of a track before the month is run."""
    run = published(june)
    june.stream(["trk-1"] * 600, at="2026-07-03T10:00:00Z")  # so that opening the log does not read the event again
    altered(
        june,
        "UPDATE entry SET body = CAST(replace(CAST(body AS TEXT), ?, ?) AS BLOB) WHERE idx = "
        "(SELECT min(idx) FROM entry WHERE type = 'event')",
        '"units":1',
        '"units":9',
    )
    for act in ACTS.values():
        with pytest.raises(VerificationError, match="its signed checkpoint says otherwise"):
            act(june, run)


def test_a_proposal_is_not_approved_on_altered_entries(june: Month) -> None:
    """If this fails, a second person signs by what somebody made of the database."""
    hold = holds.open_hold(june.ws, scope="party", subject="bob", reason="fraud")
    release = holds.release(june.ws, hold.id, note="all real").id
    june.stream(["trk-1"] * 9)
    altered(june, "DELETE FROM entry WHERE idx = (SELECT min(idx) FROM entry WHERE type = 'event')")
    with pytest.raises(VerificationError, match="is missing"):
        life.approve(june.ws, release, "approver")
