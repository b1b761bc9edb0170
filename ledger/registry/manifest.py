"""Training manifests: the training list of a model version; the model's leaf names its root.

New manifests (v 2) have the root of `ledger.registry.sparse`. Those of release 0.1 (v 1) have the RFC 6962 root over
the ids, sorted bytewise, each once. There, two neighbours around an id prove its absence only if the list was sorted,
and the proof cannot show that: absence under v 1 depends on trust in the maker of the root.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from ledger.errors import VerificationError
from ledger.proofs import canon, tree
from ledger.registry import sparse
from ledger.registry.model import Manifest
from ledger.text import parse_hex

HASH = tree.HASH_SIZE
SPARSE: Final = 2
"""The version of manifest whose root is that of a sparse Merkle tree."""


def make(recordings: Iterable[str]) -> tuple[Manifest, bytes]:
    """Return the manifest for a model's leaf, and the training list itself."""
    blob = encode(recordings)
    built = sparse.SparseTree(recordings)
    return Manifest(v=SPARSE, root=built.root, size=built.size, blob=canon.digest(blob)), blob


def encode(recordings: Iterable[str]) -> bytes:
    """Return the list as stored: canonical JSON, sorted, each id once."""
    return canon.encode({"v": 1, "type": "training-manifest", "recordings": _sorted(recordings)})


def prover(listed: Manifest, recordings: Sequence[str]) -> sparse.SparseTree | ManifestTree:
    """Return the tree of a manifest's own version over its list; VerificationError if its root differs."""
    built = sparse.SparseTree(recordings) if listed.v == SPARSE else ManifestTree(recordings)
    if (built.root, len(recordings)) != (listed.root, listed.size):
        raise VerificationError(
            f"training manifest: the list of {len(recordings)} ids makes root {built.root}; "
            f"the model's leaf says {listed.size} ids and root {listed.root} (V4)"
        )
    return built


def decode(blob: bytes) -> list[str]:
    """Decode the ids in a manifest blob; VerificationError unless sorted and unique."""
    document = canon.decode_object(blob, "training manifest")
    ids = document.get("recordings")
    if document.get("type") != "training-manifest" or not isinstance(ids, list) or _sorted(ids) != ids:
        raise VerificationError("training manifest: expected a sorted list of recording ids")
    return ids


def _sorted(recordings: Iterable[str]) -> list[str]:
    return sorted(set(recordings), key=str.encode)


class ManifestTree:
    """All hashes of one manifest, for proofs. Building hashes each id once; a proof takes a few look-ups."""

    def __init__(self, recordings: Sequence[str]) -> None:
        self.ids = recordings
        self._keys = [name.encode() for name in recordings]
        level = b"".join(tree.leaf_hashes(self._keys))
        self._levels = [level]
        while len(level) > HASH:
            whole = len(level) // (2 * HASH) * (2 * HASH)
            level = b"".join([tree.node_hash(level[i : i + 32], level[i + 32 : i + 64]) for i in range(0, whole, 64)])
            self._levels.append(level)
        self.root = tree.root(len(recordings), self._read).hex()

    def _read(self, level: int, n: int) -> bytes:
        return self._levels[level][n * HASH : (n + 1) * HASH]

    def prove(self, recording: str) -> dict[str, Any]:
        """Prove that a recording is, or is not, in the manifest: by its leaf, or by the neighbours around its place."""
        position = bisect_left(self._keys, recording.encode())
        member = position < len(self.ids) and self.ids[position] == recording
        shown = [position] if member else [index for index in (position - 1, position) if 0 <= index < len(self.ids)]
        return {"recording": recording, "member": member, "leaves": [self._leaf(index) for index in shown]}

    def _leaf(self, index: int) -> dict[str, Any]:
        path = tree.prove_inclusion(index, len(self.ids), self._read)
        return {"index": index, "id": self.ids[index], "path": [node.hex() for node in path]}


def check(proof: Mapping[str, Any], *, root: str, size: int) -> bool:
    """Return whether the recording is in the manifest of this root and size; VerificationError if the proof fails."""
    recording, member, leaves = proof.get("recording"), proof.get("member"), proof.get("leaves")
    if not isinstance(recording, str) or not isinstance(member, bool) or not isinstance(leaves, list):
        raise VerificationError("manifest proof: expected recording, member and leaves")
    shown = [_checked_leaf(leaf, root, size) for leaf in leaves]
    key = recording.encode()
    if member:
        if len(shown) != 1 or shown[0][1] != key:
            raise VerificationError(f"manifest proof: it does not show {recording!r}")
        return True
    smaller = [index for index, name in shown if name < key]
    larger = [index for index, name in shown if name > key]
    if len(smaller) + len(larger) != len(shown) or len(smaller) > 1 or len(larger) > 1:
        raise VerificationError(f"manifest proof: its leaves do not enclose {recording!r}")
    left = smaller[0] if smaller else -1
    right = larger[0] if larger else size
    if right != left + 1:
        raise VerificationError(f"manifest proof: leaves {left} and {right} are not neighbours")
    return False


def _checked_leaf(leaf: Any, root: str, size: int) -> tuple[int, bytes]:
    """Return a leaf's index and id after checking its path to the root."""
    if not isinstance(leaf, dict) or set(leaf) != {"index", "id", "path"} or type(leaf["index"]) is not int:
        raise VerificationError("manifest proof: a leaf has index, id and path")
    if not isinstance(leaf["id"], str) or not isinstance(leaf["path"], list):
        raise VerificationError("manifest proof: a leaf's id is a text and its path a list")
    key = leaf["id"].encode()
    path = [parse_hex(node, "manifest proof path", HASH) for node in leaf["path"]]
    tree.check_inclusion(leaf["index"], size, tree.leaf_hash(key), path, parse_hex(root, "manifest root", HASH))
    return leaf["index"], key
