"""Explain a line: the pool's arithmetic, the vectors, the streams and their proofs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from ledger.errors import InputError
from ledger.log.store import signed
from ledger.proofs.batch import label
from ledger.types import Digest, Influence, InfluenceVector, MeasuredError
from payouts.compute import GroupTotal, Line
from payouts.division.breakdown import Piece, break_down
from payouts.usage.plain import UsageLeaf
from service.log import batches
from service.log.logs import Listed, listed
from service.registry.naming import unknown_party, unknown_track
from service.settlement.approvers import is_demo
from service.settlement.finding import find_run
from service.settlement.runs import again
from service.settlement.step import read_book
from service.settlement.stored import Stored, load
from service.settlement.usage import assigned_in

if TYPE_CHECKING:
    from service.workspace import Workspace

EVENTS_SHOWN = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupExplained:
    """How an owner group's integer was computed: floor(owed / denominator), and one more if `rounded_up`."""

    group: str
    weight: str
    weight_of_all: str
    owed: str
    denominator: str
    rounded_up: bool
    micros: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LineExplained:
    """One line with the pieces that add up to it."""

    group: str
    state: str
    reason: str
    weight: str
    micros: int
    pieces: tuple[Piece, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class VectorExplained:
    """A vector by which the party was paid, with the party's sources, and the command that proves it."""

    digest: Digest
    track: str
    method: str
    version: str
    model: str | None
    measured_error: MeasuredError | None
    sources: tuple[Influence, ...]
    unattributed_ppm: dict[str, int]
    units: int
    streams: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EventExplained:
    """One stream of a line, who vouches for it, and the command that proves it."""

    log: str
    index: int
    source: str
    event_id: str
    occurred_at: str
    territory: str
    units: int
    vector: Digest | None
    platform: str
    prove: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """Everything behind a party's lines in a run; `events` only if a track was named."""

    run: Digest
    party: str
    track: str | None
    currency: str
    pool_micros: int
    groups: tuple[GroupExplained, ...]
    lines: tuple[LineExplained, ...]
    vectors: tuple[VectorExplained, ...]
    streams: int
    events: tuple[EventExplained, ...]
    demo: bool


def explain(ws: Workspace, run_id: str, party: str, track: str | None = None) -> Explained:
    """Trace a party's lines back to vectors and, for one track, to its streams."""
    book = read_book(ws)
    stored = load(ws.log, find_run(book, run_id))
    inputs = again(ws, stored)
    lines = []
    for line, pieces in break_down(inputs, stored.outcome, {party}):
        chosen = tuple(piece for piece in pieces if track is None or piece.track == track)
        if chosen:
            lines.append(_line(line, chosen))
    if not lines:
        raise _no_lines(ws, stored, party, track)
    all_pieces = [piece for line in lines for piece in line.pieces]
    streams, events = (0, ()) if track is None else _events(ws, stored, track)
    return Explained(
        run=stored.record.run,
        party=party,
        track=track,
        currency=stored.currency,
        pool_micros=stored.outcome.pool,
        groups=_groups(stored, {line.group for line in lines}),
        lines=tuple(lines),
        vectors=_vectors(stored, inputs.vectors, all_pieces),
        streams=streams,
        events=events,
        demo=is_demo(ws, book, [stored.record.run]),
    )


def _no_lines(ws: Workspace, stored: Stored, party: str, track: str | None) -> InputError:
    """Return the error if there are no lines: unknown party or track, or no money of the party through that track."""
    view = ws.registry.view()
    if party not in view.parties and party not in stored.accounts:
        return unknown_party(ws, party)
    if track is not None and track not in view.tracks:
        return unknown_track(ws, track)
    about = "" if track is None else f" for track {track}"
    return InputError(
        f"run {stored.record.run[:16]} has no line of {party}{about}; see settle statement {party} --period "
        f"{stored.record.period}"
    )


def _line(line: Line, pieces: tuple[Piece, ...]) -> LineExplained:
    return LineExplained(
        group=line.group,
        state=line.state,
        reason=line.reason,
        weight=str(line.weight),
        micros=line.micros,
        pieces=pieces,
    )


def _groups(stored: Stored, wanted: set[str]) -> tuple[GroupExplained, ...]:
    outcome = stored.outcome
    return tuple(_group(stored, total) for total in outcome.groups if total.group in wanted)


def _group(stored: Stored, total: GroupTotal) -> GroupExplained:
    level = stored.outcome.level
    owed = level.owed(total.weight)
    return GroupExplained(
        group=total.group,
        weight=str(total.weight),
        weight_of_all=str(stored.outcome.weight),
        owed=str(owed),
        denominator=str(level.denominator),
        rounded_up=total.micros > owed // level.denominator,
        micros=total.micros,
    )


def _vectors(
    stored: Stored, vectors: Mapping[Digest, InfluenceVector], pieces: list[Piece]
) -> tuple[VectorExplained, ...]:
    """Return the vectors of the tracks behind these pieces."""
    tracks = {piece.track for piece in pieces}
    concerned = {(piece.aspect, name) for piece in pieces for name in (piece.source, piece.via)}
    rows = [row for row in stored.usage if row.track in tracks and row.vector is not None]
    out = []
    for digest in sorted({row.vector for row in rows if row.vector is not None}):
        vector = vectors[digest]
        of_vector = [row for row in rows if row.vector == digest]
        aspects = {"recording": vector.recording, "composition": vector.composition, "style": vector.style}
        out.append(
            VectorExplained(
                digest=digest,
                track=vector.track,
                method=vector.method,
                version=vector.version,
                model=vector.model,
                measured_error=vector.error,
                sources=tuple(
                    source
                    for name, aspect in aspects.items()
                    for source in aspect.sources
                    if (name, source.id) in concerned
                ),
                unattributed_ppm={name: aspect.unattributed for name, aspect in aspects.items()},
                units=sum(row.units for row in of_vector),
                streams=sum(row.count for row in of_vector),
            )
        )
    return tuple(out)


def _events(ws: Workspace, stored: Stored, track: str) -> tuple[int, tuple[EventExplained, ...]]:
    """Return the number of the run's streams of a track, and the first few."""
    logs = listed(ws, read_book(ws), stored.record.period)
    home = logs[0]
    assigned = assigned_in(home.log, home.membership.size)
    count = 0
    shown: list[EventExplained] = []
    for closed in logs:
        streams = [(index, event) for index, event in _streams(closed) if event.track == track]
        count += len(streams)
        where = "" if closed.log is ws.log else f" --home {closed.folder}"
        first = streams[: EVENTS_SHOWN - len(shown)]
        with closed.log.store.reading() as connection:
            signed_by = signed.parties(connection, [index for index, _ in first], batches.signers(closed.log))
        shown += [
            EventExplained(
                log=closed.log.origin,
                index=index,
                source=event.source,
                event_id=event.event_id,
                occurred_at=event.occurred_at,
                territory=event.territory,
                units=event.units,
                vector=assigned.of(event.source, track, event.vector),
                platform=label(signed_by.get(index)),
                prove=f"settle ledger prove --index {index} --out {event.source}-{event.event_id}.bundle{where}",
            )
            for index, event in first
        ]
    return count, tuple(shown)


def _streams(one: Listed) -> Iterator[tuple[int, UsageLeaf]]:
    """Yield the events of a log that a run counted."""
    decode = msgspec.json.Decoder(UsageLeaf).decode
    for entry in one.log.entries(types={"event"}, stop=one.membership.size):
        event = decode(entry.body)
        if one.membership.takes(entry.index, event.occurred_at):
            yield entry.index, event
