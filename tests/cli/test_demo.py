"""What the demo ends with is read by people who see Settle for the first time."""

from __future__ import annotations

from typing import Any

from cli.commands.demo import closing

HIT: dict[str, Any] = {
    "track": "trk-01",
    "kind": "verbatim",
    "true": "rec-1",
    "true_ppm": 435_341,
    "estimated": "rec-1",
    "estimated_ppm": 420_104,
    "unattributed_ppm": 224_511,
}
TOLD: dict[str, Any] = {
    "period": "2026-06",
    "events": 1000,
    "tracks": 4,
    "recordings": 9,
    "seconds": 30,
    "currency": "EUR",
    "pool_micros": 3_000_000,
    "paid_micros": 2_000_000,
    "unattributed_micros": 1_000_000,
    "held_micros": 0,
    "suspense_micros": 0,
    "reserve_micros": 0,
    "forgeries": [{"attempt": "a stream is doubled", "refused_because": "step 7"}],
    "paths": {"report": "out/report.html"},
    "rules": {"pro-rata": {"holder-1": 2_000_000}},
    "influence": [HIT, HIT | {"track": "trk-02", "estimated": "rec-7"}],
}


def test_an_estimate_that_misses_is_marked_and_said() -> None:
    """If this fails, the demo hides its one wrong answer in a table, or leaves tracks unaccounted for."""
    told = " ".join(closing(TOLD).split())
    assert "trk-01 verbatim rec-1 43.53 % rec-1 42.01 % 22.45 %" in told
    assert "trk-02 * verbatim" in told
    assert "* trk-02: the estimate misses. In truth rec-1 is the main source, and the method names rec-7" in told
    assert "The other 2 tracks are declared" in told
    assert "allocated 2.000000 EUR" in told
    assert "1. a stream is doubled: refused" in told
    assert "the estimate misses" not in closing(TOLD | {"influence": [HIT]})
