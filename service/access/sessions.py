"""Sessions of people in a browser: a link that signs in once, and the cookie that it is exchanged for.

Both are 256 random bits, kept as a hash beside the log, so that a copy of the database signs nobody in. A session
belongs to one party and, as an access key, holds no right of its own (`service.access.roles`).
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Column, Connection, MetaData, Table, Text, inspect, select

from ledger.errors import InputError
from ledger.log.append import batch_of
from ledger.proofs import admin
from ledger.types import Head, format_time
from service.access.keys import scopes_for

if TYPE_CHECKING:
    from ledger.log.append import Log
    from service.workspace import Workspace

LINK_LIFE: Final = timedelta(hours=24)
SESSION_LIFE: Final = timedelta(hours=12)
"""From signing in, however busy the session is: a stolen cookie ends with the day."""
PATH: Final = "/sign-in"

_SECRET: Final = re.compile(r"[A-Za-z0-9_-]{43}\Z")
_METADATA: Final = MetaData()
_LINK: Final = Table(
    "sign_in_link",
    _METADATA,
    Column("hash", Text, primary_key=True),
    Column("party", Text, nullable=False),
    Column("scopes", Text, nullable=False),
    Column("expires_at", Text, nullable=False),
    Column("used_at", Text),
    sqlite_strict=True,
)
_SESSION: Final = Table(
    "session",
    _METADATA,
    Column("id", Text, primary_key=True),
    Column("hash", Text, nullable=False, unique=True),
    Column("party", Text, nullable=False),
    Column("scopes", Text, nullable=False),
    Column("browser", Text, nullable=False),
    Column("began_at", Text, nullable=False),
    Column("expires_at", Text, nullable=False),
    Column("ended_at", Text),
    sqlite_strict=True,
)
_ENDED: Final = ((_SESSION, _SESSION.c.ended_at), (_LINK, _LINK.c.used_at))
"""Both tables, with the column that says when a row stopped to count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInLink:
    """A link just made. `url` is shown this once; it signs in one browser, once, until `expires_at`."""

    party: str
    scopes: tuple[str, ...]
    expires_at: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A browser that is signed in, without its secret."""

    id: str
    party: str
    scopes: tuple[str, ...]
    browser: str
    began_at: str
    expires_at: str


def make_link(ws: Workspace, party: str, *, base: str, scopes: Collection[str] = ()) -> SignInLink:
    """A link for a registered party, an approver or the operator; the log says for whom, and until when it counts."""
    chosen, now, code = scopes_for(ws, party, scopes), ws.clock(), secrets.token_urlsafe(32)
    ends = format_time(now + LINK_LIFE)
    leaf = admin.make(
        now,
        "sign-in-link-added",
        secrets.token_hex(6),
        signer=ws.signer("operator"),
        party=party,
        scopes=list(chosen),
        until=ends,
    )

    def store(tx: Connection, _: Head) -> None:
        _METADATA.create_all(tx)
        tx.execute(_LINK.delete().where(_LINK.c.expires_at <= format_time(now)))
        tx.execute(_LINK.insert().values(hash=_hash(code), party=party, scopes=" ".join(chosen), expires_at=ends))

    ws.log.commit(batch_of([leaf]), store)
    # The code stands after a #, which browsers keep to themselves: no server, proxy or history of one records it.
    return SignInLink(party=party, scopes=chosen, expires_at=ends, url=f"{base.rstrip('/')}{PATH}#{code}")


def open_session(log: Log, code: str, now: datetime, *, browser: str) -> tuple[Session, str]:
    """Exchange a link's code for a session and the secret of its cookie; a code counts once."""
    at, secret = format_time(now), secrets.token_urlsafe(32)
    if not _SECRET.match(code) or not _exists(log):
        raise _invalid()
    with log.projection() as tx:
        usable = (_LINK.c.hash == _hash(code), _LINK.c.used_at.is_(None), _LINK.c.expires_at > at)
        # The update decides who comes first: of two browsers with one link, one changes a row.
        if tx.execute(_LINK.update().where(*usable).values(used_at=at)).rowcount != 1:
            raise _invalid()
        link = tx.execute(select(_LINK).where(_LINK.c.hash == _hash(code))).mappings().one()
        fields = {
            "id": secrets.token_hex(6),
            "party": link["party"],
            "scopes": link["scopes"],
            "browser": browser[:200],
            "began_at": at,
            "expires_at": format_time(now + SESSION_LIFE),
        }
        tx.execute(_SESSION.delete().where(_SESSION.c.expires_at <= at))
        tx.execute(_SESSION.insert().values(hash=_hash(secret), **fields))
    return _session(fields), secret


