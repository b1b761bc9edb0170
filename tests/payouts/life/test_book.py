"""The book's rules as laws: whatever leaves come in whatever order, they hold."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from typing import Any

import pytest

from ledger.proofs.canon import encode
from ledger.proofs.tree import leaf_hash
from ledger.types import Leaf
from payouts.accounts.clauses import Agreed, Reserve
from payouts.life.book import fold
from payouts.life.line_disputes import Appeal, Decide, LineDispute
from payouts.life.records import (
    Act,
    Adjust,
    Agree,
    Approve,
    Close,
    Expire,
    Hold,
    Release,
    Reverse,
)
from tests.payouts.life.acting import (
    AGREED,
    AT,
    DOC,
    LATER,
    MAKES,
    PAID,
    RUNS,
    admit_anybody,
    agreed,
    approve,
    as_leaf,
    believe,
    believe_documents,
    book_of,
    both,
    close,
    doubt,
    expire,
    hold,
    pay,
    payment,
    publish,
    release,
    reverse,
    run,
)


def test_a_payment_comes_back_only_when_two_say_so() -> None:
    """If this fails, one person's word that a payment failed or was lost is enough to move its money again."""
    alone = book_of(*PAID, payment("failed"), payment("written-off"))
    assert alone.payment_of(RUNS[0], "ann") is None
    assert len(alone.claims) == 2
    both = book_of(*PAID, payment("failed"), agreed("failed"), pay(batch=2), payment("failed"), agreed("failed", 1))
    assert [one.outcome for one in both.payments[RUNS[0], "ann"]] == ["failed", "failed"]
    assert not both.voids


def test_the_straight_way() -> None:
    """If this fails, a period cannot go from closed to paid, step by step."""
    steps: list[Act | Close] = [close(), run(), approve(), publish(), pay()]
    states = ["calculated", "approved", "published", "paying"]
    for n, state in enumerate(states, start=2):
        assert book_of(*steps[:n]).state_of(RUNS[0]) == state
    assert not book_of(*steps).voids


@pytest.mark.parametrize(
    ("records", "reason"),
    [
        ([run()], "is open"),
        ([close(), close()], "already closed"),
        ([close("2026-07"), close("2026-06")], "was closed before"),
        ([close(), run(), run()], "in the log already"),
        ([close(), run(), approve(by="operator", key="k-carol")], "made"),
        ([close(), run(), approve(by="carol", key="k-operator")], "the key that approves it is theirs"),
        ([close(), run(key="k-old"), approve(by="carol", key="k-operator")], "the key that approves it is theirs"),
        ([close(), run(), approve(), approve()], "approved it already"),
        ([close(), run(), approve(document="0" * 64)], "signed another"),
        ([close(), run(), publish()], "not approved"),
        ([close(), run(), approve(), pay()], "not published"),
        ([close(), run(), approve(), publish(), publish()], "another run"),
        ([close(), run(), approve(), publish(), pay(), pay()], "not the next"),
        ([close(), run(), approve(), publish(), pay(batch=2)], "not the next"),
        ([close(), run(), run(RUNS[1]), approve(), approve(RUNS[1]), publish(), publish(RUNS[1])], "another run"),
        ([close(), run(sequence=2), approve(), publish()], "not the next"),
        ([approve("nothing")], "not a run"),
        ([*PAID, payment("settled"), payment("failed")], "is final"),
        ([*PAID, payment("settled"), payment("written-off")], "is final"),
        ([*PAID, payment("failed"), payment("failed")], "in the log already"),
        ([*PAID, payment("failed"), agreed("failed"), payment("failed")], "not sent again"),
        ([*PAID, payment("failed"), payment("settled"), agreed("failed")], "is final"),
        ([*PAID, payment("failed"), payment("written-off"), agreed("failed"), agreed("written-off")], "meanwhile"),
        ([close(registry_size=1)], "larger than the log"),
        ([close(), run(key="k-carol"), approve()], "made with the key that approves it"),
        ([close(), run(), approve(), approve(key="k-dan")], "carol approved it already"),
        ([close(), run(), approve(), approve(by="dan", key="k-carol")], "dan approved it already"),
        ([close(), run(), approve(), publish(), approve(by="dan")], "is published"),
        ([close(), publish()], "not in the log"),
        ([close(), run(), approve(), publish(), payment("settled")], "has no payments"),
        ([hold(f"{RUNS[0]}/ann/fraud")], "has the name of money that a run held"),
        ([hold(), hold()], "in the log already"),
        ([expire()], "not a hold with an end"),
        ([hold(until=None), expire()], "not a hold with an end"),
        ([hold(), expire(at=AT)], "has not reached its end"),
        ([hold(), expire(), expire(name="expire-2")], "has ended already"),
        ([hold(), *both(release(), "release-1"), expire()], "has ended already"),
        ([hold(), hold("hold-2"), expire(), expire("hold-2")], "in the log already"),
        ([release("hold-1")], "not held in the log"),
        ([close(), run(), approve(), release(f"{RUNS[0]}/ann/permission")], "not held in the log"),
        ([close(), run(), approve(), reverse()], "not published"),
    ],
)
def test_a_leaf_that_breaks_a_rule_is_void(records: list[Act | Close], reason: str) -> None:
    """If this fails, a leaf that must have no effect has one, or its reason is not told."""
    book = book_of(*records)
    assert [void.index for void in book.voids] == [len(records) - 1]
    assert reason in book.voids[0].reason


