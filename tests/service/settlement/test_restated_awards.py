"""Awards from disputes and restatements of the same month: the same money moves once, in whatever order."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import pytest

from ledger.errors import StateError
from ledger.proofs import canon, dsse
from payouts.life.revisions import DOCUMENT_TYPE
from service.settlement import life, line_disputes, restating
from service.settlement.step import read_book, signed
from service.settlement.stored import load
from service.statements import booking
from tests.service.month import Month, july, published
from tests.service.settlement.test_restating import approve_blindly, booked, lines_of

MORE_FOR_ANN = {
    "track": "trk-1",
    "sources": [{"recording": "rec-1", "ppm": 700_000}, {"recording": "rec-2", "ppm": 100_000}],
}
"""Ann has 60.00 more of June by this vector, and bob as much less."""


def awarded(made: Month, amount: str, *, against: str = "bob", subject: str = "trk-1") -> str:
    """A dispute of ann about her influence on a track, upheld by two people."""
    run = read_book(made.ws).standing()[0].run
    name = line_disputes.open_dispute(
        made.ws, run, about="influence", claimant="ann", amount="200.00", text="heard", against=against, subject=subject
    ).id
    life.approve(made.ws, line_disputes.resolve(made.ws, name, upheld=amount, text="listened to"), "approver")
    return name


def settled_in_july(made: Month) -> dict[str, int]:
    """What each holder is booked in July for June."""
    july(made)
    accounts = load(made.ws.log, read_book(made.ws).standing()[-1]).accounts.values()
    return {
        account.party: sum(correction.micros for correction in account.corrections)
        for account in accounts
        if account.corrections
    }


@pytest.mark.parametrize(("amount", "in_july"), [("20.00", 60_000_000), ("60.00", 60_000_000), ("100.00", 100_000_000)])
def test_an_award_counts_as_received_by_a_later_restatement(june: Month, amount: str, in_july: int) -> None:
    """If this fails, money awarded in a dispute is paid again once the vector is put right, or is taken back."""
    published(june)
    awarded(june, amount)
    assert lines_of(june) == {}
    june.assign(MORE_FOR_ANN)
    if lines_of(june):
        booked(june)
    assert lines_of(june) == {}
    assert settled_in_july(june) == {"ann": in_july, "bob": -in_july}
    assert lines_of(june) == {}


def test_an_award_about_something_else_stands_beside_a_restatement(june: Month) -> None:
    """If this fails, putting right one track takes back what was awarded for another."""
    published(june)
    awarded(june, "20.00", subject="trk-2", against="cy")
    june.assign(MORE_FOR_ANN)
    booked(june)
    assert settled_in_july(june) == {"ann": 80_000_000, "bob": -60_000_000, "cy": -20_000_000}


def test_an_award_after_the_restatement_is_refused_as_far_as_it_is_paid(june: Month) -> None:
    """If this fails, who was paid by a restatement is awarded the same money."""
    published(june)
    june.assign(MORE_FOR_ANN)
    booked(june)
    with pytest.raises(StateError, match=r"gave ann 60.00 EUR of this already; uphold at most 10.00"):
        awarded(june, "70.00")
    (name,) = read_book(june.ws).disputes.files
    with pytest.raises(StateError, match="of this already"):
        line_disputes.resolve(june.ws, name, upheld="60.00", text="heard twice")


def test_a_restatement_that_does_not_know_an_award_cannot_be_approved(june: Month) -> None:
    """If this fails, an award that comes between a restatement's proposal and its approval is paid twice."""
    published(june)
    june.assign(MORE_FOR_ANN)
    waiting = str(restating.propose(june.ws, "2026-06", into="2026-07").id)
    awarded(june, "60.00")
    with pytest.raises(StateError, match="with what is known now"):
        life.approve(june.ws, waiting, "approver")
    approve_blindly(june, waiting)
    assert not read_book(june.ws).approved(waiting)
    assert "was decided since" in read_book(june.ws).voids[-1].reason


def test_an_award_that_nobody_else_paid_is_replaced_by_the_pool(june: Month, tmp_path: Path) -> None:
    """If this fails, an award out of the payer's own money is paid again, or leaves books that do not add up."""
    published(june)
    awarded(june, "60.00", against="")
    june.assign(MORE_FOR_ANN)
    assert lines_of(june) == {"bob": -60_000_000}
    booked(june)
    assert lines_of(june) == {}
    assert settled_in_july(june) == {"ann": 60_000_000, "bob": -60_000_000}
    booking.write_books(june.ws, tmp_path / "books")
    rows = list(csv.DictReader((tmp_path / "books" / "books.csv").read_text().splitlines()))
    assert {row["account"] for row in rows if "Restated" in " ".join(row.values())} == {"Expenses:Adjustments"}


# --- what a restatement must know ---------------------------------------------------------------


def forged(made: Month, honest: str, size: int) -> str:
    """A restatement again, said to know only this much of the log, by a program of the operator's own."""
    record = read_book(made.ws).restates[honest]
    maker = made.ws.signer("operator")
    payload = canon.decode_object(dsse.parse(made.ws.log.blob(record.statement)).payload, "restatement")
    envelope = dsse.sign(DOCUMENT_TYPE, canon.encode(payload | {"size": size}), [maker])
    again = replace(record, id="restate-again", size=size, statement=envelope.digest)
    made.ws.log.append([signed(again, maker)], blobs=[envelope.encode()])
    return again.id


def test_a_restatement_is_not_booked_again_by_a_size_before_it(june: Month) -> None:
    """If this fails, an operator proposes what was booked as if it were not, and it comes out the same for all."""
    published(june)
    june.assign(MORE_FOR_ANN)
    honest = booked(june)
    again = forged(june, honest, read_book(june.ws).restates[honest].size)
    book = read_book(june.ws)
    assert again not in book.restates
    assert "and not entry" in book.voids[-1].reason


def test_a_restatement_by_old_vectors_is_not_approved(june: Month) -> None:
    """If this fails, an operator picks the moment in which a wrong vector was assigned, and has it paid."""
    published(june)
    june.assign(MORE_FOR_ANN)
    waiting = str(restating.propose(june.ws, "2026-06", into="2026-07").id)
    june.assign({"track": "trk-1", "sources": [{"recording": "rec-2", "ppm": 800_000}]})
    with pytest.raises(StateError, match="with what is known now"):
        life.approve(june.ws, waiting, "approver")
