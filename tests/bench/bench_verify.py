"""What it costs to verify a month of money, in the form of 0.1 and in today's: `make bench-verify`.

Seconds are of CPU, one thread, the least of several turns; the two forms of one month take turns, so that whatever
else the machine does weighs on both. `python -m tests.bench.bench_verify FOLDER` writes the bundles and their trust
file for other programs (release 0.1 reads those of its own form).
"""

from __future__ import annotations

import gc
import sys
import time
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import pytest

from ledger.proofs.verify import verify_bundle
from payouts.accounts.account import Correction
from payouts.accounts.deductions import Stages
from payouts.accounts.payment import intent_payload
from payouts.compute import compute
from payouts.document import Given, accounts_for, draw_up
from payouts.protocols import HoldMatch
from payouts.rules.shapley_capped import ShapleyCapped
from tests.payouts.proven import KINDS, Month, Values
from tests.payouts.worlds import inputs, plays, sole, vector

pytestmark = pytest.mark.bench

HOLDERS = 10_000
TURNS = 10
MOST = 1.3


class LargeMonth(Month):
    """Ten thousand holders, two to an owner group, some with money held, some corrected, paid under a cap."""

    def _made(self, root: bytes) -> Values:
        random = Random(1)
        names = [f"h{n:05d}" for n in range(HOLDERS)]
        view = sole(*names)
        view.groups = {f"p-{name}": f"g-{n // 2}" for n, name in enumerate(names)}
        tracks = [names[n : n + 10] for n in range(0, HOLDERS, 10)]
        pool = inputs(
            view,
            [plays(f"t{n}", random.randrange(1, 10_000)) for n in range(len(tracks))],
            [vector(f"t{n}", {name: random.randrange(1, 100_000) for name in some}) for n, some in enumerate(tracks)],
            rule=ShapleyCapped(kappa=10_000),
            root=root,
            holds=[HoldMatch(id=f"h-{n}", reason="fraud", party=f"p-{names[n]}") for n in range(0, HOLDERS, 50)],
            micros=10**12,
        )
        outcome = compute(pool)
        corrections = [
            Correction(id=f"c-{n}", kind="adjustment", party=f"p-{names[n]}", micros=n + 1, run="r", reason="late")
            for n in range(0, HOLDERS, 20)
        ]
        given = Given(
            period_root=root,
            registry_size=1,
            sequence=1,
            terms=pool.terms,
            rule=pool.rule,
            holds=pool.holds,
            follows="f" * 64,
            entries=tuple(one.id for one in corrections),
            minimum=50_000,
            v=self.v,
        )
        booked = accounts_for(
            given,
            opening={f"p-{name}": 7_000 for name in names[::3]},
            earned=outcome.allocated_by_party(),
            corrections=corrections,
            stages=Stages(period="2026-06"),
            with_lines={line.party for line in outcome.lines},
        )
        document = draw_up(given, pool.usage, outcome, booked)
        tables = {name: table.rows() for name, table in document.tables.items()}
        salts = {row["party"]: row.get("salt") for row in tables["accounts"]}
        tables["intents"] = [intent_payload(one, "file", salts[one.party]) for one in booked if one.payable]
        return {"run": document.payload, "tables": tables}


@cache
def months() -> dict[int, LargeMonth]:
    return {v: LargeMonth(v=v) for v in (1, 2)}


def bundles() -> dict[str, dict[int, bytes]]:
    return {
        "run": {v: month.run() for v, month in months().items()},
        "statement": {v: month.statement("p-h00101") for v, month in months().items()},
    }


def seconds(data: bytes, trust: Any, times: int) -> float:
    start = time.process_time()
    for _ in range(times):
        report = verify_bundle(data, trust, kinds=KINDS)
        assert report.ok, report.steps[-1]
    return (time.process_time() - start) / times


@pytest.mark.parametrize("kind", ["run", "statement"])
def test_a_new_bundle_costs_hardly_more_than_an_old_one(kind: str) -> None:
    """If this fails, today's bundle of a month costs more than 1.3 times as much to verify as 0.1's of the same."""
    trust = months()[1].trust()
    made = bundles()[kind]
    times = 1 if kind == "run" else 50
    gc.collect()
    gc.freeze()  # `settle verify` has no month of its own in memory for the collector to walk through
    least = {v: float("inf") for v in made}
    for _ in range(TURNS):
        for v, data in made.items():
            least[v] = min(least[v], seconds(data, trust, times))
    print(f"\n{kind} of {HOLDERS:,} holders, {len(made[1]):,} and {len(made[2]):,} bytes: ", end="")
    print(f"version 1 {1000 * least[1]:,.1f} ms, version 2 {1000 * least[2]:,.1f} ms, {least[2] / least[1]:.2f} times")
    assert least[2] <= MOST * least[1]


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "trust.json").write_bytes(months()[1].trust().encode())
    for name, made in bundles().items():
        for version, data in made.items():
            (folder / f"{name}-{version}.bundle").write_bytes(data)
