"""What the usage bench runs in processes of their own: kept apart so that they load nothing else."""

from __future__ import annotations

import multiprocessing
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import duckdb

from payouts.terms import Terms
from payouts.usage.engines import MEMORY_MIB, duckdb_engine
from payouts.usage.grain import Grain
from payouts.usage.plain import VectorBinding
from payouts.usage.segments import rows as as_rows
from payouts.usage.segments import summed
from tests.bench.made_segments import TERRITORIES, Made

BOUND = VectorBinding({}, lambda *_: True)
"""Every event pays by the vector that it names."""

THREADS = 2
TERMS = Terms(period="2026-06", currency="EUR", micros=10**12)
GRAINS = {
    "plain": Grain(),
    "one country apart": Grain(territories=("SE",)),
    "shares change mid-month": Grain(cuts=("2026-06-15T00:00:00Z",)),
    "weight=gross": Grain(gross=True),
    "ten countries apart": Grain(territories=tuple(sorted(TERRITORIES))),
}


Times = list[tuple[float, float]]
"""Seconds on the wall and of CPU, of each try."""


class Stage(NamedTuple):
    """Peak RSS in MiB of one pass, and what came of it: seconds to turn sums into rows, rows, events."""

    memory: int
    as_rows: float
    rows: int
    events: int


def in_child(work: Callable[..., tuple[Times, Any]], *arguments: Any) -> tuple[float, float, Any]:
    """(best seconds on the wall, best CPU seconds, answer) of work done in a fresh process."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe(duplex=False)
    child = context.Process(target=_child, args=(there, work, arguments))
    child.start()
    there.close()
    times, answer = here.recv()
    child.join()
    return min(wall for wall, _ in times), min(cpu for _, cpu in times), answer


def _child(there: Any, work: Callable[..., Any], arguments: Any) -> None:
    there.send(work(*arguments))


def floor(folder: Path, column: str) -> tuple[Times, int]:
    """A bare scan and count."""
    connection = duckdb.connect(config={"threads": THREADS, "memory_limit": f"{MEMORY_MIB}MiB"})
    query = f"SELECT {column}, count(*) FROM read_parquet('{folder}/period=*/day=*/*.parquet') GROUP BY 1"  # noqa: S608
    connection.execute("SET enable_progress_bar = false")
    times: Times = []
    rows = 0
    for _ in range(3):
        start, cpu = time.perf_counter(), time.process_time()
        rows = connection.sql(query).to_arrow_table().num_rows
        times.append((time.perf_counter() - start, time.process_time() - cpu))
    return times, rows


def stage(made: Made, grain: Grain) -> tuple[Times, Stage]:
    """The usage stage, from an opened engine to the sorted table of sums."""
    times: Times = []
    memory = 0
    with duckdb_engine(threads=THREADS) as engine:
        for _ in range(3):
            start, cpu = time.perf_counter(), time.process_time()
            found = summed(engine, [made.source()], assigned=BOUND, terms=TERMS, grain=grain)
            times.append((time.perf_counter() - start, time.process_time() - cpu))
            memory = memory or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    start = time.perf_counter()
    rows = as_rows(found, TERMS, grain)
    return times, Stage(memory, time.perf_counter() - start, len(rows), sum(row.count for row in rows))
