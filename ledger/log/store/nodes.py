"""Hashes of complete subtrees from stored tiles; all levels of recent tiles are cached.

A proof needs nodes inside tiles, and each such node is a fold of up to 128 hashes. A tile is folded once; later proofs
slice the cached levels.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from typing import Final

from ledger.errors import VerificationError
from ledger.proofs.tile import WIDTH, ReadTile
from ledger.proofs.tree import HASH_SIZE

TILES_KEPT: Final = 1024
"""At 16 KiB each."""

_Levels = list[bytes]


class NodeReader:
    """`read(level, n)` for provers.

    Tiles only grow, so a cached tile is never wrong, only shorter than the stored one.
    """

    def __init__(self, read_tile: ReadTile) -> None:
        self._read_tile = read_tile
        self._tiles: OrderedDict[tuple[int, int], _Levels] = OrderedDict()
        self._lock = threading.Lock()

    def __call__(self, level: int, n: int) -> bytes:
        tile_level, height = divmod(level, 8)
        tile, offset = divmod(n << height, WIDTH)
        offset_in_tile = (offset >> height) * HASH_SIZE
        levels = self._levels(tile_level, tile)
        if len(levels[height]) < offset_in_tile + HASH_SIZE:
            levels = self._load(tile_level, tile)
        if len(levels[height]) < offset_in_tile + HASH_SIZE:
            raise VerificationError(
                f"tile {tile_level}/{tile} is too short: it lacks hash {offset + (1 << height) - 1}"
            )
        return levels[height][offset_in_tile : offset_in_tile + HASH_SIZE]

    def _levels(self, level: int, n: int) -> _Levels:
        with self._lock:
            levels = self._tiles.get((level, n))
            if levels is not None:
                self._tiles.move_to_end((level, n))
                return levels
        return self._load(level, n)

    def _load(self, level: int, n: int) -> _Levels:
        levels = fold_levels(self._read_tile(level, n))
        with self._lock:
            self._tiles[level, n] = levels
            if len(self._tiles) > TILES_KEPT:
                self._tiles.popitem(last=False)
        return levels


def fold_levels(hashes: bytes) -> _Levels:
    """Return the complete subtrees inside a tile: its hashes, then the nodes over each two of them, eight levels up."""
    sha256 = hashlib.sha256
    levels = [hashes]
    for _ in range(8):
        below = levels[-1]
        pairs = len(below) // (2 * HASH_SIZE) * 2 * HASH_SIZE
        levels.append(b"".join([sha256(b"\x01" + below[i : i + 64]).digest() for i in range(0, pairs, 64)]))
    return levels
