"""Registration statements: who signed which rows.

One DSSE statement covers any number of rows by the RFC 6962 root over them, so that a large import
costs one signature a batch and each leaf is still provably its author's: the leaf without `v`,
`at`, `statement` and `row` is the row, and the rows of a statement lie side by side in the log.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ledger.errors import VerificationError
from ledger.proofs import canon, dsse, tree
from ledger.proofs.keys import PrivateKey, PublicKey
from ledger.types import Role

PAYLOAD_TYPE: Final = "application/vnd.settle.registration+json"
_ADDED: Final = frozenset(("v", "at", "statement", "row"))


@dataclass(frozen=True, slots=True)
class Signer:
    """Who acts: a key, the role it has, and the party it belongs to."""

    key: PrivateKey
    party: str
    role: Role


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """What a statement says: this party, in this role, registers `count` rows with this root in this log."""

    origin: str
    party: str
    role: str
    count: int
    root: str


def sign(rows: Sequence[bytes], signer: Signer, origin: str) -> dsse.Envelope:
    """The statement over these rows, each as canonical JSON."""
    root = tree.root_of(tree.leaf_hashes(rows))
    payload = {
        "v": 1,
        "type": "registration",
        "origin": origin,
        "party": signer.party,
        "role": signer.role,
        "count": len(rows),
        "root": root.hex(),
    }
    return dsse.sign(PAYLOAD_TYPE, canon.encode(payload), [signer.key])


def row_of(leaf: Mapping[str, Any]) -> dict[str, Any]:
    """The row that a leaf records."""
    return {name: value for name, value in leaf.items() if name not in _ADDED}


def open_statement(envelope: bytes, keys: Sequence[PublicKey]) -> tuple[Registration, PublicKey]:
    """What the statement says, if one of these keys signed it, and which."""
    parsed = dsse.parse(envelope)
    payload = canon.decode_object(dsse.verify(parsed, keys, PAYLOAD_TYPE), "registration statement")
    if set(payload) != {"v", "type", "origin", "party", "role", "count", "root"} or payload["type"] != "registration":
        raise VerificationError(f"registration statement: fields {sorted(payload)}")
    said = Registration(**{name: payload[name] for name in ("origin", "party", "role", "count", "root")})
    return said, dsse.signers(parsed, keys)[0]


def party_of(envelope: bytes) -> str:
    """Whom a statement names as its author; whether that party signed it, `open_statement` checks."""
    payload = canon.decode_object(dsse.parse(envelope).payload, "registration statement")
    return str(payload.get("party", ""))


def check_rows(said: Registration, leaves: Sequence[Mapping[str, Any]]) -> None:
    """That these leaves are exactly the statement's rows, in order."""
    if [leaf["row"] for leaf in leaves] != list(range(said.count)):
        raise VerificationError(f"statement of {said.count} rows: the log holds {len(leaves)} of them, or out of order")
    root = tree.root_of(tree.leaf_hashes(canon.encode(row_of(leaf)) for leaf in leaves))
    if root.hex() != said.root:
        raise VerificationError(f"statement: its rows have root {root.hex()[:16]}, signed was {said.root[:16]}")
