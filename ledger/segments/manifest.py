"""Manifests: the list of a segment's files and digests, which the log commits to.

A `segment` leaf names a stretch of the log, the digest of its leaf hashes in order, and its manifest by
digest; the manifest lists the files. Whoever trusts the log's root therefore knows every byte of
every file, and which leaves they must lead back to.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Literal

from ledger.errors import VerificationError
from ledger.proofs import canon, leaf
from ledger.segments.errors import SegmentError
from ledger.types import Digest, Leaf

if TYPE_CHECKING:
    from ledger.log.append import Log

TYPE: Final = "segment"
VERSION: Final = 1

Kind = Literal["events", "leaves", "bindings"]
_KINDS: Final = ("events", "leaves", "bindings")


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """One Parquet file. `path` is relative to the segments' folder; `first` and `last` bound its indexes.

    `events`: streams of one day (`day`, YYYY-MM-DD). `leaves`: everything else in the stretch.
    `bindings`: each (source, track, vector) that first appears in the stretch, `first` and `last` by number.
    """

    kind: Kind
    path: str
    sha256: Digest
    bytes: int
    rows: int
    first: int
    last: int
    day: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentManifest:
    """Leaves `[start, stop)` of a log as files. `leaves`: SHA-256 over their leaf hashes in order.

    `writer` is the Parquet writer's version: the same version makes the same bytes again.
    """

    origin: str
    start: int
    stop: int
    leaves: Digest
    events: int
    writer: str
    files: tuple[File, ...]

    def encode(self) -> bytes:
        """Return the manifest as canonical JSON; leaves name it by its digest."""
        files = [
            {name: getattr(file, name) for name in File.__slots__ if getattr(file, name) is not None}
            for file in self.files
        ]
        body = {name: getattr(self, name) for name in SegmentManifest.__slots__}
        return canon.encode({**body, "v": VERSION, "files": files})

    @classmethod
    def parse(cls, data: bytes) -> SegmentManifest:
        """Parse the manifest with exactly these bytes."""
        value = canon.decode_object(data, "segment manifest")
        if value.pop("v", None) != VERSION:
            raise VerificationError(f"segment manifest: not version {VERSION}; read it with the release that wrote it")
        try:
            files = tuple(File(**file) for file in value.pop("files"))
            manifest = cls(**value, files=files)
        except (TypeError, KeyError) as problem:
            raise VerificationError(f"segment manifest: {problem}") from None
        if any(file.kind not in _KINDS or ".." in file.path or file.path.startswith("/") for file in files):
            raise VerificationError("segment manifest: a file of an unknown kind or outside the segments' folder")
        return manifest

    def leaf(self, at: datetime) -> Leaf:
        """Return the leaf that commits to this manifest."""
        return leaf.make(
            TYPE, at, start=self.start, stop=self.stop, leaves=self.leaves, manifest=canon.digest(self.encode())
        )

    def of(self, kind: Kind) -> Iterator[File]:
        return (file for file in self.files if file.kind == kind)


def ordered_digest(hashes: Iterable[bytes]) -> Digest:
    """Return the SHA-256 over leaf hashes in order, which identifies the leaves of a stretch."""
    return hashlib.sha256(b"".join(hashes)).hexdigest()


def read(body: bytes, manifest: bytes) -> SegmentManifest:
    """Return the manifest of a segment leaf; refuse one that the leaf does not name or that differs from it."""
    fields: Mapping[str, Any] = leaf.decode(body)
    parsed = SegmentManifest.parse(manifest)
    if fields.get("manifest") != canon.digest(manifest):
        raise SegmentError(f"segment leaf of [{fields.get('start')}, {fields.get('stop')}) names another manifest")
    if (fields.get("start"), fields.get("stop"), fields.get("leaves")) != (parsed.start, parsed.stop, parsed.leaves):
        raise SegmentError(f"manifest of [{parsed.start}, {parsed.stop}) differs from its leaf in the log")
    return parsed


def manifests(log: Log, size: int | None = None) -> list[SegmentManifest]:
    """Return the log's segments in order, from its `segment` leaves below `size`; every index is covered once."""
    listed = []
    for entry in log.entries(types={TYPE}, stop=size):
        named = leaf.decode(entry.body).get("manifest")
        listed.append(read(entry.body, log.blob(str(named))))
    check_chain(listed, log.origin)
    return listed


def check_chain(manifests: Sequence[SegmentManifest], origin: str) -> None:
    """Check that every index from 0 to the last stop is covered exactly once."""
    stop = 0
    for manifest in manifests:
        if manifest.origin != origin:
            raise SegmentError(f"segment [{manifest.start}, {manifest.stop}) is of log {manifest.origin}, not {origin}")
        if manifest.start != stop or manifest.stop <= manifest.start:
            raise SegmentError(f"segment [{manifest.start}, {manifest.stop}) follows one that ended at {stop}")
        stop = manifest.stop
