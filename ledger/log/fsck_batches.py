"""What fsck asks of signed batches: statement, signer, sequence, hashes, and that each event says what was signed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import Connection

from ledger.errors import InputError, SettleError, VerificationError
from ledger.log.store import queries, signed
from ledger.proofs import batch, canon, dsse, source
from ledger.proofs.batch import Batch
from ledger.proofs.keyring import Key, KeyRing
from ledger.proofs.source import Source
from ledger.proofs.tree import HASH_SIZE, leaf_hash
from ledger.types import Digest

Bad = Callable[[int | None, str], None]


class Batches:
    """The batches met so far on a walk from the first entry to the last."""

    TYPES: Final = ("key", "source", "batch")

    def __init__(self, origin: str, trusted: Sequence[Key] | None, bad: Bad) -> None:
        """Without trusted keys, signatures are left unchecked, as they are for checkpoints."""
        self._origin = origin
        self._ring = None if trusted is None else KeyRing(tuple(trusted))
        self._bad = bad
        self._sources: dict[str, Source] = {}
        self._last: dict[str, tuple[Batch, Digest]] = {}

    def take(self, connection: Connection, index: int, body: Mapping[str, Any]) -> None:
        """A leaf of one of `TYPES`, in its place."""
        try:
            if body["type"] == "key" and self._ring is not None:
                self._ring = self._ring.apply(index, body)
            elif body["type"] == source.TYPE:
                if self._ring is not None and not source.by_operator(self._ring, index, body):
                    raise VerificationError("no operator signed it, so it counts for nothing")
                said = source.parse(index, body)
                self._sources[said.source] = said
            elif body["type"] == batch.TYPE:
                self._batch(connection, index, body)
        except SettleError as problem:
            self._bad(index, f"{body['type']} leaf {index}: {problem}")

    def _batch(self, connection: Connection, index: int, body: Mapping[str, Any]) -> None:
        envelope = dsse.parse(_blob(connection, body["statement"]))
        found = batch.check_taken(body, envelope, self._origin)
        batch.check_bodies(found, _blob(connection, body["bodies"]))
        batch.check_follows(found, body["statement"], self._last.get(found.source))
        self._last[found.source] = found, body["statement"]
        speaker = self._sources.get(found.source)
        if speaker is None or speaker.party != body["party"]:
            raise VerificationError(f"{body['party']} did not speak for source {found.source} then")
        if self._ring is not None:
            batch.signer(index, body, envelope, self._ring)

    def compare(self, connection: Connection, first: int, rows: Sequence[tuple[int, str, bytes]]) -> None:
        """Each of these entries that is said to stand in a batch says what stands there."""
        placed = signed.ranges(connection, first, first + len(rows))
        if not placed.rows:
            return
        hashes = lru_cache(maxsize=4)(lambda digest: _blob(connection, digest))
        known = {index: _known(connection, index) for index in {row[2] for row in placed.rows}}
        for index, _, body in rows:
            place = placed.find(index)
            if place is None:
                continue
            found = known[place[0]]
            try:
                if found is None or not _agrees(*found, place[1], hashes, canon.decode(body)):
                    self._bad(index, f"entry {index} does not say what stands at {place[1]} of batch leaf {place[0]}")
            except SettleError as problem:
                self._bad(index, f"entry {index}: {problem}")

    def check_projection(self, connection: Connection, size: int) -> None:
        """Nothing is said to be signed that is not in the log."""
        last = -1
        for first, stop, _, _ in signed.ranges(connection, 0, canon.INT_MAX).rows:
            if first < last or stop <= first or stop > size:
                self._bad(None, f"the projection of signed entries holds {first} to {stop} of {size}, after {last}")
            last = stop


def _known(connection: Connection, index: int) -> tuple[Batch, Digest] | None:
    """What the batch leaf at this index says and where its hashes are, wherever the walk has got to."""
    body = queries.bodies(connection, [index]).get(index)
    try:
        found = None if body is None else canon.decode_object(body, "leaf")
        return None if found is None else (batch.of_leaf(found), found["bodies"])
    except VerificationError:
        return None


def _agrees(
    found: Batch, digest: Digest, place: int, hashes: Callable[[Digest], bytes], event: Mapping[str, Any]
) -> bool:
    wanted = hashes(digest)[place * HASH_SIZE : (place + 1) * HASH_SIZE]
    return event.get("source") == found.source and leaf_hash(batch.body(event)) == wanted


def _blob(connection: Connection, digest: Digest) -> bytes:
    data = queries.blob(connection, bytes.fromhex(digest))
    if data is None:
        raise InputError(f"nothing is kept under digest {digest}")
    return data
