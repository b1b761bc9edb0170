"""Accept events; return receipts, and a platform's own rows in quarantine."""

from __future__ import annotations

import base64
import binascii
import secrets
from dataclasses import dataclass, field, replace
from typing import Any, Final

import msgspec

from ledger.errors import InputError, StateError, TransientError
from ledger.ingest import quarantine
from ledger.ingest.acknowledged import Acknowledged, Handed
from ledger.ingest.admission import Ingest
from ledger.ingest.checks import check_id
from ledger.ingest.naming import Naming
from ledger.ingest.receipts import receipts
from ledger.ingest.rows import Rows
from ledger.log.append import Log
from ledger.log.store import queries
from service.log import batches
from service.log.following import follow, takes
from service.log.ingesting import Admission
from service.log.intake import decoded
from service.web.call import Call
from service.web.guard.problems import RefusedError
from service.workspace import Workspace

FORMS: Final = {
    "": "ndjson",
    "application/x-ndjson": "ndjson",
    "application/ndjson": "ndjson",
    "application/jsonl": "ndjson",
    "application/json": "ndjson",
    "text/csv": "csv",
    "application/vnd.apache.parquet": "parquet",
}
"""Content types of bodies of events."""
RECEIPTS_MAX: Final = 1_000
REASONS_MAX: Final = 1_000
"""Refused rows named in one answer; all of them are in quarantine."""
PAGE_BYTES_MAX: Final = 4 << 20
"""Of the rows in quarantine in one answer: a thousand rows of a megabyte each would fill the memory."""
BATCH_HEADER: Final = "settle-batch"
_GZIP: Final = b"\x1f\x8b"


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedRow:
    """A row that was not appended: its line in the body, and why."""

    line: int
    kind: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IntakeCounts:
    """The result of a body of events. read = accepted + duplicates + conflicts + quarantined.

    `ranges` are [first index, count] of the accepted events in the order of the body. `size` and `checkpoint` cover
    them, and the duplicates too. `ignored` counts the rows in which each unknown field was left out.
    """

    read: int
    accepted: int
    unresolved: int
    duplicates: int
    conflicts: int
    quarantined: int
    refused: list[RefusedRow]
    ranges: list[tuple[int, int]]
    size: int
    checkpoint: str
    batch: int | None = None
    ignored: dict[str, int] = field(default_factory=dict)


def take_events(call: Call) -> IntakeCounts:
    """`POST /v1/sources/{source}/events`."""
    source = _source(call)
    name = f"sources/{source}"
    naming = Naming()
    rows = _rows(call, name, naming)
    try:
        done = call.held.intake.take(Handed(rows=rows, name=name, source=source))
    except StateError as problem:
        raise TransientError(f"the log cannot be written to now: {problem}") from problem
    return replace(_answer(call, done), ignored=dict(naming.ignored))


def take_batch(call: Call) -> IntakeCounts:
    """`POST /v1/sources/{source}/batches`: the events of a batch that the platform signed, whole or not at all."""
    source = _source(call)
    name = f"sources/{source}"
    statement, envelope = batches.parse(_statement(call), BATCH_HEADER)
    if statement.source != source:
        raise InputError(f"{BATCH_HEADER} is a batch of {statement.source!r}, not of {source!r}")
    rows = _rows(call, name)

    def act(ws: Workspace) -> Acknowledged:
        home = follow(ws)
        if not takes(ws, home, source):
            raise StateError(f"source {source} is assigned to another log than {ws.log.origin}: hand it in there")
        counts = batches.take_rows(ws, [rows], name, statement, envelope)
        ingest = Ingest(
            ws.log,
            name=name,
            entropy=secrets.token_bytes,
            admit=Admission(ws) if home is None else None,
            source=source,
            home=home,
            places=counts.places,
        )
        return ingest.take(rows)

    return replace(_answer(call, call.held.standing.acting(act, folding=True)), batch=statement.number)


def _statement(call: Call) -> bytes:
    text = call.headers.get(BATCH_HEADER, "")
    try:
        return base64.b64decode(text.encode(), validate=True)
    except (ValueError, binascii.Error):
        raise InputError(f"the header {BATCH_HEADER} must be the signed statement in base64") from None


def _source(call: Call) -> str:
    check_id(call.params["source"], "source")
    return call.params["source"]


def _rows(call: Call, name: str, naming: Naming | None = None) -> Rows:
    """The rows of the body, within the limits of bytes and rows."""
    form = _form(call)
    if form == "parquet":
        from service.web.guard.parquet import UnpackedBytes

        rows = decoded(call.body, form, name, naming, measure=UnpackedBytes(call.held.limits))
    else:
        rows = decoded(call.body, form, name, naming)
    _check_rows(call, len(rows.events) + len(rows.refused))
    return rows


