"""Signed batches: a platform's signature over its file of events, made before anybody else handles the file.

A batch is an RFC 6962 tree over what its events say, in the order of the file, and a signed statement of
source, number, previous batch, count and root. The log answers with a `batch` leaf that names the
statement, so that each event can be shown to be what the platform reported: its body's place in that tree,
the statement, the leaf, the key. A body is the event as handed in without listener and vector, so that it
can be computed from the platform's own file and from the leaf in the log, with no secret. The vectors that its events
declare are covered beside it, by one digest over the digests of all of them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from ledger.errors import ConflictError, InputError, VerificationError
from ledger.proofs import canon, dsse, leaf, tree
from ledger.proofs.dsse import Envelope
from ledger.proofs.keyring import Key, KeyRing
from ledger.proofs.keys import PrivateKey
from ledger.text import parse_hex
from ledger.types import Digest

TYPE: Final = "batch"
PAYLOAD_TYPE: Final = "application/vnd.settle.batch+json"
COUNT_MAX: Final = 1_000_000
"""Events in one batch: their hashes, 32 MB, are kept beside the log and read whole to prove one of them."""

BODY: Final = (
    "source",
    "event_id",
    "track",
    "occurred_at",
    "territory",
    "units",
    "product",
    "gross_micros",
    "currency",
)
UNSIGNED: Final = "unsigned"

_FIELDS: Final = {"source", "number", "count", "root"}
_OPTIONAL: Final = {"previous", "log", "vectors"}
_LEAF: Final = {"v", "type", "at", "party", "signer", "statement", "bodies"}


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchStatement:
    """The payload that a platform signs. `previous` is the digest of its statement before this one; None for number 1.

    `log`: the origin of the one log that may take it; None in batches that name none, which several might take.
    `vectors`: the digest of what `join_vectors` gives; None where no event declares a vector.
    """

    source: str
    number: int
    previous: Digest | None
    count: int
    root: bytes
    log: str | None = None
    vectors: Digest | None = None

    def fields(self) -> dict[str, Any]:
        """The fields of the signed payload and of the leaf, without those that are None."""
        fields = {"source": self.source, "number": self.number, "count": self.count, "root": self.root.hex()}
        named = {"previous": self.previous, "log": self.log, "vectors": self.vectors}
        return fields | {name: value for name, value in named.items() if value is not None}


def label(party: str | None) -> str:
    """The label of bundles, receipts and statements for an event: signed by a party, or unsigned."""
    return UNSIGNED if party is None else f"signed by {party}"


def in_words(platform: str) -> str:
    """The label in words; only the operator vouches for an event that its platform did not sign."""
    return "not signed by the platform" if platform == UNSIGNED else platform


def body(event: Mapping[str, Any]) -> bytes:
    """Return an event's body, from a row or from its leaf: canonical JSON without listener and vector."""
    return canon.encode({name: event[name] for name in BODY if event.get(name) is not None})


def sign(batch: BatchStatement, key: PrivateKey) -> Envelope:
    """The platform's statement."""
    return dsse.sign(PAYLOAD_TYPE, canon.encode({"v": 1, "type": TYPE, **batch.fields()}), [key])


def parse(payload: bytes) -> BatchStatement:
    """Return the batch in a statement's payload."""
    document = canon.decode_object(payload, "batch")
    if document.pop("v", None) != 1 or document.pop("type", None) != TYPE:
        raise VerificationError("batch: expected version 1 of type batch")
    return _batch(document, "batch")


def make(
    at: datetime, batch: BatchStatement, *, party: str, signer: str, statement: Digest, bodies: Digest
) -> dict[str, Any]:
    """The leaf that records a batch in the log. `bodies`: digest of its events' hashes, stored outside the log."""
    return leaf.make(TYPE, at, party=party, signer=signer, statement=statement, bodies=bodies, **batch.fields())


def of_leaf(found: Mapping[str, Any]) -> BatchStatement:
    """Return the batch in a `batch` leaf."""
    if found.get("type") != TYPE or not all(isinstance(found.get(name), str) for name in _LEAF - {"v"}):
        raise VerificationError(f"a {found.get('type')} leaf takes no batch into the log")
    return _batch({name: value for name, value in found.items() if name not in _LEAF}, "batch leaf")


def _batch(fields: Mapping[str, Any], what: str) -> BatchStatement:
    if set(fields) - _OPTIONAL != _FIELDS:
        expected, optional = ", ".join(sorted(_FIELDS)), ", ".join(sorted(_OPTIONAL))
        raise VerificationError(f"{what}: fields {sorted(fields)}, expected {expected}, and maybe {optional}")
    source, number, count, previous = fields["source"], fields["number"], fields["count"], fields.get("previous")
    log = fields.get("log")
    if not isinstance(source, str) or not source:
        raise VerificationError(f"{what}: source {source!r}, expected a text")
    if "log" in fields and (not isinstance(log, str) or not log):
        raise VerificationError(f"{what}: log {log!r}, expected an origin")
    if type(number) is not int or number < 1 or type(count) is not int or not 1 <= count <= COUNT_MAX:
        raise VerificationError(f"{what}: number {number!r}, count {count!r}: from 1, and at most {COUNT_MAX} events")
    if (number == 1) != (previous is None):
        raise VerificationError(
            f"{what}: number {number} with previous {previous!r}; only the first has none before it"
        )
    if previous is not None:
        parse_hex(previous, f"{what}: previous", 32)
    if "vectors" in fields:
        parse_hex(fields["vectors"], f"{what}: vectors", tree.HASH_SIZE)
    root = parse_hex(fields["root"], f"{what}: root", tree.HASH_SIZE)
    return BatchStatement(
        source=source,
        number=number,
        previous=previous,
        count=count,
        root=root,
        log=log,
        vectors=fields.get("vectors"),
    )


