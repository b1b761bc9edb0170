"""Access keys: random, shown once, stored as a hash, ending, revocable. Each belongs to one party.

The keys are in a side table, which no proof covers. A leaf of the log, written in the same transaction, records that a
key was made, revoked or has expired. The permissions of a key's party are not stored here: they are derived from the
log at each use (`service.access.roles`), so that a revoked role ends for every key at once. A scope can only narrow
them.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Column, Connection, MetaData, Table, Text, inspect, select

from ledger.errors import ConflictError, InputError
from ledger.log.append import batch_of
from ledger.proofs import admin
from ledger.types import Head, Leaf, format_time, parse_time
from service.log.keys import ring

if TYPE_CHECKING:
    from ledger.log.append import Log
    from ledger.proofs.admin import AuditedAct
    from service.workspace import Workspace

ROLES: Final = ("platform", "holder", "auditor", "approver", "operator")
"""What a party can be to the service; a scope names some of these."""
LIFE: Final = timedelta(days=365)
"""How long a key counts unless said otherwise."""

_TOKEN: Final = re.compile(r"settle_[0-9a-f]{12}_[A-Za-z0-9_-]{43}\Z")
_METADATA: Final = MetaData()
_KEY: Final = Table(
    "access_key",
    _METADATA,
    Column("id", Text, primary_key=True),
    Column("party", Text, nullable=False),
    Column("hash", Text, nullable=False, unique=True),
    Column("scopes", Text, nullable=False),
    Column("created_at", Text, nullable=False),
    Column("expires_at", Text, nullable=False),
    Column("revoked_at", Text),
    sqlite_strict=True,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessKey:
    """A key without its secret. `scopes`: the roles that it may be used in."""

    id: str
    party: str
    scopes: tuple[str, ...]
    created_at: str
    expires_at: str
    revoked_at: str | None = None

    def counts_at(self, moment: datetime) -> bool:
        return self.revoked_at is None and format_time(moment) < self.expires_at


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAccessKey:
    """A new key. `token` is shown once; only its hash is stored."""

    id: str
    party: str
    scopes: tuple[str, ...]
    expires_at: str
    token: str


def add(ws: Workspace, party: str, *, scopes: Collection[str] = (), expires: str | None = None) -> NewAccessKey:
    """Create a key for a registered party, an approver or the operator."""
    chosen = scopes_for(ws, party, scopes)
    now = ws.clock()
    ends = format_time(now + LIFE) if expires is None else format_time(_moment(expires))
    if ends <= format_time(now):
        raise InputError(f"--expires {expires}: it is {format_time(now)} already")
    key = secrets.token_hex(6)
    token = f"settle_{key}_{secrets.token_urlsafe(32)}"
    leaf = admin.make(
        now,
        "access-key-added",
        key,
        signer=ws.signer("operator"),
        party=party,
        scopes=list(chosen),
        until=ends,
    )

    def store(tx: Connection, _: Head) -> None:
        _METADATA.create_all(tx)
        tx.execute(
            _KEY.insert().values(
                id=key,
                party=party,
                hash=_hash(token),
                scopes=" ".join(chosen),
                created_at=format_time(now),
                expires_at=ends,
            )
        )

    ws.log.commit(batch_of([*_expired(ws), leaf]), store)
    return NewAccessKey(id=key, party=party, scopes=chosen, expires_at=ends, token=token)


def scopes_for(ws: Workspace, party: str, scopes: Collection[str]) -> tuple[str, ...]:
    """The roles that an access key or a session of this party may be used in; by default all that it ever has."""
    if party not in {ws.operator, *ws.registry.view().parties, *(key.party for key in ring(ws).of("approver"))}:
        raise InputError(f"party {party!r} is not registered; register it first with settle registry import")
    if unknown := sorted(set(scopes) - set(ROLES)):
        raise InputError(f"scope {unknown[0]!r}; known are {', '.join(ROLES)}")
    return tuple(role for role in ROLES if not scopes or role in scopes)


def _moment(text: str) -> datetime:
    """Parse an instant, or a day, which means its beginning."""
    return parse_time(text if "T" in text else f"{text}T00:00:00Z")


def revoke(ws: Workspace, key: str) -> AccessKey:
    """Revoke a key now; a repetition does not change the time."""
    now = ws.clock()

    def store(tx: Connection, _: Head) -> None:
        counting = _KEY.update().where(_KEY.c.id == key, _KEY.c.revoked_at.is_(None))
        if tx.execute(counting.values(revoked_at=format_time(now))).rowcount != 1:
            raise ConflictError(f"access key {key} was revoked by somebody else meanwhile")

    if _known(ws.log, key).revoked_at is None:
        leaf = admin.make(now, "access-key-revoked", key, signer=ws.signer("operator"))
        with suppress(ConflictError):
            ws.log.commit(batch_of([*_expired(ws), leaf]), store)
    return _known(ws.log, key)


def _known(log: Log, key: str) -> AccessKey:
    """Return the key with this id."""
    for row in listed(log):
        if row.id == key:
            return row
    raise InputError(f"no access key {key!r}; see settle access key list")


def _expired(ws: Workspace) -> list[Leaf]:
    """Return the leaves for keys that have expired since the last act; the leaf that added a key states its end too."""
    now = ws.clock()
    named = {act.about for act in ws.log.reading().administrative_acts if act.act != "access-key-added"}
    ended = [row.id for row in listed(ws.log) if row.revoked_at is None and row.expires_at <= format_time(now)]
    signer = ws.signer("operator")
    return [admin.make(now, "access-key-expired", key, signer=signer) for key in ended if key not in named]


def administrative_acts(log: Log) -> list[AuditedAct]:
    """Return the acts on keys and policies, in the order of the log, each signed by the operator."""
    return log.reading().administrative_acts


def listed(log: Log) -> list[AccessKey]:
    """Return every key ever made, oldest first."""
    return _rows(log, select(_KEY).order_by(_KEY.c.created_at, _KEY.c.id))


def find(log: Log, token: str, moment: datetime) -> AccessKey | None:
    """Return the key with this token, if valid now.

    It is looked up by hash, so that no comparison time reveals letters.
    """
    if not _TOKEN.match(token):
        return None
    rows = _rows(log, select(_KEY).where(_KEY.c.hash == _hash(token)))
    return rows[0] if rows and rows[0].counts_at(moment) else None


def _rows(log: Log, query: Any) -> list[AccessKey]:
    with log.store.reading() as connection:
        if not inspect(connection).has_table(_KEY.name):
            return []
        rows = connection.execute(query).mappings().all()
    return [
        AccessKey(
            id=row["id"],
            party=row["party"],
            scopes=tuple(row["scopes"].split()),
            created_at=row["created_at"],
            expires_at=row["expires_at"],
            revoked_at=row["revoked_at"],
        )
        for row in rows
    ]


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
