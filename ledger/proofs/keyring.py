"""Decide which key of which role is valid at which size of the log, from the key leaves.

A key counts at sizes `[start, until]`: a checkpoint at its own size, a leaf or a statement that a
leaf names at the size that first covers that leaf. The first keys come from outside, from trust; a
`key` leaf changes the ring from the size that covers it on:

- `rotate`, signed by the key it retires: the successor counts from here on, the old key up to `until`;
- `add`, signed by a key of the same role or, for attribution, platforms and holders, of the operator;
- `revoke`, signed likewise: the key counts up to `until`, which may lie in the past.

A key's end has two sizes: `until`, up to which it counts, and `since`, the index of the leaf that gave
the end. A leaf at index i counts if `i + 1 <= until`, or if `i < since`: nobody could know of the end
when it was written. A checkpoint counts up to `until` only. An end that trust states without `since`
is absolute, so that no leaf shown later can take it back.

A log key ends with a pinned tree: its last leaf states `size` and `root` of the tree before it, `until` is
that size, and the successor signs the checkpoint that covers the leaf. A signature bears no date, so what
a retired log key signed must be that tree, or be shown to be a prefix of the log (`retired`, finding V6).

A leaf whose signer no longer counts never has an effect. One that only repeats what the ring says
already is passed over, because trust published afterwards names its effect from the outset.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from ledger.errors import VerificationError
from ledger.proofs import form, leaf
from ledger.proofs.form import FormLine
from ledger.proofs.keys import PrivateKey, PublicKey
from ledger.proofs.note import Vkey
from ledger.proofs.tree import HASH_SIZE
from ledger.text import parse_hex
from ledger.types import ROLES, Head, Role

BY_OPERATOR: Final[tuple[Role, ...]] = ("attribution", "platform", "holder")
"""Roles whose keys an operator's key may add and revoke; the others answer for themselves."""

TYPES: Final = ("log", form.TYPE, "key")
"""The leaves that say which keys count, and from where on signed leaves must name their log."""

_FIELDS: Final = {"v", "type", "at", "action", "key", "sig"}
_ACTIONS: Final = {
    "rotate": _FIELDS | {"role", "party", "public", "until"},
    "add": _FIELDS | {"role", "party", "public"},
    "revoke": _FIELDS | {"revokes", "until"},
}
_PIN: Final = {"size", "root"}
"""Fields of the leaf that ends a log key; leaves of release 0.1 lack them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A public key in a role of a party, and the sizes at which it counts (`until` None: still)."""

    role: Role
    party: str
    public: PublicKey
    start: int = 0
    until: int | None = None
    since: int | None = None
    """The index of the leaf that gave the end; None while there is no end, or where nothing says when it was given."""
    root: bytes | None = field(default=None, compare=False)
    """Of a log key with an end, the root of the tree of size `until`; None where nothing says it."""
    by: str | None = field(default=None, compare=False)
    """The id of the key that introduced it in the log; None for one that trust brought."""

    def counts_at(self, size: int) -> bool:
        """Return whether the key may sign a checkpoint of this size, or a statement that must be valid at it."""
        return self.start <= size and (self.until is None or size <= self.until)

    def counts_for(self, index: int) -> bool:
        """Return whether the key may sign the leaf at this index: the key had not ended yet, or ends later."""
        return self.counts_at(index + 1) or (self.start <= index + 1 and self.since is not None and index < self.since)

    def __str__(self) -> str:
        start = f" from size {self.start}" if self.start else ""
        until = "" if self.until is None else f" up to size {self.until}"
        sizes = f", which counts{start}{until}" if start or until else ""
        return f"{self.role} key {self.public.id[:16]} of {self.party}{sizes}"


