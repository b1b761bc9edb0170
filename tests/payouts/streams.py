"""Logs full of streams for usage tests, and the same usage by every way of summing it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from ledger.log.append import Log
from ledger.proofs import leaf
from ledger.segments.bindings import load
from ledger.segments.check import check_files
from ledger.segments.manifest import manifests
from ledger.segments.seal import seal
from ledger.types import Period
from payouts.protocols import UsageRow
from payouts.terms import Terms
from payouts.usage.grain import Grain, Membership
from payouts.usage.plain import NO_HOLDS, EntrySelection, ListenerHolds, VectorBinding
from payouts.usage.plain import usage as plain_usage
from payouts.usage.segments import Engine, SegmentSelection, taken_files, usage
from tests.ledger.logs import KEY, TickingClock, event

AT = TickingClock.now


def digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def assign(track: str, vector: str) -> dict[str, Any]:
    return leaf.assign(AT, track=track, vector=digest(vector), signer=KEY)


def streams(seed: int, count: int, *, source: str = "acme", money: bool = False) -> list[dict[str, Any]]:
    """Events of May and June, some listeners and products, tracks assigned late, again or never."""
    r = random.Random(seed)
    out: list[dict[str, Any]] = []
    now: dict[str, str] = {}
    for n in range(count):
        track = f"trk-{min(int(r.expovariate(0.3)), 12)}"
        if r.random() < 0.05 and track != "trk-3":
            # Never one from before: the same words in the same second would be a repetition, and void.
            now[track] = f"{track}/{r.randrange(3)}/{n}"
            out.append(assign(track, now[track]))
        month, day = r.choice([(5, 31), (6, 1), (6, 15), (6, 15), (6, 30), (7, 1)])
        fields: dict[str, Any] = {"product": r.choice([None, "premium", "free"]), "units": r.randrange(4)}
        if money or r.random() < 0.5:
            fields |= {"gross_micros": r.randrange(10**6), "currency": "EUR"}
        if r.random() < 0.7:
            fields["listener"] = digest(f"listener {r.randrange(5)}")
        out.append(
            event(
                f"{source}-{seed}-{n}",
                source=source,
                track=track,
                occurred_at=f"2026-{month:02d}-{day:02d}T{r.randrange(24):02d}:{r.randrange(60):02d}:{r.randrange(60):02d}Z",
                territory=r.choice(["SE", "SE", "NO", "DE", "US"]),
                vector=digest(now[track]) if track in now else None,
                **fields,
            )
        )
    return out


JUNE = Period(2026, 6)
TERMS = Terms(period="2026-06", currency="EUR", micros=10**9)


def membership(size: int, before: int | None = None) -> Membership:
    """June, closed at a size; May at one before that."""
    return Membership(size=size, end=JUNE.end, earlier=None if before is None else (before, JUNE.start))


def source_of(log: Log, folder: Path, member: Membership) -> SegmentSelection:
    """A sealed log as the expression takes it."""
    sealed = [one for one in manifests(log) if one.start < member.size]
    check_files(folder, taken_files(sealed, member))
    known = load(folder, sealed)
    return SegmentSelection(origin=log.origin, base=str(folder), manifests=sealed, membership=member, bindings=known)


def whole(log: Log) -> Membership:
    """June, closed where the log's segments end."""
    return membership(manifests(log)[-1].stop)


def assigned_in(log: Log, size: int) -> VectorBinding:
    """What the log's reading says of the vectors by which its events pay."""
    reading = log.reading()
    return VectorBinding(
        reading.first_assignments(size), lambda source, track, vector: reading.pays(track, vector, size, source)
    )


def by_engine(
    engine: Engine,
    logs: Sequence[tuple[Log, Path, Membership]],
    terms: Terms,
    grain: Grain,
    holds: ListenerHolds = NO_HOLDS,
) -> list[UsageRow]:
    home, _, member = logs[0]
    assigned = assigned_in(home, member.size)
    parts = [source_of(*one) for one in logs]
    return usage(engine, parts, assigned=assigned, terms=terms, grain=grain, holds=holds)


def by_hand(
    logs: Sequence[tuple[Log, Path, Membership]], terms: Terms, grain: Grain, holds: ListenerHolds = NO_HOLDS
) -> list[UsageRow]:
    home, _, member = logs[0]
    assigned = assigned_in(home, member.size)
    parts = [
        EntrySelection(origin=log.origin, membership=one, entries=log.entries(types={"event"}, stop=one.size))
        for log, _, one in logs
    ]
    return plain_usage(parts, assigned=assigned, terms=terms, grain=grain, holds=holds)


def sealed_log(
    log: Log, folder: Path, leaves: Sequence[dict[str, Any]], *, cuts: Sequence[int] = (), span: int = 10**6
) -> Path:
    """Leaves appended and sealed, in pieces that end at `cuts`."""
    start = 0
    for cut in (*cuts, len(leaves)):
        if leaves[start:cut]:
            log.append(leaves[start:cut])
            seal(log, folder, span=span)
        start = cut
    return folder
