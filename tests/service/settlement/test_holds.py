"""Holds and corrections: what stops money, who may let it go, what a later period books."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ledger.errors import ConflictError, InputError, StateError
from ledger.registry import acts
from service.registry import registering
from service.settlement import holds, life, paying
from service.settlement.approvers import enrol
from service.settlement.carrying import paid_out
from service.settlement.step import read_book
from service.settlement.stored import load
from service.statements import statements
from tests.service.month import Month, asked, july, published


def test_a_hold_before_the_run_moves_nobody_else(june: Month) -> None:
    """If this fails, holding one person's money changes what another one gets."""
    life.close(june.ws, "2026-06")
    free = life.run(june.ws, asked(), dry_run=True)
    holds.open_hold(june.ws, scope="party", subject="bob", reason="fraud")
    held = life.run(june.ws, asked())
    assert held.run != free.run
    assert held.held_micros == 120_000_000
    before = {line.holder: line.micros for line in free.lines}
    assert {line.holder: line.micros for line in held.lines} == {k: v for k, v in before.items() if k != "bob"}
    bob = statements.state(june.ws, "bob", "2026-06")
    assert (bob.held_micros, bob.pools[0].waiting[0].reason) == (120_000_000, "fraud")


def test_a_later_hold_blocks_payment_and_edits_nothing(june: Month) -> None:
    """If this fails, money can leave although a hold was opened after the calculation."""
    run = published(june)
    holds.open_hold(june.ws, scope="party", subject="ann", reason="legal")
    hold = holds.open_hold(june.ws, scope="track", subject="trk-2", reason="fraud")
    paid = paying.pay(june.ws, run, "file")
    assert {(one.party, one.reason) for one in paid.blocked} == {("ann", "legal"), ("cy", "fraud"), ("dee", "fraud")}
    assert paid.payments == 1
    assert statements.state(june.ws, "ann", "2026-06").pools[0].payment.state == "blocked"
    with pytest.raises(StateError, match="another person"):
        life.approve(june.ws, holds.release(june.ws, hold.id, note="checked").id, "operator")
    assert paying.pay(june.ws, run, "file").payments == 1
    life.approve(june.ws, holds.release(june.ws, hold.id, note="checked").id, "approver")
    again = paying.pay(june.ws, run, "file")
    assert (again.payments, again.batches, [one.party for one in again.blocked]) == (3, 2, ["ann"])


def test_released_money_is_paid_with_the_next_run(june: Month) -> None:
    """If this fails, money that was held stays held after its hold is lifted, or is paid twice."""
    hold = holds.open_hold(june.ws, scope="party", subject="bob", reason="fraud")
    published(june)
    life.approve(june.ws, holds.release(june.ws, hold.id, note="all real").id, "approver")
    july(june)
    bob = statements.state(june.ws, "bob", "2026-07")
    assert (bob.earned_micros, bob.adjustments_micros, bob.net_micros) == (120_000_000, 120_000_000, 240_000_000)
    assert bob.pools[0].adjustments[0].kind == "release"


def test_a_hold_with_an_end_ends_by_itself_and_no_other_does(june: Month) -> None:
    """If this fails, money stays held past the date its hold named, or one person lifts a hold that named none."""
    end = datetime(2026, 8, 1, tzinfo=UTC)
    with pytest.raises(InputError, match="over already"):
        holds.open_hold(june.ws, scope="party", subject="bob", reason="fraud", until=june.now)
    hold = holds.open_hold(june.ws, scope="party", subject="bob", reason="fraud", until=end)
    lasting = holds.open_hold(june.ws, scope="party", subject="ann", reason="fraud")
    assert holds.open_hold(june.ws, scope="party", subject="bob", reason="fraud", until=end).already
    assert holds.open_hold(june.ws, scope="party", subject="ann", reason="fraud", until=end).id == lasting.id
    run = published(june)
    assert holds.expire(june.ws).ended == ()
    june.now = end
    assert holds.expire(june.ws).ended == (hold.id,)
    assert holds.expire(june.ws).ended == ()
    assert [(one.id, one.state) for one in holds.list_holds(june.ws, everything=True)] == [
        (hold.id, "ended"),
        (lasting.id, "open"),
    ]
    assert paying.pay(june.ws, run, "file").payments == 2
    july(june)
    bob = statements.state(june.ws, "bob", "2026-07")
    assert [(one.kind, one.micros) for one in bob.pools[0].adjustments] == [("release", 120_000_000)]
    again = holds.open_hold(june.ws, scope="party", subject="bob", reason="fraud")
    assert (again.already, again.state, again.id != hold.id) == (False, "open", True)


def test_adjustments_need_two_and_are_booked_once(june: Month) -> None:
    """If this fails, one person can change a balance, or a correction is booked in two runs."""
    run = published(june)
    with pytest.raises(StateError, match="later period"):
        holds.adjust(june.ws, "ann", period="2026-06", amount="-10.00", currency="EUR", reason="r", line=run)
    one = holds.adjust(june.ws, "ann", period="2026-07", amount="-10.00", currency="EUR", reason="vector", line=run)
    holds.adjust(june.ws, "bob", period="2026-07", amount="5.00", currency="EUR", reason="not approved", line=run)
    life.approve(june.ws, one.id, "approver")
    july(june)
    ann, bob = (statements.state(june.ws, party, "2026-07") for party in ("ann", "bob"))
    assert (ann.adjustments_micros, ann.net_micros) == (-10_000_000, 350_000_000)
    assert bob.adjustments_micros == 0


