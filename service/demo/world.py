"""The demo's invented data: a catalogue, its holders, a model, generated tracks and a month of streams.

Everything follows from a seed, so that two people who run the demo see the same month.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from random import Random  # noqa: TID251  seeded by the caller; the demo's world must be repeatable
from typing import Any, Final

PERIOD: Final = "2026-06"
POOL: Final = "25000.00"
CURRENCY: Final = "EUR"
SOURCE: Final = "demo-platform"
"""The source that hands in a file, and sends its last rows over HTTP."""
SIGNING: Final = "nova"
"""The source whose platform signs its batches."""
SENDER: Final = "radio"
"""The party that speaks for the first source; the second source's party has its name."""
OPERATORS: Final = (
    {"id": "lab", "name": "The model's operator", "kind": "model-operator"},
    {"id": SENDER, "name": "Demo Radio", "kind": "platform"},
    {"id": SIGNING, "name": "Nova Streaming", "kind": "platform"},
)
BOT: Final = "u-bot-1"
BOT_PLAYS: Final = 501
"""Plays of one listener in one day: three minutes each are more than a day."""
TRACKS: Final = tuple(f"trk-{n:02d}" for n in range(1, 17))
DEBTOR: Final = """
[payouts]
debtor_name = "Demo Music Services"
debtor_iban = "DE89370400440532013000"
debtor_bic = "COBADEFF"
"""
"""Settings: the account that pays."""
TERRITORIES: Final = ("SE", "DE", "FR", "NL", "ES")
CHAIN_PAYEES: Final = 3
"""How many of the holders are paid through the smart contract, the rest by bank."""
MODEL: Final = {"id": "model-1", "version": "1", "operator": "lab"}


def registry_document(recordings: dict[str, str]) -> dict[str, Any]:
    """Holders, works, shares, grants, a model trained on all of it; every fifth recording has two owners."""
    document: dict[str, Any] = {
        "parties": [dict(party) for party in OPERATORS],
        "recordings": [],
        "works": [],
        "shares": [],
        "grants": [],
        "models": [MODEL | {"weights_sha256": "00" * 32, "training": sorted(recordings)}],
        "tracks": [],
        "payees": [],
    }
    holders = [f"holder-{n:02d}" for n in range(1, 9)]
    for n, holder in enumerate(holders, start=1):
        document["parties"].append(
            {"id": holder, "name": f"Holder {n:02d}", "kind": "label" if n % 3 == 0 else "person", "group": holder}
        )
        on_chain = n > len(holders) - CHAIN_PAYEES
        account = f"0x{n:040x}" if on_chain else _iban(n)
        method = "chain" if on_chain else "bank"
        document["payees"].append({"party": holder, "method": method, "account": account, "from": "2026-01-01"})
    for n, (recording, style) in enumerate(sorted(recordings.items())):
        work, owner, second_owner = f"work-{recording}", holders[n % len(holders)], holders[(n + 3) % len(holders)]
        document["recordings"].append(
            {
                "id": recording,
                "title": f"Recording {n + 1}",
                "artist": f"Artist {n % len(holders) + 1}",
                "work": work,
                "audio": f"audio/{recording}.wav",
                "style": style,
            }
        )
        document["works"].append({"id": work, "title": f"Work {n + 1}"})
        split = ((owner, 700_000), (second_owner, 300_000)) if n % 5 == 0 else ((owner, 1_000_000),)
        for right, subject in (("master", recording), ("publishing", work)):
            document["shares"] += [
                {
                    "subject": subject,
                    "party": party,
                    "right": right,
                    "ppm": ppm,
                    "territory": "WORLD",
                    "from": "2020-01-01",
                    "state": "confirmed",
                }
                for party, ppm in split
            ]
        for party, _ in split:
            document["grants"].append(
                {
                    "id": f"grant-{recording}-{party}",
                    "grantor": party,
                    "subject": recording,
                    "uses": ["train", "condition", "style"],
                    "decision": "allow",
                    "territory": "WORLD",
                    "from": "2026-01-01",
                }
            )
    document["tracks"] = [
        {
            "id": track,
            "title": f"Generated {track}",
            "model": MODEL["id"],
            "version": MODEL["version"],
            "generated_at": "2026-05-30T10:00:00Z",
        }
        for track in TRACKS
    ]
    return document


def with_debtor(settings: str) -> str:
    """Settings that name the account that pays, as payment files do."""
    return settings if DEBTOR in settings else settings + DEBTOR


def _iban(number: int) -> str:
    """An account number that banks' checks accept, of a bank that does not exist."""
    account = f"00000000{number:010d}"
    return f"DE{98 - int(f'{account}131400') % 97:02d}{account}"


def events(source: str, count: int, random: Random) -> Iterator[dict[str, Any]]:
    """A month of honest streams of one source: few tracks are played often, most seldom."""
    weights = [1 / (rank + 1) for rank in range(len(TRACKS))]
    for n, track in enumerate(random.choices(TRACKS, weights=weights, k=count)):
        yield {
            "source": source,
            "event_id": f"e-{n:07d}",
            "track": track,
            "occurred_at": f"2026-06-{1 + n * 30 // count:02d}T{random.randrange(24):02d}:00:00Z",
            "territory": TERRITORIES[random.randrange(len(TERRITORIES))],
            "product": "premium",
            "units": 1,
            "gross_micros": 4200,
            "currency": CURRENCY,
            "listener": f"u-{random.randrange(4000)}",
        }


def bot_events(source: str) -> Iterator[dict[str, Any]]:
    """One listener who plays everything evenly, day and night, on one day."""
    for n in range(BOT_PLAYS):
        minute = n * 1440 // BOT_PLAYS
        yield {
            "source": source,
            "event_id": f"b-{n:07d}",
            "track": TRACKS[n % len(TRACKS)],
            "occurred_at": f"2026-06-17T{minute // 60:02d}:{minute % 60:02d}:00Z",
            "territory": "NL",
            "product": "premium",
            "units": 1,
            "gross_micros": 4200,
            "currency": CURRENCY,
            "listener": BOT,
        }


def mistakes(event: dict[str, Any]) -> Iterator[str]:
    """Rows that a careful reader must not count: sent twice, changed, malformed, impossible, unknown, broken off."""
    yield json.dumps(event)  # a duplicate
    yield json.dumps(event | {"units": 9})  # the same id with another content: a conflict
    yield json.dumps(event | {"event_id": "e-bad-1", "units": 1.5})
    yield json.dumps(event | {"event_id": "e-bad-2", "occurred_at": "2026-06-31T11:00:00Z"})
    yield json.dumps(event | {"event_id": "e-bad-3", "track": "trk-nobody-knows"})
    yield '{"source": "demo-platform", "event_id": "e-bad-4", '


def lines(rows: Iterable[dict[str, Any]]) -> bytes:
    """Rows as a file or a body holds them."""
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)
