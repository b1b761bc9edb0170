"""One step of a period's life as one append: read the book, decide, write under the lock, or decide again.

Two operators at once: the append is refused inside the log's write lock if anything that belongs to the
life of a period was written since the book was read. The slower one decides again on what there is now,
and finds the step done or a conflict to report.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from sqlalchemy import Connection

from ledger import leaf
from ledger.errors import ConflictError, StateError, VerificationError
from ledger.keyring import KeyRing, project
from ledger.keys import PrivateKey
from ledger.log import batch_of
from ledger.store import queries
from ledger.tree import leaf_hash
from ledger.types import Head, Leaf, Role
from payouts.life.book import Authority, Book, fold
from payouts.life.records import TYPES, Act

if TYPE_CHECKING:
    from service.workspace import Workspace

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


def read_book(ws: Workspace, size: int | None = None) -> Book:
    """The book as of now, or as it was at a size; every signature checked against trust.json and the key leaves."""
    log = ws.log
    size = log.head().size if size is None else size
    found = log.entries(types=TYPES, stop=size)
    leaves = ((entry.index, leaf_hash(entry.body), leaf.decode(entry.body)) for entry in found)
    book = fold(leaves, _authority(ring_of(ws, size)))
    book.size = size
    return book


def ring_of(ws: Workspace, size: int) -> KeyRing:
    """Every key of the log's people, from the trusted ones on."""
    trusted = ws.trust.log(ws.log.origin)
    if trusted is None:
        raise StateError(f"trust.json does not name log {ws.log.origin}; nobody's signature can be believed without it")
    changes = ws.log.entries(types={"key"}, stop=size)
    return project(trusted.keys, ((entry.index, leaf.decode(entry.body)) for entry in changes))


def _authority(ring: KeyRing) -> Authority:
    """Operators act, approvers approve; an approver's own key is that person's and nobody else's."""

    def check(index: int, body: Leaf) -> None:
        approving = body["type"] == "approve"
        role: Role = "approver" if approving else "operator"
        key = ring.find(body.get("key"))
        if key is None or key.role != role or not key.counts_at(index + 1):
            raise VerificationError(f"its key {str(body.get('key'))[:16]} is no {role} key that counts there")
        leaf.check_signature(body, key.public)
        if approving and body.get("demo") is not True and key.party != body.get("by"):
            raise VerificationError(f"it is said to be by {body.get('by')}, and its key is {key.party}'s")

    return check


def signed(record: Act, key: PrivateKey) -> Leaf:
    """A record as the leaf its author signs; the record names the key already."""
    made = leaf.sign(record.leaf(), key)
    if made["key"] != record.key:
        raise ValueError("a record is signed by the key it names")
    return made


def take(ws: Workspace, decide: Callable[[Book], Step[Answer]]) -> Answer:
    """Decide on the book as it is, write what was decided in one append, answer."""
    log = ws.log
    for _ in range(ATTEMPTS):
        book = read_book(ws)
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
