"""Faults that are made to happen: one step fails once, before or after it has taken effect."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Connection

from ledger.errors import TransientError
from ledger.log.anchor import AnchorLock, FileAnchor
from ledger.log.append import Log
from ledger.log.store.sqlite import SqliteStore


def cases(steps: Iterable[str]) -> list[Any]:
    """Each step twice: the fault comes before it takes effect, and after."""
    return [
        pytest.param(step, kept, id=f"{step}-{'kept' if kept else 'not kept'}")
        for step in steps
        for kept in (False, True)
    ]


class Faults:
    """Fails one step once, before or after it has taken effect."""

    def __init__(self, step: str, *, persisted: bool) -> None:
        self.step, self.persisted, self.fired = step, persisted, False

    def around(self, step: str, action: Callable[[], Any]) -> Any:
        if step != self.step or self.fired:
            return action()
        self.fired = True
        if self.persisted:
            action()
        raise TransientError(f"injected at {step}")

    def install(self, monkeypatch: pytest.MonkeyPatch, log: Log) -> None:
        store, anchor = log.store, log.anchor
        assert isinstance(store, SqliteStore)
        assert isinstance(anchor, FileAnchor)
        tables = {
            "entry": "entries",
            "event": "ids",
            "listener_salt": "salts",
            "checkpoint": "checkpoint",
            "blob": "manifest",
        }
        insert, put_tiles, lock, held = store.insert, store.put_tiles, store.lock, anchor.held

        def inserting(tx: Connection, table: Any, rows: Any) -> None:
            self.around(tables.get(table[0], "other"), lambda: insert(tx, table, rows))

        @contextmanager
        def holding(_anchor: FileAnchor) -> Iterator[AnchorLock]:
            with held() as found:
                self.around("hold anchor", lambda: None)
                advance = found.advance
                monkeypatch.setattr(
                    found, "advance", lambda signed: self.around("write anchor", lambda: advance(signed)), raising=False
                )
                yield found

        monkeypatch.setattr(store, "insert", inserting)
        monkeypatch.setattr(store, "put_tiles", lambda tx, t: self.around("tiles", lambda: put_tiles(tx, t)))
        monkeypatch.setattr(store, "lock", lambda tx: self.around("lock", lambda: lock(tx)))
        monkeypatch.setattr(FileAnchor, "held", holding)
        commit = store.writers.dialect.do_commit
        monkeypatch.setattr(
            store.writers.dialect, "do_commit", lambda dbapi: self.around("commit", lambda: commit(dbapi))
        )