def test_what_nobody_signed_has_no_effect() -> None:
    """If this fails, a leaf without its author's signature counts."""
    records: list[Act | Close] = [close(), run(), approve(), publish()]
    leaves = [(n, b"\0" * 32, as_leaf(record)) for n, record in enumerate(records)]
    book = fold(leaves, doubt, admit_anybody, believe_documents)
    assert not book.closes
    assert not book.runs
    assert len(book.voids) == 4


def test_where_each_record_stands() -> None:
    """If this fails, a proof of a close, a run or an approval is of another leaf."""
    records: tuple[Act | Close, ...] = (
        close(),
        run(),
        approve(),
        publish(),
        pay(),
        payment("settled"),
        hold(),
        reverse(),
    )
    book = book_of(*records)
    names = [
        ("close", "2026-06"),
        ("run", RUNS[0]),
        ("approve", f"{RUNS[0]}/carol"),
        ("publish", RUNS[0]),
        ("pay", f"{RUNS[0]}/1"),
        ("payment", f"{RUNS[0]}/ann"),
        ("hold", "hold-1"),
        ("reverse", "reverse-1"),
    ]
    hashes = [leaf_hash(encode(dict(as_leaf(record)))) for record in records]
    assert [(book.places[name].index, book.places[name].hash) for name in names] == list(enumerate(hashes))
    assert (book.close("2026-06"), book.close("2026-05")) == (records[0], None)
    assert book.period_root("2026-06") == hashes[0]
    assert (book.size, book.published, book.runs) == (8, {RUNS[0]: records[3]}, {RUNS[0]: records[1]})
    assert book.document("reverse-1") == hashes[7].hex()
    assert book.document(RUNS[0]) == DOC


def test_what_is_not_of_the_book_is_passed_over() -> None:
    """If this fails, an event, or a leaf of a kind yet to come, makes the book unreadable or is a void in it."""
    others: list[Leaf] = [{"v": 1, "type": "event"}, {"v": 1, "type": ["close"]}, {"v": 1}]
    book = fold([(n, b"", one) for n, one in enumerate(others, start=3)], doubt, admit_anybody, believe_documents)
    assert (book.voids, book.places, book.size) == ([], {}, 6)


def test_who_signed_is_asked_for_the_leaf_and_its_place() -> None:
    """If this fails, an act is judged by the keys of another moment."""
    asked = []

    def note(index: int, body: Leaf) -> str:
        asked.append((index, body["type"]))
        return believe(index, body)

    records: tuple[Act | Close, ...] = (close(), run(), approve())
    fold([(5 + n, b"", as_leaf(one)) for n, one in enumerate(records)], note, admit_anybody, believe_documents)
    assert asked == [(5, "close"), (6, "run"), (7, "approve")]


def test_a_hold_ends_at_its_end_or_when_two_say_so() -> None:
    """If this fails, money stays blocked after its hold, or is let go before."""
    assert [one.id for one in book_of(hold(), hold("hold-2")).open_holds()] == ["hold-1", "hold-2"]
    expired = book_of(hold(), hold("hold-2"), expire())
    assert (expired.lifted(), [one.id for one in expired.open_holds()]) == ({"hold-1": "expire-1"}, ["hold-2"])
    assert expired.expiries["expire-1"] == expire()
    assert book_of(hold(), release()).lifted() == {}
    assert book_of(hold(), *both(release(), "release-1")).lifted() == {"hold-1": "release-1"}
    # Released and expired at once: it ended by itself, so the release stays free to be about nothing.
    assert book_of(hold(), release(), expire(), both(release(), "release-1")[1]).lifted() == {"hold-1": "expire-1"}


def test_money_that_a_run_held_is_released_by_its_name() -> None:
    """If this fails, what waited for a permission can never be paid, or for a run that was never published."""
    name = f"{RUNS[0]}/ann/permission"
    book = book_of(*PAID, *both(release(name), "release-1"))
    assert (book.lifted(), book.voids) == ({name: "release-1"}, [])


