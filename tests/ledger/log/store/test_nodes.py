"""Nodes from tiles: the same hashes as folding, whatever is kept and however the tile has grown since."""

from __future__ import annotations

import hashlib

import pytest

from ledger.errors import VerificationError
from ledger.log.store import nodes
from ledger.log.store.nodes import NodeReader
from ledger.proofs.tile import reader

HASHES = b"".join(hashlib.sha256(bytes([i])).digest() for i in range(256))


@pytest.mark.parametrize("width", [1, 2, 3, 100, 255, 256])
def test_nodes_equal_folds(width: int) -> None:
    """If this fails, proofs are made of hashes that are not in the tree."""
    blob = HASHES[: width * 32]
    quick, plain = NodeReader(lambda *_: blob), reader(lambda *_: blob)
    for level in range(8):
        for n in range(width >> level):
            assert quick(level, n) == plain(level, n)


def test_a_grown_tile_is_read_again() -> None:
    """If this fails, a running prover never sees entries appended after it started."""
    blob = bytearray(HASHES[:32])
    read = NodeReader(lambda *_: bytes(blob))
    assert read(0, 0) == HASHES[:32]
    with pytest.raises(VerificationError, match="lacks hash 1"):
        read(0, 1)
    blob += HASHES[32:64]
    assert read(0, 1) == HASHES[32:64]


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, a prover keeps the whole tree."""
    monkeypatch.setattr(nodes, "TILES_KEPT", 2)
    asked: list[int] = []

    def tile(_level: int, n: int) -> bytes:
        asked.append(n)
        return HASHES

    read = NodeReader(tile)
    for n in (0, 1, 0, 2, 0, 1):
        read(0, n * 256)
    assert asked == [0, 1, 2, 1]
