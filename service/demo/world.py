"""The demo's invented data: a catalogue, its holders, a model, generated tracks and a month of streams.

Everything follows from a seed, so that two people who run the demo see the same month.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from random import Random  # noqa: TID251  seeded by the caller; the demo's world must be repeatable
from typing import Any, Final

PERIOD: Final = "2026-06"
POOL: Final = "25000.00"
CURRENCY: Final = "EUR"
SOURCE: Final = "demo-platform"
TERRITORIES: Final = ("SE", "DE", "FR", "NL", "ES")
CHAIN_PAYEES: Final = 3
"""How many of the holders are paid through the smart contract, the rest by bank."""
MODEL: Final = {"id": "model-1", "version": "1", "operator": "lab"}


def registry_document(recordings: dict[str, str], tracks: tuple[str, ...]) -> dict[str, Any]:
    """Holders, works, shares, grants, a model trained on all of it; every fifth recording has two owners."""
    parties = [{"id": "lab", "name": "The model's operator", "kind": "model-operator"}]
    document: dict[str, Any] = {
        "parties": parties,
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
        parties.append(
            {"id": holder, "name": f"Holder {n:02d}", "kind": "label" if n % 3 == 0 else "person", "group": holder}
        )
        on_chain = n > len(holders) - CHAIN_PAYEES
        account = f"0x{n:040x}" if on_chain else f"DEMO-ACCOUNT-{n:02d}"
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
        for track in tracks
    ]
    return document


def event_lines(tracks: tuple[str, ...], count: int, random: Random) -> Iterator[str]:
    """A month of streams as a platform would send them, with a few mistakes: the last lines of the file.

    Among them are rows a careful reader must refuse (a broken line, a float for an integer, an impossible
    date, an unknown track), duplicates of earlier rows, and one event id that comes back with another body.
    """
    weights = [1 / (rank + 1) for rank in range(len(tracks))]
    chosen = random.choices(tracks, weights=weights, k=count)
    first = ""
    for n, track in enumerate(chosen):
        event = {
            "source": SOURCE,
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
        line = json.dumps(event)
        first = first or line
        yield line
    yield first  # sent twice: a duplicate
    yield first.replace('"units": 1', '"units": 9')  # the same id with another body: a conflict
    yield first.replace("e-0000000", "e-bad-1").replace('"units": 1', '"units": 1.5')
    yield first.replace("e-0000000", "e-bad-2").replace("2026-06-01T", "2026-06-31T")
    yield (
        first.replace("e-0000000", "e-bad-3")
        .replace(tracks[0], "trk-nobody-knows")
        .replace(chosen[0], "trk-nobody-knows")
    )
    yield '{"source": "demo-platform", "event_id": "e-bad-4", '
