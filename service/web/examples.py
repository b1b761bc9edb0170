"""The examples in the OpenAPI document."""

from __future__ import annotations

from typing import Any, Final

EVENT: Final = (
    '{"source":"acme","event_id":"e-1","track":"trk-1","occurred_at":"2026-06-03T11:05:00Z",'
    '"territory":"SE","units":1}\n'
)
TAKEN: Final[dict[str, Any]] = {
    "read": 2,
    "accepted": 1,
    "unresolved": 0,
    "duplicates": 0,
    "conflicts": 0,
    "quarantined": 1,
    "refused": [{"line": 2, "kind": "unknown-track", "reason": "track 'x' is unknown"}],
    "ranges": [[1041, 1]],
    "size": 1042,
    "checkpoint": "example.org/ledger\n1042\n...",
    "batch": None,
    "ignored": {"device": 2},
}
DECLARED: Final[dict[str, Any]] = {
    "track": "trk-1",
    "model": "mdl",
    "model_version": "1",
    "sources": [{"recording": "rec-1", "ppm": 600_000, "use": "condition"}],
    "decisions": ["5f0c..."],
}
DECLARATION: Final[dict[str, Any]] = {"track": "trk-1", "digest": "9a41...", "assigned": True, "findings": []}
RECEIPTS: Final[dict[str, Any]] = {
    "receipts": [{"event_id": "e-1", "index": 1041, "receipt": "c2sp.org/tlog-proof@v1\n..."}],
    "missing": ["e-2"],
}
QUARANTINE: Final[dict[str, Any]] = {
    "waiting": 1,
    "rows": [
        {
            "id": 1,
            "kind": "unknown-track",
            "file": "sources/acme",
            "line": 2,
            "reason": "track 'x' is unknown",
            "raw": EVENT,
            "at": "2026-06-03T12:00:00Z",
            "state": "waiting",
        }
    ],
}
_LIVE_PART: Final[dict[str, Any]] = {
    "party": "ann",
    "state": "allocated",
    "reason": "",
    "track": "trk-1",
    "source": "rec-1",
    "aspect": "recording",
    "territory": "SE",
    "weight": 600_000_000,
    "micros": 2400,
}
LIVE: Final[dict[str, Any]] = {
    "party": "ann",
    "period": "2026-07",
    "at": "2026-07-20T12:00:00Z",
    "size": 1042,
    "pools": [
        {
            "pool": "default",
            "currency": "EUR",
            "price_micros": 4000,
            "rule": "pro-rata",
            "earned_micros": 2400,
            "held_micros": 0,
            "on_account_micros": 0,
            "parts": [_LIVE_PART],
            "unknown": ["2026-06 is open: its streams, and those before it, are not counted here"],
        }
    ],
}
LIVE_STREAM: Final[list[dict[str, Any]]] = [
    {
        "track": "trk-1",
        "vector": "9a41...",
        "territory": "SE",
        "pool": "default",
        "currency": "EUR",
        "price_micros": 4000,
        "parts": [_LIVE_PART],
    }
]
