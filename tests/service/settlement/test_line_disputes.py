"""Disputes of lines: who may open one, what is held and for how long, and who decides."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any, cast

import pytest

from cli.statements import statement_text
from ledger.errors import InputError, StateError, TransientError
from service.log import keys
from service.registry import signing
from service.settlement import entitled, held, holds, life, line_disputes, proposals
from service.settlement.approvers import enrol
from service.settlement.step import read_book, signed
from service.settlement.stored import Stored, load
from service.statements import statements
from service.status import status
from tests.service.month import Month, asked, july, published


def opened(made: Month, **changed: str) -> str:
    """ann says that trk-1 owes her 50.00 of bob's money."""
    terms = {
        "about": "influence",
        "claimant": "ann",
        "amount": "50.00",
        "text": "rec-1 is heard twice",
        "against": "bob",
        "subject": "trk-1",
    } | changed
    run = read_book(made.ws).standing()[0].run
    return line_disputes.open_dispute(made.ws, run, **terms).id


def decided(made: Month, name: str, upheld: str | None, *, by: str = "approver", text: str = "listened to") -> None:
    life.approve(made.ws, line_disputes.resolve(made.ws, name, upheld=upheld, text=text), by)


def adjustments(made: Month, party: str, period: str) -> list[int]:
    return [one.micros for one in statements.state(made.ws, party, period).pools[0].adjustments]


def test_what_is_claimed_is_held_once_admitted_and_moves_when_upheld(june: Month) -> None:
    """If this fails, a dispute holds more than is claimed, or its outcome pays somebody else or twice."""
    published(june)
    name = opened(june)
    assert line_disputes.show(june.ws, name).held_micros == 0
    (waits,) = proposals.waiting(june.ws)
    assert (waits.id, waits.party, waits.micros, waits.currency) == (name, "bob", 50_000_000, "EUR")
    shown = line_disputes.admit(june.ws, name)
    assert proposals.waiting(june.ws) == []
    (listed,) = held.report(june.ws, party="ann").disputes
    assert (listed.id, listed.held_micros, listed.overdue) == (name, 50_000_000, False)
    assert held.report(june.ws, party="cy").disputes == held.report(june.ws, period="2026-05").disputes == ()
    assert (shown.state, shown.held_micros, shown.next) == ("admitted", 50_000_000, "bob answers")
    july(june)
    assert adjustments(june, "bob", "2026-07") == [-50_000_000]
    (row,) = statements.state(june.ws, "bob", "2026-07").pools[0].adjustments
    assert row.reason == f"dispute {name}: held until 2026-08-01T09:00:00Z"
    assert row.reason in statement_text(statements.state(june.ws, "bob", "2026-07"))
    line_disputes.answer(june.ws, name, party="bob", text="no")
    decided(june, name, "20.00")
    august(june)
    assert sorted(adjustments(june, "bob", "2026-08")) == [-20_000_000, 50_000_000]
    assert adjustments(june, "ann", "2026-08") == [20_000_000]
    september = august(june, "2026-09")
    assert not load(june.ws.log, read_book(june.ws).runs[september]).entries


def august(made: Month, period: str = "2026-08", by: str = "approver") -> str:
    made.now = made.now + timedelta(days=31)
    life.close(made.ws, period)
    run = life.run(made.ws, asked(period=period, pool="1.00")).run
    life.approve(made.ws, run, by)
    life.publish(made.ws, run)
    return run


def test_no_more_is_held_than_the_other_side_was_allocated(june: Month) -> None:
    """If this fails, whoever claims a fortune blocks a fortune."""
    published(june)
    name = opened(june, amount="1000000.00")
    assert line_disputes.admit(june.ws, name).held_micros == 120_000_000


def test_a_hold_ends_at_its_date_without_an_outcome(june: Month) -> None:
    """If this fails, an undecided dispute holds money for ever."""
    published(june)
    name = opened(june)
    line_disputes.admit(june.ws, name)
    july(june)
    june.now += timedelta(days=31)
    assert holds.expire(june.ws).ended == (name,)
    august(june)
    assert adjustments(june, "bob", "2026-08") == [50_000_000]
    assert line_disputes.overdue(june.ws)[0].id == name
    assert any("1 overdue" in line for line in status(june.ws).waiting)


