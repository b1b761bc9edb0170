"""Export the registry as files: the document that `import` reads, one CSV per list, and empty templates.

The export is the state of a view, with names that were not erased. Importing it into an empty registry gives the same
answers.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from ledger.errors import InputError
from ledger.registry import rows as r
from ledger.registry.model import BEGINNING, FOREVER, Grant, Instant, Link, Share, Use
from ledger.registry.readers import FORMULA, columns
from ledger.registry.view import View
from ledger.types import Digest

Fields = Mapping[str, str]
Names = Callable[[str, str], Fields]
"""(kind, id) -> personal fields still held; empty when there are none."""


def document(view: View, names: Names, manifest: Callable[[Digest], list[str]]) -> dict[str, list[dict[str, Any]]]:
    """Return the whole registry document."""
    shares = [
        line for key in sorted(view.shares_of) for line in sorted(view.shares_of[key], key=lambda record: record.id)
    ]
    links = [
        link for recording in sorted(view.links) for link in sorted(view.links[recording], key=lambda record: record.id)
    ]
    return {
        "parties": [
            _row(id=record.id, kind=record.kind, group=record.groups[-1][1], **names("party", record.id))
            for _, record in sorted(view.parties.items())
        ],
        "works": [_row(id=record.id, title=record.title, iswc=record.iswc) for _, record in sorted(view.works.items())],
        "recordings": [
            _row(
                id=record.id,
                title=record.title,
                isrc=record.isrc,
                audio=record.audio,
                style=record.style,
                **names("recording", record.id),
            )
            for _, record in sorted(view.all_recordings.items())
        ],
        "links": [_link(link) for link in links],
        "shares": [_share(line) for line in shares],
        "grants": [row for _, grant in sorted(view.grants.items()) for row in _grants(grant)],
        "models": [
            _row(
                id=record.id,
                version=record.version,
                operator=record.operator,
                weights_sha256=record.weights_sha256,
                licences=list(record.licences) or None,
                training=None if record.manifest is None else manifest(record.manifest.blob),
            )
            for _, record in sorted(view.models.items())
        ],
        "tracks": [
            _row(
                id=record.id,
                title=record.title,
                model=record.model,
                version=record.version,
                generated_at=record.generated_at,
                audio_sha256=record.audio_sha256,
                conditioning=list(record.conditioning) or None,
                decisions=list(record.decisions) or None,
                isrc=record.isrc,
                aliases=list(record.aliases) or None,
            )
            for _, record in sorted(view.tracks.items())
            if not record.draft
        ],
    }


def _row(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _dated(start: str, end: str) -> dict[str, str]:
    dates = {} if start == BEGINNING else {"from": r.day(start)}
    return dates if end == FOREVER else {**dates, "to": r.day(end)}


def _link(link: Link) -> dict[str, Any]:
    return {
        "recording": link.recording,
        "work": link.work,
        "ppm": link.ppm,
        **_dated(link.start, link.end),
        "state": link.state,
    }


def _share(line: Share) -> dict[str, Any]:
    return {
        "subject": line.subject,
        "party": line.party,
        "right": line.right,
        "ppm": line.ppm,
        "territory": line.territory,
        **_dated(line.start, line.end),
        "state": line.state,
    }


def _grants(grant: Grant) -> Iterator[dict[str, Any]]:
    """Return a grant as it counts now: uses with different ends, because some were revoked, become separate grants.

    A use revoked before its beginning is left out.
    """
    ends: dict[Instant, list[Use]] = {}
    for use in grant.uses:
        ends.setdefault(grant.end_of(use), []).append(use)
    for end, uses in sorted(ends.items(), reverse=True):
        if end > grant.start:
            yield _row(
                id=grant.id if end == max(ends) else f"{grant.id}:{'+'.join(uses)}",
                grantor=grant.grantor,
                subject=grant.subject,
                uses=uses,
                decision=grant.decision,
                territory=grant.territory,
                **_dated(grant.start, end),
                licensee=grant.licensee,
                model=grant.model,
                floor_micros=grant.floor_micros,
                currency=grant.currency,
                cap_ppm=grant.cap_ppm,
                sunset=None if grant.sunset is None else r.day(grant.sunset),
            )


def csv_text(name: str, rows: list[dict[str, Any]]) -> str:
    """Return one list as CSV; the items of a list are joined by `|` in one cell."""
    if name not in r.LISTS:
        raise InputError(f"unknown list {name!r}; known are {', '.join(r.LISTS)}")
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, fieldnames=list(columns(name)), lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    for row in rows:
        writer.writerow({key: _cell(value) for key, value in row.items()})
    return out.getvalue()


def _cell(value: Any) -> str:
    """Return a cell that no spreadsheet runs as a formula; the CSV reader removes the quote again."""
    text = "|".join(map(str, value)) if isinstance(value, list) else str(value)
    return f"'{text}" if text.startswith(FORMULA) else text


EXAMPLE: Final[dict[str, list[dict[str, Any]]]] = {
    "parties": [{"id": "p-ann", "name": "Ann", "kind": "person", "group": "ann"}],
    "works": [{"id": "wrk-1", "title": "Blue", "iswc": "T-034.524.680-1"}],
    "recordings": [
        {
            "id": "rec-1",
            "title": "Blue",
            "artist": "Ann",
            "isrc": "SEA012600001",
            "work": "wrk-1",
            "audio": "audio/blue.wav",
            "style": "blues",
        },
    ],
    "links": [{"recording": "rec-1", "work": "wrk-1", "ppm": 1_000_000, "state": "confirmed"}],
    "shares": [
        {
            "subject": "rec-1",
            "party": "p-ann",
            "right": "master",
            "ppm": 1_000_000,
            "territory": "WORLD",
            "from": "2020-01-01",
            "state": "confirmed",
        },
    ],
    "grants": [
        {
            "id": "g-1",
            "grantor": "p-ann",
            "subject": "rec-1",
            "uses": ["train", "condition"],
            "decision": "allow",
            "territory": "WORLD",
            "from": "2026-01-01",
        },
    ],
    "models": [{"id": "mdl-1", "version": "1", "operator": "p-ann", "weights_sha256": "0" * 64, "training": ["rec-1"]}],
    "tracks": [
        {
            "id": "trk-1",
            "title": "Blue again",
            "model": "mdl-1",
            "version": "1",
            "generated_at": "2026-05-30T10:00:00Z",
            "audio_sha256": "0" * 64,
        },
    ],
    "payees": [
        {"party": "p-ann", "method": "bank", "account": "SE45 5000 0000 0583 9825 7466", "from": "2026-01-01"},
    ],
}
"""A registry of one of each, which imports as it stands."""
