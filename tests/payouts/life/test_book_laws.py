"""Laws of the book, whatever is written."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import VerificationError
from ledger.proofs import leaf
from payouts.life.book import fold
from payouts.life.listener_holds import Reject
from payouts.life.records import (
    HOLD_REASONS,
    OUTCOMES,
    TYPES,
    Act,
    Adjust,
    Agree,
    Approve,
    Close,
    Expire,
    Hold,
    Pay,
    Payment,
    Publish,
    Release,
    Reverse,
    Run,
)
from tests.payouts.life.acting import (
    AGREED,
    AT,
    DOC,
    LATER,
    PEOPLE,
    RUNS,
    admit_anybody,
    as_leaf,
    believe,
    believe_documents,
    book_of,
    close,
)


def people() -> st.SearchStrategy[dict[str, str]]:
    return st.builds(
        lambda by, key: {"at": AT, "by": by, "key": f"k-{key}"}, st.sampled_from(PEOPLE), st.sampled_from(PEOPLE)
    )


def acts() -> st.SearchStrategy[Act | Close]:
    """Any act by anybody, with any key, about a handful of things."""
    name, ids = st.sampled_from(RUNS), st.sampled_from(("x-1", "x-2"))
    period = st.sampled_from(("2026-05", "2026-06", "2026-07"))
    reasons = st.sampled_from(sorted(HOLD_REASONS))

    def record(kind: Any, **fields: Any) -> st.SearchStrategy[Any]:
        return st.builds(lambda who, more: kind(**who, **more), people(), st.fixed_dictionaries(fields))

    return st.one_of(
        period.map(close),
        record(
            Run,
            run=name,
            period=period,
            pool=st.just("default"),
            sequence=st.integers(1, 3),
            engine=st.just("log"),
            statement=st.just(DOC),
        ),
        record(Approve, subject=st.one_of(name, ids), document=st.just(DOC), demo=st.booleans()),
        record(Publish, run=name, statement=st.just(DOC)),
        record(Pay, run=name, via=st.sampled_from(("file", "chain")), batch=st.integers(1, 3), statement=st.just(DOC)),
        record(
            Payment, run=name, party=st.sampled_from(PEOPLE), outcome=st.sampled_from(OUTCOMES), reference=st.just("")
        ),
        record(
            Hold,
            id=ids,
            scope=st.just("party"),
            subject=st.just("ann"),
            reason=reasons,
            until=st.sampled_from((None, AT, LATER)),
        ),
        record(
            Hold,
            id=ids,
            scope=st.just("listeners"),
            subject=st.just("2026-06"),
            reason=reasons,
            until=st.sampled_from((None, AT)),
            statement=st.just(DOC),
        ),
        record(Reject, id=ids, hold=ids, note=st.just("n")),
        record(Expire, id=ids, hold=ids),
        record(Release, id=ids, hold=ids, note=st.just("n")),
        record(
            Adjust,
            id=ids,
            period=period,
            pool=st.just("default"),
            currency=st.just("EUR"),
            party=st.just("ann"),
            micros=st.integers(-5, 5),
            reason=st.just("r"),
            line=name,
        ),
        record(Reverse, id=ids, run=name, reason=st.just("r")),
        record(Agree, agreed=st.sampled_from(AGREED)),
    )


@given(st.lists(acts(), max_size=30))
def test_the_rules_hold_whatever_is_written(records: list[Act | Close]) -> None:
    """If this fails, some order of leaves publishes twice, approves its own work, or pays what is not published."""
    book = book_of(*records)
    slots = Counter((book.runs[name].period, book.runs[name].pool, book.runs[name].sequence) for name in book.published)
    assert all(count == 1 for count in slots.values())
    standing = Counter((one.period, one.pool) for one in book.standing())
    assert all(count == 1 for count in standing.values())
    for subject, approvals in book.approvals.items():
        maker = book.proposal(subject)
        assert all(one.by != maker.by and one.key != maker.key for one in approvals)
    assert all(book.approvals[name] for name in book.published)
    assert all([pay_.batch for pay_ in paid] == list(range(1, len(paid) + 1)) for paid in book.batches.values())
    assert book.batches.keys() <= book.published.keys()
    ended = [book.holds[one.hold] for one in book.expiries.values()]
    assert all(hold.until == AT for hold in ended)
    assert {hold.id for hold in book.open_holds()} == book.holds.keys() - book.lifted().keys() - book.rejected().keys()
    assert not book.lifted().keys() & book.rejected().keys()
    assert {book.holds[name].scope for name in book.rejected()} <= {"listeners"}
    assert len(book.places) + len(book.voids) == len(records)


@given(st.lists(acts(), max_size=20), st.integers(0, 20))
def test_a_prefix_says_what_it_said(records: list[Act | Close], cut: int) -> None:
    """If this fails, what was decided yesterday depends on what is written tomorrow."""
    whole, part = book_of(*records), book_of(*records[:cut])
    assert whole.voids[: len(part.voids)] == part.voids
    assert list(whole.published)[: len(part.published)] == list(part.published)


@given(acts())
def test_every_record_reads_back(record: Act | Close) -> None:
    """If this fails, a leaf we write is not the leaf we read."""
    body = leaf.decode(leaf.encode(as_leaf(record)))
    assert type(record).read(body) == record
    assert body["type"] in TYPES


@given(acts(), st.data())
def test_nothing_else_reads(record: Act | Close, data: st.DataObject) -> None:
    """If this fails, a leaf with a field missing, added or of another type passes, or breaks the fold."""
    body = dict(as_leaf(record))
    field = data.draw(st.sampled_from(sorted(set(body) - {"v", "type", "at", "until"})))
    changed = data.draw(
        st.sampled_from(
            ({**body, "surplus": 1}, {k: v for k, v in body.items() if k != field}, {**body, field: {"not": "this"}})
        )
    )
    with pytest.raises(VerificationError):
        type(record).read(changed)
    assert len(fold([(0, b"\0" * 32, changed)], believe, admit_anybody, believe_documents).voids) == 1
