"""Signed batches as values: what is signed is what was reported, in its order, one batch after the other."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import ConflictError, InputError, VerificationError
from ledger.event import StreamEvent
from ledger.ingest.signed import InOrder, body_hashes
from ledger.proofs import batch, canon, dsse, tree
from ledger.proofs.batch import BatchStatement
from ledger.proofs.canon import INT_MAX
from tests.ledger.ingest.streams import row
from tests.ledger.world import seeded

KEY = seeded("platform")
_TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=8)
ROWS = st.lists(
    st.builds(
        row,
        _TEXT,
        track=_TEXT,
        units=st.integers(0, INT_MAX),
        product=st.none() | _TEXT,
        gross_micros=st.none() | st.integers(0, INT_MAX),
        listener=st.none() | _TEXT,
    ),
    min_size=1,
    max_size=9,
    unique_by=lambda one: one["event_id"],
)


def hashes_of(rows: Sequence[dict[str, Any]]) -> bytes:
    return b"".join(body_hashes([StreamEvent(**one) for one in rows]))


def signed_over(rows: Sequence[dict[str, Any]]) -> BatchStatement:
    hashes = hashes_of(rows)
    return BatchStatement(source="acme", number=1, previous=None, count=len(rows), root=batch.root_of(hashes))


@given(ROWS)
def test_a_body_is_the_same_from_file_and_from_log(rows: list[dict[str, Any]]) -> None:
    """If this fails, a platform cannot compute what it signs from its own file, or a log cannot prove it."""
    for one in rows:
        in_log = {**one, "v": 1, "type": "event", "vector": "ab" * 32, "listener": "cd" * 32}
        expected = tree.leaf_hash(canon.encode({name: one[name] for name in sorted(batch.BODY) if name in one}))
        assert tree.leaf_hash(batch.body(in_log)) == expected == body_hashes([StreamEvent(**one)])[0]


@given(ROWS, st.data())
def test_every_change_of_the_events_is_seen(rows: list[dict[str, Any]], data: st.DataObject) -> None:
    """If this fails, somebody between the platform and the log can change, drop, add or reorder events."""
    signed = signed_over(rows)
    batch.check_bodies(signed, hashes_of(rows))
    at = data.draw(st.integers(0, len(rows) - 1))
    changed = [*rows[:at], rows[at] | {"units": rows[at]["units"] ^ 1}, *rows[at + 1 :]]
    others = [changed, rows[:at] + rows[at + 1 :], [*rows, rows[at]]]
    if len(rows) > 1:
        others.append([*rows[1:], rows[0]])
    for other in others:
        with pytest.raises(VerificationError, match="was signed over"):
            batch.check_bodies(signed, hashes_of(other))
    with pytest.raises(VerificationError, match="was signed over"):
        batch.check_bodies(replace(signed, count=len(rows) + 1), hashes_of(rows))


@given(ROWS)
def test_each_event_has_a_path_to_the_root(rows: list[dict[str, Any]]) -> None:
    """If this fails, an event of a signed batch cannot be proven by itself."""
    signed, hashes = signed_over(rows), hashes_of(rows)
    for place in range(len(rows)):
        one = hashes[place * 32 : (place + 1) * 32]
        assert batch.find(hashes, one) == place
        tree.check_inclusion(place, signed.count, one, batch.prove(hashes, place), signed.root)
    assert batch.find(hashes, b"\x00" * 32) is None


def test_what_is_signed_is_read_again() -> None:
    """If this fails, a batch signed today is read as another one tomorrow."""
    first = signed_over([row()])
    second = replace(first, number=2, previous="ab" * 32)
    for one in (first, second, replace(second, log="example.org/log")):
        envelope = batch.sign(one, KEY)
        assert dsse.signers(envelope, [KEY.public]) == (KEY.public,)
        assert batch.parse(dsse.parse(envelope.encode()).payload) == one


@pytest.mark.parametrize(
    "changes",
    [
        {"number": 0},
        {"number": True},
        {"number": 2},
        {"previous": "ab" * 32},
        {"count": 0},
        {"count": 1_000_001},
        {"root": "ab"},
        {"source": ""},
        {"more": 1},
        {"v": 2},
        {"type": "event"},
        {"number": 2, "previous": "zz"},
        {"log": ""},
        {"log": None},
        {"log": 5},
    ],
    ids=str,
)
def test_what_is_no_batch_is_refused(changes: dict[str, Any]) -> None:
    """If this fails, a statement that says nothing clear is believed to say something."""
    payload = json.loads(dsse.parse(batch.sign(signed_over([row()]), KEY).encode()).payload)
    with pytest.raises(VerificationError):
        batch.parse(canon.encode(payload | changes))


def test_batches_follow_one_another() -> None:
    """If this fails, a batch can be left out or signed twice without anybody noticing."""
    first = signed_over([row()])
    digest = batch.sign(first, KEY).digest
    second = replace(first, number=2, previous=digest)
    batch.check_follows(first, digest, None)
    batch.check_follows(second, "cd" * 32, (first, digest))
    fourth = replace(second, number=4)
    for found, last, said in (
        (fourth, (first, digest), "batches 2 to 3 are missing"),
        (second, None, "batch 1 is missing"),
        (first, (first, "ef" * 32), "another statement under this number"),
        (replace(second, previous="ef" * 32), (first, digest), "sign it after that one"),
    ):
        with pytest.raises(ConflictError, match=said):
            batch.check_follows(found, "99" * 32, last)


def test_a_file_that_changes_while_it_is_read_is_noticed() -> None:
    """If this fails, rows swapped in after the check go into the log as if they were signed."""
    rows = [StreamEvent(**row(f"e-{i}")) for i in range(4)]
    places = InOrder(7, b"".join(body_hashes(rows)))
    assert places.of(rows[:2], ()) == [(7, 0), (7, 1)]
    with pytest.raises(VerificationError, match="changed while its file was read"):
        places.of([rows[3], rows[2]], ())
    again = InOrder(7, b"".join(body_hashes(rows)))
    assert again.of([rows[1], *rows[1:]], {0}) == [None, (7, 1), (7, 2), (7, 3)]


def test_how_much_a_batch_holds() -> None:
    """If this fails, a proof from a batch needs more memory than anybody has planned for."""
    with pytest.raises(InputError, match="nothing to sign"):
        batch.check_count(0, "june.ndjson")
    with pytest.raises(InputError, match="in parts"):
        batch.check_count(batch.COUNT_MAX + 1, "june.ndjson")


def test_on_whose_word_an_event_stands() -> None:
    """If this fails, an unsigned event is shown as signed, or a signature without its signer."""
    assert (batch.label(None), batch.label("p-acme")) == ("unsigned", "signed by p-acme")


@pytest.mark.parametrize(
    "changed",
    [
        {"number": 0},
        {"number": True},
        {"number": "1"},
        {"count": 0},
        {"count": True},
        {"count": "3"},
        {"count": batch.COUNT_MAX + 1},
        {"source": ""},
        {"source": 1},
        {"root": "00"},
        {"previous": "00"},
        {"surplus": 1},
    ],
    ids=str,
)
def test_numbers_counts_and_hashes_are_what_they_are(changed: dict[str, object]) -> None:
    """If this fails, a batch without events, or of a number that is none, gets into the log."""
    good: dict[str, object] = {"v": 1, "type": "batch", "source": "acme", "number": 2, "count": 3, "root": "00" * 32}
    good["previous"] = "11" * 32
    assert batch.parse(canon.encode(good)).number == 2
    with pytest.raises(VerificationError, match=r"^batch: "):
        batch.parse(canon.encode(good | changed))


def test_a_hash_is_found_only_at_a_place_of_its_own() -> None:
    """If this fails, an event is said to stand where the end of one hash and the start of the next happen to match."""
    hashes = [bytes([1, 2]) * 16, bytes([2, 1]) * 16, bytes([3]) * 32]
    together = b"".join(hashes)
    assert [batch.find(together, one) for one in hashes] == [0, 1, 2]
    assert batch.find(bytes([9]) + hashes[0] + bytes([9]) * 31, hashes[0]) is None
    assert batch.find(bytes([7]) * 31 + hashes[2] + bytes([7]), hashes[2]) is None
    across = bytes([5]) * 16 + hashes[0] + bytes([5]) * 16 + hashes[0]
    assert batch.find(across, hashes[0]) == 2
