"""Ingest signed batches: find each event's position among the hashes that its platform signed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any, Final, Protocol

import msgspec

from ledger.errors import InputError, VerificationError
from ledger.event import EventBody, StreamEvent
from ledger.ingest.checks import Checker
from ledger.ingest.rows import Rows
from ledger.proofs import batch
from ledger.proofs.tree import HASH_SIZE, leaf_hashes
from ledger.proofs.vector import from_declared, payload_digest
from ledger.reading.reading import Reading
from ledger.types import Digest

Place = tuple[int, int]
"""(index of the batch leaf, place in the batch)."""

_ENCODE: Final = msgspec.json.Encoder().encode


class Places(Protocol):
    """Return the positions of checked events in signed batches; None for an event in no batch."""

    def of(self, events: Sequence[StreamEvent], refused: Collection[int]) -> list[Place | None]: ...


def body_hashes(events: Iterable[StreamEvent]) -> list[bytes]:
    """Return the tree hash of each event's body, in bulk."""
    unset = msgspec.UNSET
    return leaf_hashes(
        _ENCODE(
            EventBody(
                currency=unset if event.currency is None else event.currency,
                event_id=event.event_id,
                gross_micros=unset if event.gross_micros is None else event.gross_micros,
                occurred_at=event.occurred_at,
                product=unset if event.product is None else event.product,
                source=event.source,
                territory=event.territory,
                track=event.track,
                units=event.units,
            )
        )
        for event in events
    )


@dataclass(frozen=True, slots=True)
class BatchContent:
    """What a platform signs for: the hashes of its events' bodies, and `join_vectors` of the vectors they declare."""

    bodies: bytes
    vectors: bytes


def read_content(blocks: Iterable[Rows], name: str, source: str) -> BatchContent:
    """Return the hashes of a whole file's events; InputError names the first row that cannot be signed."""
    checker = Checker(lambda: date.max, source)
    hashes: list[bytes] = []
    vectors: set[bytes] = set()
    seen: dict[str, int] = {}
    for rows in blocks:
        refused = {rows.line(i): reason for i, reason in checker.run(rows.events).items()}
        refused |= {refusal.line: refusal.reason for refusal in rows.refused}
        if refused:
            line = min(refused)
            raise InputError(f"{name}, line {line}: {refused[line]}; a batch is signed over good rows only")
        for i, event in enumerate(rows.events):
            if (first := seen.setdefault(event.event_id, rows.line(i))) != rows.line(i):
                raise InputError(
                    f"{name}, line {rows.line(i)}: event {event.event_id!r} stands on line {first} already"
                )
            if event.vector is not None:
                try:
                    vectors.add(declared_digest(event.vector, event.track))
                except InputError as problem:
                    raise InputError(f"{name}, line {rows.line(i)}: {problem}") from None
        batch.check_count(max(1, len(seen)), name)
        hashes += body_hashes(rows.events)
    batch.check_count(len(hashes), name)
    return BatchContent(b"".join(hashes), batch.join_vectors(vectors))


def declared_digest(document: Mapping[str, Any] | Digest, track: str) -> bytes:
    """The digest by which a batch covers the vector that an event declares, or names as one in the log."""
    if isinstance(document, str):
        return bytes.fromhex(document)
    return payload_digest(from_declared(document, track=track))


class DeclaredVectors:
    """Which vectors a batch in the log covers, for the events in it."""

    def __init__(self, reading: Callable[[], Reading], blob: Callable[[Digest], bytes]) -> None:
        self._reading = reading
        self._blob = blob
        self._read: tuple[int, frozenset[bytes]] = (-1, frozenset())

    def check(self, event: StreamEvent, place: Place | None, party: str) -> None:
        """InputError unless the platform signed for the event's vector.

        Whoever handles the file after its platform could add a vector that no signature covers (finding D2).
        """
        if not self.cover(event, place):
            raise InputError(_UNCOVERED.format(party, event.source))

    def cover(self, event: StreamEvent, place: Place | None) -> bool:
        """Return whether the event's batch covers this vector, and its platform might declare vectors when it signed.

        A later change of the source has no effect on it, as in `Reading.pays`.
        """
        if event.vector is None or place is None:
            return False
        if place[0] != self._read[0]:  # a file holds events of one batch
            batch_leaf = self._reading().batches.get(place[0])
            covered: frozenset[bytes] = frozenset()
            if batch_leaf is not None and batch_leaf.declares and batch_leaf.batch.vectors is not None:
                covered = batch.split_vectors(batch_leaf.batch, self._blob(batch_leaf.batch.vectors))
            self._read = place[0], covered
        return declared_digest(event.vector, event.track) in self._read[1]


_UNCOVERED: Final = (
    "vector: {0} speaks for source {1!r} and did not sign for this vector, or may not declare any: anybody may have "
    "added it; once the operator said `settle source set {1} --declares`, the platform signs its file with the "
    "vectors (`settle batch sign`); or declare the track's (`settle attribute --declared FILE`), then hand in the row "
    "without its own (`settle quarantine replay ID --with FILE`)"
)


class InOrder:
    """Returns the positions of a file's events, in the order in which they were signed."""

    def __init__(self, index: int, hashes: bytes) -> None:
        self._index = index
        self._hashes = hashes
        self._next = 0

    def of(self, events: Sequence[StreamEvent], refused: Collection[int]) -> list[Place | None]:
        start, size = self._next, HASH_SIZE
        self._next += len(events)
        digests = body_hashes(events)
        if not refused and b"".join(digests) == self._hashes[start * size : self._next * size]:
            return [(self._index, start + i) for i in range(len(events))]
        for i, digest in enumerate(digests):
            offset = (start + i) * size
            if i not in refused and digest != self._hashes[offset : offset + size]:
                raise VerificationError(f"event {events[i].event_id!r} changed while its file was read; send it again")
        return [None if i in refused else (self._index, start + i) for i in range(len(events))]


class PlaceSearch:
    """Returns the positions of events that come one by one, such as those replayed from quarantine."""

    def __init__(self, batches: Mapping[str, Sequence[tuple[int, Digest]]], blob: Callable[[Digest], bytes]) -> None:
        """`batches` by source: the index of each leaf, and the digest of the hashes it names."""
        self._batches = batches
        self._hashes = lru_cache(maxsize=4)(blob)

    def of(self, events: Sequence[StreamEvent], refused: Collection[int]) -> list[Place | None]:
        return [None if i in refused else self._find(event) for i, event in enumerate(events)]

    def _find(self, event: StreamEvent) -> Place | None:
        body_hash = body_hashes([event])[0]
        for index, digest in self._batches.get(event.source, ()):
            if (position := batch.find(self._hashes(digest), body_hash)) is not None:
                return index, position
        return None
