"""Segment files with any bytes changed, and their digests committed to all the same: refused, or the same as before."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.segments import bindings, files, schema
from ledger.segments.check import Hashes, read_back
from ledger.segments.errors import SegmentError
from ledger.segments.manifest import SegmentManifest, manifests
from tests.ledger.logs import log_in
from tests.mutations import Edit, edited, edits
from tests.payouts.streams import sealed_log, streams
from tests.support import examples


@dataclass
class Sealed:
    """A small segment and the hashes of its leaves."""

    folder: Path
    manifest: SegmentManifest
    hashes: Hashes

    def read(self) -> Hashes:
        known = bindings.as_table(())
        for file in self.manifest.of("bindings"):
            known = bindings.more(known, self.folder, file)
        return read_back(self.folder, self.manifest.files, self.manifest.start, self.manifest.stop, known)

    def rows(self) -> list[object]:
        """Everything that a settlement would be told."""
        shapes = {"events": schema.EVENTS, "leaves": schema.LEAVES, "bindings": schema.BINDINGS}
        return [
            piece.to_pylist()
            for file in self.manifest.files
            for piece in files.pieces(self.folder, file, shapes[file.kind])
        ]


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Sealed:
    place = tmp_path_factory.mktemp("sealed")
    log = log_in(place)
    folder = sealed_log(log, place / "segments", streams(1, 60), span=100)
    made = manifests(log)[0]
    found = Sealed(folder, made, read_back(folder, (), 0, 0, bindings.as_table(())))
    found.hashes = found.read()
    return found


def tried(sealed: Sealed, number: int, changes: Sequence[Edit]) -> None:
    """A changed file is refused by name, gives leaves that the tree refuses, or says what it said before."""
    path = sealed.folder / sealed.manifest.files[number % len(sealed.manifest.files)].path
    kept = path.with_name("kept")
    shutil.copy(path, kept)
    before = sealed.rows()
    try:
        path.write_bytes(edited(path.read_bytes(), changes))
        try:
            found = sealed.read()
        except SegmentError:
            return
        if (found == sealed.hashes).all():
            assert sealed.rows() == before
    finally:
        kept.replace(path)


@settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 99), edits())
def test_changed_bytes_say_nothing_new(sealed: Sealed, number: int, changes: list[Edit]) -> None:
    """If this fails, an operator's segment crashes the auditor, or is summed as other streams than its leaves say."""
    tried(sealed, number, changes)


@pytest.mark.slow
@settings(max_examples=500, deadline=None)
@given(st.integers(0, 99), edits())
def test_changed_bytes_say_nothing_new_at_length(sealed: Sealed, number: int, changes: list[Edit]) -> None:
    """If this fails, the same, found only by looking longer."""
    tried(sealed, number, changes)
