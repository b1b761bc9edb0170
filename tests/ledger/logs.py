"""Logs for tests: a fixed key, a clock that ticks by hand, a fresh log in a folder."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ledger.log.append import Log
from ledger.log.opening import open_log
from ledger.proofs import leaf
from ledger.proofs.keys import PrivateKey

ORIGIN = "example.org/log"
KEY = PrivateKey.from_seed(bytes(range(32)))


@dataclass
class TickingClock:
    """Time stands still until a test moves it."""

    now: datetime = datetime(2026, 7, 1, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **delta: int) -> None:
        self.now += timedelta(**delta)


def log_in(folder: Path, *, clock: TickingClock | None = None, check: bool = True) -> Log:
    """The log kept in this folder, made if the folder is empty."""
    return open_log(
        folder / "settle.db",
        origin=ORIGIN,
        signer=KEY,
        anchor=folder / "settle.anchor",
        clock=clock or TickingClock(),
        check=check,
    )


def event(event_id: str, *, source: str = "acme", track: str = "trk-1", **fields: Any) -> dict[str, Any]:
    """An event leaf with everyday values."""
    values: dict[str, Any] = {
        "occurred_at": "2026-06-03T11:05:00Z",
        "territory": "SE",
        "units": 1,
        "vector": None,
        **fields,
    }
    return leaf.event(source=source, event_id=event_id, track=track, **values)


def note(text: str = "") -> dict[str, Any]:
    """A leaf of no consequence."""
    return leaf.make("note", TickingClock.now, text=text or None)
