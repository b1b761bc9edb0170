"""Recover a database that is older than its anchor: restore all acknowledged entries.

Everything is verified: the exported tiles must hold the tree of a checkpoint that a log key signed, the database must
be a prefix of that tree, and every entry is hashed again before it is stored. The exported checkpoint is stored
unchanged; recovery signs nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from sqlalchemy import Connection

from ledger.errors import InputError, VerificationError
from ledger.log.anchor import content
from ledger.log.append import Log
from ledger.log.store import edge as right_edge
from ledger.log.store import queries, signed
from ledger.log.store.edge import Edge
from ledger.log.store.store import BLOB, CHECKPOINT, ENTRY, EVENT
from ledger.log.store.tracks import AssignPlaces, project_tracks
from ledger.proofs import canon, checkpoint, leaf, note, tree
from ledger.proofs.checkpoint import Checkpoint
from ledger.proofs.form import FormLine
from ledger.proofs.keyring import Key, fold
from ledger.proofs.retired import LogCopy, check_signer
from ledger.proofs.tile import WIDTH, format_path, parse_entries, reader
from ledger.proofs.tree import HASH_SIZE, leaf_hashes
from ledger.proofs.tree import root as tree_root


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """The log after recovery, and the number of entries from the export."""

    origin: str
    size: int
    root: str
    replayed: int


@dataclass(frozen=True, slots=True)
class Static:
    """An exported log in a folder; see `ledger.log.export` for its layout."""

    folder: Path
    checkpoint: Checkpoint
    note: bytes

    @classmethod
    def open(cls, folder: Path, origin: str, trusted: Iterable[Key], newer: LogCopy | None = None) -> Static:
        """Open the exported log, if a valid key signed its checkpoint and its tiles lead to that root.

        An export under a key that has retired since is opened with a `newer` copy of the log.
        """
        first, copy = tuple(trusted), read_copy(folder)
        ring, signed = fold(first, copy.keys, FormLine(origin)), note.parse(copy.note)
        static = cls(folder, checkpoint.parse(signed.text), copy.note)
        if static.checkpoint.origin != origin:
            raise VerificationError(f"{folder} holds log {static.checkpoint.origin!r}; expected {origin!r}")
        check_signer(signed, static.checkpoint, ring, first, newer)
        size = static.checkpoint.size
        if tree_root(size, reader(static.tile)) != static.checkpoint.root:
            raise VerificationError(f"{folder}: the exported tiles are not the tree of their checkpoint")
        return static

    def tile(self, level: int, n: int) -> bytes:
        """Return the widest version of a tile in a tree of this size."""
        width = min(WIDTH, (self.checkpoint.size >> 8 * level) - n * WIDTH)
        try:
            data = (self.folder / format_path(level, n, width)).read_bytes()
        except OSError:
            raise VerificationError(f"{self.folder}: tile {format_path(level, n, width)} is missing") from None
        if len(data) != width * HASH_SIZE:
            raise VerificationError(f"{self.folder}: tile {format_path(level, n, width)} has {len(data)} bytes")
        return data

    def entries(self, start: int) -> Iterator[tuple[int, list[bytes]]]:
        """Yield the leaves from `start` on, by entry bundle: (index of the first, leaves)."""
        size = self.checkpoint.size
        for n in range(start // WIDTH, -(-size // WIDTH)):
            width = min(WIDTH, size - n * WIDTH)
            try:
                bundle = parse_entries((self.folder / format_path(None, n, width)).read_bytes())
            except OSError:
                raise VerificationError(f"{self.folder}: {format_path(None, n, width)} is missing") from None
            if len(bundle) != width:
                raise VerificationError(f"{self.folder}: {format_path(None, n, width)} has {len(bundle)} entries")
            first = max(start, n * WIDTH)
            yield first, bundle[first - n * WIDTH :]

    def blobs(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield the content-addressed blobs, hashed again."""
        for path in sorted((self.folder / "blob").glob("*/*")):
            data = path.read_bytes()
            if canon.digest(data) != path.name:
                raise VerificationError(f"{path} has another digest than its name")
            yield bytes.fromhex(path.name), data


