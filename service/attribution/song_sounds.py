"""What tracks sound like, so that copies of them can be recognised: those attributed or exported on this host."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from attribution.hearing.audio import file_digest
from attribution.hearing.features import Features, read
from ledger.errors import InputError
from ledger.files import write_whole
from ledger.types import Digest
from service.attribution.attributing import SOUNDS, remembered
from service.attribution.indexing import store_of

if TYPE_CHECKING:
    from attribution.hearing.constellation import Constellation
    from service.workspace import Workspace

FILE: Final = "songs.json"
"""Beside the index: by track, the digest its sound's features are kept by."""


def digests(ws: Workspace) -> Iterator[tuple[str, Digest]]:
    """The tracks whose sound this host knows, each with the digest of its file; several files of one are several."""
    for name, item in remembered(ws).items():
        yield name.rpartition("@")[0], item.sha256
    yield from _exported(ws).items()


def sounds(ws: Workspace) -> dict[str, Constellation]:
    """The peaks of every track whose sound this host knows."""
    store = store_of(ws)
    return {track: store.sketch(digest).stars for track, digest in digests(ws) if store.has(digest)}


def unread(ws: Workspace) -> set[str]:
    """The tracks that were attributed or exported here and whose sound this version has not read."""
    store = store_of(ws)
    return {track for track, _ in digests(ws)} - {track for track, digest in digests(ws) if store.has(digest)}


def catalogue(ws: Workspace) -> dict[str, Constellation]:
    """The peaks of every indexed recording: a copy of one must not pass for a track that uses it."""
    store = store_of(ws)
    return {row.id: store.sketch(row.sha256).stars for row in store.searched_rows()}


def listen(file: Path) -> Constellation:
    """The peaks of a file."""
    return _heard(file).stars


def remember(ws: Workspace, track: str, file: Path) -> None:
    """Keep what a track's file sounds like; nothing where it cannot be decoded."""
    if file.suffix.lower() not in SOUNDS:
        return
    store, digest = store_of(ws), file_digest(file)
    if not store.has(digest):
        store.put(_heard(file))
    if dict(digests(ws)).get(track) != digest:
        data = json.dumps(_exported(ws) | {track: digest}, indent=1, sort_keys=True) + "\n"
        write_whole(store.folder / FILE, data.encode())


def _heard(file: Path) -> Features:
    if file.suffix.lower() not in SOUNDS:
        raise InputError(f"{file}: no sound file that can be decoded; expected {', '.join(sorted(SOUNDS))}")
    return read(file)


def _exported(ws: Workspace) -> dict[str, Digest]:
    path = store_of(ws).folder / FILE
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