def _form(call: Call) -> str:
    media = call.media.partition(";")[0].strip().lower()
    if media not in FORMS:
        raise RefusedError(415, "media", f"content-type {media!r}; known are {', '.join(filter(None, FORMS))}")
    if call.body.startswith(_GZIP):
        raise RefusedError(415, "encoding", "the body is gzip: say so with content-encoding: gzip, once")
    most = call.held.limits.rows
    if FORMS[media] == "parquet":
        from service.web.guard.parquet import check_parquet

        check_parquet(call.body, call.held.limits)
    elif (lines := call.body.count(b"\n")) > most:
        raise _too_many(lines, most)
    return FORMS[media]


def _check_rows(call: Call, count: int) -> None:
    limits = call.held.limits
    if count > limits.rows:
        raise _too_many(count, limits.rows)
    if call.principal is not None:
        call.held.buckets.take(call.principal.key, "events", count, limits.events_per_second)


def _too_many(count: int, most: int) -> RefusedError:
    return RefusedError(413, "rows", f"{count:,} rows in one body, at most {most:,}: send them in parts")


def _answer(call: Call, done: Acknowledged) -> IntakeCounts:
    counts = done.counts
    call.held.metrics.count(counts)
    if done.appended is not None:
        size, checkpoint = done.appended.size, done.appended.checkpoint
    else:
        with call.held.standing.workspace() as ws:
            size, checkpoint = ws.log.head().size, ws.log.checkpoint()
    return IntakeCounts(
        read=counts.read,
        accepted=counts.accepted,
        unresolved=counts.unresolved,
        duplicates=counts.duplicates,
        conflicts=counts.conflicts,
        quarantined=counts.quarantined,
        refused=[RefusedRow(line=row.line, kind=kind, reason=row.reason) for kind, row in done.refused[:REASONS_MAX]],
        ranges=[(done.first, counts.accepted)] if counts.accepted else [],
        size=size,
        checkpoint=checkpoint.decode(),
    )


# --- reading back -----------------------------------------------------------------------------------


class Wanted(msgspec.Struct, forbid_unknown_fields=True):
    """The events that receipts are asked for."""

    event_ids: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class EventReceipt:
    """An event's receipt, a `.tlog-proof`: asked for again, the same bytes."""

    event_id: str
    index: int
    receipt: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipts:
    """Receipts in the order asked for, and the ids that the log does not hold."""

    receipts: list[EventReceipt]
    missing: list[str]


def one_receipt(call: Call) -> Receipts:
    """`GET /v1/sources/{source}/receipts?event_id=`."""
    return _receipts(call, [call.required("event_id")])


def many_receipts(call: Call) -> Receipts:
    """`POST /v1/sources/{source}/receipts`: up to 1,000 ids."""
    try:
        event_ids = msgspec.json.decode(call.body, type=Wanted).event_ids
    except (msgspec.MsgspecError, UnicodeDecodeError) as problem:
        raise InputError(f'expected {{"event_ids": [...]}}: {problem}') from None
    if len(event_ids) > RECEIPTS_MAX:
        raise RefusedError(413, "rows", f"{len(event_ids):,} receipts in one request, at most {RECEIPTS_MAX:,}")
    return _receipts(call, event_ids)


def _receipts(call: Call, wanted: list[str]) -> Receipts:
    source = _source(call)
    with call.held.standing.workspace() as ws:
        places = _places(ws.log, source, wanted)
        lines = [
            EventReceipt(event_id=event[1], index=event[2], receipt=receipt.decode())
            for event, receipt in receipts(ws.log, places.values())
        ]
    return Receipts(receipts=lines, missing=[name for name in dict.fromkeys(wanted) if name not in places])


def _places(log: Log, source: str, wanted: list[str]) -> dict[str, tuple[str, str, int]]:
    for name in wanted:
        check_id(name, "event_id")
    with log.store.reading() as connection:
        indexes = queries.find_events(connection, source, list(dict.fromkeys(wanted))) if wanted else {}
    return {name: (source, name, indexes[name]) for name in dict.fromkeys(wanted) if name in indexes}


def quarantined(call: Call) -> dict[str, Any]:
    """`GET /v1/sources/{source}/quarantine`: the rows that this source sent over HTTP and that wait.

    The next ones follow with `after=`, the last id of these.
    """
    source = _source(call)
    with call.held.standing.workspace() as ws, ws.log.store.reading() as connection:
        name = f"sources/{source}"
        count = quarantine.count(connection, name=name)
        page = quarantine.waiting_page(
            connection, name, after=call.number("after", default=0), most=REASONS_MAX, most_bytes=PAGE_BYTES_MAX
        )
    return {"waiting": count, "rows": page}