def test_a_third_person_may_sign_under_a_reversal_as_well(june: Month) -> None:
    """If this fails, another signature under the reversal of a pool's only run ends in a traceback."""
    run = published(june)
    proposal = holds.reverse(june.ws, run, reason="wrong pool").id
    life.approve(june.ws, proposal, "approver")
    enrol(june.ws, "ann", "approver")
    assert not life.approve(june.ws, proposal, "ann").already


def test_a_reversed_run_makes_room_for_another(june: Month) -> None:
    """If this fails, a wrong published run cannot be undone, or what it paid is paid a second time."""
    run = published(june)
    paying.pay(june.ws, run, "file")
    undo = holds.reverse(june.ws, run, reason="pool was wrong")
    with pytest.raises(ConflictError):
        life.run(june.ws, asked(pool="2000.00"))
    life.approve(june.ws, undo.id, "approver")
    with pytest.raises(StateError, match="reversed"):
        paying.pay(june.ws, run, "file")
    second = life.run(june.ws, asked(pool="2000.00"))
    assert second.sequence == 2
    life.approve(june.ws, second.run, "approver")
    life.publish(june.ws, second.run)
    ann = statements.state(june.ws, "ann", "2026-06")
    assert (ann.earned_micros, ann.adjustments_micros, ann.net_micros) == (720_000_000, -360_000_000, 360_000_000)
    paying.pay(june.ws, second.run, "file")


def test_a_failed_payment_is_tried_again_and_a_lost_one_carried(june: Month) -> None:
    """If this fails, a payment that came back is lost, or one that arrived can be made again."""
    run = published(june)
    paying.pay(june.ws, run, "file")
    paying.confirm(june.ws, run, "ann", "settled")
    with pytest.raises(ConflictError, match="final"):
        paying.confirm(june.ws, run, "ann", "failed")
    failed = paying.confirm(june.ws, run, "bob", "failed")
    assert (failed.approved, paying.confirm(june.ws, run, "bob", "failed").already) == (False, True)
    assert paying.pay(june.ws, run, "file").batches == 1
    assert failed.id is not None
    with pytest.raises(StateError, match="another person"):
        life.approve(june.ws, failed.id, "operator")
    life.approve(june.ws, failed.id, "approver")
    returned = paying.pay(june.ws, run, "file")
    assert (returned.batches, returned.paid_micros) == (2, 630_000_000)
    assert paying.pay(june.ws, run, "file").batches == 2
    book = read_book(june.ws)
    assert paid_out(june.ws.log, book, load(june.ws.log, book.runs[run]))["bob"] == 120_000_000
    assert statements.state(june.ws, "bob", "2026-06").pools[0].payment.state == "handed over"
    lost = paying.confirm(june.ws, run, "bob", "written-off")
    assert lost.id is not None
    life.approve(june.ws, lost.id, "approver")
    assert paying.confirm(june.ws, run, "bob", "written-off").approved
    assert paying.pay(june.ws, run, "file").paid_micros == 510_000_000
    assert not read_book(june.ws).voids
    july(june)
    bob = statements.state(june.ws, "bob", "2026-07")
    assert [(one.kind, one.micros) for one in bob.pools[0].adjustments] == [("returned", 120_000_000)]


def test_a_failed_payment_is_not_counted_as_paid(june: Month) -> None:
    """If this fails, `settle pay` reports money as paid that came back."""
    run = published(june)
    paying.pay(june.ws, run, "file")
    failed = paying.confirm(june.ws, run, "bob", "failed")
    life.approve(june.ws, str(failed.id), "approver")
    holds.open_hold(june.ws, scope="party", subject="bob", reason="fraud")
    assert paying.pay(june.ws, run, "file").paid_micros == 510_000_000


def test_a_person_with_a_key_of_their_own_is_no_demo(june: Month) -> None:
    """If this fails, a workspace of two people is marked demo, or one of one person is not."""
    life.close(june.ws, "2026-06")
    run = life.run(june.ws, asked())
    assert run.demo
    enrol(june.ws, "carol")
    for party in ("carol", "dave", "operator"):
        with pytest.raises(StateError):  # the operator introduces nobody alone once there is an approver (M5)
            enrol(june.ws, party)
    assert not life.approve(june.ws, run.run, "carol").demo
    assert not life.publish(june.ws, run.run).demo
    assert not statements.state(june.ws, "ann", "2026-06").demo
    assert not read_book(june.ws).voids


def test_what_cannot_be_held_is_refused(june: Month) -> None:
    """If this fails, a hold without a known reason or a real place stands in the ledger."""
    with pytest.raises(InputError, match="reason"):
        holds.open_hold(june.ws, scope="party", subject="ann", reason="because")
    with pytest.raises(InputError, match="did you mean bob"):
        holds.open_hold(june.ws, scope="party", subject="bobb", reason="fraud")
    with pytest.raises(InputError, match="not a hold"):
        holds.release(june.ws, "hold-nothing", note="x")
    first = holds.open_hold(june.ws, scope="party", subject="ann", reason="tax")
    assert holds.open_hold(june.ws, scope="party", subject="ann", reason="tax").already
    assert [one.id for one in holds.list_holds(june.ws)] == [first.id]


def test_a_dispute_opened_after_publication_blocks_whom_it_names(june: Month) -> None:
    """If this fails, money goes out to somebody whose ownership is contested by then."""
    run = published(june)
    registering.act(
        june.ws,
        None,
        lambda view, author: acts.open_dispute(
            view, author, subject="rec-3", claimant="ann", party="cy", right="master"
        ),
    )
    paid = paying.pay(june.ws, run, "file")
    assert [(one.party, one.reason) for one in paid.blocked] == [("cy", "dispute")]
    assert paid.payments == 3