def find_session(log: Log, secret: str, now: datetime) -> Session | None:
    """The session with this cookie, if it counts now. Looked up by the hash, so no comparison tells its letters."""
    if not _SECRET.match(secret):
        return None
    sessions = _counting(log, now, _SESSION.c.hash == _hash(secret))
    return sessions[0] if sessions else None


def sessions_of(log: Log, party: str, now: datetime) -> list[Session]:
    """The browsers in which a party is signed in, the newest first."""
    return _counting(log, now, _SESSION.c.party == party)


def end_session(log: Log, name: str, party: str, now: datetime) -> None:
    """Sign a party out in one browser; one that is signed out stays so."""
    if not _exists(log):
        return
    with log.projection() as tx:
        own = (_SESSION.c.id == name, _SESSION.c.party == party, _SESSION.c.ended_at.is_(None))
        tx.execute(_SESSION.update().where(*own).values(ended_at=format_time(now)))


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedSignIn:
    """How many browsers were signed out, and how many links that had not been used no longer sign in."""

    party: str
    sessions: int
    links: int


def end_all(ws: Workspace, party: str) -> EndedSignIn:
    """Sign a party out everywhere and use up its links; the log says so. Where nothing counts, nothing is written."""
    now = ws.clock()
    at = format_time(now)
    ended = {table.name: 0 for table, _ in _ENDED}

    def store(tx: Connection, _: Head) -> None:
        for table, end in _ENDED:
            own = (table.c.party == party, end.is_(None), table.c.expires_at > at)
            ended[table.name] = tx.execute(table.update().where(*own).values({end: at})).rowcount

    scopes_for(ws, party, ())  # a mistyped name must not look like a party that is signed out
    if _exists(ws.log) and _signs_in(ws.log, party, at):
        leaf = admin.make(now, "sign-in-ended", secrets.token_hex(6), signer=ws.signer("operator"), party=party)
        ws.log.commit(batch_of([leaf]), store)
    return EndedSignIn(party=party, sessions=ended[_SESSION.name], links=ended[_LINK.name])


def _signs_in(log: Log, party: str, at: str) -> bool:
    """Whether a session or a link of this party counts now."""
    with log.store.reading() as connection:
        return any(
            connection.execute(
                select(table.c.hash).where(table.c.party == party, end.is_(None), table.c.expires_at > at)
            ).first()
            for table, end in _ENDED
        )


def form_token(secret: str) -> str:
    """What a form of this session must bring back: another site can neither read nor compute it."""
    return hashlib.sha256(b"settle form\n" + secret.encode()).hexdigest()


def _counting(log: Log, now: datetime, which: Any) -> list[Session]:
    if not _exists(log):
        return []
    live = (which, _SESSION.c.ended_at.is_(None), _SESSION.c.expires_at > format_time(now))
    with log.store.reading() as connection:
        rows = connection.execute(select(_SESSION).where(*live).order_by(_SESSION.c.began_at.desc())).mappings().all()
    return [_session(row) for row in rows]


def _session(row: Any) -> Session:
    return Session(
        id=row["id"],
        party=row["party"],
        scopes=tuple(row["scopes"].split()),
        browser=row["browser"],
        began_at=row["began_at"],
        expires_at=row["expires_at"],
    )


def _exists(log: Log) -> bool:
    """Whether a link was ever made here: the tables come with the first."""
    with log.store.reading() as connection:
        return inspect(connection).has_table(_SESSION.name)


def _invalid() -> InputError:
    return InputError(
        "this link is not valid: it was used already, is older than 24 hours, or is not whole; ask the operator for "
        "another (settle access link PARTY)"
    )


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
