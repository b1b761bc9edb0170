"""Write receipts: the proofs that a platform keeps for its acknowledged events.

A receipt is a `.tlog-proof` (c2sp.org/tlog-proof) whose extra data is the leaf: index, inclusion
proof and the signed checkpoint with which the event was acknowledged. It needs nothing else to be
verified, and asked for again it is the same bytes, until the log's key is handed over: a retired key's
signature bears no date, so from then on a receipt rests on the newest checkpoint (finding V6).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from ledger.errors import InputError
from ledger.files import make_folder, write_whole
from ledger.ingest.acknowledged import Acknowledged
from ledger.log.anchor import content
from ledger.log.append import Log
from ledger.log.store import queries
from ledger.log.store.signed import parties
from ledger.proofs import tlog_proof, tree
from ledger.proofs.batch import label

ONE_FILE: Final = ".ndjson"
"""A target of this name is one file with a receipt a line, for platforms with millions."""

Place = tuple[str, str, int]
"""(source, event id, index)."""


def receipts(log: Log, places: Iterable[Place]) -> Iterator[tuple[Place, bytes]]:
    """Yield the receipt of each of these events."""
    asked = list(places)
    with log.store.reading() as connection:
        bodies = queries.bodies(connection, [index for _, _, index in asked])
    first, size, signed = 0, 0, b""
    for event in asked:
        index = event[2]
        if not first <= index < size:
            signed = log.covering(index)
            if log.has_retired(signed):
                signed = log.checkpoint()
            first, size = index, content(signed).size
        hashes = tree.prove_inclusion(index, size, log.read)
        yield (
            event,
            tlog_proof.Proof(index=index, hashes=tuple(hashes), checkpoint=signed, extra=bodies[index]).encode(),
        )


class ReceiptWriter:
    """Writes the receipts of each append: a file per event in a folder, or all of them into one file."""

    def __init__(self, log: Log, target: Path, signers: Mapping[int, str]) -> None:
        """`signers`: the party that signed each batch of this log, by the index of the batch leaf."""
        self._log, self._target, self._signers = log, target, signers
        folder = target.parent if target.suffix == ONE_FILE else target
        try:
            make_folder(folder)
        except OSError as failure:
            raise InputError(f"receipts cannot be written to {folder}: {failure.strerror}") from failure

    def write(self, batch: Acknowledged) -> None:
        """Write the receipts of the events that this batch added, and again those of its duplicates."""
        places = [*batch.accepted, *batch.duplicates]
        pairs = receipts(self._log, places)
        if self._target.suffix == ONE_FILE:
            with self._log.store.reading() as connection:
                signed_by = parties(connection, [index for _, _, index in places], self._signers)
            with self._target.open("a", encoding="utf-8") as file:
                file.writelines(_line(event, receipt, label(signed_by.get(event[2]))) for event, receipt in pairs)
            return
        for (source, event_id, _), receipt in pairs:
            event = self._target / file_name(source) / f"{file_name(event_id)}.tlog-proof"
            write_whole(event, receipt, durable=False)  # `settle ledger receipts` writes any of them again

    def write_batch(self, source: str, number: int, index: int) -> None:
        """Write the receipt of a signed batch itself."""
        ((_, receipt),) = receipts(self._log, [(source, "", index)])
        if self._target.suffix == ONE_FILE:
            fields = {"source": source, "batch": number, "index": index, "receipt": receipt.decode()}
            with self._target.open("a", encoding="utf-8") as file:
                file.write(_json_line(fields))
            return
        write_whole(self._target / f"{file_name(source)}.batch-{number}.tlog-proof", receipt)


def _line(place: Place, receipt: bytes, platform: str) -> str:
    source, event_id, index = place
    fields = {"source": source, "event_id": event_id, "index": index, "platform": platform, "receipt": receipt.decode()}
    return _json_line(fields)


def _json_line(fields: dict[str, Any]) -> str:
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")) + "\n"


NAME_MAX: Final = 200
"""File systems end at 255 bytes; what stands before and after an id needs some of them."""


def file_name(text: str) -> str:
    """Returns an id as a file name: percent-encoded, and by its SHA-256 where that is longer than NAME_MAX."""
    name = quote(text, safe=" +=,@()~")
    if len(name) > NAME_MAX:
        return f"sha256-{hashlib.sha256(text.encode()).hexdigest()}"
    return name.replace(".", "%2E") if set(text) == {"."} else name
