"""Personal values such as names: stored outside the log, where they can be erased; the log has a keyed digest.

The digest is HMAC-SHA256 under a random salt stored with the fields: it proves what was registered while both exist,
and reveals nothing once they are erased.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Iterable, Mapping, Sequence

from sqlalchemy import Connection, bindparam, delete, select

from ledger.proofs import canon
from ledger.registry import tables
from ledger.types import Digest

Fields = Mapping[str, str]
Entropy = Callable[[int], bytes]
SALT_SIZE = 32


def digest(salt: bytes, fields: Fields) -> Digest:
    """Return the digest of these fields for a leaf."""
    return hmac.new(salt, canon.encode(dict(fields)), hashlib.sha256).hexdigest()


def load(connection: Connection, kind: str | None = None) -> dict[tuple[str, str], tuple[bytes, Fields]]:
    """Return all stored fields, or those of one kind, by (kind, id)."""
    if not tables.exist(connection):
        return {}
    table = tables.PERSONAL
    query = select(table.c.kind, table.c.id, table.c.salt, table.c.fields)
    rows = connection.execute(query if kind is None else query.where(table.c.kind == kind))
    return {(of, name): (bytes(salt), json.loads(fields)) for of, name, salt, fields in rows}


def find(connection: Connection, kind: str, one: str) -> tuple[bytes, Fields] | None:
    """Return the stored fields of one id."""
    if not tables.exist(connection):
        return None
    table = tables.PERSONAL
    query = select(table.c.salt, table.c.fields).where(table.c.kind == kind, table.c.id == one)
    row = connection.execute(query).first()
    return None if row is None else (bytes(row[0]), json.loads(row[1]))


def keep(connection: Connection, held: Sequence[tuple[str, str, bytes, Fields]]) -> None:
    """Store these (kind, id, salt, fields), replacing those of the same ids."""
    if not held:
        return
    table = tables.PERSONAL
    clear = delete(table).where(table.c.kind == bindparam("of"), table.c.id == bindparam("one"))
    connection.execute(clear, [{"of": kind, "one": name} for kind, name, _, _ in held])
    connection.execute(
        table.insert(),
        [
            {"kind": kind, "id": name, "salt": salt, "fields": json.dumps(dict(fields), sort_keys=True)}
            for kind, name, salt, fields in held
        ],
    )


def erase(connection: Connection, ids: Iterable[tuple[str, str]]) -> int:
    """Erase these (kind, id); return how many were stored."""
    table = tables.PERSONAL
    erased = 0
    for kind, name in ids:
        erased += connection.execute(delete(table).where(table.c.kind == kind, table.c.id == name)).rowcount
    return erased
