"""Listeners: the leaf has a commitment per period; an erasable table has the salt that links it to a person.

A leaf carries `HMAC-SHA256(salt[source, listener, period], listener)`. Within a month the same
listener has the same commitment, which is all that user-centric rules and fraud checks need; with
the salts erased, nobody can tell whose it was, and every proof stays what it was.
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
    """Commitments by listener, and the salts among them that are new and not stored yet."""

    def __init__(self, entropy: Entropy) -> None:
        self._entropy = entropy
        self._known: dict[Key, str] = {}
        self._new: dict[Key, bytes] = {}

    def prepare(self, connection: Connection, keys: Iterable[Key]) -> dict[Key, str]:
        """Commitments of these keys and perhaps others, from stored salts or new ones."""
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
        """The salts to store in the transaction of the events that use them."""
        return [(*key, salt) for key, salt in self._new.items()]

    def raced(self, connection: Connection) -> bool:
        """Whether another writer has stored a salt for any of the new ones' listeners."""
        groups = _grouped(self._new)
        return any(queries.find_salts(connection, source, period, names) for (source, period), names in groups.items())

    def stored(self) -> None:
        """The new salts are committed."""
        self._new.clear()

    def forget(self) -> None:
        """Start again: new salts were not stored, or others were stored first."""
        self._known.clear()
        self._new.clear()


def commit(salt: bytes, listener: str) -> str:
    """The commitment to a listener in a leaf, 64 hex digits."""
    return hmac.digest(salt, listener.encode(), "sha256").hex()


def _grouped(keys: Iterable[Key]) -> dict[tuple[str, str], list[str]]:
    groups: dict[tuple[str, str], list[str]] = {}
    for source, listener, period in keys:
        groups.setdefault((source, period), []).append(listener)
    return groups
