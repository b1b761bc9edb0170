"""The list of payments says where each stands, attempt by attempt."""

from __future__ import annotations

import pytest

from ledger.errors import InputError, StateError
from service.settlement import holds, life, paying
from service.settlement.payment_list import ListedPayment, PaymentFilter, payments
from tests.service.month import JULY_OVER, Month, asked, published


def listed(june: Month, **limits: str) -> dict[str, ListedPayment]:
    return {payment.party: payment for payment in payments(june.ws, PaymentFilter(**limits))}


def test_every_payment_stands_where_its_story_left_it(june: Month) -> None:
    """If this fails, finance cannot see which payment is out, blocked, settled or sent again, or by which reference."""
    run = published(june)
    holds.open_hold(june.ws, scope="party", subject="bob", reason="fraud")
    before = listed(june)
    assert {party: payment.state for party, payment in before.items()} == {
        "ann": "to be paid",
        "bob": "blocked",
        "cy": "to be paid",
        "dee": "to be paid",
    }
    assert (before["bob"].reason, before["bob"].attempt) == ("fraud", 0)
    paying.pay(june.ws, run, "file")
    paying.confirm(june.ws, run, "cy", "settled")
    claim = paying.confirm(june.ws, run, "ann", "failed").id
    assert claim is not None
    waits = listed(june)["ann"]
    assert (waits.state, waits.waits, waits.proposal) == ("handed over", "failed", claim)
    life.approve(june.ws, claim, "approver")
    failed = listed(june)["ann"]
    assert (failed.state, failed.proposal) == ("failed", "")
    paying.pay(june.ws, run, "file")
    again = listed(june)["ann"]
    assert (again.state, again.attempt, again.reference) == ("handed over", 2, f"{failed.reference}-2")
    assert listed(june, state="settled", run="2026-06").keys() == {"cy"}
    assert listed(june, reference=again.reference, route="file").keys() == {"ann"}
    assert listed(june, party="bob", run=run[:8]).keys() == {"bob"}
    assert sum(payment.micros for payment in listed(june).values()) == paying.pay(june.ws, run, "file").paid_micros + (
        listed(june)["bob"].micros
    )


def test_a_list_of_what_cannot_be_is_refused(june: Month) -> None:
    """If this fails, a mistyped filter shows an empty list, and finance takes it for nothing to do."""
    published(june)
    for limits in ({"state": "payed"}, {"route": "post"}, {"party": "nobody"}):
        with pytest.raises(InputError):
            listed(june, **limits)
    june.now = JULY_OVER
    life.close(june.ws, "2026-07")
    with pytest.raises((InputError, StateError)):
        listed(june, run="2026-07")
    unpublished = life.run(june.ws, asked(period="2026-07")).run
    with pytest.raises(StateError, match="not published"):
        listed(june, run=unpublished)
