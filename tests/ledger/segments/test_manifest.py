"""Manifests: what a log commits to about its segments, read strictly."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any

import pytest

from ledger.errors import VerificationError
from ledger.proofs import canon, leaf
from ledger.segments.errors import SegmentError
from ledger.segments.manifest import File, SegmentManifest, check_chain, ordered_digest, read
from tests.ledger.world import AT

EVENTS = File(
    kind="events", path="0/events.parquet", sha256="a" * 64, bytes=9, rows=5, first=0, last=4, day="2026-06-03"
)
LEAVES = File(kind="leaves", path="0/leaves.parquet", sha256="b" * 64, bytes=8, rows=1, first=5, last=5)
MANIFEST = SegmentManifest(
    origin="o", start=0, stop=6, leaves="c" * 64, events=5, writer="parquet 1", files=(EVENTS, LEAVES)
)


def test_a_manifest_is_read_as_it_was_written() -> None:
    """If this fails, the name of a manifest does not follow from what it says, or it says something else when read."""
    assert SegmentManifest.parse(MANIFEST.encode()) == MANIFEST
    document = json.loads(MANIFEST.encode())
    assert document["v"] == 1
    assert "day" in document["files"][0]
    assert "day" not in document["files"][1]
    assert [list(MANIFEST.of(kind)) for kind in ("events", "leaves", "bindings")] == [[EVENTS], [LEAVES], []]


@pytest.mark.parametrize(
    "changed",
    [{"v": 2}, {"v": None}, {"surplus": 1}, {"files": None}, {"files": [{}]}, {"files": [1]}],
    ids=str,
)
def test_another_shape_is_refused(changed: dict[str, Any]) -> None:
    """If this fails, a manifest of another version or shape is taken for one of ours."""
    with pytest.raises(VerificationError, match="segment manifest"):
        SegmentManifest.parse(canon.encode(json.loads(MANIFEST.encode()) | changed))
    for name in ("origin", "files", "leaves"):
        document = json.loads(MANIFEST.encode())
        del document[name]
        with pytest.raises(VerificationError, match="segment manifest"):
            SegmentManifest.parse(canon.encode(document))


@pytest.mark.parametrize("changed", [{"kind": "other"}, {"path": "../secret"}, {"path": "/etc/passwd"}], ids=str)
def test_no_file_lies_outside_the_folder(changed: dict[str, Any]) -> None:
    """If this fails, a manifest makes settlement read a file of the machine."""
    for files in ((replace(EVENTS, **changed), LEAVES), (EVENTS, replace(LEAVES, **changed))):
        with pytest.raises(VerificationError, match="unknown kind or outside"):
            SegmentManifest.parse(replace(MANIFEST, files=files).encode())


def test_a_manifest_is_the_one_its_leaf_names() -> None:
    """If this fails, segments are exchanged under a leaf that the log holds."""
    body = leaf.encode(dict(MANIFEST.leaf(AT)))
    said = leaf.decode(body)
    assert (said["type"], said["start"], said["stop"], said["leaves"], said["manifest"]) == (
        "segment",
        0,
        6,
        "c" * 64,
        canon.digest(MANIFEST.encode()),
    )
    assert read(body, MANIFEST.encode()) == MANIFEST
    with pytest.raises(SegmentError, match=r"\[0, 6\) names another manifest"):
        read(body, replace(MANIFEST, events=4).encode())
    for changed in ({"start": 1}, {"stop": 7}, {"leaves": "d" * 64}):
        lying = leaf.encode(dict(said) | changed)
        with pytest.raises(SegmentError, match=r"\[0, 6\) differs from its leaf"):
            read(lying, MANIFEST.encode())


def test_every_index_is_covered_once() -> None:
    """If this fails, events are counted twice, or a stretch of the log is left out of a settlement."""
    second = replace(MANIFEST, start=6, stop=7)
    check_chain([], "o")
    check_chain([MANIFEST, second], "o")
    for wrong in (
        [second],
        [MANIFEST, MANIFEST],
        [MANIFEST, replace(second, start=7, stop=9)],
        [replace(MANIFEST, stop=0)],
        [MANIFEST, replace(second, start=5)],
        [MANIFEST, replace(second, stop=6)],
    ):
        with pytest.raises(SegmentError, match="follows one that ended at"):
            check_chain(wrong, "o")
    with pytest.raises(SegmentError, match="is of log o, not p"):
        check_chain([MANIFEST], "p")


def test_a_stretch_is_named_by_its_hashes_in_order() -> None:
    """If this fails, two stretches with other leaves, or in another order, have one name."""
    assert ordered_digest([b"a", b"b"]) == hashlib.sha256(b"ab").hexdigest() != ordered_digest([b"b", b"a"])
