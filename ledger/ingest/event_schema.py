"""The JSON Schema of a stream event (draft 2020-12), with the rules of `ledger.ingest.checks`.

A schema cannot express two of the checks: that a time exists, and that text is printable and in Unicode form NFC.
"""

from __future__ import annotations

from typing import Any, Final

from ledger.ingest.checks import ID_MAX, REQUIRED, UNITS_MAX
from ledger.proofs.canon import INT_MAX

SCHEMA_ID: Final = "https://json-schema.org/draft/2020-12/schema"


def _text(description: str) -> dict[str, Any]:
    return {"type": "string", "minLength": 1, "maxLength": ID_MAX, "description": description}


def event_schema() -> dict[str, Any]:
    """Return the schema as a JSON value."""
    return {
        "$schema": SCHEMA_ID,
        "title": "StreamEvent",
        "description": "One stream as a platform reports it; further fields are left out.",
        "type": "object",
        "required": list(REQUIRED),
        "dependentRequired": {"gross_micros": ["currency"]},
        "properties": {
            "source": _text("The platform."),
            "event_id": _text("Unique within the source; sent again, it counts once."),
            "track": _text("A registered track."),
            "occurred_at": {
                "type": "string",
                "format": "date-time",
                "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}",
                "description": "RFC 3339, with an offset.",
            },
            "territory": {"type": "string", "pattern": "^[A-Z]{2}$", "description": "ISO 3166 alpha-2."},
            "units": {"type": "integer", "minimum": 0, "maximum": UNITS_MAX, "description": "Streams."},
            "product": _text("Such as premium."),
            "gross_micros": {
                "type": "integer",
                "minimum": 0,
                "maximum": INT_MAX,
                "description": "Millionths of the currency's unit.",
            },
            "currency": {"type": "string", "pattern": "^[A-Z]{3}$", "description": "ISO 4217."},
            "listener": _text("A stable id, never a name; it does not enter the log."),
            "vector": {
                "type": ["object", "string"],
                "pattern": "^[0-9a-f]{64}$",
                "description": "A declared influence vector, without its track, or the digest of one in the log.",
            },
        },
    }
