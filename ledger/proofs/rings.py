"""Return the keys that were valid at each leaf: a `key` leaf applies to later leaves only.

Settlement judges an act by what anybody could know when it was written. A key that is revoked later, with
effect from a size in the past, therefore undoes no approval and no publication, and forgets no payment;
whoever wants a published run undone has two people reverse it. Where trust names the end of a key, it is
`since` that says from which leaf on; an end without it is absolute (finding V5).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from typing import Any

from ledger.errors import VerificationError
from ledger.proofs import leaf
from ledger.proofs.form import FormLine
from ledger.proofs.keyring import Key, KeyRing, after
from ledger.types import Leaf, Role


class Rings:
    """The ring after each `key` leaf of a log (index, leaf), from the trusted keys on.

    A void leaf among them is refused where a bundle shows it (`strict`), and passed over where a whole log is read.
    """

    def __init__(
        self,
        trusted: Iterable[Key],
        changes: Iterable[tuple[int, Mapping[str, Any]]],
        line: FormLine | None = None,
        *,
        strict: bool = True,
    ) -> None:
        changed = list(changes)
        self._after: list[int] = []
        self._rings = [KeyRing(tuple(trusted), line)]
        for index, body in changed:
            if self._after and index < self._after[-1]:
                raise VerificationError(f"key leaf {index} does not come after key leaf {self._after[-1] - 1}")
            self._rings.append(self.last.apply(index, body) if strict else after(self.last, index, body))
            self._after.append(index + 1)

    @property
    def last(self) -> KeyRing:
        return self._rings[-1]

    def at(self, size: int) -> KeyRing:
        """Return the ring after the leaves below this size; it decides about an act at index `size`."""
        return self._rings[bisect_right(self._after, size)]

    def author(self, index: int, body: Leaf, role: Role) -> Key:
        """The key of this role that signed the leaf at this index; VerificationError for any other."""
        return author(self.at(index), index, body, role)


def author(ring: KeyRing, index: int, body: Leaf, role: Role) -> Key:
    """Return the key of this role that signed a leaf, in the name of the key's party.

    One exception: an approval marked `demo` is made with the workspace's own approver key, in anybody's name.
    """
    key = ring.find(body.get("key"))
    if key is None or key.role != role or not key.counts_for(index):
        named = key or f"key {str(body.get('key'))[:16]}"
        absolute = key is not None and key.role == role and key.until is not None and key.since is None
        why = (
            "; the end that trust.json gives is absolute, for it does not say since when (finding V5)"
            if absolute
            else ""
        )
        raise VerificationError(f"the {body['type']} leaf is signed by {named}; expected a key of role {role}{why}")
    leaf.check_signature(body, key.public)
    ring.check_form(index, body)
    demo = role == "approver" and body.get("demo") is True
    if key.party != body.get("by") and not demo:
        raise VerificationError(f"the {body['type']} leaf is said to be by {body.get('by')}, and is signed by {key}")
    return key
