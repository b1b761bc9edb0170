"""Events one at a time from many threads at once, each answered with its own receipt.

For whoever has a caller waiting for every event: rows that arrive while one commit is under way share
the next. Acknowledged means what it means everywhere: committed, anchored, covered by a signed checkpoint.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ledger.errors import InputError
from ledger.ingest import ndjson
from ledger.ingest.blocks import LINE_MAX, LineBlock
from ledger.ingest.carried import Admit
from ledger.ingest.listener import Entropy
from ledger.ingest.receipts import receipts
from ledger.ingest.run import Ingest
from ledger.log.append import Log
from ledger.log.group_commit import GROUP_MAX, WAITING_MAX, Gather
from ledger.proofs.source import Home


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What became of one event: its index and receipt, or why it lies in quarantine."""

    index: int | None
    receipt: bytes | None
    refused: str | None


class Singles:
    """`take` is safe from any number of threads."""

    def __init__(
        self,
        log: Log,
        *,
        name: str,
        entropy: Entropy,
        admit: Admit | None = None,
        source: str | None = None,
        home: Home | None = None,
        group_max: int = GROUP_MAX,
        waiting_max: int = WAITING_MAX,
    ) -> None:
        """As for `Ingest`; it refuses a caller (TransientError) while `waiting_max` others wait."""
        self._log = log
        self._run = Ingest(log, name=name, entropy=entropy, admit=admit, source=source, home=home)
        self._gather = Gather(self._commit, group_max=group_max, waiting_max=waiting_max)

    def take(self, line: bytes) -> Answered:
        """One event as an NDJSON line; on return it is acknowledged, or in quarantine with the reason given."""
        row = line.strip()
        if not row or b"\n" in row or len(row) > LINE_MAX:
            raise InputError(f"expected one event on one line of at most {LINE_MAX} bytes, got {len(row)} bytes")
        return self._gather(row)

    def _commit(self, rows: Sequence[bytes]) -> list[Answered]:
        """One batch in one transaction; the number of a row is its place in it."""
        decoded = ndjson.decode(LineBlock(1, b"\n".join(rows), 0))
        keys = {decoded.line(i): (event.source, event.event_id) for i, event in enumerate(decoded.events)}
        done = self._run.take(decoded)
        refused = {row.line: row.reason for _, row in done.refused}
        placed = {(source, event_id): index for source, event_id, index in [*done.accepted, *done.duplicates]}
        wanted = {placed[key]: key for line, key in keys.items() if line not in refused}
        proofs = {
            place[2]: receipt for place, receipt in receipts(self._log, [(*key, at) for at, key in wanted.items()])
        }
        found = []
        for line in range(1, len(rows) + 1):
            if line in refused:
                found.append(Answered(index=None, receipt=None, refused=refused[line]))
            else:
                index = placed[keys[line]]
                found.append(Answered(index=index, receipt=proofs[index], refused=None))
        return found
