"""Claim the turn of a job: one row per turn, written under the database's write lock.

The rows are in a side table, which can be erased and which no proof covers. A claim is a lease: its scheduler renews it
during the work. When a scheduler dies, the lease expires and another scheduler takes the turn over. The job itself
finds what was done before the crash; every job can therefore be repeated.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Event, Thread
from typing import TYPE_CHECKING, Any, Final, Literal

from sqlalchemy import BigInteger, Column, Connection, Integer, MetaData, Table, Text, func, inspect, select

from ledger.errors import SettleError
from ledger.types import format_time

if TYPE_CHECKING:
    from collections.abc import Callable

    from ledger.log.append import Log

State = Literal["running", "done", "nothing", "failed"]

LEASE: Final = timedelta(minutes=10)
"""How long a scheduler may be silent before another takes its work over."""
RENEWALS: Final = 4
"""Renewals to a lease, so that one that fails costs nothing."""
KEPT: Final = timedelta(days=90)
"""After which the rows of old turns are dropped."""

METADATA: Final = MetaData()
CLAIM: Final = Table(
    "scheduler_claim",
    METADATA,
    Column("job", Text, primary_key=True),
    Column("turn", Text, primary_key=True),
    Column("holder", Text, nullable=False),
    Column("attempt", BigInteger().with_variant(Integer, "sqlite"), nullable=False),
    Column("state", Text, nullable=False),
    Column("leased_until", Text, nullable=False),
    Column("began_at", Text, nullable=False),
    Column("ended_at", Text),
    Column("detail", Text, nullable=False),
    sqlite_strict=True,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnClaim:
    """A job's turn, its process, and its result."""

    job: str
    turn: str
    holder: str
    attempt: int
    state: State
    leased_until: str
    began_at: str
    ended_at: str | None
    detail: str


def take(log: Log, job: str, turn: datetime, *, holder: str, now: datetime) -> tuple[TurnClaim, bool]:
    """Return the claim on this turn, and whether this call took it: it was free, failed, or its lease had expired."""
    fresh: dict[str, Any] = {
        "holder": holder,
        "state": "running",
        "leased_until": format_time(now + LEASE),
        "began_at": format_time(now),
        "ended_at": None,
        "detail": "",
    }
    with log.projection() as tx:
        METADATA.create_all(tx)
        claim = _find(tx, job, turn)
        if claim is None:
            tx.execute(CLAIM.insert().values(job=job, turn=format_time(turn), attempt=1, **fresh))
            tx.execute(CLAIM.delete().where(CLAIM.c.job == job, CLAIM.c.turn < format_time(turn - KEPT)))
        elif claim.state == "failed" or (claim.state == "running" and claim.leased_until <= format_time(now)):
            tx.execute(_mine(CLAIM.update(), claim).values(attempt=claim.attempt + 1, **fresh))
        else:
            return claim, False
        claimed = _find(tx, job, turn)
        assert claimed is not None  # noqa: S101  written in this transaction
        return claimed, True


def finish(log: Log, claim: TurnClaim, state: State, detail: str, *, now: datetime) -> bool:
    """Record the result of a claim; False if another process took it over meanwhile."""
    done = {"state": state, "detail": detail, "ended_at": format_time(now)}
    with log.projection() as tx:
        return bool(tx.execute(_mine(CLAIM.update(), claim).values(done)).rowcount)


@contextmanager
def kept(log: Log, claim: TurnClaim, clock: Callable[[], datetime]) -> Iterator[None]:
    """Renew the lease until the block ends."""
    over = Event()

    def renew() -> None:
        while not over.wait(LEASE.total_seconds() / RENEWALS):
            until = format_time(clock() + LEASE)
            try:
                with log.projection() as tx:
                    tx.execute(_mine(CLAIM.update(), claim).values(leased_until=until))
            except SettleError:
                continue  # the database is away for a moment; there is another renewal before the lease ends

    renewing = Thread(target=renew, name=f"lease of {claim.job}", daemon=True)
    renewing.start()
    try:
        yield
    finally:
        over.set()
        renewing.join()


def last(log: Log) -> dict[str, TurnClaim]:
    """Return the claim on each job's newest turn."""
    with log.store.reading() as connection:
        if not inspect(connection).has_table(CLAIM.name):
            return {}
        newest = select(CLAIM.c.job, func.max(CLAIM.c.turn).label("turn")).group_by(CLAIM.c.job).subquery()
        rows = select(CLAIM).join(newest, (CLAIM.c.job == newest.c.job) & (CLAIM.c.turn == newest.c.turn))
        return {row["job"]: TurnClaim(**row) for row in connection.execute(rows).mappings()}


def _find(tx: Connection, job: str, turn: datetime) -> TurnClaim | None:
    rows = tx.execute(select(CLAIM).where(CLAIM.c.job == job, CLAIM.c.turn == format_time(turn)))
    row = rows.mappings().first()
    return None if row is None else TurnClaim(**row)


def _mine(statement: Any, claim: TurnClaim) -> Any:
    """Return the condition that selects this attempt's row while it is running or failed."""
    key = (CLAIM.c.job == claim.job, CLAIM.c.turn == claim.turn, CLAIM.c.attempt == claim.attempt)
    return statement.where(*key, CLAIM.c.state == claim.state)
