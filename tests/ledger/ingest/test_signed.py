"""Events and the batches their platform signed them in: each finds its own place, and no other."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from ledger.errors import InputError, VerificationError
from ledger.event import StreamEvent
from ledger.ingest.rows import Collector, Rows
from ledger.ingest.signed import InOrder, PlaceSearch, body_hashes, read_content
from ledger.proofs import batch, tree


def event(n: int, **more: Any) -> StreamEvent:
    given: dict[str, Any] = {
        "source": "acme",
        "event_id": f"e-{n}",
        "track": "t",
        "occurred_at": "2026-06-03T11:05:00Z",
        "territory": "SE",
        "units": 1,
    }
    return StreamEvent(**(given | more))


FULL = event(9, product="premium", gross_micros=4200, currency="EUR", listener="l", vector={"sources": []})


def plain(one: StreamEvent) -> dict[str, Any]:
    return {name: getattr(one, name) for name in StreamEvent.__struct_fields__}


def rows(*events: StreamEvent, first: int = 1, refused: dict[int, str] | None = None) -> Rows:
    found = Collector(position=0)
    for n, one in enumerate(events):
        found.take(first + n, b"", one)
    for line, reason in (refused or {}).items():
        found.refuse(line, b"", reason)
    return found.rows()


@pytest.mark.parametrize(
    "one", [event(1), FULL, event(2, currency="EUR"), event(3, gross_micros=0), event(4, product="p")]
)
def test_a_body_is_hashed_in_bulk_as_one_by_one(one: StreamEvent) -> None:
    """If this fails, a platform's tool and the log give the same event two hashes, and its batch is refused."""
    assert body_hashes([one]) == [tree.leaf_hash(batch.body(plain(one)))]


def test_a_files_events_are_hashed_in_order() -> None:
    """If this fails, a batch is signed over other events than its file's, or in another order."""
    blocks = [rows(event(1), event(2)), rows(event(3), first=3)]
    assert read_content(blocks, "june.ndjson", "acme").bodies == b"".join(body_hashes([event(1), event(2), event(3)]))


@pytest.mark.parametrize(
    ("blocks", "said"),
    [
        ([rows(event(1)), rows(event(2, units=-1), event(3, units=-1), first=2)], "june.ndjson, line 2: units"),
        ([rows(event(1), first=5, refused={4: "broken", 7: "torn"})], "june.ndjson, line 4: broken"),
        ([rows(event(1, units=-1), first=5, refused={7: "torn"})], "june.ndjson, line 5: units"),
        ([rows(event(1, source="beta"))], "june.ndjson, line 1: source"),
        ([rows(event(1)), rows(event(2), event(1), first=2)], "line 3: event 'e-1' stands on line 1 already"),
        ([], "june.ndjson holds no event"),
    ],
    ids=["a bad row", "a torn line", "the first of both", "another source", "an event twice", "nothing"],
)
def test_only_good_rows_are_signed_for(blocks: list[Rows], said: str) -> None:
    """If this fails, a platform signs for events that the log will refuse, and cannot tell which row it is."""
    with pytest.raises(InputError, match=said):
        read_content(blocks, "june.ndjson", "acme")


def test_no_batch_is_larger_than_a_batch_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, an endless file is read to its end before it is refused."""
    monkeypatch.setattr(batch, "COUNT_MAX", 2)
    assert len(read_content([rows(event(1), event(2))], "f", "acme").bodies) == 2 * tree.HASH_SIZE

    def endless() -> Any:
        yield rows(event(1), event(2), event(3))
        raise AssertionError("the rest of the file was read")

    with pytest.raises(InputError, match="f holds more than 2 events"):
        read_content(endless(), "f", "acme")


EVENTS = [event(n) for n in range(4)]
HASHES = b"".join(body_hashes(EVENTS))


def test_a_files_events_have_their_places_one_after_the_other() -> None:
    """If this fails, an event's receipt leads to the place of another in the signed batch."""
    places = InOrder(7, HASHES)
    assert places.of(EVENTS[:2], ()) == [(7, 0), (7, 1)]
    assert places.of(EVENTS[2:], {0}) == [None, (7, 3)]
    refused = InOrder(7, HASHES)
    assert refused.of([event(0, units=2), EVENTS[1]], {0}) == [None, (7, 1)]


def test_a_file_that_changes_while_it_is_read_is_noticed() -> None:
    """If this fails, an event gets into the log under a signature that was never over it."""
    for changed in ([event(0, units=2), EVENTS[1]], [EVENTS[1], EVENTS[0]]):
        for refused in ((), {5}):
            with pytest.raises(VerificationError, match=f"event '{changed[0].event_id}' changed"):
                InOrder(7, HASHES).of(changed, refused)
    with pytest.raises(VerificationError):
        InOrder(7, HASHES).of([*EVENTS, event(4)], ())


def test_an_event_is_found_in_whichever_batch_of_its_source_holds_it() -> None:
    """If this fails, a replayed event loses its platform's signature, or takes another platform's."""
    first, second = HASHES[: 2 * tree.HASH_SIZE], HASHES[2 * tree.HASH_SIZE :]
    blobs = {hashlib.sha256(one).hexdigest(): one for one in (first, second)}
    digests, asked = list(blobs), []

    def blob(digest: str) -> bytes:
        asked.append(digest)
        return blobs[digest]

    search = PlaceSearch({"acme": [(5, digests[0]), (8, digests[1])]}, blob)
    assert search.of([EVENTS[3], EVENTS[0], event(9)], {5}) == [(8, 1), (5, 0), None]
    assert search.of(EVENTS[:2], {0}) == [None, (5, 1)]
    assert asked == digests
    assert search.of([event(0, source="beta")], ()) == [None]
    assert PlaceSearch({"beta": [(5, digests[0])]}, blob).of([EVENTS[0]], ()) == [None]
