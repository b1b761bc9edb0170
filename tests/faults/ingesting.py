"""A process that ingests and says what it has been acknowledged, to be killed: `python -m tests.faults.ingesting`.

Arguments: store, anchor, events file, and `once` or `forever`. It prints `ready`, then each acknowledged
event with its index; going round the file for ever, there is always something to interrupt.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

from ledger.ingest import ndjson
from ledger.ingest.blocks import Block, read_blocks
from ledger.ingest.rows import Rows
from ledger.ingest.run import Ingest
from ledger.log import open_log
from tests.ledger.logs import KEY, ORIGIN, TickingClock

SMALL = 8 * 1024
"""Bytes per batch: many commits, so that a kill lands in every part of one."""


def batches(path: Path) -> Iterator[Rows]:
    with path.open("rb") as file:
        for block in read_blocks(file, path.name, SMALL):
            assert isinstance(block, Block)
            yield ndjson.decode(block)


def main(store: str, anchor: str, events: str, rounds: str) -> None:
    log = open_log(store, origin=ORIGIN, signer=KEY, anchor=anchor, clock=TickingClock())
    run = Ingest(log, name="events", entropy=os.urandom)
    say("ready")
    while True:
        for rows in batches(Path(events)):
            done = run.take(rows)
            for _, event_id, index in [*done.accepted, *done.duplicates]:
                sys.stdout.write(f"{event_id} {index}\n")
            sys.stdout.flush()
            log.seal()
        if rounds == "once":
            return


def say(word: str) -> None:
    sys.stdout.write(word + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:5])
