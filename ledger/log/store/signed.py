"""The projection of signed batches: which ranges of entries belong to which batch.

A platform's file comes in order, so a million events take about two hundred rows. The projection can be built again
from the `batch` leaves and the hashes they name; fsck compares each event with its position.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, delete, func, select
from sqlmodel import col

from ledger.log.store import queries
from ledger.log.store.schema import SignedRow
from ledger.log.store.store import SIGNED, Store
from ledger.proofs import batch, canon
from ledger.proofs.tree import HASH_SIZE, leaf_hash

Row = tuple[int, int, int, int]
"""(first, stop, index of the batch leaf, place of the first)."""


@dataclass(frozen=True, slots=True)
class Ranges:
    """Ranges in the order of the log."""

    rows: Sequence[Row]

    def find(self, index: int) -> tuple[int, int] | None:
        """Return an entry's batch leaf, and its position in the batch."""
        n = bisect_right(self.rows, index, key=lambda row: row[0]) - 1
        if n < 0 or index >= self.rows[n][1]:
            return None
        first, _, batch, position = self.rows[n]
        return batch, position + index - first


def ranges(connection: Connection, start: int, stop: int) -> Ranges:
    """Return the ranges that overlap `[start, stop)`, and perhaps the one before them."""
    start_row = select(func.max(col(SignedRow.first))).where(col(SignedRow.first) <= start).scalar_subquery()
    query = select(*_ROW).where(col(SignedRow.first) >= func.coalesce(start_row, start), col(SignedRow.first) < stop)
    return Ranges(
        [(row[0], row[1], row[2], row[3]) for row in connection.execute(query.order_by(col(SignedRow.first)))]
    )


_ROW = (col(SignedRow.first), col(SignedRow.stop), col(SignedRow.batch), col(SignedRow.place))


def compress(placed: Iterable[tuple[int, int, int]]) -> list[Row]:
    """Join (index, batch, place), in order of index, into ranges."""
    rows: list[Row] = []
    for index, of, position in placed:
        if rows:
            first, stop, last, start = rows[-1]
            if (index, of, position) == (stop, last, start + stop - first):
                rows[-1] = (first, stop + 1, last, start)
                continue
        rows.append((index, index + 1, of, position))
    return rows


def rebuild(store: Store, tx: Connection) -> None:
    """Build the projection again from the log alone; an event in several batches belongs to the first."""
    places: dict[str, dict[bytes, tuple[int, int]]] = {}
    for entry in queries.of_type(tx, batch.TYPE):
        leaf = canon.decode(entry.body)
        hashes = queries.blob(tx, bytes.fromhex(leaf["bodies"])) or b""
        places_of_source = places.setdefault(leaf["source"], {})
        for position in range(len(hashes) // HASH_SIZE):
            places_of_source.setdefault(
                hashes[position * HASH_SIZE : (position + 1) * HASH_SIZE], (entry.index, position)
            )
    if places:
        tx.execute(delete(SignedRow))
        store.insert(tx, SIGNED, compress(_found(tx, places)))


def _found(tx: Connection, places: Mapping[str, Mapping[bytes, tuple[int, int]]]) -> Iterator[tuple[int, int, int]]:
    size, start = queries.entry_count(tx), 0
    while start < size and (page := queries.page(tx, start, size, ["event"])):
        for entry in page:
            event = canon.decode(entry.body)
            if (places_of_source := places.get(event["source"])) and (
                at := places_of_source.get(leaf_hash(batch.body(event)))
            ):
                yield entry.index, *at
        start = page[-1].index + 1


def parties(connection: Connection, indexes: Sequence[int], signers: Mapping[int, str]) -> dict[int, str]:
    """Return who signed these entries, for entries in one of these batches (`signers`, by the leaf's index)."""
    if not indexes or not signers:
        return {}
    stretches = ranges(connection, min(indexes), max(indexes) + 1)
    placed = ((index, stretches.find(index)) for index in indexes)
    return {
        index: signers[batch_place[0]]
        for index, batch_place in placed
        if batch_place is not None and batch_place[0] in signers
    }
