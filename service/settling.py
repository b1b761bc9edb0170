"""One step of a period's life as one append: read the book, decide, write under the lock, or decide again.

Two operators at once: the append is refused inside the log's write lock if anything that belongs to the
life of a period was written since the book was read. The slower one decides again on what there is now,
and finds the step done or a conflict to report.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from sqlalchemy import Connection

from ledger import leaf
from ledger.errors import ConflictError
from ledger.log import Log, batch_of
from ledger.store import queries
from ledger.tree import leaf_hash
from ledger.types import Head, Leaf
from payouts.life.book import Book, fold
from payouts.life.records import TYPES

ATTEMPTS: Final = 20
Answer = TypeVar("Answer")


class _MovedError(ConflictError):
    """Somebody else took a step meanwhile; what was decided must be decided again."""


@dataclass(frozen=True, slots=True)
class Step(Generic[Answer]):
    """What a decision came to: leaves and the matter they name, or nothing if it was done before."""

    answer: Answer
    leaves: Sequence[Leaf] = ()
    blobs: Sequence[bytes] = ()


def read_book(log: Log) -> Book:
    """The book as of now."""
    size = log.head().size
    found = log.entries(types=TYPES, stop=size)
    book = fold((entry.index, leaf_hash(entry.body), leaf.decode(entry.body)) for entry in found)
    book.size = size
    return book


def take(log: Log, decide: Callable[[Book], Step[Answer]]) -> Answer:
    """Decide on the book as it is, write what was decided in one append, answer."""
    for _ in range(ATTEMPTS):
        book = read_book(log)
        step = decide(book)
        if not step.leaves:
            return step.answer
        try:
            log.commit(batch_of(step.leaves, step.blobs), _unmoved(book.size))
        except _MovedError:
            continue
        return step.answer
    raise ConflictError(f"log {log.origin}: others took {ATTEMPTS} steps while this one was decided; try again")


def _unmoved(size: int) -> Callable[[Connection, Head], None]:
    def check(tx: Connection, head: Head) -> None:
        if queries.page(tx, size, head.size, TYPES, 1):
            raise _MovedError(f"the life of a period moved on after entry {size}")

    return check
