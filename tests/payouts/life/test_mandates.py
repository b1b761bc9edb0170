"""Mandates in the book: two people put one in force, one stops it, and each instalment follows the last."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ledger.errors import VerificationError
from ledger.proofs.canon import encode
from ledger.proofs.tree import leaf_hash
from payouts.life.mandates import Instalment, Mandate, Resume, Stop, instalment_id, read
from payouts.life.records import Act, Approve, Close, Payment
from payouts.terms import Terms
from tests.payouts.life.acting import AT, as_leaf, book_of, close

BY: dict[str, Any] = {"by": "operator", "key": "k-operator"}
TERMS = {
    name: value
    for name, value in Terms(period="2026-07", currency="EUR", price_micros=4000).payload().items()
    if name != "period"
}
MANDATE = Mandate(
    **BY,
    at=AT,
    id="mandate-1",
    terms=TERMS,
    rule={"name": "pro-rata", "version": "1", "params": {}},
    early_ppm=500_000,
    hour_micros=1_000_000,
    party_micros=5_000_000,
    hours=2,
    via="file",
    until="2026-07-03T09:00:00Z",
    note="board, 1 July",
)
STOP = Stop(**BY, at=AT, id="stop-1", mandate="mandate-1", reason="a doubt")
RESUME = Resume(**BY, at=AT, id="resume-1", stop="stop-1", note="cleared")


def approval(record: Mandate | Resume, by: str = "carol") -> Approve:
    document = leaf_hash(encode(dict(as_leaf(record)))).hex()
    return Approve(at=AT, by=by, key=f"k-{by}", subject=record.id, document=document, demo=False)


def instalment(number: int = 1, *, hour: int = 10, size: int, micros: int = 2_000_000, **more: Any) -> Instalment:
    fields: dict[str, Any] = {
        "at": f"2026-07-02T{hour:02d}:00:00Z",
        "id": instalment_id("mandate-1", number),
        "mandate": "mandate-1",
        "number": number,
        "period": "2026-07",
        "size": size,
        "micros": micros,
        "statement": "d" * 64,
    }
    return Instalment(**BY, **(fields | more))


APPROVED: tuple[Act | Close, ...] = (close("2026-06"), MANDATE, approval(MANDATE))


def test_every_record_is_read_as_it_was_written() -> None:
    """If this fails, a mandate or an instalment in the log is read as another, or not at all."""
    for record in (MANDATE, STOP, RESUME, instalment(size=3)):
        assert read(as_leaf(record)) == record


def test_a_mandate_pays_once_two_people_agreed() -> None:
    """If this fails, one person alone has money paid without a second signature."""
    assert book_of(close("2026-06"), MANDATE, instalment(size=2)).voids[0].type == "instalment"
    assert (
        book_of(close("2026-06"), MANDATE, approval(MANDATE, "operator"), instalment(size=3)).mandates.instalments == {}
    )
    book = book_of(*APPROVED, instalment(size=3))
    assert (list(book.mandates.instalments), book.voids) == ([instalment_id("mandate-1", 1)], [])
    assert book.mandates.of_month("default", "EUR", "2026-07") == [instalment(size=3)]
    assert book.mandates.of_month("default", "EUR", "2026-06") == []


@pytest.mark.parametrize(
    "paid",
    [
        instalment(2, size=3),
        instalment(size=3, micros=2_000_001),
        instalment(size=3, micros=0),
        instalment(size=3, period="2026-06"),
        instalment(size=3, period="2026-08"),
        instalment(size=3, at="2026-07-03T09:00:00Z"),
        instalment(size=3, at="2026-07-02T08:59:59Z"),
        instalment(size=4),
        instalment(size=2),
        instalment(size=3, mandate="mandate-2"),
        instalment(size=3, id="e" * 64),
    ],
)
def test_an_instalment_outside_its_mandate_is_void(paid: Instalment) -> None:
    """If this fails, more is paid early than two people agreed to: by number, amount, month, time or knowledge."""
    book = book_of(*APPROVED, paid)
    assert (book.mandates.instalments, [void.type for void in book.voids]) == ({}, ["instalment"])


def test_a_months_streams_are_paid_early_by_one_pool() -> None:
    """If this fails, two mandates pay the same streams of a month, and only one pool's run takes its payments back."""
    for changed in ({"pool": "second"}, {"currency": "USD"}):
        second = replace(MANDATE, id="mandate-2", terms={**TERMS, **changed})
        both = (*APPROVED, second, approval(second))
        other = instalment(size=6, hour=12, mandate="mandate-2", id=instalment_id("mandate-2", 1))
        book = book_of(*both, instalment(size=5), other)
        assert list(book.mandates.instalments) == [instalment_id("mandate-1", 1)]
        assert "mandate-1 of another pool" in book.voids[0].reason
        assert len(book_of(*both, replace(other, size=5)).mandates.instalments) == 1
    apart = replace(MANDATE, id="mandate-2", terms={**TERMS, "pool": "second", "territories": ["DE"]})
    own = replace(MANDATE, terms={**TERMS, "territories": ["SE"]})
    book = book_of(close("2026-06"), own, approval(own), apart, approval(apart), instalment(size=5), other)
    assert len(book.mandates.instalments) == 2


