"""Pool terms and rules through a real log: what is carried, what is refused, every rule from close to run."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from ledger.errors import InputError
from service.settlement import life
from tests.service.month import Month

POOL: dict[str, Any] = {"pool": "1000.00", "currency": "EUR", "rule": "pro-rata", "params": {}, "engine": "log"}


def ran(made: Month, period: str, **changed: Any) -> Any:
    return life.run(made.ws, life.request(**(POOL | {"period": period} | changed)))


def test_what_nobody_is_named_for_is_carried_into_the_next_pool(june: Month) -> None:
    """If this fails, `unattributed=carry` promises money to the next period that never arrives there."""
    life.close(june.ws, "2026-06")
    first = ran(june, "2026-06", params={"unattributed": "carry"})
    assert first.unattributed_micros == 240_000_000
    life.approve(june.ws, first.run, "approver")
    life.publish(june.ws, first.run)
    june.now = datetime(2026, 8, 2, tzinfo=UTC)
    june.stream(["trk-1"], at="2026-07-03T11:05:00Z")
    life.close(june.ws, "2026-07")
    second = ran(june, "2026-07")
    assert second.pool_micros == 1_240_000_000
    assert second.allocated_micros + second.unattributed_micros == 1_240_000_000


@pytest.mark.parametrize(
    ("rule", "params"),
    [
        ("thresholded", {"min_streams": "5", "min_influence": "50000", "below": "redistribute"}),
        ("shapley-capped", {"tau": "500000", "kappa": "250000"}),
        ("user-centric", {"anonymous": "together"}),
        ("artist-centric", {"min_streams": "5", "min_listeners": "0"}),
        ("training", {"model": "mdl"}),
        ("pro-rata", {"weight": "gross", "fallback": "training", "unattributed": "training", "reserve": "10000"}),
        ("pro-rata", {"aspects": "recording:700000,composition:300000"}),
    ],
)
def test_every_rule_runs_and_its_parts_sum(june: Month, rule: str, params: dict[str, str]) -> None:
    """If this fails, a rule or a term works on paper but not over a log."""
    life.close(june.ws, "2026-06")
    found = ran(june, "2026-06", rule=rule, params=params)
    parts = (
        found.allocated_micros,
        found.unattributed_micros,
        found.held_micros,
        found.suspense_micros,
        found.reserve_micros,
    )
    assert sum(parts) == found.pool_micros == 1_000_000_000
    assert sum(line.micros for line in found.lines) == found.allocated_micros
    assert ran(june, "2026-06", rule=rule, params=params).run == found.run


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"rule": "shapley-capped", "params": {"tau": "0"}}, "tau=0"),
        ({"params": {"novel": "1"}}, "novel"),
        ({"params": {"aspects": "recording:1"}}, "sum to 1 ppm"),
        ({"params": {"price": "0.01"}}, "an amount and a price"),
        ({"pool": "0"}, "0.000000 EUR: expected more than zero"),
        ({"pool": "-5"}, "-5.000000 EUR: expected more than zero"),
        ({"currency": "XAU"}, "convert the pool"),
        ({"currency": "SEK", "params": {"weight": "gross"}}, "weight=gross"),
        ({"rule": "user-centric"}, "no listener"),
        ({"rule": "nobody-knows"}, "not installed"),
    ],
)
def test_bad_input_is_refused_and_leaves_no_trace(june: Month, changed: dict[str, Any], said: str) -> None:
    """If this fails, a run is written to the log that nobody can have meant."""
    life.close(june.ws, "2026-06")
    size = june.ws.log.head().size
    with pytest.raises(InputError, match=said):
        ran(june, "2026-06", **changed)
    assert june.ws.log.head().size == size