@dataclass(frozen=True, slots=True)
class KeyRing:
    """All keys so far, in their order, and the line after which leaves have form 2."""

    keys: tuple[Key, ...] = ()
    line: FormLine | None = None
    """Without it no leaf is asked which log it was signed for."""

    def check_form(self, index: int, body: Mapping[str, Any]) -> None:
        """Refuse a signed leaf that was signed for another log, or that names no log although it is after the line."""
        if self.line is not None:
            self.line.check(index, body)

    def at(self, size: int, *roles: Role, party: str | None = None) -> tuple[Key, ...]:
        """The keys of these roles that count at this size."""
        return tuple(key for key in self.of(*roles, party=party) if key.counts_at(size))

    def of(self, *roles: Role, party: str | None = None) -> tuple[Key, ...]:
        """Return all keys of these roles, valid at any size."""
        return tuple(key for key in self.keys if key.role in roles and party in (None, key.party))

    def find(self, key_id: object) -> Key | None:
        """The key with this id."""
        return next((key for key in self.keys if key.public.id == key_id), None)

    def vkeys(self, origin: str) -> tuple[Vkey, ...]:
        """Return all log keys as verifier keys of this origin, valid at any size."""
        return tuple(Vkey(origin, key.public) for key in self.of("log"))

    def apply(self, index: int, body: Mapping[str, Any]) -> KeyRing:
        """Return the ring after the leaf of TYPES at this index; VerificationError without an entitled signer."""
        if body.get("type") == "log":
            return self if self.line is None else replace(self, line=self.line.after_first(index, body))
        if body.get("type") == form.TYPE:
            return self._draw(index, body)
        action, where = body.get("action"), f"key leaf {index}"
        fields = set(body) - {form.SIGNED_FOR}
        fields = fields - _PIN if fields >= _PIN and action != "add" else fields
        if not isinstance(action, str) or body.get("type") != "key" or fields != _ACTIONS.get(action):
            raise VerificationError(f"{where}: not a leaf that adds, rotates or revokes a key")
        signer = self.find(body["key"])
        if signer is None or index + 1 < signer.start:
            raise VerificationError(_not_counting(where, index, body, signer))
        leaf.check_signature(body, signer.public)
        self.check_form(index, body)
        if action == "revoke":
            renewed = self._revoke(where, index, signer, body)
        else:
            renewed = self._introduce(where, index, signer, body)
        if not signer.counts_for(index) and renewed.keys != self.keys:
            raise VerificationError(_not_counting(where, index, body, signer))
        return renewed

    def _draw(self, index: int, body: Mapping[str, Any]) -> KeyRing:
        """The ring after a `form` leaf, which the operator signs."""
        signer = self.find(body.get("key"))
        if signer is None or signer.role != "operator" or not signer.counts_for(index):
            raise VerificationError(
                f"form leaf {index}: signed by {signer or 'nobody known'}, expected an operator's key"
            )
        leaf.check_signature(body, signer.public)
        self.check_form(index, body)
        return self if self.line is None else replace(self, line=self.line.after(index, body))

    def _introduce(self, where: str, index: int, signer: Key, body: Mapping[str, Any]) -> KeyRing:
        role, party = body["role"], body["party"]
        if role not in ROLES or not isinstance(party, str) or not party:
            raise VerificationError(f"{where}: role {role!r} of party {party!r}")
        public = PublicKey(parse_hex(body["public"], f"{where}: public", 32))
        key = Key(role=role, party=party, public=public, start=index + 1, by=signer.public.id)
        same_key = self.find(public.id)  # newly published trust names the successor too; its sizes are kept as they are
        if same_key is not None and (same_key.role, same_key.party) != (role, party):
            raise VerificationError(f"{where}: key {public.id[:16]} is already the {same_key}")
        new = () if same_key else (key,)
        if body["action"] == "add":
            _check_entitled(where, signer, role)
            return replace(self, keys=(*self.keys, *new))
        if (signer.role, signer.party) != (role, party):
            raise VerificationError(
                f"{where}: rotates the key of {signer.party}, {signer.role}, to another role or party"
            )
        until, root = _size(where, body["until"]), _pinned(where, index, signer, body)
        if until < index + 1 and not (root is not None and until == index):
            raise VerificationError(
                f"{where}: the old key retires at {until}, before the size {index + 1} of its last act"
            )
        return replace(self, keys=(*self._retire(signer, until, index, root), *new))

    def _revoke(self, where: str, index: int, signer: Key, body: Mapping[str, Any]) -> KeyRing:
        key = self.find(body["revokes"])
        if key is None:
            raise VerificationError(f"{where}: revokes key {str(body['revokes'])[:16]}, which is not known")
        _check_entitled(where, signer, key.role)
        root = _pinned(where, index, key, body)
        return replace(self, keys=self._retire(key, _size(where, body["until"]), index, root))

    def _retire(self, key: Key, until: int, index: int, root: bytes | None) -> tuple[Key, ...]:
        """End the key, never later than an earlier end. `root` is that of the tree before the leaf."""
        if key.until is not None and key.until <= until:
            return self.keys
        ended_at = index if key.until is None else key.until  # what the first end took stays taken
        retired = replace(
            key,
            until=until,
            since=ended_at if key.since is None else min(ended_at, key.since),
            root=root if until == index else None,
        )
        return tuple(retired if each is key else each for each in self.keys)


def _not_counting(where: str, index: int, body: Mapping[str, Any], signer: Key | None) -> str:
    identity = f"is {signer}" if signer else "is not known"
    return f"{where}: its signer {str(body['key'])[:16]} {identity}; it must count at {index + 1}"


def _check_entitled(where: str, signer: Key, role: Role) -> None:
    if signer.role != role and not (signer.role == "operator" and role in BY_OPERATOR):
        raise VerificationError(f"{where}: a {signer.role} key may not speak for the role {role}")


def _size(where: str, value: Any) -> int:
    if type(value) is not int or value < 0:
        raise VerificationError(f"{where}: until is {value!r}, expected a size")
    return value


