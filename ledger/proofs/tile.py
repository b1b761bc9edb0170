"""Tiles: the tree's hashes in immutable pieces of 256 (c2sp.org/tlog-tiles).

Tile (level, n) holds the roots of subtrees of 256^level leaves, 32 bytes each, the first being
number 256 * n. Only full tiles are hashed into the level above.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from ledger.errors import VerificationError
from ledger.proofs.tree import EMPTY_ROOT, HASH_SIZE, Read, fold, node_hash, subtrees

WIDTH: Final = 256
TILE_SIZE: Final = WIDTH * HASH_SIZE
ENTRY_MAX: Final = 65_535
"""An entry's length is a uint16 in entry bundles."""

Changed = tuple[int, int, bytes]
"""(level, n, hashes) of a tile that grew."""

ReadTile = Callable[[int, int], bytes]
"""The hashes of tile (level, n), at least as many as the tree in question has there."""


class Tiles:
    """The right edge of a growing tree: at each level the hashes that do not fill a tile yet."""

    __slots__ = ("_edge", "size")

    size: int

    def __init__(self, size: int = 0, edge: Sequence[bytes] = ()) -> None:
        """The edge of a tree of this size; `edge[level]` is the partial tile there, empty if there is none."""
        widths = _widths(size)
        if [len(blob) for blob in edge] != [width * HASH_SIZE for width in widths]:
            raise VerificationError(f"tiles: a tree of {size} has partial tiles of widths {widths}")
        self.size = size
        self._edge = [bytearray(blob) for blob in edge]

    @classmethod
    def load(cls, size: int, read: ReadTile) -> Tiles:
        """The edge of a stored tree, cut to this size."""
        edge = [
            read(level, (size >> 8 * level) // WIDTH)[: width * HASH_SIZE] if width else b""
            for level, width in enumerate(_widths(size))
        ]
        return cls(size, edge)

    def append(self, leaf_hashes: Sequence[bytes]) -> list[Changed]:
        """Add leaves; the tiles that grew, with all their hashes, lower levels first."""
        changed: list[Changed] = []
        rising, level, size = b"".join(leaf_hashes), 0, self.size
        if len(rising) != HASH_SIZE * len(leaf_hashes):
            raise VerificationError(f"tiles: a leaf hash is not {HASH_SIZE} bytes long")
        while rising:
            if level == len(self._edge):
                self._edge.append(bytearray())
            buffer = self._edge[level]
            buffer += rising
            n = (size >> 8 * level) // WIDTH
            roots = []
            full = len(buffer) - len(buffer) % TILE_SIZE
            for start in range(0, full, TILE_SIZE):
                blob = bytes(buffer[start : start + TILE_SIZE])
                changed.append((level, n, blob))
                roots.append(fold(blob))
                n += 1
            if full:
                del buffer[:full]
            if buffer:
                changed.append((level, n, bytes(buffer)))
            rising = b"".join(roots)
            level += 1
        self.size += len(leaf_hashes)
        return changed

    def root(self) -> bytes:
        """The tree's root, from the edge alone."""
        result: bytes | None = None
        for buffer in self._edge:
            width = len(buffer) // HASH_SIZE
            for height, n in reversed(list(subtrees(0, width))):
                subtree = fold(bytes(buffer[(n << height) * HASH_SIZE : ((n + 1) << height) * HASH_SIZE]))
                result = subtree if result is None else node_hash(subtree, result)
        return EMPTY_ROOT if result is None else result

    @property
    def edge(self) -> list[bytes]:
        """The partial tile of each level, empty where there is none: what `__init__` takes."""
        return [bytes(buffer) for buffer in self._edge]


def reader(read_tile: ReadTile) -> Read:
    """Hashes of complete subtrees, each folded from a slice of one tile."""

    def read(level: int, n: int) -> bytes:
        tile_level, height = divmod(level, 8)
        tile, offset = divmod(n << height, WIDTH)
        hashes = read_tile(tile_level, tile)[offset * HASH_SIZE : (offset + (1 << height)) * HASH_SIZE]
        if len(hashes) != HASH_SIZE << height:
            raise VerificationError(f"tile {tile_level}/{tile} is too short: no hash {offset + (1 << height) - 1}")
        return fold(hashes)

    return read


def tiles_of(size: int, since: int = 0) -> Iterator[tuple[int, int, int]]:
    """Return every tile (level, n, width) of a tree of this size that is new or wider than at size `since`."""
    level = 0
    while size >> 8 * level:
        count, old = size >> 8 * level, since >> 8 * level
        if count > old:
            for n in range(old // WIDTH, -(-count // WIDTH)):
                yield level, n, min(WIDTH, count - n * WIDTH)
        level += 1


def prunable(minimum: int) -> Iterator[tuple[int | None, int]]:
    """The full tiles (level, n), and with level None entry bundles, that a log pruned below `minimum` may drop.

    Their last leaf lies below the minimum index; what is left proves every later entry, and every tree
    from that size on (c2sp.org/tlog-tiles, Pruning).
    """
    for n in range(minimum // WIDTH):
        yield None, n
    level, covered = 0, minimum // WIDTH
    while covered:
        for n in range(covered):
            yield level, n
        level, covered = level + 1, covered // WIDTH


def _widths(size: int) -> list[int]:
    """The width of the partial tile at each level: `floor(size / 256^level) mod 256`."""
    widths = []
    while size:
        widths.append(size % WIDTH)
        size //= WIDTH
    return widths


# --- paths --------------------------------------------------------------------------------------

_PATH: Final = re.compile(
    r"tile/(?P<level>entries|0|[1-9]|[1-5][0-9]|6[0-3])/(?P<n>(?:x[0-9]{3}/)*[0-9]{3})(?:\.p/(?P<width>[1-9][0-9]{0,2}))?\Z"
)


def format_path(level: int | None, n: int, width: int = WIDTH) -> str:
    """`tile/<level>/<n>[.p/<width>]`; level None names an entry bundle."""
    groups = [f"{n % 1000:03d}"]
    while n := n // 1000:
        groups.append(f"x{n % 1000:03d}")
    partial = "" if width == WIDTH else f".p/{width}"
    return f"tile/{'entries' if level is None else level}/{'/'.join(reversed(groups))}{partial}"


def parse_path(path: str) -> tuple[int | None, int, int]:
    """(level, n, width) of a path; level None for an entry bundle."""
    match = _PATH.match(path)
    if not match:
        raise VerificationError(f"{path[:200]!r} is not the path of a tile")
    level = None if match["level"] == "entries" else int(match["level"])
    n, width = int(match["n"].replace("/", "").replace("x", "")[:40]), int(match["width"] or WIDTH)
    if format_path(level, n, width) != path:
        raise VerificationError(f"{path[:200]!r} is not how the path of tile {n} is written")
    return level, n, width


# --- entry bundles ------------------------------------------------------------------------------


def format_entries(entries: Sequence[bytes]) -> bytes:
    """An entry bundle: each entry behind its length as a big-endian uint16."""
    return b"".join([len(entry).to_bytes(2, "big") + entry for entry in entries])


def parse_entries(data: bytes) -> list[bytes]:
    """The entries of a bundle, in order."""
    entries: list[bytes] = []
    position = 0
    while position < len(data):
        length = int.from_bytes(data[position : position + 2], "big")
        stop = position + 2 + length
        if position + 2 > len(data) or stop > len(data):
            raise VerificationError(f"entry bundle ends inside entry {len(entries)}")
        entries.append(data[position + 2 : stop])
        position = stop
    return entries