def test_what_no_run_held_need_not_go_back(june: Month) -> None:
    """If this fails, a dispute that ended before the next run still fills the statements."""
    published(june)
    name = opened(june)
    line_disputes.admit(june.ws, name)
    decided(june, name, None)
    july(june)
    assert adjustments(june, "bob", "2026-07") == []


@pytest.mark.parametrize(
    ("changed", "error", "words"),
    [
        ({"claimant": "stranger"}, InputError, "stranger"),
        ({"claimant": "operator"}, InputError, "operator"),
        ({"claimant": "bob"}, InputError, "own money"),
        ({"against": "nobody"}, InputError, "no line"),
        ({"subject": "trk-9"}, InputError, "neither a track"),
        ({"subject": ""}, InputError, "names the track"),
        ({"amount": "0"}, InputError, "more than nothing"),
        ({"about": "taste"}, InputError, "one of influence"),
        ({"about": "amount"}, InputError, "leave out"),
        ({"text": " "}, InputError, "needs a reason"),
    ],
)
def test_a_dispute_that_makes_no_sense_is_refused(
    june: Month, changed: dict[str, str], error: type[Exception], words: str
) -> None:
    """If this fails, a stranger or a slip stops somebody's money."""
    published(june)
    size = june.ws.log.head().size
    with pytest.raises(error, match=words):
        opened(june, **changed)
    assert june.ws.log.head().size == size


def test_one_dispute_of_the_same_at_a_time_and_two_people_after_a_rejection(june: Month) -> None:
    """If this fails, money is held by endless disputes of the same."""
    published(june)
    first = opened(june)
    with pytest.raises(StateError, match=f"already, as {first}"):
        opened(june)
    line_disputes.admit(june.ws, first)
    decided(june, first, None)
    again = opened(june)
    assert line_disputes.admit(june.ws, again).state == "opened"
    (waiting,) = [one for one in proposals.waiting(june.ws) if one.kind == "admit"]
    assert waiting.micros == 50_000_000
    life.approve(june.ws, waiting.id, "approver")
    assert line_disputes.show(june.ws, again).state == "admitted"
    assert not [one for one in proposals.waiting(june.ws) if one.kind == "admit"]


def test_an_outcome_is_appealed_once_and_decided_by_a_third_person(june: Month) -> None:
    """If this fails, whoever lost is not heard again, or is judged by the same person twice."""
    published(june)
    enrol(june.ws, "cy")
    name = opened(june)
    with pytest.raises(StateError, match="only a first outcome"):
        line_disputes.appeal(june.ws, name, party="ann", text="too early")
    decided(june, name, None, by="cy")
    with pytest.raises(StateError, match="is not a party"):
        line_disputes.appeal(june.ws, name, party="cy", text="me too")
    line_disputes.appeal(june.ws, name, party="ann", text="listen again")
    proposal = line_disputes.resolve(june.ws, name, upheld="30.00", text="heard it")
    assert f"settle approve {proposal} " in line_disputes.show(june.ws, name).next
    with pytest.raises(StateError, match="approved the outcome"):
        life.approve(june.ws, proposal, "cy")
    enrol(june.ws, "dee", "cy")
    life.approve(june.ws, proposal, "dee")
    assert line_disputes.show(june.ws, name).state == "upheld"
    with pytest.raises(StateError, match="upheld"):
        line_disputes.appeal(june.ws, name, party="bob", text="and again")
    august(june, "2026-07", by="dee")
    assert adjustments(june, "ann", "2026-07") == [30_000_000]
    assert adjustments(june, "bob", "2026-07") == [-30_000_000]


def test_an_outcome_gives_no_more_than_was_claimed(june: Month) -> None:
    """If this fails, a dispute pays more than its claimant asked for."""
    published(june)
    with pytest.raises(InputError, match="at most what was claimed"):
        line_disputes.resolve(june.ws, opened(june), upheld="50.01", text="generous")


