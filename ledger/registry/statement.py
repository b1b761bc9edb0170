"""Registration statements: who signed which rows.

One DSSE statement covers any number of rows by the RFC 6962 root over them. So a large import costs one signature a
batch, and each leaf is still provably its author's: the leaf without `v`, `at`, `statement` and `row` is the row, and
the rows of a statement follow each other in the log.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import msgspec

from ledger.errors import VerificationError
from ledger.proofs import canon, dsse, tree
from ledger.proofs.keyring import KeyRing
from ledger.proofs.keys import PrivateKey
from ledger.reading.gate import check_signers
from ledger.types import Role

PAYLOAD_TYPE: Final = "application/vnd.settle.registration+json"
SIGNING_ROLES: Final[tuple[Role, ...]] = ("operator", "holder", "approver", "attribution", "platform")
_SAID: Final = ("origin", "party", "role", "count", "root")
_ADDED: Final = frozenset(("v", "at", "statement", "row"))
_DECODE: Final = msgspec.json.Decoder().decode
_ENCODE: Final = msgspec.json.Encoder(order="sorted").encode


@dataclass(frozen=True, slots=True)
class Signer:
    """The author of an act: a key, its role, and its party."""

    key: PrivateKey
    party: str
    role: Role


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """The content of a statement: this party, in this role, registers `count` rows with this root in this log."""

    origin: str
    party: str
    role: str
    count: int
    root: str
    after: int | None = None
    """The size of the log after which it was signed; stated where the same rows were signed before."""
    key: str = ""
    """The id of the key that signed it."""


OPERATOR: Final = Registration(origin="", party="", role="operator", count=0, root="")
"""Who speaks where nobody needs to have signed: rows that are planned, and tests."""


def sign(rows: Sequence[bytes], signer: Signer, origin: str, *, after: int | None = None) -> dsse.Envelope:
    """Sign the statement over these rows, each as canonical JSON.

    `after` makes it different from an earlier one over the same rows: without it, a party that registers the same rows
    again would produce the same statement, which would be void as a copy.
    """
    root = tree.root_of(tree.leaf_hashes(rows))
    payload: dict[str, Any] = {
        "v": 1,
        "type": "registration",
        "origin": origin,
        "party": signer.party,
        "role": signer.role,
        "count": len(rows),
        "root": root.hex(),
    }
    if after is not None:
        payload["after"] = after
    return dsse.sign(PAYLOAD_TYPE, canon.encode(payload), [signer.key])


def read_rows(bodies: Sequence[bytes]) -> list[bytes]:
    """Return the rows that these leaves record, as signed; VerificationError for a leaf in another spelling."""
    rows = []
    for body in bodies:
        leaf: dict[str, Any] = _DECODE(body)
        if _ENCODE(leaf) != body:
            raise VerificationError("a row is not in the canonical spelling")
        rows.append(_ENCODE({name: value for name, value in leaf.items() if name not in _ADDED}))
    return rows


def check(ring: KeyRing | None, index: int, envelope: bytes, origin: str) -> Registration:
    """Return the content of the statement named by a leaf; VerificationError unless its author's key is valid there.

    Without a ring no signature is checked, which only tests do.
    """
    parsed = dsse.parse(envelope)
    if parsed.payload_type != PAYLOAD_TYPE:
        raise VerificationError(f"registration statement of type {parsed.payload_type!r}")
    registration = _said(parsed)
    if registration.origin != origin:
        raise VerificationError(f"signed for log {registration.origin}")
    if ring is None:
        return replace(registration, key=parsed.signatures[0].keyid)
    key = check_signers(ring, index, parsed, SIGNING_ROLES)
    if (key.party, key.role) != (registration.party, registration.role):
        raise VerificationError(
            f"signed by {key.public.id[:16]}, which is no {registration.role} key of {registration.party}"
        )
    return replace(registration, key=key.public.id)


def _said(parsed: dsse.Envelope) -> Registration:
    payload = canon.decode_object(parsed.payload, "registration statement")
    if set(payload) - {"after"} != {"v", "type", *_SAID} or payload["type"] != "registration":
        raise VerificationError(f"registration statement: fields {sorted(payload)}")
    if type(payload.get("after", 0)) is not int:
        raise VerificationError(f"registration statement: after is {payload['after']!r}, expected a size")
    return Registration(**{name: payload[name] for name in _SAID}, after=payload.get("after"))


def read(envelope: bytes) -> Registration:
    """Return the content of a statement without checking its signature, as `check` does."""
    parsed = dsse.parse(envelope)
    return replace(_said(parsed), key=parsed.signatures[0].keyid)


def party_of(envelope: bytes) -> str:
    """Return the party that a statement names as its author, without checking its signature."""
    payload = canon.decode_object(dsse.parse(envelope).payload, "registration statement")
    return str(payload.get("party", ""))


def check_rows(said: Registration, places: Sequence[int], rows: Sequence[bytes]) -> None:
    """Check that these are exactly the statement's rows, in order; `places` are the row numbers in the leaves."""
    if list(places) != list(range(said.count)):
        raise VerificationError(f"statement of {said.count} rows: the log holds {len(places)} of them, or out of order")
    root = tree.root_of(tree.leaf_hashes(rows))
    if root.hex() != said.root:
        raise VerificationError(f"statement: its rows have root {root.hex()[:16]}, signed was {said.root[:16]}")
