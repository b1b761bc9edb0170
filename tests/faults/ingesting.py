"""A process that ingests and says what it has been acknowledged, to be killed or made to fail.

As a program, `python -m tests.faults.ingesting STORE ANCHOR EVENTS`, it takes one file and prints each
acknowledged event with its index. `for_ever` does the same in a process of multiprocessing's, with
events of its own: there is always something to interrupt.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from itertools import count
from multiprocessing.connection import Connection
from pathlib import Path

from ledger.ingest import ndjson
from ledger.ingest.admission import Ingest
from ledger.ingest.blocks import LineBlock, read_blocks
from ledger.ingest.rows import Rows
from ledger.log.opening import open_log
from tests.ledger.ingest.streams import lines, row
from tests.ledger.logs import KEY, ORIGIN, TickingClock

SMALL = 8 * 1024
"""Bytes per batch: many commits, so that a kill lands in every part of one."""


def batches(path: Path) -> Iterator[Rows]:
    with path.open("rb") as file:
        for block in read_blocks(file, path.name, SMALL):
            assert isinstance(block, LineBlock)
            yield ndjson.decode(block)


def main(store: str, anchor: str, events: str) -> None:
    for said in ingesting(store, anchor, batches(Path(events))):
        sys.stdout.write(said)
        sys.stdout.flush()


def for_ever(to: Connection, store: str, anchor: str, number: int) -> None:
    """Events of this number, and every fourth again one of the number before, until somebody ends it."""
    for said in ingesting(store, anchor, endless(number)):
        to.send_bytes(said.encode())


def ingesting(store: str, anchor: str, given: Iterable[Rows]) -> Iterator[str]:
    """Nothing once the log is open; then each batch's events with their indexes; a seal follows every batch."""
    log = open_log(store, origin=ORIGIN, signer=KEY, anchor=anchor, clock=TickingClock())
    run = Ingest(log, name="events", entropy=os.urandom)
    yield ""
    for rows in given:
        done = run.take(rows)
        yield "".join(f"{event_id} {index}\n" for _, event_id, index in [*done.accepted, *done.duplicates])
        log.seal()


def endless(number: int) -> Iterator[Rows]:
    for start in count(step=30):
        own = [row(f"e-{number}-{start + i}", listener=f"u-{i}") for i in range(30)]
        before = [row(f"e-{number - 1}-{start // 3 + i}", listener=f"u-{i}") for i in range(10)]
        yield ndjson.decode(LineBlock(1, lines(*own, *before), 0))


if __name__ == "__main__":
    main(*sys.argv[1:4])
