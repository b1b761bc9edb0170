"""A sparse Merkle tree over a set of ids; order and uniqueness cannot be forged.

An id's place is its SHA-256, read bit by bit from the root: 0 is left, 1 is right. A subtree without ids hashes
to 32 zero bytes, one with a single id to `SHA-256(0x00 || SHA-256(id))`, every other to `SHA-256(0x01 || left ||
right)`. So one path belongs to each id, and a root cannot show both that it is there and that it is not: the two
proofs would end in different nodes under one hash.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

from ledger.errors import VerificationError
from ledger.proofs import tree
from ledger.text import parse_hex

EMPTY: Final = bytes(tree.HASH_SIZE)
"""The hash of a subtree without ids: nobody knows bytes that hash to it."""
DEPTH: Final = 8 * tree.HASH_SIZE
SIZE: Final = tree.HASH_SIZE


def place_of(name: str) -> bytes:
    """Return the place of an id: its SHA-256."""
    return hashlib.sha256(name.encode()).digest()


class SparseTree:
    """The tree of a set, for proofs: the upper levels are stored; below them each subtree has few ids."""

    def __init__(self, names: Iterable[str]) -> None:
        places = sorted({place_of(name) for name in names})
        self._places: Final = places
        self._height: Final = max(0, len(places) - 1).bit_length()
        starts = _starts(places, self._height)
        counts = [end - start for start, end in pairwise(starts)]
        row = [_subtree(places[start:end], self._height) for start, end in pairwise(starts)]
        self._starts: Final = starts
        self._levels: Final = [row]
        self._counts: Final = [counts]
        while len(row) > 1:
            row = [_join(row[n], row[n + 1], counts[n], counts[n + 1]) for n in range(0, len(row), 2)]
            counts = [counts[n] + counts[n + 1] for n in range(0, len(counts), 2)]
            self._levels.insert(0, row)
            self._counts.insert(0, counts)
        self.size: Final = len(places)
        self.root: Final = row[0].hex()

    def prove(self, name: str) -> dict[str, Any]:
        """Return the sibling hashes from the root to the id's place, and the place of the id found there."""
        key = place_of(name)
        whole = int.from_bytes(key)
        path: list[bytes] = []
        for depth in range(self._height):
            here = whole >> (DEPTH - depth)
            if self._counts[depth][here] <= 1:
                break
            path.append(self._levels[depth + 1][(whole >> (DEPTH - depth - 1)) ^ 1])
        depth = len(path)
        here = whole >> (DEPTH - depth)
        width = self._height - depth
        places: Sequence[bytes] = self._places[self._starts[here << width] : self._starts[(here + 1) << width]]
        while len(places) > 1:
            left, right = _split(places, depth)
            places, sibling = (right, left) if _bit(key, depth) else (left, right)
            depth += 1
            path.append(_subtree(sibling, depth))
        return {
            "recording": name,
            "member": places == [key],
            "path": [node.hex() for node in path],
            "end": places[0].hex() if places else None,
        }


def check(proof: Mapping[str, Any], *, root: str) -> bool:
    """Return whether the id is in the set with this root; VerificationError if the proof shows neither."""
    if set(proof) != {"recording", "member", "path", "end"}:
        raise VerificationError("manifest proof: expected recording, member, path and end")
    name, member, path, end = proof["recording"], proof["member"], proof["path"], proof["end"]
    if not isinstance(name, str) or not isinstance(member, bool) or not isinstance(path, list) or len(path) > DEPTH:
        raise VerificationError("manifest proof: recording is a text, member true or false, path a list")
    key = place_of(name)
    terminal = None if end is None else parse_hex(end, "manifest proof end", SIZE)
    if (terminal == key) is not member:
        raise VerificationError(f"manifest proof: it does not show whether {name!r} is in the list")
    if terminal is not None and _prefix(terminal, len(path)) != _prefix(key, len(path)):
        raise VerificationError(f"manifest proof: it ends at another place than that of {name!r}")
    current = EMPTY if terminal is None else tree.leaf_hash(terminal)
    for depth in range(len(path) - 1, -1, -1):
        sibling = parse_hex(path[depth], "manifest proof path", SIZE)
        current = tree.node_hash(sibling, current) if _bit(key, depth) else tree.node_hash(current, sibling)
    if current != parse_hex(root, "manifest root", SIZE):
        raise VerificationError("manifest proof: its path does not lead to the training root")
    return member


def _bit(place: bytes, depth: int) -> int:
    return place[depth >> 3] >> (7 - (depth & 7)) & 1


def _prefix(place: bytes, bits: int) -> int:
    return int.from_bytes(place) >> (DEPTH - bits)


def _join(left: bytes, right: bytes, of_left: int, of_right: int) -> bytes:
    """Join two halves; a subtree with one id is that id's leaf at any level."""
    if of_left + of_right > 1:
        return tree.node_hash(left, right)
    return left if of_left else right


def _subtree(places: Sequence[bytes], depth: int) -> bytes:
    """Return the hash of the subtree at this depth with these sorted places."""
    if len(places) <= 1:
        return tree.leaf_hash(places[0]) if places else EMPTY
    left, right = _split(places, depth)
    return tree.node_hash(_subtree(left, depth + 1), _subtree(right, depth + 1))


def _split(places: Sequence[bytes], depth: int) -> tuple[Sequence[bytes], Sequence[bytes]]:
    """Return the places whose next bit is 0, and those whose next bit is 1."""
    middle = bisect_left(places, 1, key=lambda place: _bit(place, depth))
    return places[:middle], places[middle:]


def _starts(places: Sequence[bytes], height: int) -> list[int]:
    """Return where the ids of each lowest stored subtree begin, and the end of the last."""
    starts = [0] * ((1 << height) + 1)
    for key in places:
        starts[_prefix(key, height) + 1] += 1
    for n in range(1, len(starts)):
        starts[n] += starts[n - 1]
    return starts