def check_log(batch: BatchStatement, origin: str) -> None:
    """Refuse a batch that was signed for another log."""
    if batch.log not in (None, origin):
        raise VerificationError(
            f"batch {batch.number} of {batch.source} was signed for log {batch.log}; this is log {origin}"
        )


def check_taken(leaf: Mapping[str, Any], envelope: Envelope, origin: str) -> BatchStatement:
    """Return the batch of a `batch` leaf; refuse it unless its statement has the same content and names this log."""
    statement = of_leaf(leaf)
    if envelope.payload_type != PAYLOAD_TYPE or parse(envelope.payload) != statement:
        raise VerificationError(f"it says otherwise than the statement {leaf['statement'][:16]} that it names")
    check_log(statement, origin)
    return statement


def signer(index: int, leaf: Mapping[str, Any], envelope: Envelope, ring: KeyRing) -> Key:
    """Return the platform's key that signed the batch of the leaf at this index; registered before it.

    What a later revocation takes from it is no fault of the log, and for the caller to see.
    """
    key = ring.find(leaf["signer"])
    if key is None or (key.role, key.party) != ("platform", leaf["party"]) or index + 1 < key.start:
        raise VerificationError(f"key {leaf['signer'][:16]} was no platform key of {leaf['party']} then")
    if not dsse.signers(envelope, [key.public]):
        raise VerificationError(f"its statement is not signed by key {leaf['signer'][:16]}")
    return key


def check_follows(batch: BatchStatement, statement: Digest, last: tuple[BatchStatement, Digest] | None) -> None:
    """Refuse a batch that is not the source's next: one is missing, or one was signed twice."""
    number, previous = (0, None) if last is None else (last[0].number, last[1])
    named = f"batch {batch.number} of {batch.source}"
    if batch.number > number + 1:
        raise ConflictError(
            f"{named}: the log's last is {number or 'none'}, so {_span(number + 1, batch.number - 1)} missing; "
            "hand in what is missing first"
        )
    if batch.number <= number:
        raise ConflictError(
            f"{named}: the log has {number} of them and holds another statement under this number, not "
            f"{statement[:16]}; number {number + 1} comes next, after {str(previous)[:16]}"
        )
    if batch.previous != previous:
        raise ConflictError(
            f"{named} follows {str(batch.previous)[:16]}; the log's batch {number} is {str(previous)[:16]}: sign it "
            "after that one"
        )


def _span(first: int, last: int) -> str:
    return f"batch {first} is" if first == last else f"batches {first} to {last} are"


# --- the vectors that its events declare ----------------------------------------------------------


def join_vectors(digests: Collection[bytes]) -> bytes:
    """The digests of the payloads of a batch's vectors, each once, in ascending order: what the statement covers."""
    return b"".join(sorted(set(digests)))


def split_vectors(batch: BatchStatement, data: bytes) -> frozenset[bytes]:
    """The digests of the payloads of vectors that the platform declared; refuses others than it signed for."""
    digests = [data[i : i + tree.HASH_SIZE] for i in range(0, len(data), tree.HASH_SIZE)]
    if canon.digest(data) != batch.vectors or join_vectors(digests) != data or len(data) % tree.HASH_SIZE:
        raise VerificationError(
            f"batch {batch.number} of {batch.source} was signed over other vectors than those that its events declare "
            "here: one of them was changed, added or left out"
        )
    return frozenset(digests)


# --- the tree over the bodies ---------------------------------------------------------------------


def check_bodies(batch: BatchStatement, hashes: bytes) -> None:
    """Refuse body hashes (concatenated) that differ from those of the signed batch."""
    count = len(hashes) // tree.HASH_SIZE
    if count != batch.count:
        raise VerificationError(
            f"batch {batch.number} of {batch.source} was signed over {batch.count} events; here are {count}"
        )
    if (root := root_of(hashes)) != batch.root:
        raise VerificationError(
            f"batch {batch.number} of {batch.source} was signed over root {batch.root.hex()}; the events here have "
            f"{root.hex()}: one of them, or their order, was changed"
        )


def root_of(hashes: bytes) -> bytes:
    """The root over concatenated body hashes."""
    return tree.root_of([hashes[i : i + tree.HASH_SIZE] for i in range(0, len(hashes), tree.HASH_SIZE)])


def prove(hashes: bytes, place: int) -> list[bytes]:
    """The path from one body to the batch's root."""
    size = tree.HASH_SIZE

    def read(level: int, n: int) -> bytes:
        return tree.fold(hashes[(n << level) * size : ((n + 1) << level) * size])

    return tree.prove_inclusion(place, len(hashes) // size, read)


def find(hashes: bytes, wanted: bytes) -> int | None:
    """Return the position of a body's hash among these, or None."""
    start = hashes.find(wanted)
    while start >= 0 and start % tree.HASH_SIZE:
        start = hashes.find(wanted, start + 1)
    return None if start < 0 else start // tree.HASH_SIZE


def check_count(count: int, name: str) -> None:
    """Refuse a batch with no events or too many."""
    if not count:
        raise InputError(f"{name} holds no event; there is nothing to sign")
    if count > COUNT_MAX:
        raise InputError(f"{name} holds more than {COUNT_MAX:,} events; sign it in parts")
