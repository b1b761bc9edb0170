"""Bundles: one canonical JSON file with a fact of the log and everything needed to check it.

Every bundle has `v`, `kind`, `checkpoint` (the signed note, byte for byte), `keys` (the key leaves
since the trusted keys, oldest first) and the fields of its kind. A leaf stands in it as an object,
with its index and its inclusion proof in the checkpoint's tree; a statement stands in it as its
envelope. Both are found again by encoding them: whatever does not re-encode to itself is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from ledger.errors import VerificationError
from ledger.proofs import canon, leaf, tlog_proof
from ledger.proofs.tlog_proof import HASHES_MAX
from ledger.proofs.tree import HASH_SIZE
from ledger.text import parse_hex

SIZE_MAX: Final = 64 * 1024 * 1024
SMALL: Final = 65_536
BYTES_TO_A_BRACKET, BYTES_TO_A_COMMA, KEYS_TO_A_BRACKET = 16, 8, 64
"""How dense a bundle is at most, beyond `SMALL` of each; honest ones are less than half as dense.

Every value costs time and memory for a few bytes, and all are read before any signature can be checked.
"""
_NO_BUNDLE: Final = "this is no bundle, or not as it was written: ask whoever gave it to you for the file itself"
COMMON: Final = ("v", "kind", "checkpoint", "keys")
VERSIONS: Final = {"run": (1, 2), "statement": (1, 2)}
"""Kinds of which more than version 1 is read."""


@dataclass(frozen=True, slots=True)
class PlacedLeaf:
    """A leaf's bytes, its index, and the hashes from it to the checkpoint's root."""

    index: int
    body: bytes
    hashes: tuple[bytes, ...]

    def document(self) -> dict[str, Any]:
        return {"index": self.index, "leaf": leaf.decode(self.body), "proof": [node.hex() for node in self.hashes]}


def placed(document: Any, what: str) -> PlacedLeaf:
    """Return the leaf with its index and proof; nothing is verified yet."""
    if not isinstance(document, dict) or set(document) != {"index", "leaf", "proof"}:
        raise VerificationError(f"{what}: expected an object of index, leaf and proof")
    index, body, hashes = document["index"], document["leaf"], document["proof"]
    if type(index) is not int or index < 0 or not isinstance(body, dict) or not isinstance(hashes, list):
        raise VerificationError(f"{what}: index is a number, leaf an object, proof a list")
    if len(hashes) > HASHES_MAX:
        raise VerificationError(f"{what}: {len(hashes)} hashes, at most {HASHES_MAX}")
    encoded = canon.encode(body)
    leaf.decode(encoded)
    return PlacedLeaf(index, encoded, tuple(parse_hex(node, f"{what}: proof", HASH_SIZE) for node in hashes))


def encode(kind: str, *, v: int = 1, checkpoint: bytes, keys: Sequence[PlacedLeaf] = (), **fields: Any) -> bytes:
    """A bundle of any kind; `fields` are canonical JSON values."""
    common = {"v": v, "kind": kind, "checkpoint": checkpoint.decode(), "keys": [key.document() for key in keys]}
    return canon.encode(common | fields)


def parse(data: bytes) -> dict[str, Any]:
    """The bundle as an object, with the common fields of the right types; nothing is verified yet.

    A receipt (`.tlog-proof`) whose extra data is the leaf reads as the bundle of that leaf.
    """
    if len(data) > SIZE_MAX:
        raise VerificationError(f"bundle: {len(data)} bytes, at most {SIZE_MAX}")
    brackets = data.count(b"{") + data.count(b"[")
    if (
        brackets > SMALL + len(data) // BYTES_TO_A_BRACKET
        or data.count(b",") > SMALL + len(data) // BYTES_TO_A_COMMA
        or data.count(b'":') > SMALL + brackets * KEYS_TO_A_BRACKET
    ):
        raise VerificationError(f"bundle: more values than {len(data)} bytes of a bundle have; {_NO_BUNDLE}")
    if data.startswith(tlog_proof.HEADER.encode()):
        return _receipt(tlog_proof.parse(data))
    try:
        document = canon.decode_object(data, "bundle")
    except VerificationError as problem:
        raise VerificationError(f"{problem}; {_NO_BUNDLE}") from None
    if missing := [name for name in COMMON if name not in document]:
        raise VerificationError(f"bundle: no field {missing[0]!r}; {_NO_BUNDLE}")
    versions = VERSIONS.get(str(document["kind"]), (1,))
    if type(document["v"]) is not int or document["v"] not in versions:
        expected = " and ".join(map(str, versions))
        raise VerificationError(
            f"bundle: version {document['v']!r} of a bundle of kind {str(document['kind'])[:40]!r}; this program reads "
            f"version {expected}"
        )
    if not all(isinstance(document[name], str) for name in ("kind", "checkpoint")) or not isinstance(
        document["keys"], list
    ):
        raise VerificationError("bundle: kind and checkpoint are texts, keys is a list")
    return document


def _receipt(receipt: tlog_proof.Proof) -> dict[str, Any]:
    if receipt.extra is None:
        raise VerificationError(
            "receipt: its leaf does not stand in it as extra data; check it against the leaf's bytes"
        )
    try:
        checkpoint = receipt.checkpoint.decode()
    except UnicodeDecodeError:
        raise VerificationError("receipt: its checkpoint is not UTF-8") from None
    placed = PlacedLeaf(receipt.index, receipt.extra, receipt.hashes)
    common = {"v": 1, "kind": "entry", "checkpoint": checkpoint, "keys": []}
    return common | {"entry": placed.document(), "statement": None}


def fields(document: dict[str, Any], *names: str, optional: str | None = None) -> tuple[Any, ...]:
    """Return the fields of a bundle's kind, in this order; refuse missing or other fields (one may be absent)."""
    surplus = sorted((set(document) - {optional}) ^ {*COMMON, *names})
    if surplus:
        raise VerificationError(
            f"bundle of kind {document['kind']}: field {surplus[0]!r} is missing or does not belong"
        )
    return tuple(document.get(name) for name in (*names, optional) if name is not None)