def test_instalments_keep_their_interval() -> None:
    """If this fails, a clock set back or a second process pays two instalments of one interval."""
    first = instalment(size=3)
    for hour in (9, 10, 11):
        assert len(book_of(*APPROVED, first, instalment(2, hour=hour, size=4)).mandates.instalments) == 1
    assert len(book_of(*APPROVED, first, instalment(2, hour=12, size=4)).mandates.instalments) == 2
    assert (
        len(book_of(*APPROVED, first, instalment(2, hour=12, size=3)).mandates.instalments) == 1
    )  # knows not the first


def test_one_person_stops_and_two_start_again() -> None:
    """If this fails, a stop does not stop, or one person alone starts payments again."""
    stopped = (*APPROVED, STOP)
    assert book_of(*stopped, instalment(size=4)).mandates.instalments == {}
    assert book_of(*stopped, RESUME, instalment(size=5)).mandates.instalments == {}
    book = book_of(*stopped, RESUME, approval(RESUME), instalment(size=6))
    assert (len(book.mandates.instalments), book.mandates.stop_of("mandate-1"), book.voids) == (1, None, [])
    twice = replace(STOP, id="stop-2")
    assert [void.type for void in book_of(*stopped, twice).voids] == ["stop"]
    again = (*stopped, RESUME, approval(RESUME), twice)
    assert book_of(*again, instalment(size=7)).mandates.instalments == {}
    assert [void.type for void in book_of(*again, replace(RESUME, id="resume-2")).voids] == ["resume"]


def test_a_payment_on_account_has_one_answer() -> None:
    """If this fails, the bank's answer to an instalment is lost, or counts twice."""
    name = instalment_id("mandate-1", 1)
    settled = Payment(**BY, at=AT, run=name, party="ann", outcome="settled", reference="")
    book = book_of(*APPROVED, instalment(size=3), settled)
    assert [heard.outcome for heard in book.payments[name, "ann"]] == ["settled"]
    assert len(book_of(*APPROVED, instalment(size=3), settled, settled).voids) == 1
    assert len(book_of(*APPROVED, settled).voids) == 1


@pytest.mark.parametrize(
    "changed",
    [
        {"hours": 0},
        {"hours": 25},
        {"early_ppm": 0},
        {"early_ppm": 1_000_001},
        {"hour_micros": "0"},
        {"party_micros": "-1"},
        {"terms": []},
        {"rule": "pro-rata"},
        {"via": "post"},
        {"via": "chain"},
        {"until": "tomorrow"},
        {"terms": {"pool": "default", "currency": "EUR"}},
        {"terms": {**TERMS, "pool": 1}},
        {"terms": {**TERMS, "aspects": []}},
        {"terms": {**TERMS, "sources": ["b", "a"]}},
        {"terms": {**TERMS, "price_micros": None, "micros": "1"}},
        {"terms": {**TERMS, "price_micros": "04000"}},
        {"rule": {"name": "pro-rata", "version": "1", "params": []}},
        {"rule": {"name": 1, "version": "1", "params": {}}},
    ],
)
def test_a_mandate_out_of_bounds_is_void(changed: dict[str, Any]) -> None:
    """If this fails, a mandate without a ceiling, an end or an interval is put in force."""
    with pytest.raises(VerificationError):
        read({**as_leaf(MANDATE), **changed})
