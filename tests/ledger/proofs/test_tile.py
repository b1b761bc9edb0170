"""Tiles: the same tree in pieces of 256, across levels, however the leaves arrive."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import VerificationError
from ledger.proofs import tile, tree
from ledger.proofs.tile import Tiles
from tests.ledger.reference import Reference

Stored = dict[tuple[int, int], bytes]

WIDE = 66_049
"""256 * 258 + 1: two full tiles at level 1 and one hash at level 2."""


def fill(hashes: list[bytes], batch: int) -> tuple[Tiles, Stored]:
    """A tree grown in batches; tiles are stored as a store would keep them: overwritten as they grow."""
    tiles, stored = Tiles(), Stored()
    for start in range(0, len(hashes), batch):
        for level, n, blob in tiles.append(hashes[start : start + batch]):
            assert blob.startswith(stored.get((level, n), b"")), "a tile only ever grows"
            stored[level, n] = blob
    return tiles, stored


@pytest.fixture(scope="module")
def wide() -> tuple[list[bytes], Tiles, Stored]:
    hashes = tree.leaf_hashes(b"%d" % n for n in range(WIDE))
    return hashes, *fill(hashes, 1_000)


def test_wide_trees_against_the_definition(wide: tuple[list[bytes], Tiles, Stored]) -> None:
    """If this fails, trees wider than a tile do not have the root that RFC 6962 gives them."""
    hashes, tiles, _ = wide
    assert tiles.root() == Reference([b"%d" % n for n in range(WIDE)]).root(WIDE) == tree.root_of(hashes)


def test_wide_trees_have_exactly_the_specified_tiles(wide: tuple[list[bytes], Tiles, Stored]) -> None:
    """If this fails, a client asks for a tile that is not there, or one is served that must not be."""
    _, _, stored = wide
    assert [(level, n, len(blob) // 32) for (level, n), blob in sorted(stored.items())] == list(tile.tiles_of(WIDE))
    assert (1, 1, 2) in tile.tiles_of(WIDE)
    assert (2, 0, 1) in tile.tiles_of(WIDE)


def test_the_specifications_example_of_70000() -> None:
    """If this fails, our tiles of 70,000 leaves are not the ones the specification counts."""
    tiles = list(tile.tiles_of(70_000))
    full = [(level, n) for level, n, width in tiles if width == 256]
    partial = [(level, width) for level, n, width in tiles if width < 256]
    assert len([n for level, n in full if level == 0]) == 273
    assert len([n for level, n in full if level == 1]) == 1
    assert partial == [(0, 112), (1, 17), (2, 1)]
    assert list(tile.tiles_of(256)) == [(0, 0, 256), (1, 0, 1)]


def test_every_tile_holds_the_roots_it_should(wide: tuple[list[bytes], Tiles, Stored]) -> None:
    """If this fails, the hashes in upper tiles are not the roots of the full tiles below."""
    hashes, _, stored = wide
    for (level, n), blob in stored.items():
        if level:
            step = 256**level
            for offset in (0, len(blob) // 32 - 1):
                first = (n * 256 + offset) * step
                assert blob[offset * 32 : offset * 32 + 32] == tree.root_of(hashes[first : first + step])


def test_proofs_from_tiles(wide: tuple[list[bytes], Tiles, Stored]) -> None:
    """If this fails, proofs of a log of realistic size do not verify against its root."""
    hashes, tiles, stored = wide
    read = tile.reader(lambda level, n: stored[level, n])
    root = tiles.root()
    for index in (0, 1, 255, 256, 511, 65_535, 65_536, 65_791, 65_792, WIDE - 1):
        tree.check_inclusion(index, WIDE, hashes[index], tree.prove_inclusion(index, WIDE, read), root)
    for old in (1, 255, 256, 257, 4_096, 65_535, 65_536, 65_537, WIDE - 1):
        old_root = tree.root(old, read)
        assert old_root == tree.root_of(hashes[:old])
        tree.check_consistency(old, WIDE, tree.prove_consistency(old, WIDE, read), old_root, root)


@given(st.integers(0, 1_500), st.integers(1, 600), st.integers(0, 1_500))
def test_growth_in_any_batches(size: int, batch: int, at: int) -> None:
    """If this fails, the tree depends on how its leaves were batched, or a restart changes it."""
    hashes = tree.leaf_hashes(b"%d" % n for n in range(size))
    tiles, stored = fill(hashes, batch)
    assert tiles.root() == tree.root_of(hashes)
    assert sorted((level, n, len(blob) // 32) for (level, n), blob in stored.items()) == list(tile.tiles_of(size))
    cut = min(at, size)
    resumed = Tiles.load(cut, lambda level, n: stored[level, n])
    assert resumed.root() == tree.root_of(hashes[:cut])
    assert Tiles(cut, resumed.edge).root() == resumed.root()
    resumed.append(hashes[cut:])
    assert (resumed.size, resumed.root(), resumed.edge) == (tiles.size, tiles.root(), tiles.edge)


@given(st.integers(0, 70_000), st.integers(0, 70_000))
def test_what_grew_since(first: int, second: int) -> None:
    """If this fails, an incremental export leaves out a tile that changed, or a tile is listed twice."""
    old, new = sorted((first, second))
    before, after = set(tile.tiles_of(old)), set(tile.tiles_of(new))
    grown = list(tile.tiles_of(new, since=old))
    assert set(grown) == after - before
    assert len(grown) == len(set(grown))


def test_an_edge_that_is_not_of_this_size_is_refused() -> None:
    """If this fails, a damaged right edge is built upon and a wrong root signed."""
    with pytest.raises(VerificationError):
        Tiles(3, [b"\x00" * 64])
    with pytest.raises(VerificationError):
        Tiles(257, [b"\x00" * 32])
    with pytest.raises(VerificationError):
        Tiles().append([b"short"])
    with pytest.raises(VerificationError):
        tile.reader(lambda *_: b"\x00" * 32)(1, 0)


@pytest.mark.parametrize(
    ("level", "n", "width", "path"),
    [
        (0, 0, 256, "tile/0/000"),
        (0, 1_234_067, 256, "tile/0/x001/x234/067"),
        (63, 999, 1, "tile/63/999.p/1"),
        (None, 1_000, 255, "tile/entries/x001/000.p/255"),
    ],
)
def test_paths(level: int | None, n: int, width: int, path: str) -> None:
    """If this fails, other people's clients do not find our tiles."""
    assert tile.format_path(level, n, width) == path
    assert tile.parse_path(path) == (level, n, width)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "tile/0/0",
        "tile/00/000",
        "tile/64/000",
        "tile/0/1000",
        "tile/0/x000/001",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/01",
        "tile/0/000/",
        "tile/0/000\n",
        "/tile/0/000",
        "tile/0/x001/x234",
        "tile/entries/../../etc/passwd",
    ],
)
def test_what_is_no_path(path: str) -> None:
    """If this fails, two paths name one tile, or a path leads out of the folder."""
    with pytest.raises(VerificationError):
        tile.parse_path(path)


@given(st.one_of(st.none(), st.integers(0, 63)), st.integers(0, 10**15), st.integers(1, 256))
def test_paths_are_read_as_written(level: int | None, n: int, width: int) -> None:
    """If this fails, a tile cannot be found again under the path it was given."""
    assert tile.parse_path(tile.format_path(level, n, width)) == (level, n, width)


@given(st.lists(st.binary(max_size=300), max_size=20))
def test_entry_bundles_are_read_as_written(entries: list[bytes]) -> None:
    """If this fails, exported entries are not the entries."""
    assert tile.parse_entries(tile.format_entries(entries)) == entries


@given(st.binary(max_size=60))
def test_any_bytes_as_an_entry_bundle(data: bytes) -> None:
    """If this fails, a foreign file can crash the reader, or is read as something else than it holds."""
    try:
        entries = tile.parse_entries(data)
    except VerificationError:
        return
    assert tile.format_entries(entries) == data