def test_an_outcome_is_not_appealed_beside_a_new_dispute_of_the_same(june: Month) -> None:
    """If this fails, a claimant who was rejected opens the same again, appeals as well, and is paid twice."""
    published(june)
    first = opened(june)
    decided(june, first, None)
    second = opened(june)
    size = june.ws.log.head().size
    with pytest.raises(StateError, match=f"already, as {second}"):
        line_disputes.appeal(june.ws, first, party="ann", text="listen again")
    assert june.ws.log.head().size == size
    decided(june, second, None)
    assert line_disputes.appeal(june.ws, first, party="ann", text="listen again").state == "appealed"


def test_disputes_of_one_line_hold_no_more_than_it_is_worth(june: Month) -> None:
    """If this fails, two claimants together hold more of a party's money than the party was allocated."""
    published(june)
    first = opened(june, amount="100.00")
    second = opened(june, amount="100.00", claimant="cy")
    assert line_disputes.admit(june.ws, first).held_micros == 100_000_000
    assert line_disputes.admit(june.ws, second).held_micros == 20_000_000
    july(june)
    assert sorted(adjustments(june, "bob", "2026-07")) == [-100_000_000, -20_000_000]
    decided(june, first, None)
    assert line_disputes.show(june.ws, second).held_micros == 20_000_000
    decided(june, second, "50.00")
    august(june)
    assert sorted(adjustments(june, "bob", "2026-08")) == [-50_000_000, 20_000_000, 100_000_000]


def test_a_dispute_holds_nothing_that_an_earlier_one_took(june: Month) -> None:
    """If this fails, money that was awarded away is held as if it were still there."""
    published(june)
    decided(june, opened(june, amount="100.00"), "100.00")
    second = opened(june, amount="100.00", claimant="cy")
    assert line_disputes.admit(june.ws, second).held_micros == 20_000_000


@pytest.mark.parametrize("changed", [{"claimant": "stranger"}, {"against": "nobody"}, {"subject": "trk-9"}])
def test_a_dispute_of_a_stranger_has_no_effect_whatever_wrote_it(june: Month, changed: dict[str, str]) -> None:
    """If this fails, an operator's own program holds a party's money for somebody who has no part in it."""
    published(june)
    name = opened(june)
    genuine = replace(read_book(june.ws).disputes.file(name).opened, id="dispute-forged", claimant="cy")
    forged = replace(genuine, **cast("dict[str, Any]", changed))
    maker = june.ws.signer("operator")
    june.ws.log.append([signed(forged, maker)])
    book = read_book(june.ws)
    assert forged.id not in book.disputes.files
    assert changed.popitem()[1] in book.voids[-1].reason