def read_copy(folder: Path) -> LogCopy:
    """Read the exported log in a folder without checking it: its checkpoint, its key leaves, its tiles for proofs."""
    try:
        signed = (folder / "checkpoint").read_bytes()
        lines = (folder / "keys.ndjson").read_bytes().splitlines()
    except OSError as problem:
        raise InputError(f"{folder}: not an exported log: {problem.strerror}: {problem.filename}") from None
    keys = []
    for n, line in enumerate(lines, start=1):
        try:
            key = json.loads(line)
            index, body = key["index"], key["leaf"]
        except (ValueError, KeyError, TypeError, RecursionError):
            raise VerificationError(f"{folder}: keys.ndjson, line {n}: expected an object of index and leaf") from None
        if type(index) is not int or not isinstance(body, dict):
            raise VerificationError(f"{folder}: keys.ndjson, line {n}: index is a number, leaf an object")
        keys.append((index, body))
    static = Static(folder, content(signed), signed)
    return LogCopy(signed, keys, lambda old, new: tree.prove_consistency(old, new, reader(static.tile)))


def replay(log: Log, static: Static) -> Recovered:
    """Extend the database to the exported checkpoint, all or nothing, and move the anchor there."""
    target = static.checkpoint
    with log.anchor.held() as anchor:
        if anchor.note is not None and content(anchor.note).size > target.size:
            raise VerificationError(
                f"the export ends at size {target.size}, but size {content(anchor.note).size} has been acknowledged; "
                "find a newer export, or start a new origin with --new-origin and --reason"
            )
        with log.store.writing() as tx:
            edge = right_edge.load(tx, log.origin, log.trusted)
            replayed = _append(log, tx, static, edge) if edge.head.size < target.size else edge
            _check_prefix(tx, edge, static)
            right_edge.check_anchor(tx, replayed, anchor.note or static.note)
        newest = log.checkpoint()
        if anchor.note is None or content(anchor.note).size < content(newest).size:
            anchor.advance(newest)
    head = log.check()
    return Recovered(
        origin=log.origin, size=head.size, root=head.root.hex(), replayed=replayed.head.size - edge.head.size
    )


def _check_prefix(tx: Connection, before: Edge, static: Static) -> None:
    """Refuse unless the smaller of the two trees is a prefix of the larger."""
    size = min(before.head.size, static.checkpoint.size)
    exported = tree_root(size, reader(static.tile))
    stored = tree_root(size, reader(lambda level, n: queries.read_tile(tx, level, n)))
    if exported != stored:
        raise VerificationError(
            f"the export and the database differ below size {size}: they are two branches of one name"
        )


def _append(log: Log, tx: Connection, static: Static, edge: Edge) -> Edge:
    """Append the missing entries and their side data under the exported checkpoint."""
    log.store.insert(tx, BLOB, [row for row in static.blobs() if queries.blob(tx, row[0]) is None])
    ring, assigns = edge.ring, AssignPlaces()
    for first, bodies in static.entries(edge.head.size):
        leaves = [leaf.decode(body) for body in bodies]
        edge, tiles = edge.extended(leaf_hashes(bodies))
        types = [fields["type"] for fields in leaves]
        log.store.insert(tx, ENTRY, list(zip(range(first, first + len(bodies)), types, bodies, strict=True)))
        events = [
            (fields["source"], fields["event_id"], first + i)
            for i, fields in enumerate(leaves)
            if fields["type"] == "event"
        ]
        log.store.insert(tx, EVENT, events)
        log.store.put_tiles(tx, tiles)
        ring = project_tracks(tx, first, types, bodies, ring, assigns=assigns)
    if edge.head.root != static.checkpoint.root:
        raise VerificationError(f"the exported entries have root {edge.head.root.hex()}, not that of their checkpoint")
    log.store.insert(tx, CHECKPOINT, [(edge.head.size, edge.head.root, edge.head.chain, static.note)])
    signed.rebuild(log.store, tx)
    return replace(edge, ring=ring)


def surviving(log: Log) -> list[dict[str, object]]:
    """Return the heads for a successor log's first leaf: the database's, and the acknowledged one."""
    head = log.head()
    heads: list[dict[str, object]] = [
        {"origin": log.origin, "size": head.size, "root": head.root.hex(), "chain": head.chain.hex()}
    ]
    anchored = log.anchor.read()
    if anchored is not None:
        checkpoint_text = content(anchored)
        heads.append(
            {"origin": checkpoint_text.origin, "size": checkpoint_text.size, "root": checkpoint_text.root.hex()}
        )
    return heads
