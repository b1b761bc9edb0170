"""Assigning a track again: copies are told from new assignments, at a cost that does not grow with the log."""

from __future__ import annotations

import time
from datetime import timedelta
from pathlib import Path

import pytest

from ledger.log.fsck import fsck
from ledger.log.opening import open_log
from ledger.proofs import leaf, vector
from tests.ledger.logs import KEY, TickingClock, log_in
from tests.ledger.world import AT, DECLARED, ORIGIN, World

WORLD = World()
OURS, NEWER = (
    vector.sign(
        vector.from_declared({"sources": [DECLARED["sources"][0] | {"ppm": ppm}]}, track="trk-1"),
        WORLD.attribution_key,
    )
    for ppm in (1, 600_000)
)


def test_the_projection_is_the_readings(tmp_path: Path) -> None:
    """If this fails, events bind to an assignment that was put back by a copy, or not to one that counts."""
    log = open_log(
        tmp_path / "settle.db",
        origin=ORIGIN,
        signer=WORLD.log_key,
        anchor=tmp_path / "settle.anchor",
        clock=lambda: AT,
        trusted=WORLD.trust().logs[0].keys,
    )
    first, newer = (
        leaf.assign(AT, track="trk-1", vector=each.digest, signer=WORLD.attribution_key.for_log(ORIGIN))
        for each in (OURS, NEWER)
    )
    blobs = [OURS.encode(), NEWER.encode()]
    log.append([leaf.make("track", AT, id="trk-1"), first, newer, first], blobs=blobs)
    places = [log.assignments()["trk-1"]]
    for again in (first, newer, leaf.assign(AT + timedelta(1), track="trk-1", vector=OURS.digest, signer=KEY)):
        log.append([again])
        places.append(log.assignments()["trk-1"])
    assert places == [(NEWER.digest, 3)] * 4
    assert log.reading().assigned == {"trk-1": (3, NEWER.digest)}
    assert [void.index for void in log.reading().voids] == [4, 5, 6, 7]
    assert not any("projection" in problem for problem in fsck(log).problems)


@pytest.mark.slow
def test_assigning_again_costs_the_same_in_a_large_log(tmp_path: Path) -> None:
    """If this fails, a catalogue that is attributed again costs the square of its tracks."""
    clock = TickingClock()
    log = log_in(tmp_path, clock=clock)

    def assign(numbers: range, ppm: int) -> list[dict[str, object]]:
        return [leaf.assign(clock(), track=f"t-{n}", vector=f"{ppm:02x}" * 32, signer=KEY) for n in numbers]

    def cost(numbers: range) -> float:
        spent = []
        for n in numbers:
            again = assign(range(n, n + 1), 2)
            began = time.process_time()
            log.append(again)
            spent.append(time.process_time() - began)
        return min(spent)

    for start in range(0, 12_000, 2_000):
        numbers = range(start, start + 2_000)
        log.append([leaf.make("track", clock(), id=f"t-{n}") for n in numbers])
        log.append(assign(numbers, 1))
        if not start:
            cost(range(20))
            early = cost(range(20, 60))
    cost(range(60, 80))
    late = cost(range(80, 120))
    assert late < 1.5 * early, (early, late)
