"""The fraud rules: what each needs, what none may do alone, and a month scored from the log."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ledger.errors import InputError
from ledger.types import Period
from service.fraud.scoring import HELD_AT, UNKNOWN, PlayColumns, even_spread, scorer_named
from service.fraud.suspects import forget_devices, suspicions, take_devices
from service.log.ingesting import ingest_file
from tests.bench.listening import FIRST_FRAUD, Listening, bots, honest, together
from tests.service.month import Month
from tests.service.web.serving import lines, row


def columns(listening: Listening, device: Any = None) -> PlayColumns:
    return PlayColumns(
        listener=listening.listener,
        track=listening.track,
        at=listening.at,
        device=np.full(len(listening.at), UNKNOWN) if device is None else device,
    )


@pytest.fixture(scope="module")
def people() -> Listening:
    return honest(400, np.random.default_rng(1))


def test_bots_are_found_and_people_are_not(people: Listening) -> None:
    """If this fails, the rules miss the published case, or accuse people who only listen a lot."""
    both = together(people, bots(60, np.random.default_rng(2), number=100))
    result = even_spread(columns(both), len(both.kinds))
    bot = np.array([kind == "bot" for kind in both.kinds])
    assert result.held[bot].mean() >= 0.95
    streams = np.bincount(both.listener, minlength=len(both.kinds))
    assert streams[result.held & ~bot].sum() <= 0.005 * streams[~bot].sum()


def test_no_rule_but_volume_holds_alone(people: Listening) -> None:
    """If this fails, one trait that honest people have too is enough to suspect them."""
    result = even_spread(columns(people), len(people.kinds))
    alone = np.sum(list(result.reasons.values()), axis=0) == 1
    assert alone.any()
    assert (result.points[alone & ~result.reasons["volume"]] < HELD_AT).all()
    seconds = np.arange(0, 86_400, 120)
    busy = Listening(np.zeros_like(seconds), seconds % 7, seconds, ["usual"])
    assert list(even_spread(columns(busy), 1).held) == [True]


def test_a_farm_of_devices_is_seen_and_a_household_is_not(people: Listening) -> None:
    """If this fails, device hints do nothing, or a family's speaker makes suspects of them."""
    scattered = np.random.default_rng(3).permutation(people.track)
    mixed = Listening(people.listener, scattered + np.arange(len(scattered)) % 50_000, people.at, people.kinds)
    for sharing, found in ((5, False), (50, True)):
        device = np.where(mixed.listener < sharing, 1, UNKNOWN)
        result = even_spread(columns(mixed, device), len(mixed.kinds))
        assert result.reasons["device"].any() == found


def test_an_empty_month_has_no_suspects() -> None:
    """If this fails, a month without listeners is an error."""
    empty = np.zeros(0, dtype=np.int64)
    assert even_spread(PlayColumns(listener=empty, track=empty, at=empty, device=empty), 0).held.sum() == 0
    assert scorer_named("even-spread") is even_spread
    with pytest.raises(InputError, match="known are even-spread"):
        scorer_named("none")


def test_a_month_is_scored_from_the_log(june: Month, tmp_path: Path) -> None:
    """If this fails, what the command says about listeners is not what the log holds."""
    path = tmp_path / "june.ndjson"
    busy = [
        row(f"b-{i}", listener="busy", occurred_at=f"2026-06-03T{i // 25:02d}:{i % 25:02d}:00Z") for i in range(500)
    ]
    path.write_bytes(lines(*busy, row("u-1", listener="usual", track="trk-2"), row("u-2")))
    assert ingest_file(june.ws, path).accepted == 502
    found = suspicions(june.ws, Period(2026, 6), scorer="even-spread")
    assert (found.suspected_listeners, found.suspected_streams, found.without_listener) == (1, 500, 11)
    assert (found.suspects[0].source, found.suspects[0].reasons[0]) == ("acme", "volume")
    assert found.suspects[0].listener != "busy"
    assert [(one.track, one.suspected) for one in found.tracks] == [("trk-1", 500)]
    hints = tmp_path / "devices.ndjson"
    hints.write_text(
        "".join(json.dumps({"source": "acme", "event_id": f"b-{i}", "device": "d"}) + "\n" for i in (1, 2))
    )
    assert (take_devices(june.ws, hints), take_devices(june.ws, hints)) == (2, 0)
    assert suspicions(june.ws, Period(2026, 6), scorer="even-spread") == found
    assert forget_devices(june.ws) == 2


def test_the_fraudsters_tracks_are_nobody_elses() -> None:
    """If this fails, the invented bots play what invented people play, and the figures mean something else."""
    assert bots(1, np.random.default_rng(1)).track.min() >= FIRST_FRAUD
