"""Open a log from its location: a file, or a PostgreSQL database."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from ledger.errors import InputError
from ledger.log.anchor import Anchor, FileAnchor
from ledger.log.append import Clock, Log
from ledger.log.store.sqlite import SqliteStore
from ledger.log.store.store import Store
from ledger.proofs import leaf
from ledger.proofs.form import FORM
from ledger.proofs.keyring import Key
from ledger.proofs.keys import PrivateKey


def open_store(url: str | Path) -> Store:
    """Return the database of a log, by path (SQLite) or URL."""
    location = str(url)
    if location.startswith("sqlite:///"):
        return SqliteStore(Path(location.removeprefix("sqlite:///")))
    if location.startswith(("postgresql://", "postgres://")):
        from ledger.log.store.postgres import PostgresStore

        return PostgresStore(location.replace("postgres://", "postgresql://", 1))
    if "://" not in location:
        return SqliteStore(Path(location))
    raise InputError(f"store {location!r}: expected a file path or a postgresql:// URL")


def open_anchor(place: str | Path, origin: str) -> Anchor:
    """Return the anchor of a log: a file, or a row in a second PostgreSQL database."""
    if str(place).startswith(("postgresql://", "postgres://")):
        from ledger.log.store.anchor_postgres import PostgresAnchor

        return PostgresAnchor(str(place).replace("postgres://", "postgresql://", 1), origin)
    return FileAnchor(Path(place))


def open_log(
    url: str | Path,
    *,
    origin: str,
    signer: PrivateKey | Callable[[], PrivateKey],
    anchor: str | Path,
    clock: Clock,
    trusted: Sequence[Key] | None = None,
    form: int | None = None,
    check: bool = True,
) -> Log:
    """Open the log of this name; create it if database and anchor are both empty.

    `trusted` are its first keys, from trust.json: with them, a stored checkpoint is refused unless one of them or of
    their successors signed it. A new log is of form 2 if trust.json states a `form`.

    Refuses (VerificationError) a database that is damaged at its end, behind its anchor or on another branch;
    `check=False` is for the tools that examine and repair such a log.
    """
    store = open_store(url)
    store.create()
    log = Log(store, open_anchor(anchor, origin), origin=origin, signer=signer, clock=clock, trusted=trusted)
    if not check:
        return log
    try:
        if log.check().size == 0:
            log.begin(leaf.log(clock(), origin=origin, form=None if form is None else FORM))
    except BaseException:
        log.close()
        raise
    return log
