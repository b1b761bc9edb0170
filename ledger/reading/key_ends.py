"""Which keys had ended by which size of a log, as its own leaves ended them.

A month is computed from what its log said up to the close. A key that is revoked later, with effect from before,
must not change the month, and one that was revoked before the close must. Trust that is published after a revocation
states the end from the outset, so the ends are read from the leaves that gave them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from ledger.proofs.form import FormLine
from ledger.proofs.keyring import Key, KeyRing, after
from ledger.types import Leaf

_ALWAYS: Final = -1


class KeyEnds:
    """The ends that the leaves of one log gave its keys, each with the index of its leaf."""

    def __init__(self, trusted: Iterable[Key], line: FormLine) -> None:
        keys = tuple(trusted)
        dated = [key for key in keys if key.since is not None]
        self._stated = {key.public.id: key for key in dated}
        self._ring = KeyRing(tuple(replace(key, until=None, since=None) if key in dated else key for key in keys), line)
        # An end without `since` is absolute (finding V5).
        self._ends = {key.public.id: [(_ALWAYS, key.until)] for key in self._ring.keys if key.until is not None}

    def take(self, index: int, body: Leaf) -> None:
        """Apply the next leaf about keys; one without an entitled signer changes nothing."""
        former = self._ring.keys
        self._ring = after(self._ring, index, body)
        for was, now in zip(former, self._ring.keys, strict=False):  # new keys come last
            if now.until is not None and now.until != was.until:
                self._ends.setdefault(now.public.id, []).append((index, now.until))

    def counts(self, key_id: str, index: int, size: int) -> bool:
        """Return whether the key counts for the leaf at this index, by what the leaves below this size say of it."""
        key = self._ring.find(key_id)
        untils = [until for given, until in self._ends.get(key_id, ()) if given < size]
        stated = self._stated.get(key_id)
        if not untils and stated is not None and stated.since is not None and stated.since < size:
            untils = [size if stated.until is None else stated.until]  # the log lacks the leaf that trust goes by
        return key is not None and key.start <= index + 1 and all(index + 1 <= until for until in untils)
