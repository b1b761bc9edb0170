"""Register a party's key in the log: a key made here, or the public half of the party's own key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ledger.errors import ConflictError
from ledger.proofs import keyfile, keyring
from ledger.proofs.keys import PrivateKey, PublicKey
from ledger.types import Role
from service.log.keys import ring

if TYPE_CHECKING:
    from service.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolled:
    """A party that signs for itself from log size `size` on, with the key in `file`."""

    party: str
    key: str
    file: str
    size: int


def enrol(ws: Workspace, party: str, role: Role, *, name: str, by: str) -> Enrolled:
    """Create a party's key, stored here under `name` and encrypted like the key that introduces it."""
    path = ws.key_path(name)
    if path.exists():
        raise ConflictError(f"{party} has a key as {role} already: {path}")
    key = PrivateKey.generate()
    leaf = introduction(ws, party, role, key.public, by=by)
    sealed = keyfile.is_sealed(ws.key_path(by))
    keyfile.save(path, key, ws.passphrase() if sealed else None)
    done = ws.log.append([leaf])
    return Enrolled(party=party, key=key.public.id, file=str(path), size=done.size)


def introduction(ws: Workspace, party: str, role: Role, public: PublicKey, *, by: str) -> dict[str, Any]:
    """Return the leaf by which one of the workspace's own keys introduces a party's."""
    key = ring(ws).find(public.id)
    if key is not None:
        raise ConflictError(f"key {public.id[:16]} is in the log already, as the {key}")
    return keyring.add(ws.clock(), signer=ws.key(by), role=role, party=party, public=public)
