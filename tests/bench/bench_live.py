"""The accrual's cost in processor time: an event, a tick, a restart: `pytest tests/bench/bench_live.py -m bench -s`.

A thousand tracks of ten sources each, streamed in four countries; every figure is of one process and its own clock, so
that other work on the machine does not show in it.
"""

from __future__ import annotations

import resource
import time

import pytest

from ledger.event import Entry
from ledger.proofs import leaf
from ledger.types import Period
from payouts.compute import Inputs
from payouts.live.accrual import OPEN, accrue, parts
from payouts.live.usage_fold import UsageFold
from payouts.rules.pro_rata import ProRata
from payouts.terms import Terms
from payouts.usage.grain import Grain, Membership
from payouts.usage.plain import EntrySelection, VectorBinding
from tests.payouts.worlds import digest, sole, vector

pytestmark = pytest.mark.bench

EVENTS = 400_000
TRACKS, SOURCES, RECORDINGS = 1_000, 10, 3_000
TICK = 20_000


def body(n: int) -> bytes:
    track = f"trk-{n * 7919 % TRACKS}"
    at = f"2026-06-{1 + n % 28:02d}T{n % 24:02d}:{n // 60 % 60:02d}:{n % 60:02d}Z"
    return leaf.encode(
        leaf.event(
            source="acme", event_id=f"e-{n:08d}", track=track, occurred_at=at,
            territory=("SE", "DE", "FR", "US")[n % 4], units=1, vector=digest(track), gross_micros=4200, currency="EUR",
        )
    )  # fmt: skip


def fold_of(entries: list[Entry]) -> UsageFold:
    """The sums of these events, taken in ticks of a second's events."""
    fold = UsageFold("june", grain=Grain())
    for start in range(0, len(entries), TICK):
        part = entries[start : start + TICK]
        membership = Membership(size=start + len(part), end=Period.parse("2026-06").end)
        fold.take(EntrySelection(origin="o", membership=membership, entries=part))
    return fold


def test_the_accrual_keeps_up() -> None:
    """If this fails, an event is not shown within two seconds at 20,000 events a second."""
    entries = [Entry(n, body(n)) for n in range(EVENTS)]
    names = [f"trk-{n}" for n in range(TRACKS)]
    vectors = {
        digest(name): vector(name, {f"rec-{(n * SOURCES + k) % RECORDINGS}": 90_000 + k for k in range(SOURCES)})
        for n, name in enumerate(names)
    }
    world = sole(*(f"rec-{n}" for n in range(RECORDINGS)))
    world.merging = True
    before = time.process_time()
    fold = fold_of(entries)
    folding = time.process_time() - before
    terms = Terms(period="2026-06", currency="EUR", price_micros=4000)
    bound = VectorBinding({}, lambda *_: True)
    before = time.process_time()
    rows = fold.rows("o", assigned=bound, terms=terms)
    pool = Inputs(terms=terms, rule=ProRata(), period_root=OPEN, usage=rows, vectors=vectors, view=world)
    accrual = accrue(pool)
    tick = time.process_time() - before
    before = time.process_time()
    taken_apart = parts(pool)
    apart = time.process_time() - before
    before = time.process_time()
    saved = fold.encode()
    again = UsageFold("june", grain=Grain())
    again.restore(saved)
    restart = time.process_time() - before
    assert accrual.units == EVENTS
    assert again.rows("o", assigned=bound, terms=terms) == rows
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(
        f"\nfold {folding / EVENTS * 1e6:.2f} us an event, {folding / EVENTS * TICK:.3f} cores at {TICK}/s; "
        f"a tick of {len(rows)} sums {tick * 1e3:.0f} ms; {len(taken_apart)} parts {apart * 1e3:.0f} ms; "
        f"file {len(saved) / 2**20:.2f} MiB, written and read {restart * 1e3:.0f} ms; "
        f"peak {peak} MiB with {EVENTS} events"
    )
    assert folding / EVENTS * TICK + tick + apart < 2
