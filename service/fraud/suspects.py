"""Find the suspects of a month: score each listener's events, and list the tracks that they played.

A listener is identified as in the log: by source and commitment, which changes each month. Device hints come from an
erasable side table; they never enter a leaf.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import msgspec
import numpy as np
from sqlalchemy import Column, LargeBinary, MetaData, Table, Text, inspect, select

from ledger.errors import InputError
from ledger.types import Period, format_time, parse_time
from service.bundles import read_file
from service.fraud.scoring import UNKNOWN, PlayColumns, Suspicion, scorer_named

if TYPE_CHECKING:
    from pathlib import Path

    from ledger.log.append import Log
    from service.workspace import Workspace

SHOWN: Final = 1_000
"""Suspects and tracks in one answer."""

_METADATA: Final = MetaData()
_DEVICE: Final = Table(
    "fraud_device",
    _METADATA,
    Column("source", Text, primary_key=True),
    Column("event_id", Text, primary_key=True),
    Column("device", LargeBinary, nullable=False),
    sqlite_strict=True,
)


class _PlayLeaf(msgspec.Struct, frozen=True):
    """The fields of an event leaf that a scorer sees."""

    source: str
    event_id: str
    track: str
    occurred_at: str
    units: int
    listener: str | None = None


class DeviceHint(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The device on which an event was played, as named by the platform."""

    source: str
    event_id: str
    device: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspect:
    """A suspicious listener: number of streams, points, and reasons."""

    source: str
    listener: str
    streams: int
    points: int
    reasons: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class SuspectTrack:
    """A track that suspects played, and the number of its streams that are theirs."""

    track: str
    streams: int
    suspected: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspicions:
    """A month's suspects by one scorer. This holds nothing: `settle fraud hold` does, and two people release it."""

    period: str
    scorer: str
    streams: int
    without_listener: int
    listeners: int
    suspected_listeners: int
    suspected_streams: int
    suspects: list[Suspect]
    tracks: list[SuspectTrack]


def suspicions(ws: Workspace, period: Period, *, scorer: str, shown: int | None = SHOWN) -> Suspicions:
    """Score every listener of a month.

    Return at most this many suspects (None: all), those with the most streams first.
    """
    score = scorer_named(scorer)
    listeners: dict[tuple[str, str], int] = {}
    tracks: dict[str, int] = {}
    rows: list[tuple[int, int, int]] = []
    ids: list[tuple[str, str]] = []
    without = 0
    decode = msgspec.json.Decoder(_PlayLeaf).decode
    start, end = format_time(period.start), format_time(period.end)
    for entry in ws.log.entries(types={"event"}):
        event = decode(entry.body)
        if not start <= event.occurred_at < end:
            continue
        if event.listener is None:
            without += event.units
            continue
        listener = listeners.setdefault((event.source, event.listener), len(listeners))
        track = tracks.setdefault(event.track, len(tracks))
        at = _seconds(event.occurred_at, period.start)
        rows += [(listener, track, at)] * event.units
        ids += [(event.source, event.event_id)] * event.units
    columns = np.array(rows, dtype=np.int64).reshape(-1, 3)
    plays = PlayColumns(listener=columns[:, 0], track=columns[:, 1], at=columns[:, 2], device=_devices(ws.log, ids))
    result = score(plays, len(listeners))
    names, titles = list(listeners), list(tracks)
    return _answer(
        plays, result, period=period, scorer=scorer, listeners=names, tracks=titles, without=without, shown=shown
    )


def _answer(
    plays: PlayColumns,
    result: Suspicion,
    *,
    period: Period,
    scorer: str,
    listeners: Sequence[tuple[str, str]],
    tracks: Sequence[str],
    without: int,
    shown: int | None,
) -> Suspicions:
    streams = np.bincount(plays.listener, minlength=len(listeners))
    points, suspected = result.points, result.held
    suspect_plays = np.bincount(plays.track[suspected[plays.listener]], minlength=len(tracks))
    of_tracks = np.bincount(plays.track, minlength=len(tracks))
    chosen = sorted(map(int, np.flatnonzero(suspected)), key=lambda i: (-int(streams[i]), listeners[i]))
    touched = sorted(map(int, np.flatnonzero(suspect_plays)), key=lambda i: (-int(suspect_plays[i]), tracks[i]))
    return Suspicions(
        period=str(period),
        scorer=scorer,
        streams=len(plays.listener) + without,
        without_listener=without,
        listeners=len(listeners),
        suspected_listeners=len(chosen),
        suspected_streams=int(streams[suspected].sum()),
        suspects=[
            Suspect(
                source=listeners[i][0],
                listener=listeners[i][1],
                streams=int(streams[i]),
                points=int(points[i]),
                reasons=[name for name, holds in result.reasons.items() if holds[i]],
            )
            for i in chosen[:shown]
        ],
        tracks=[
            SuspectTrack(track=tracks[i], streams=int(of_tracks[i]), suspected=int(suspect_plays[i]))
            for i in touched[:shown]
        ],
    )


def _seconds(text: str, start: datetime) -> int:
    return int((parse_time(text) - start).total_seconds())


# --- device hints -------------------------------------------------------------------------------


def take_devices(ws: Workspace, path: Path) -> int:
    """Store the device hints of a file (NDJSON: source, event_id, device); return the number of new ones."""
    data = read_file(path)
    try:
        hints = msgspec.json.Decoder(DeviceHint).decode_lines(data)
    except msgspec.MsgspecError as problem:
        raise InputError(f"{path}: expected one object a line with source, event_id and device: {problem}") from None
    with ws.log.projection() as tx:
        _METADATA.create_all(tx)
        stored = {(row.source, row.event_id) for row in tx.execute(select(_DEVICE.c.source, _DEVICE.c.event_id))}
        new = {
            (hint.source, hint.event_id): hashlib.sha256(hint.device.encode()).digest()
            for hint in hints
            if (hint.source, hint.event_id) not in stored
        }
        if new:
            tx.execute(
                _DEVICE.insert(),
                [{"source": key[0], "event_id": key[1], "device": device} for key, device in new.items()],
            )
    return len(new)


def forget_devices(ws: Workspace) -> int:
    """Erase every device hint; return their number."""
    with ws.log.projection() as tx:
        _METADATA.create_all(tx)
        return tx.execute(_DEVICE.delete()).rowcount


def _devices(log: Log, ids: Sequence[tuple[str, str]]) -> Any:
    """Return the number of each play's device; UNKNOWN without a hint."""
    with log.store.reading() as connection:
        if not inspect(connection).has_table(_DEVICE.name):
            return np.full(len(ids), UNKNOWN, dtype=np.int64)
        hints = {(row.source, row.event_id): bytes(row.device) for row in connection.execute(select(_DEVICE))}
    numbers = {device: number for number, device in enumerate(sorted(set(hints.values())))}
    hinted = (hints.get(key) for key in ids)
    return np.array([UNKNOWN if device is None else numbers[device] for device in hinted], dtype=np.int64)
