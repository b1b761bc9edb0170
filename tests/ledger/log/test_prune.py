"""Pruned exports: the old entries go, and every promise of the specification about the rest holds."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledger.errors import InputError
from ledger.log.export import export
from ledger.log.prune import prune
from ledger.proofs import tile, tree
from tests.ledger.logs import event, log_in

SIZE = 1_500


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    (tmp_path / "home").mkdir()
    log = log_in(tmp_path / "home")
    log.append([event(f"e-{n}") for n in range(SIZE - log.head().size)])
    export(log, tmp_path / "static")
    return tmp_path / "static"


def read_tile(folder: Path, size: int) -> tile.ReadTile:
    widths = {(level, n): width for level, n, width in tile.tiles_of(size)}
    return lambda level, n: (folder / tile.format_path(level, n, widths[level, n])).read_bytes()


def test_what_is_left_proves_the_rest(exported: Path) -> None:
    """If this fails, pruning breaks proofs that people were promised."""
    hashes = [one for n in range(6) for one in tree.leaf_hashes(entries(exported, n))]
    root = tree.root_of(hashes)
    minimum = 700
    assert prune(exported, minimum).removed == 2 * (minimum // 256)
    read = tile.reader(read_tile(exported, SIZE))
    for index in range(minimum, SIZE):
        tree.check_inclusion(index, SIZE, hashes[index], tree.prove_inclusion(index, SIZE, read), root)
        assert entries(exported, index // 256)
    for old in range(minimum, SIZE + 1):
        assert tree.root(old, read) == tree.root_of(hashes[:old])
        tree.check_consistency(old, SIZE, tree.prove_consistency(old, SIZE, read), tree.root(old, read), root)


def entries(folder: Path, n: int) -> list[bytes]:
    return tile.parse_entries((folder / tile.format_path(None, n, min(256, SIZE - n * 256))).read_bytes())


def test_what_is_gone_is_gone(exported: Path) -> None:
    """If this fails, pruning keeps what it was asked to drop."""
    prune(exported, 512)
    assert not (exported / "tile/entries/001").exists()
    assert not (exported / "tile/0/001").exists()
    assert (exported / "tile/entries/002").exists()
    assert (exported / "minimum").read_text() == "512\n"


def test_pruning_goes_one_way(exported: Path) -> None:
    """If this fails, an export claims to hold what it dropped, or drops what nobody may drop."""
    prune(exported, 600)
    assert prune(exported, 600).removed == 0
    for wrong in (599, -1, SIZE + 1):
        with pytest.raises(InputError):
            prune(exported, wrong)
    with pytest.raises(InputError, match="no checkpoint"):
        prune(exported.parent, 0)


def test_full_upper_tiles_go_too() -> None:
    """If this fails, a long log keeps upper tiles that prove nothing any more."""
    assert list(tile.prunable(255)) == []
    assert list(tile.prunable(256)) == [(None, 0), (0, 0)]
    assert (1, 0) in tile.prunable(65_536)
    assert (1, 0) not in tile.prunable(65_535)
    for level, n in tile.prunable(70_000):
        assert (n + 1) * 256 ** ((level or 0) + 1) <= 70_000