def test_a_busy_database_refuses_no_dispute(june: Month, monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, a dispute read while the database was busy counts for nothing until the process ends."""
    published(june)
    name = opened(june)

    def busy(*_: object) -> Stored:
        raise TransientError("the database is busy")

    june.ws = june.reopened()
    monkeypatch.setattr(entitled, "load", busy)
    with pytest.raises(TransientError):
        read_book(june.ws)
    monkeypatch.undo()
    assert name in read_book(june.ws).disputes.files


def test_an_admission_that_waited_too_long_is_renewed(june: Month) -> None:
    """If this fails, a dispute to which nobody agreed in time is stuck for ever, or holds money for days gone by."""
    published(june)
    decided(june, opened(june), None)
    again = opened(june)
    line_disputes.admit(june.ws, again)
    (late,) = [one.id for one in proposals.waiting(june.ws) if one.kind == "admit"]
    with pytest.raises(StateError, match=f"admission {late} waits"):
        line_disputes.admit(june.ws, again)
    june.now += timedelta(days=31)
    assert not [one for one in proposals.waiting(june.ws) if one.kind == "admit"]
    with pytest.raises(StateError, match="waited until its end"):
        life.approve(june.ws, late, "approver")
    line_disputes.admit(june.ws, again)
    (renewed,) = [one.id for one in proposals.waiting(june.ws) if one.kind == "admit"]
    life.approve(june.ws, renewed, "approver")
    assert (renewed != late, line_disputes.show(june.ws, again).state) == (True, "admitted")


def test_parties_with_keys_sign_their_own_words(june: Month) -> None:
    """If this fails, the operator invents a holder's claim, or uses up a holder's only appeal."""
    published(june)
    for party in ("ann", "bob"):
        signing.enrol(june.ws, party)
    with pytest.raises(StateError, match="add --as ann"):
        opened(june)
    with pytest.raises(InputError, match="bob cannot speak for ann"):
        opened(june, by="bob")
    name = opened(june, by="ann")
    line_disputes.admit(june.ws, name)
    with pytest.raises(StateError, match="add --as bob"):
        line_disputes.answer(june.ws, name, party="bob", text="no")
    line_disputes.answer(june.ws, name, party="bob", text="no", by="bob")
    decided(june, name, None)
    with pytest.raises(StateError, match="add --as ann"):
        line_disputes.appeal(june.ws, name, party="ann", text="again")
    line_disputes.appeal(june.ws, name, party="ann", text="again", by="ann")
    spoken = {text.what: (text.party, text.signed_by) for text in line_disputes.show(june.ws, name).spoken}
    assert spoken == {
        "claim": ("ann", "ann"),
        "answer": ("bob", "bob"),
        "outcome 1: rejected": ("", "operator and approver"),
        "appeal": ("ann", "ann"),
    }
    assert line_disputes.show(june.ws, opened(june, claimant="cy")).spoken[0].signed_by == "operator"


def test_words_signed_by_somebody_else_have_no_effect_whatever_wrote_them(june: Month) -> None:
    """If this fails, another holder, or an operator's own program, speaks for a party that has a key."""
    published(june)
    for party in ("ann", "bob"):
        signing.enrol(june.ws, party)
    name = opened(june, by="ann")
    genuine = read_book(june.ws).disputes.file(name).opened
    operator, bob = june.ws.signer("operator"), june.ws.key("holder-bob")
    for key, by, why in (
        (operator, "operator", "ann has a key"),
        (operator, "ann", "said to be by ann"),
        (bob, "bob", "bob signed it, and cannot speak for ann"),
        (bob, "ann", "said to be by ann"),
    ):
        forged = replace(genuine, id=f"dispute-{by}", by=by, key=key.public.id, subject="trk-2")
        june.ws.log.append([signed(forged, key)])
        book = read_book(june.ws)
        assert forged.id not in book.disputes.files
        assert why in book.voids[-1].reason


def test_a_revoked_key_no_longer_speaks_and_the_operator_does_again(june: Month) -> None:
    """If this fails, a stolen key goes on disputing, or a holder who lost theirs is never heard again."""
    published(june)
    enrolled = signing.enrol(june.ws, "ann")
    keys.revoke(june.ws, enrolled.key, until=None, by="operator")
    with pytest.raises(StateError, match="valid now"):
        opened(june, by="ann")
    assert line_disputes.show(june.ws, opened(june)).spoken[0].signed_by == "operator"


def test_no_party_decides_its_own_dispute(june: Month) -> None:
    """If this fails, a claimant who may approve awards the money to themselves."""
    published(june)
    enrol(june.ws, "ann")
    first = opened(june)
    proposal = line_disputes.resolve(june.ws, first, upheld="50.00", text="listened to")
    with pytest.raises(StateError, match="ann is a party to dispute"):
        life.approve(june.ws, proposal, "ann")
    enrol(june.ws, "cy", "ann")
    decided(june, first, None, by="cy")
    line_disputes.admit(june.ws, opened(june))
    (waiting,) = [one.id for one in proposals.waiting(june.ws) if one.kind == "admit"]
    with pytest.raises(StateError, match="ann is a party to dispute"):
        life.approve(june.ws, waiting, "ann")
    life.approve(june.ws, waiting, "cy")
