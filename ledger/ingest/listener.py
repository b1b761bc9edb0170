"""Listeners: the leaf has a commitment per period; an erasable table has the salt that links it to a person.

A leaf carries `HMAC-SHA256(salt[source, listener, period], listener)`. Within a month the same listener has the same
commitment; user-centric rules and fraud checks need no more. Once the salts are erased, nobody can tell whose the
commitment was, and every proof remains valid.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable
from typing import Final

from sqlalchemy import Connection

from ledger.log.store import queries

Key = tuple[str, str, str]
"""(source, listener, period)."""

SALT_SIZE: Final = 32
REMEMBERED_MAX: Final = 200_000

Entropy = Callable[[int], bytes]


class Commitments:
    """Commitments by listener, and the new salts that are not stored yet."""

    def __init__(self, entropy: Entropy) -> None:
        self._entropy = entropy
        self._known: dict[Key, str] = {}
        self._new: dict[Key, bytes] = {}

    def prepare(self, connection: Connection, keys: Iterable[Key]) -> dict[Key, str]:
        """Compute the commitments of these keys, from stored salts or new ones; earlier ones stay in the result."""
        if len(self._known) > REMEMBERED_MAX:
            self.forget()
        commitments = self._known
        for (source, period), listeners in _grouped({key for key in keys if key not in commitments}).items():
            stored = queries.find_salts(connection, source, period, listeners)
            for listener in listeners:
                key = (source, listener, period)
                salt = stored.get(listener)
                if salt is None:
                    salt = self._new[key] = self._entropy(SALT_SIZE)
                commitments[key] = commit(salt, listener)
        return commitments

    def new(self) -> list[tuple[str, str, str, bytes]]:
        """Return the new salts, to be stored in the transaction of the events that use them."""
        return [(*key, salt) for key, salt in self._new.items()]

    def raced(self, connection: Connection) -> bool:
        """Return whether another writer has stored a salt for a listener with a new one."""
        groups = _grouped(self._new)
        return any(queries.find_salts(connection, source, period, names) for (source, period), names in groups.items())

    def stored(self) -> None:
        """Mark the new salts as stored."""
        self._new.clear()

    def forget(self) -> None:
        """Discard the new salts: they were not stored, or another writer stored others first."""
        self._known.clear()
        self._new.clear()


def commit(salt: bytes, listener: str) -> str:
    """Return the commitment to a listener, as in a leaf: 64 hex digits."""
    return hmac.digest(salt, listener.encode(), "sha256").hex()


def _grouped(keys: Iterable[Key]) -> dict[tuple[str, str], list[str]]:
    groups: dict[tuple[str, str], list[str]] = {}
    for source, listener, period in keys:
        groups.setdefault((source, period), []).append(listener)
    return groups
