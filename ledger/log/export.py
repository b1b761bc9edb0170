"""A log as static files: C2SP tlog-tiles, which any web server can publish and any client can read.

```
checkpoint                      the newest signed checkpoint
tile/<L>/<N>[.p/<W>]            hashes; tile/entries/<N>[.p/<W>] the leaves themselves
blob/<aa>/<digest>              what leaves name by digest: signed statements, manifests, runs
keys.ndjson                     every key leaf with its index, for readers who start from the trusted keys
trust.json, policy              copies for convenience, the second as a C2SP tlog-policy: compare them with
                                ones from elsewhere
```
An existing export is extended. The checkpoint is written last, so that at every moment the files prove the
checkpoint in the folder.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection

from ledger.errors import InputError, StateError, VerificationError
from ledger.files import PUBLIC, write_whole
from ledger.log.anchor import content
from ledger.log.append import Log
from ledger.log.store import queries
from ledger.proofs import keyring, leaf
from ledger.proofs.tile import WIDTH, format_entries, format_path, tiles_of
from ledger.proofs.tree import HASH_SIZE
from ledger.proofs.trust import parse as parse_trust


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """The state of the folder after an export, and the number of files written."""

    folder: str
    origin: str
    size: int
    root: str
    files: int


def export(
    log: Log,
    folder: Path,
    *,
    trust: bytes | None = None,
    cosigned: bytes | None = None,
    on_progress: Callable[[int, int | None], None] | None = None,
) -> Exported:
    """Write the log as of its newest checkpoint; refuses a folder that holds another log or a newer one.

    `cosigned` is one of the log's checkpoints with witnesses' signatures: then the log as of that one.
    """
    with log.store.reading() as connection:
        if cosigned is None:
            signed = queries.last_checkpoint(connection)
        else:
            signed = queries.checkpoint_at(connection, content(cosigned).size)
        if signed is None:
            raise StateError(f"log {log.origin} has no such checkpoint: there is nothing to export")
        since = _present(log, folder, signed)
        todo = list(tiles_of(signed.size, since))
        files = 0
        for done, (level, n, width) in enumerate(todo, start=1):
            _write(folder / format_path(level, n, width), queries.read_tile(connection, level, n)[: width * HASH_SIZE])
            files += 1
            if level == 0:
                entries = queries.page(connection, n * WIDTH, n * WIDTH + width)
                _write(folder / format_path(None, n, width), format_entries([entry.body for entry in entries]))
                files += 1
            if on_progress is not None:
                on_progress(done, len(todo))
        files += _blobs(connection, folder)
        keys = [
            json.dumps({"index": entry.index, "leaf": leaf.decode(entry.body)}, ensure_ascii=False) + "\n"
            for entry in queries.page(connection, 0, signed.size, keyring.TYPES, limit=signed.size)
        ]
    _write(folder / "keys.ndjson", "".join(keys).encode())
    if trust is not None:
        _write(folder / "trust.json", trust)
        _write(folder / "policy", parse_trust(trust).policy_file())
    _write(folder / "checkpoint", cosigned or signed.note)
    return Exported(
        folder=str(folder), origin=log.origin, size=signed.size, root=signed.root.hex(), files=files + len(keys[:1])
    )


def _present(log: Log, folder: Path, signed: queries.StoredCheckpoint) -> int:
    """Return the size of the log that the folder already holds."""
    path = folder / "checkpoint"
    if not path.exists():
        if folder.exists() and any(folder.iterdir()):
            raise InputError(f"{folder} holds files and no checkpoint; export into an empty folder")
        return 0
    there = content(path.read_bytes())
    if there.origin != log.origin or there.size > signed.size:
        raise InputError(
            f"{folder} holds log {there.origin!r} at size {there.size}; not log {log.origin!r} at {signed.size}"
        )
    with log.store.reading() as connection:
        ours = queries.checkpoint_at(connection, there.size)
    if ours is None or ours.root != there.root:
        raise VerificationError(f"{folder} holds another tree of size {there.size} under the name {log.origin!r}")
    return there.size


def _blobs(connection: Connection, folder: Path) -> int:
    written = 0
    for digest in queries.blob_digests(connection):
        path = folder / "blob" / digest.hex()[:2] / digest.hex()
        if not path.exists():
            data = queries.blob(connection, digest)
            assert data is not None  # noqa: S101  the same snapshot listed it
            _write(path, data)
            written += 1
    return written


def _write(place: Path, data: bytes) -> None:
    """Write a file atomically, also for a web server that reads it meanwhile."""
    write_whole(place, data, mode=PUBLIC, durable=place.name == "checkpoint")
