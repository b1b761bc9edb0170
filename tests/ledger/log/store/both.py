"""Logs on either store, for tests that hold for both."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sqlalchemy import text

from ledger.log.append import Log
from ledger.log.opening import open_log
from tests.ledger.logs import KEY, ORIGIN, TickingClock
from tests.postgres import database, server_url

STORES = [pytest.param("sqlite", id="sqlite"), pytest.param("postgres", id="postgres", marks=pytest.mark.postgres)]


@dataclass
class Place:
    """Where one test's log is kept; `open` opens it as another process would."""

    kind: str
    store: str
    anchor: str
    opened: list[Log] = field(default_factory=list)
    clock: TickingClock = field(default_factory=TickingClock)

    def open(self, *, check: bool = True) -> Log:
        log = open_log(self.store, origin=ORIGIN, signer=KEY, anchor=self.anchor, clock=self.clock, check=check)
        self.opened.append(log)
        return log

    def close(self) -> None:
        for log in self.opened:
            log.close()
        self.opened.clear()

    def edit(self, *statements: str) -> None:
        """Change the database as its owner can: with the guards gone."""
        self.close()
        if self.kind == "sqlite":
            from tests.ledger.log.store.test_edge import edit

            edit(Path(self.store).parent, *statements)
            return
        log = self.open(check=False)
        tables = ("entry", "event", "checkpoint", "blob", "tile")
        with log.store.writers.begin() as connection:
            for table in tables:
                connection.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))
            for statement in statements:
                connection.execute(text(statement))
        self.close()


def places(kind: str, folder: Path) -> Iterator[Place]:
    """A place for one log, emptied afterwards."""
    with ExitStack() as stack:
        store = str(folder / "settle.db")
        if kind == "postgres":
            store = stack.enter_context(database(server_url()))
        place = Place(kind, store, str(folder / "settle.anchor"))
        stack.callback(place.close)
        yield place
