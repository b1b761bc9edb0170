"""Check in fsck that each event of a signed batch equals what its platform signed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection

from ledger.errors import InputError, SettleError, VerificationError
from ledger.log.store import queries, signed
from ledger.proofs import batch, canon
from ledger.proofs.batch import BatchStatement
from ledger.proofs.tree import HASH_SIZE, leaf_hash
from ledger.types import Digest

Bad = Callable[[int | None, str], None]


class Batches:
    """Compares events with the signed batches to which they belong."""

    def __init__(self, bad: Bad) -> None:
        self._bad = bad

    def compare(self, connection: Connection, first: int, rows: Sequence[tuple[int, str, bytes]]) -> None:
        """Check that each of these entries equals the batch's entry at its position."""
        placed = signed.ranges(connection, first, first + len(rows))
        if not placed.rows:
            return
        hashes = lru_cache(maxsize=4)(lambda digest: _blob(connection, digest))
        bodies = {index: _known(connection, index) for index in {row[2] for row in placed.rows}}
        for index, _, body in rows:
            position = placed.find(index)
            if position is None:
                continue
            batch_hash = bodies[position[0]]
            try:
                if batch_hash is None or not _agrees(*batch_hash, position[1], hashes, canon.decode(body)):
                    self._bad(
                        index, f"entry {index} does not say what stands at {position[1]} of batch leaf {position[0]}"
                    )
            except SettleError as problem:
                self._bad(index, f"entry {index}: {problem}")

    def check_signed(self, connection: Connection, sources: Mapping[int, str]) -> None:
        """Check that each of these events belongs to a batch, if its source must sign.

        An event that was altered after signing matches no batch, and would count as unsigned (finding V14).
        """
        placed = signed.ranges(connection, min(sources, default=0), max(sources, default=-1) + 1)
        for index, source in sources.items():
            if placed.find(index) is None:
                self._bad(index, f"entry {index} is of source {source}, which signs its events, and stands in no batch")

    def check_projection(self, connection: Connection, size: int) -> None:
        """Check that the projection names no signed entry that is not in the log."""
        last = -1
        for first, stop, _, _ in signed.ranges(connection, 0, canon.INT_MAX).rows:
            if first < last or stop <= first or stop > size:
                self._bad(None, f"the projection of signed entries holds {first} to {stop} of {size}, after {last}")
            last = stop


def _known(connection: Connection, index: int) -> tuple[BatchStatement, Digest] | None:
    """Return the batch leaf at this index and the position of its hashes."""
    body = queries.bodies(connection, [index]).get(index)
    try:
        body_fields = None if body is None else canon.decode_object(body, "leaf")
        return None if body_fields is None else (batch.of_leaf(body_fields), body_fields["bodies"])
    except VerificationError:
        return None


def _agrees(
    found: BatchStatement, digest: Digest, place: int, hashes: Callable[[Digest], bytes], event: Mapping[str, Any]
) -> bool:
    expected = hashes(digest)[place * HASH_SIZE : (place + 1) * HASH_SIZE]
    return event.get("source") == found.source and leaf_hash(batch.body(event)) == expected


def blob_of(connection: Connection) -> Callable[[Digest], bytes]:
    """Return the content with this digest, for the reading."""
    return lambda digest: _blob(connection, digest)


def _blob(connection: Connection, digest: Digest) -> bytes:
    data = queries.blob(connection, bytes.fromhex(digest))
    if data is None:
        raise InputError(f"nothing is kept under digest {digest}")
    return data