def test_what_became_of_a_payment() -> None:
    """If this fails, a payment that came back counts as arrived, or is sent again too often."""
    book = book_of(*PAID, payment("failed"), agreed("failed"), pay(batch=2), payment("settled"))
    heard = book.payment_of(RUNS[0], "ann")
    assert heard is not None
    assert heard.outcome == "settled"
    assert book.payment_of(RUNS[0], "bob") is None
    once = book_of(*PAID, payment("failed"), agreed("failed"), payment("settled"))
    assert [one.outcome for one in once.payments[RUNS[0], "ann"]] == ["failed", "settled"]


def test_who_proposed_an_outcome_does_not_decide_its_appeal() -> None:
    """If this fails, two operators who approve for each other decide a dispute, and its appeal as well."""

    def outcome(number: int, by: str) -> Decide:
        terms: dict[str, Any] = {"decision": "upheld", "micros": 5, "text": "heard"}
        name = f"outcome-{number}"
        return Decide(at=AT, by=by, key=f"k-{by}", id=name, dispute="dispute-1", round=number, **terms)

    contest = LineDispute(
        **MAKES, id="dispute-1", run=RUNS[0], about="amount", subject="", claimant="ann", against="bob", micros=9,
        text="more", evidence=(),
    )  # fmt: skip
    appeal = Appeal(**MAKES, dispute="dispute-1", party="bob", text="less", evidence=())
    second = outcome(2, "carol")
    judged = (*PAID, contest, *both(outcome(1, "operator"), "outcome-1"), appeal, second)
    document = leaf_hash(encode(dict(as_leaf(second)))).hex()
    by_maker = book_of(*judged, approve("outcome-2", by="operator", document=document))
    assert [void.reason for void in by_maker.voids] == ["operator proposed the outcome that is appealed"]
    by_third = book_of(*judged, approve("outcome-2", by="dan", document=document))
    assert (by_third.voids, by_third.disputes.file("dispute-1").state) == ([], "upheld")


def test_only_the_last_run_of_a_pool_is_undone() -> None:
    """If this fails, a run is undone whose balances a later one has carried on, or another pool stands in the way."""
    july = (close("2026-07"), run(RUNS[1], period="2026-07"), approve(RUNS[1]), publish(RUNS[1]))
    undo = both(reverse(), "reverse-1")
    late = book_of(close(), run(), approve(), publish(), *july, *undo)
    assert [void.reason for void in late.voids] == [f"run {RUNS[0]} is not the last of its pool"]
    assert [one.run for one in late.standing("default")] == list(RUNS[:2])
    assert [one.run for one in late.standing("default", before="2026-07")] == [RUNS[0]]
    assert late.standing(before="2026-06") == late.standing("other") == []
    other = (close("2026-07"), run(RUNS[1], pool="other"), approve(RUNS[1]), publish(RUNS[1]))
    beside = book_of(close(), run(), approve(), publish(), *other, *undo)
    assert (beside.reversed(RUNS[0]), beside.voids) == (True, [])
    assert [one.run for one in beside.standing()] == [RUNS[1]]
    # A second signature under a reversal that counts already changes nothing about what is the last.
    document = undo[1].document if isinstance(undo[1], Approve) else ""
    third = approve("reverse-1", by="dan", document=document)
    again = book_of(close(), run(), approve(), publish(), *undo, *other, third)
    assert [one.by for one in again.approvals["reverse-1"]] == ["carol", "dan"]


def test_a_reversal_makes_room_once() -> None:
    """If this fails, an undone run still stands, or its place is given away before it is undone."""
    undo = Reverse(at=AT, by="operator", key="k-operator", id="reverse-1", run=RUNS[0], reason="wrong")
    steps: list[Act | Close] = [close(), run(), approve(), publish(), undo]
    assert book_of(*steps).sequence("2026-06", "default") == 1
    document = leaf_hash(encode(dict(as_leaf(undo)))).hex()
    steps += [approve("reverse-1", document=document)]
    book = book_of(*steps)
    assert (book.sequence("2026-06", "default"), book.state_of(RUNS[0]), book.standing()) == (2, "reversed", [])
    steps += [run(RUNS[1], sequence=2), approve(RUNS[1]), publish(RUNS[1]), pay()]
    book = book_of(*steps)
    assert [one.run for one in book.standing()] == [RUNS[1]]
    assert [void.reason for void in book.voids] == [f"run {RUNS[0]} is reversed"]


