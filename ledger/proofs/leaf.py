"""Leaves: the list of leaf types, and the encoding of the log's own leaves.

A leaf is a canonical JSON object with `"v": 1` and a `"type"`, at most 65,535 bytes long. All but
events carry `at`, the ledger's time; one that speaks of larger matter names it by `statement`, the
digest of a signed envelope kept beside the log. Small matter that needs an author, a key rotation or
an assignment, is signed in the leaf itself. Rooms add types of their own in their own modules.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from ledger.errors import InputError, VerificationError
from ledger.proofs import canon
from ledger.proofs.dsse import pae
from ledger.proofs.keys import PrivateKey, PublicKey
from ledger.proofs.tile import ENTRY_MAX
from ledger.text import format_base64, parse_base64
from ledger.types import Digest, Leaf, format_time

VERSION: Final = 1
PAYLOAD_TYPE: Final = "application/vnd.settle.leaf+json"
"""The DSSE type under which a leaf that carries its own signature is signed."""

_TYPE: Final = re.compile(r"[a-z][a-z0-9-]{0,31}\Z")


def encode(leaf: Leaf) -> bytes:
    """Return the bytes of a leaf; InputError if it is not a valid leaf."""
    body = canon.encode(leaf)
    if problem := _problem(leaf, body):
        raise InputError(problem)
    return body


def decode(body: bytes) -> dict[str, Any]:
    """The leaf with exactly these bytes."""
    leaf = canon.decode_object(body[: ENTRY_MAX + 1], "leaf")
    if problem := _problem(leaf, body):
        raise VerificationError(problem)
    return leaf


def _problem(leaf: Leaf, body: bytes) -> str | None:
    version, kind = leaf.get("v"), leaf.get("type")
    if type(version) is not int or version != VERSION:
        return f"leaf: version {version!r}, expected {VERSION}"
    if not isinstance(kind, str) or not _TYPE.match(kind):
        return f"leaf: type {kind!r}, expected a word in lowercase"
    if len(body) > ENTRY_MAX:
        return f"{kind} leaf: {len(body)} bytes, at most {ENTRY_MAX}; keep the matter beside the log, by digest"
    return None


def remark(index: int, leaf: Leaf) -> str | None:
    """Return what this leaf alone does not prove, as a warning for its reader; None for most leaves."""
    if leaf["type"] != "expire":
        return None
    if leaf.get("checkpoint") is None:
        return (
            f"when the hold's end came: leaf {index} says {leaf.get('at')} by its operator's clock, and no witness does"
        )
    return f"whether the hold's witnesses cosigned the checkpoint that leaf {index} shows: compute the period again"


def make(kind: str, at: datetime, **fields: Any) -> dict[str, Any]:
    """A leaf of any type but `event`; fields that are None are left out."""
    present = {name: value for name, value in fields.items() if value is not None}
    return {"v": VERSION, "type": kind, "at": format_time(at), **present}


def sign(leaf: Leaf, key: PrivateKey) -> dict[str, Any]:
    """Return the leaf with `signed_for`, `key` and `sig`: its log, and its author's key id and signature."""
    body = dict(leaf) if key.log is None else {**leaf, "signed_for": key.log}
    signature = key.sign(pae(PAYLOAD_TYPE, canon.encode(body)))
    return {**body, "key": key.public.id, "sig": format_base64(signature)}


def check_signature(leaf: Leaf, key: PublicKey) -> None:
    """Refuse the leaf unless this key signed it unchanged."""
    unsigned = {name: value for name, value in leaf.items() if name not in ("key", "sig")}
    if leaf.get("key") != key.id or not isinstance(leaf.get("sig"), str):
        raise VerificationError(f"{leaf.get('type')} leaf names key {str(leaf.get('key'))[:16]}, not {key.id[:16]}")
    try:
        key.verify(parse_base64(leaf["sig"], "leaf signature"), pae(PAYLOAD_TYPE, canon.encode(unsigned)))
    except VerificationError as problem:
        raise VerificationError(f"{leaf.get('type')} leaf: {problem}") from None


def event(
    *,
    source: str,
    event_id: str,
    track: str,
    occurred_at: str,
    territory: str,
    units: int,
    vector: Digest | None,
    product: str | None = None,
    gross_micros: int | None = None,
    currency: str | None = None,
    listener: Digest | None = None,
) -> dict[str, Any]:
    """The leaf of one stream, with the digest of its vector, or `vector: null` if its track has none.

    `listener` is the keyed commitment, never the listener.
    """
    body: dict[str, Any] = {
        "v": VERSION,
        "type": "event",
        "source": source,
        "event_id": event_id,
        "track": track,
        "occurred_at": occurred_at,
        "territory": territory,
        "units": units,
        "vector": vector,
    }
    if product is not None:
        body["product"] = product
    if gross_micros is not None:
        body["gross_micros"] = gross_micros
    if currency is not None:
        body["currency"] = currency
    if listener is not None:
        body["listener"] = listener
    return body


def log(
    at: datetime,
    *,
    origin: str,
    form: int | None = None,
    follows: Sequence[dict[str, Any]] = (),
    reason: str | None = None,
) -> dict[str, Any]:
    """The first leaf of a log, of form 2 if it says so. After a recovery it holds the heads it `follows`, and why."""
    return make("log", at, origin=origin, form=form, follows=list(follows) or None, reason=reason)


def vector(at: datetime, *, track: str, statement: Digest, method: str) -> dict[str, Any]:
    """The leaf that records a signed vector of a track: evidence, not yet payable."""
    return make("vector", at, track=track, statement=statement, method=method)


def assign(
    at: datetime,
    *,
    track: str,
    vector: Digest,
    signer: PrivateKey,
    reason: str | None = None,
    follows: int | None = None,
) -> dict[str, Any]:
    """The leaf that assigns a vector to a track from here on; signed by the attribution role.

    `follows` is the index of the track's assignment before it: without it, a vector that is assigned again within a
    second would have the same signature, and the assignment would be void as a repetition.
    """
    return sign(make("assign", at, track=track, vector=vector, reason=reason, follows=follows), signer)


def seal(at: datetime, *, size: int, root: bytes, chain: bytes) -> dict[str, Any]:
    """The leaf that commits the tree to the chain, with both at `size` leaves."""
    return make("seal", at, size=size, root=root.hex(), chain=chain.hex())


def close(at: datetime, *, period: str, logs: Sequence[dict[str, Any]], registry_size: int) -> dict[str, Any]:
    """The leaf that closes a period: every registered log as {origin, size, root}, and the registry's size."""
    return make("close", at, period=period, logs=list(logs), registry_size=registry_size)