def _pinned(where: str, index: int, ended: Key, body: Mapping[str, Any]) -> bytes | None:
    """Return the root of the tree before the leaf, at which a log key ends; None if the leaf states none."""
    if "root" not in body:
        return None
    root = parse_hex(body["root"], f"{where}: root", HASH_SIZE)
    if ended.role != "log":
        raise VerificationError(f"{where}: only the end of a log key states size and root; it ends the {ended}")
    if _size(where, body["size"]) != index or _size(where, body["until"]) > index:
        raise VerificationError(f"{where}: it states size {body['size']}; a log key ends at {index} at the latest")
    return root


def project(
    trusted: Iterable[Key], leaves: Iterable[tuple[int, Mapping[str, Any]]], line: FormLine | None = None
) -> KeyRing:
    """The ring after these `key` leaves (index, leaf), which must come in the order of the log."""
    ring, last = KeyRing(tuple(trusted), line), -1
    for index, body in leaves:
        if index <= last:
            raise VerificationError(f"key leaf {index} does not come after key leaf {last}")
        ring, last = ring.apply(index, body), index
    return ring


def fold(
    trusted: Iterable[Key], leaves: Iterable[tuple[int, Mapping[str, Any]]], line: FormLine | None = None
) -> KeyRing:
    """Return the ring after all `key` leaves of a log, in order; a leaf without an entitled signer is void.

    Whoever holds the log key alone can append such a leaf, and it must not keep anybody from reading the log.
    """
    ring = KeyRing(tuple(trusted), line)
    for index, body in leaves:
        ring = after(ring, index, body)
    return ring


def after(ring: KeyRing, index: int, body: Mapping[str, Any]) -> KeyRing:
    """Return the ring after one more leaf; a void leaf changes nothing."""
    with suppress(VerificationError):
        return ring.apply(index, body)
    return ring


def valid(
    trusted: Iterable[Key], leaves: Iterable[tuple[int, Mapping[str, Any]]], line: FormLine | None = None
) -> list[int]:
    """Return the indexes of the leaves that are not void; bundles contain only these."""
    ring, indexes = KeyRing(tuple(trusted), line), []
    for index, body in leaves:
        with suppress(VerificationError):
            ring = ring.apply(index, body)
            indexes.append(index)
    return indexes


def dated(trusted: Iterable[Key], leaves: Iterable[tuple[int, Mapping[str, Any]]]) -> tuple[Key, ...]:
    """The trusted keys with `since` where trust of version 1 leaves it out, from all `key` leaves of the log.

    Only a reader who holds the whole log may use this: among some of its leaves, the one that gave an end
    can be left out and a later one shown in its place. An end that no leaf gives stays absolute.
    """
    keys = tuple(trusted)
    unknown = {key.public.id: key for key in keys if key.until is not None and key.since is None}
    if not unknown:
        return keys
    first_ends: dict[str, int] = {}
    ring = KeyRing(tuple(replace(key, until=None) if key.public.id in unknown else key for key in keys))
    for index, body in leaves:
        ended = body.get("revokes") if body.get("action") == "revoke" else body.get("key")
        key = unknown.get(ended) if isinstance(ended, str) else None
        if key is not None and ended == body.get("key") and index + 1 > (key.until or 0):
            continue  # finding V5: a stolen key "ends" itself long after its end, so as to have counted in between
        ring = after(ring, index, body)
        now = ring.find(ended)
        if key is not None and now is not None and now.until is not None and now.until <= (key.until or 0):
            first_ends.setdefault(key.public.id, index if now.since is None else now.since)
    return tuple(replace(key, since=first_ends.get(key.public.id, key.since)) for key in keys)


# --- leaves -------------------------------------------------------------------------------------


def rotate(
    at: datetime, *, signer: PrivateKey, role: Role, party: str, public: PublicKey, until: int, head: Head | None = None
) -> dict[str, Any]:
    """The leaf that replaces a key by a new one and ends it after size `until`; a log key ends at `head`."""
    body = leaf.make(
        "key", at, action="rotate", role=role, party=party, public=public.raw.hex(), until=until, **_head(head)
    )
    return leaf.sign(body, signer)


def add(at: datetime, *, signer: PrivateKey, role: Role, party: str, public: PublicKey) -> dict[str, Any]:
    """The leaf that introduces a further key."""
    body = leaf.make("key", at, action="add", role=role, party=party, public=public.raw.hex())
    return leaf.sign(body, signer)


def revoke(at: datetime, *, signer: PrivateKey, key_id: str, until: int, head: Head | None = None) -> dict[str, Any]:
    """The leaf that revokes a key: it is valid only up to size `until`, even if it signed beyond."""
    return leaf.sign(leaf.make("key", at, action="revoke", revokes=key_id, until=until, **_head(head)), signer)


def _head(head: Head | None) -> dict[str, Any]:
    """The last tree of a log key, as its last leaf states it."""
    return {} if head is None else {"size": head.size, "root": head.root.hex()}