def signed(
    *, batch: PlacedLeaf, statement_bytes: bytes, source: PlacedLeaf, place: int, proof: Sequence[bytes]
) -> dict[str, Any]:
    """The proof that the platform signed the event: the batch, the source's party, the position in the batch."""
    return {
        "batch": batch.document(),
        "statement": statement(statement_bytes),
        "source": source.document(),
        "place": place,
        "proof": [node.hex() for node in proof],
    }


def signed_parts(document: Any) -> tuple[PlacedLeaf, Any, PlacedLeaf, int, tuple[bytes, ...]]:
    """Return batch leaf, statement, source leaf, position and proof; nothing is verified yet."""
    if not isinstance(document, dict) or set(document) != {"batch", "statement", "source", "place", "proof"}:
        raise VerificationError("signed: expected an object of batch, statement, source, place and proof")
    position, hashes = document["place"], document["proof"]
    if type(position) is not int or not isinstance(hashes, list) or len(hashes) > HASHES_MAX:
        raise VerificationError(f"signed: place is a number, proof a list of at most {HASHES_MAX} hashes")
    proven = tuple(parse_hex(node, "signed: proof", HASH_SIZE) for node in hashes)
    batch, source = placed(document["batch"], "batch"), placed(document["source"], "source")
    return batch, document["statement"], source, position, proven


def statement(envelope: bytes | None) -> Any:
    """Return an envelope of a bundle, or None."""
    return None if envelope is None else canon.decode(envelope)


def event(
    *,
    checkpoint: bytes,
    event: PlacedLeaf,
    vector: bytes | None = None,
    evidence: PlacedLeaf | None = None,
    assign: PlacedLeaf | None = None,
    signed: dict[str, Any] | None = None,
    keys: Sequence[PlacedLeaf] = (),
) -> bytes:
    """One stream event: its leaf, the vector it pays by, the leaves that logged and assigned that vector.

    An event that its platform signed has `signed` beside them; an unsigned one has no such field.
    """
    batch: dict[str, Any] = {} if signed is None else {"signed": signed}
    return encode(
        "event",
        checkpoint=checkpoint,
        keys=keys,
        event=event.document(),
        vector=statement(vector),
        evidence=None if evidence is None else evidence.document(),
        assign=None if assign is None else assign.document(),
        **batch,
    )


def vector(
    *,
    checkpoint: bytes,
    vector: bytes,
    evidence: PlacedLeaf,
    assign: PlacedLeaf | None = None,
    keys: Sequence[PlacedLeaf] = (),
) -> bytes:
    """One influence vector: the signed statement, the leaf that logged it, the leaf that assigned it if one did."""
    return encode(
        "vector",
        checkpoint=checkpoint,
        keys=keys,
        vector=statement(vector),
        evidence=evidence.document(),
        assign=None if assign is None else assign.document(),
    )


def entry(
    *, checkpoint: bytes, entry: PlacedLeaf, statement_bytes: bytes | None = None, keys: Sequence[PlacedLeaf] = ()
) -> bytes:
    """Any leaf, with the signed statement it names if there is one."""
    return encode(
        "entry", checkpoint=checkpoint, keys=keys, entry=entry.document(), statement=statement(statement_bytes)
    )
