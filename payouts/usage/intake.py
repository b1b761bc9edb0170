"""The usage of a pool: the rows that its terms cover, summed, checked, and sorted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from ledger.types import InfluenceVector
from payouts.errors import UsageError
from payouts.protocols import UsageRow
from payouts.terms import Terms


def row_key(row: UsageRow) -> tuple[str, ...]:
    """Return every field but the sums; an absent value sorts first and never equals an empty text."""
    texts = (row.vector, row.product, row.listener, row.currency)
    marked = tuple("" if text is None else "=" + text for text in texts)
    key = (row.track, row.territory, row.at, row.source, *marked)
    # The hash of the key decides who gets an odd quantum, so a row without a hold keeps its key of release 0.1.
    return key if row.hold is None else (*key, "=" + row.hold)


def gather(terms: Terms, usage: Iterable[UsageRow]) -> list[UsageRow]:
    """Return the pool's rows, equal keys summed, sorted: the same list for any order or splitting of the input."""
    rows: dict[tuple[str, ...], UsageRow] = {}
    for row in usage:
        if not terms.cover(row.source, row.product, row.territory):
            continue
        _check(terms, row)
        key = row_key(row)
        seen = rows.get(key)
        rows[key] = row if seen is None else _sum(seen, row)
    return [rows[key] for key in sorted(rows)]


def _check(terms: Terms, row: UsageRow) -> None:
    if row.units < 0 or row.count < 0 or (row.gross or 0) < 0:
        raise UsageError(f"track {row.track}: {row.units} units, {row.gross} gross micros; expected none below zero")
    if terms.weight == "gross" and (row.gross is None or row.currency != terms.currency):
        seen = "no gross amount" if row.gross is None else f"gross in {row.currency}"
        raise UsageError(
            f"track {row.track} from {row.source} has events with {seen}: weight=gross expects every event to "
            f"carry gross in {terms.currency}; limit the pool with --param sources=..., or weigh by units"
        )


def _sum(a: UsageRow, b: UsageRow) -> UsageRow:
    gross = None if a.gross is None or b.gross is None else a.gross + b.gross
    return msgspec.structs.replace(a, units=a.units + b.units, gross=gross, count=a.count + b.count)


def check_vectors(rows: Sequence[UsageRow], vectors: Mapping[str, InfluenceVector]) -> None:
    """Check that every bound vector is present and belongs to its track."""
    for row in rows:
        if row.vector is None:
            continue
        vector = vectors.get(row.vector)
        if vector is None:
            raise UsageError(
                f"track {row.track}: vector {row.vector} is not at hand; expected it among the blobs of the log"
            )
        if vector.track != row.track:
            raise UsageError(
                f"vector {row.vector} is of track {vector.track}: expected {row.track}, whose events it is bound to"
            )
