"""Append one record of a period: read the book, decide, write under the lock, or decide again.

Two operators may act at once: the append is refused inside the log's write lock if a leaf about a period was written
since the book was read. The slower one decides again with the new state, and finds the step done, or a conflict.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from sqlalchemy import Connection

from ledger.errors import ConflictError, StateError, VerificationError
from ledger.log.append import batch_of
from ledger.log.store import queries
from ledger.proofs import keyring, leaf
from ledger.proofs.keys import PrivateKey
from ledger.proofs.rings import Rings
from ledger.proofs.tree import leaf_hash
from ledger.reading.gate import Replays, check_author_since_form_2
from ledger.types import Head, Leaf, Role
from payouts.life.book import Authority, Book, fold
from payouts.life.line_disputes import SPEAKERS
from payouts.life.records import TYPES, Act
from service.log.keys import rings
from service.settlement.entitled import entitlement
from service.settlement.instalment_documents import document_check

if TYPE_CHECKING:
    from service.workspace import Workspace

ATTEMPTS: Final = 20
Answer = TypeVar("Answer")


class _StepOvertakenError(ConflictError):
    """The log changed meanwhile; the decision must be made again."""


@dataclass(frozen=True, slots=True)
class DecidedStep(Generic[Answer]):
    """A decision: the leaves and the blobs to append, or none if the step was done before."""

    answer: Answer
    leaves: Sequence[Leaf] = ()
    blobs: Sequence[bytes] = ()


def read_book(ws: Workspace, size: int | None = None) -> Book:
    """Return the book now or at a size; each act is checked with the keys that were valid at its index."""
    log = ws.log
    size = log.head().size if size is None else size
    entries = log.entries(types=TYPES, stop=size)
    leaves = ((entry.index, leaf_hash(entry.body), leaf.decode(entry.body)) for entry in entries)
    keys = rings(ws)
    book = fold(leaves, _authority(keys), entitlement(ws), document_check(log, keys))
    book.size = size
    return book


def _authority(rings: Rings) -> Authority:
    """Check that operators act, approvers approve and holders dispute, each in the name of their key's party."""

    replays = Replays()

    def check(index: int, body: Leaf) -> str:
        if body["type"] == "close":
            check_author_since_form_2(rings.at(index), index, body, "operator")
            return ""
        if body["type"] in SPEAKERS:
            party = _author_in_dispute(rings, index, body)
        else:
            role: Role = "approver" if body["type"] == "approve" else "operator"
            party = rings.author(index, body, role).party
        replays.check(index, body)
        return party

    return check


def _author_in_dispute(rings: Rings, index: int, body: Leaf) -> str:
    """Return the party whose key signed what a party says in a dispute: that party, or the operator for it.

    The operator does not speak for a party that has a key: it could use up that party's only appeal.
    """
    ring, speaker = rings.at(index), body.get(SPEAKERS[body["type"]])
    key = ring.find(body.get("key"))
    role: Role = "holder" if key is not None and key.role == "holder" else "operator"
    party = rings.author(index, body, role).party
    if party != speaker:
        if role == "holder":
            raise VerificationError(f"{party} signed it, and cannot speak for {speaker}")
        if any(key.party == speaker and key.counts_for(index) for key in ring.of("holder")):
            raise VerificationError(f"{speaker} has a key, and the {body['type']} leaf is not signed with it")
    return party


def signed(record: Act, key: PrivateKey) -> Leaf:
    """Return a record as the leaf that its author signs; the record names the key already."""
    record_leaf = leaf.sign(record.leaf(), key)
    if record_leaf["key"] != record.key:
        raise ValueError("a record is signed by the key it names")
    return record_leaf


def take(ws: Workspace, decide: Callable[[Book], DecidedStep[Answer]]) -> Answer:
    """Read the book, decide, write the decision in one append, and return the result."""
    log = ws.log
    for _ in range(ATTEMPTS):
        book = read_book(ws)
        step = decide(book)
        if not step.leaves:
            return step.answer
        _check_counts(book, step.leaves)
        try:
            log.commit(batch_of(step.leaves, step.blobs), _unmoved(book.size))
        except _StepOvertakenError:
            continue
        return step.answer
    raise ConflictError(f"log {log.origin}: others took {ATTEMPTS} steps while this one was decided; try again")


def _check_counts(book: Book, leaves: Sequence[Leaf]) -> None:
    """Check that the new leaf has an effect, because a void leaf cannot be removed from the log."""
    void_count = len(book.voids)
    start = book.size
    for index, body in enumerate(leaves, start=start):
        book.add(index, leaf_hash(leaf.encode(body)), body)
        if len(book.voids) > void_count:
            raise StateError(
                f"this {body['type']} would have no effect, so nothing was written: {book.voids[-1].reason}; "
                "`settle key show` lists whose key is which, workspace.operator names who acts here"
            )
    book.size = start


def _unmoved(size: int) -> Callable[[Connection, Head], None]:
    def check(tx: Connection, head: Head) -> None:
        if queries.page(tx, size, head.size, (*TYPES, *keyring.TYPES), 1):
            raise _StepOvertakenError(f"the life of a period moved on after entry {size}")

    return check
