"""The usage of a period: summed by an engine over the log's segments, or directly from its entries.

All ways give exactly the same sums, so the engine's name is not part of a run's key.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ledger.errors import InputError, StateError, VerificationError
from ledger.log.append import Log
from ledger.proofs import dsse
from ledger.registry.view import View
from ledger.segments.manifest import manifests
from ledger.types import Digest
from payouts.life.listener_holds import read_listeners
from payouts.life.records import Hold
from payouts.protocols import HoldMatch, UsageRow
from payouts.rules.base import Rule
from payouts.terms import Terms
from payouts.usage import plain as usage_plain
from payouts.usage.grain import grain_of
from payouts.usage.intake import row_key
from service.log.logs import Listed, check_claims

if TYPE_CHECKING:
    from payouts.usage.segments import Engine, SegmentSelection
    from service.workspace import Workspace

Progress = Callable[[int, int | None], None] | None

PLAIN: Final = "log"
DEFAULT: Final = "duckdb"
SEGMENTS: Final = "segments"
_SPARK: Final = ("spark://", "local-cluster")


def check_engine(name: str) -> None:
    """Refuse an unknown engine before anything is read."""
    if name not in (PLAIN, DEFAULT) and not name.startswith(_SPARK):
        raise InputError(
            f"engine {name!r}: expected {DEFAULT}, spark://HOST:PORT, local-cluster, or {PLAIN} to read the log's "
            "entries one by one"
        )


def folder_of(ws: Workspace) -> Path:
    """Return the folder of the workspace's sealed segments."""
    return ws.home / SEGMENTS


def seal(ws: Workspace, size: int, on_progress: Progress = None) -> bool:
    """Seal the log into segments up to a size; False if this installation cannot write segments."""
    try:
        from ledger.segments.seal import seal as seal_segments
    except ImportError:
        return False
    seal_segments(ws.log, folder_of(ws), stop=size, on_progress=on_progress)
    return True


def sealed_up_to(log: Log, size: int) -> bool:
    """Return whether a log's segments reach this size."""
    sealed = manifests(log)
    return bool(sealed) and sealed[-1].stop >= size


def assigned_in(log: Log, size: int) -> usage_plain.VectorBinding:
    """Return the assigned vectors, from the home log's valid leaves below a size."""
    reading = log.reading()
    return usage_plain.VectorBinding(
        reading.first_assignments(size), lambda source, track, vector: reading.pays(track, vector, size, source)
    )


def summed(
    logs: Sequence[Listed],
    *,
    engine: str,
    view: View,
    terms: Terms,
    rule: Rule,
    holds: Sequence[HoldMatch],
    on_progress: Progress,
) -> list[UsageRow]:
    """Return the sorted usage of one pool in one period, over every log of the close, the home log first.

    Each log is summed separately, and a member's events are checked against the home log before they count. A source is
    in one log only, so rows of different logs never have the same key.
    """
    grain = grain_of(view, terms, rule)
    home = logs[0]
    assigned = assigned_in(home.log, home.membership.size)
    listeners = listeners_under(home.log, holds)
    with nullcontext() if engine == PLAIN else _engine(engine) as running:
        sums: dict[str, list[UsageRow]] = {}
        for closed in logs:
            if running is None:
                part = usage_plain.EntrySelection(
                    origin=closed.log.origin,
                    membership=closed.membership,
                    entries=closed.log.entries(types={"event"}, stop=closed.membership.size),
                )
                rows = usage_plain.usage(
                    [part], assigned=assigned, terms=terms, grain=grain, holds=listeners, on_progress=on_progress
                )
            else:
                from payouts.usage.segments import usage

                sealed = [_sealed(closed, running)]
                rows = usage(running, sealed, assigned=assigned, terms=terms, grain=grain, holds=listeners)
            sums[closed.log.origin] = rows
    if len(logs) > 1:
        check_claims(home.log, sums)
    return sorted(chain.from_iterable(sums.values()), key=row_key)


def listeners_under(log: Log, holds: Iterable[HoldMatch]) -> usage_plain.ListenerHolds:
    """Return the listeners under these holds, by month; one under several holds belongs to the first by id."""
    listeners: dict[tuple[str, str, str], str] = {}
    for hold in sorted((hold for hold in holds if hold.listeners is not None), key=lambda hold: hold.id):
        held = read_listeners(_stored_list(log, hold.id, str(hold.listeners)), str(hold.listeners))
        for suspect in held.listeners:
            listeners.setdefault((suspect.source, suspect.listener, held.period), hold.id)
    return listeners


def _stored_list(log: Log, hold: str, statement: Digest) -> bytes:
    """Return the list of a hold on listeners; without it, its suspects would be paid."""
    try:
        return log.blob(statement)
    except InputError as problem:
        raise InputError(
            f"hold {hold} names a list of listeners that is not stored here: {problem}; restore it from a copy "
            f"of the log, or let two people end the hold: settle hold release {hold}"
        ) from None


def check_listener_lists(log: Log, holds: Iterable[Hold]) -> None:
    """Refuse a hold on listeners whose list is of another month than the hold, or not signed by who opened it."""
    ring = log.ring()
    for hold in holds:
        if hold.statement is None:
            continue
        data = _stored_list(log, hold.id, hold.statement)
        period = read_listeners(data, hold.statement).period
        if period != hold.subject:
            raise VerificationError(
                f"hold {hold.id} is of {hold.subject}, its list of listeners of {period}; let two people end the hold: "
                f"settle hold release {hold.id}"
            )
        key = None if ring is None else ring.find(hold.key)
        if key is not None and not dsse.signers(dsse.parse(data), [key.public]):
            raise VerificationError(f"the list of hold {hold.id} is not signed by {key}, who opened the hold")


def _sealed(one: Listed, running: Engine) -> SegmentSelection:
    """Return a log's segments for the engine, after checking each file against its digest in the manifest."""
    from ledger.segments.bindings import load
    from payouts.usage.segments import SegmentSelection, taken_files

    folder = one.folder / SEGMENTS
    base = (one.for_cluster if running.name.startswith(_SPARK) else "") or str(folder)
    sealed = [manifest for manifest in manifests(one.log) if manifest.start < one.membership.size]
    running.check(base, taken_files(sealed, one.membership))
    return SegmentSelection(
        origin=one.log.origin, base=base, manifests=sealed, membership=one.membership, bindings=load(folder, sealed)
    )


def _engine(name: str) -> AbstractContextManager[Engine]:
    check_engine(name)
    try:
        if name.startswith(_SPARK):
            import pyspark  # noqa: F401  asked for here, so that its absence is told in our words

            from payouts.usage.spark import spark_engine

            return spark_engine(name)
        from payouts.usage.engines import duckdb_engine
    except ImportError as missing:
        extra = "spark" if name.startswith(_SPARK) else "payouts"
        raise StateError(
            f"engine {name} needs {missing.name}: install settle-engine[{extra}], or say --engine {PLAIN}"
        ) from None
    return duckdb_engine()