def test_the_newest_terms_count_until_they_are_ended() -> None:
    """If this fails, a run stands under terms that one person made, that were replaced, or that were ended."""
    first, second = (
        Agreed.of(period="2026-06", note=note, clause=Reserve(party="ann", ppm=ppm, months=1))
        for note, ppm in (("a", 1), ("b", 2))
    )
    makes = MAKES

    def counts(*records: Act | Close, period: str = "2026-06") -> list[str]:
        return [one.note for one in book_of(*records).agreed(pool="default", currency="EUR", period=period)]

    steps: list[Act | Close] = [Agree(**makes, agreed=first)]
    assert counts(*steps) == []
    steps = [*both(Agree(**makes, agreed=first), first.id)]
    assert counts(*steps) == ["a"]
    assert counts(*steps, period="2026-05") == []
    steps += both(Agree(**makes, agreed=second), second.id)
    assert counts(*steps) == ["b"]
    end = Release(**makes, id="release-1", hold=second.id, note="over")
    assert counts(*steps, end) == ["b"]
    assert counts(*steps, *both(end, "release-1")) == ["a"]


def test_terms_are_those_of_the_pool_and_its_currency() -> None:
    """If this fails, an advance on one pool is recouped from another, or at a rate for another currency."""
    acts = [act for one in AGREED for act in both(Agree(**MAKES, agreed=one), one.id)]
    book = book_of(*acts)
    assert book.agreed(pool="default", currency="EUR", period="2026-06") == AGREED
    assert book.agreed(pool="other", currency="EUR", period="2026-06") == AGREED[1:]
    assert book.agreed(pool="default", currency="USD", period="2026-06") == AGREED[1:4]


def proposed(kind: str, name: str) -> Act:
    """What the operator would like to have approved, under a name of their choice."""
    makes: dict[str, Any] = {"at": AT, "by": "operator", "key": "k-operator", "id": name}
    match kind:
        case "adjust":
            return Adjust(
                **makes,
                period="2026-07",
                pool="default",
                currency="EUR",
                party="operator",
                micros=10**9,
                reason="r",
                line=RUNS[0],
            )
        case "release":
            return Release(**makes, hold="hold-1", note="n")
        case "reverse":
            return Reverse(**makes, run=RUNS[0], reason="r")
        case _:
            return run(name, sequence=2)


@pytest.mark.parametrize(("first", "second"), list(permutations(["adjust", "release", "reverse", "run"], 2)))
def test_an_approval_is_of_one_thing(first: str, second: str) -> None:
    """If this fails, one person names an act like one that was approved, and has it approved without anybody."""
    hold = Hold(at=AT, by="operator", key="k-operator", id="hold-1", scope="party", subject="ann", reason="fraud")
    before: list[Act | Close] = [close(), run(), approve(), publish(), hold]
    one, other = proposed(first, "x"), proposed(second, "x")
    document = DOC if first == "run" else leaf_hash(encode(dict(as_leaf(one)))).hex()
    for records in (
        [*before, one, approve("x", document=document), other],
        [*before, one, other, approve("x", document=document)],
    ):
        book = book_of(*records)
        assert [void.index for void in book.voids] == [records.index(other)]
        assert book.approved("x")
        assert type(book.proposal("x")) is type(one)


def test_a_hold_that_ends_by_itself_ends_nothing_else() -> None:
    """If this fails, one person ends terms, or pays held money, by a hold of that name with an end of its own."""
    makes: dict[str, Any] = {"at": LATER, "by": "operator", "key": "k-operator"}
    terms = Agree(**makes, agreed=AGREED[2])
    in_force = (*PAID, terms, approve(terms.id, document=leaf_hash(encode(dict(as_leaf(terms)))).hex()))
    for name in (terms.id, f"{RUNS[0]}/ann/fraud"):
        hold = Hold(**makes, id=name, scope="party", subject="x", reason="fraud", until=LATER)
        book = book_of(*in_force, hold, Expire(**makes, id="expire-1", hold=name))
        assert len(book.voids) == 2
        assert book.lifted() == {}
        assert book.agreed(pool="default", currency="EUR", period="2026-06") == (AGREED[2],)
    taken = book_of(Hold(**makes, id=terms.id, scope="party", subject="x", reason="fraud", until=LATER), terms)
    assert [void.type for void in taken.voids] == ["agree"]


@pytest.mark.parametrize(
    "body",
    [
        {**as_leaf(proposed("adjust", "x")), "micros": "1" * 5000},
        {**as_leaf(proposed("adjust", "x")), "micros": "-" + "1" * 5000},
        {
            **as_leaf(Agree(at=AT, by="operator", key="k-operator", agreed=AGREED[0])),
            "clause": {**AGREED[0].payload()["clause"], "micros": "1" * 5000},
        },
        {**as_leaf(close()), "logs": ["here"]},
        {**as_leaf(replace(hold(), scope="listeners", subject="2026-06", statement=DOC)), "statement": "no digest"},
    ],
)
def test_no_leaf_stops_the_book(body: Leaf) -> None:
    """If this fails, one leaf that is in the log for good keeps the book from being read ever again."""
    assert len(fold([(0, b"\0" * 32, body)], believe, admit_anybody, believe_documents).voids) == 1
