"""A real log written by Tessera: opened, rebuilt tile by tile, and signed again, at every size from 0 to 15."""

from __future__ import annotations

import pytest

from ledger.errors import VerificationError
from ledger.proofs import checkpoint, note, tile, tree
from ledger.proofs.tile import Tiles
from tests.support import shared

LOG = "vectors/tlog-tiles/tessera-testdata/log"
VKEY = note.parse_vkey("example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx")
ENTRIES = b"one two three four five six seven eit nain ten ileven twelf threeten fourten fivten".split()


@pytest.mark.parametrize("size", range(16))
def test_every_size(size: int) -> None:
    """If this fails, we do not read another implementation's log, or would not have written it."""
    found = checkpoint.open(shared(f"{LOG}/checkpoint.{size}").read_bytes(), VKEY.name, [VKEY])
    tiles = Tiles()
    changed = [one for entry in ENTRIES[:size] for one in tiles.append([tree.leaf_hash(entry)])]
    assert (found.size, found.root) == (size, tiles.root())
    if size:
        assert tile.parse_entries(shared(f"{LOG}/{tile.format_path(None, 0, size)}").read_bytes()) == ENTRIES[:size]
        assert tile.format_entries(ENTRIES[:size]) == shared(f"{LOG}/{tile.format_path(None, 0, size)}").read_bytes()
        assert changed[-1] == (0, 0, shared(f"{LOG}/{tile.format_path(0, 0, size)}").read_bytes())


def test_the_newest_checkpoint_is_the_last() -> None:
    """If this fails, the mutable checkpoint is not read as the last of the series."""
    newest = shared(f"{LOG}/checkpoint").read_bytes()
    assert newest == shared(f"{LOG}/checkpoint.15").read_bytes()
    with pytest.raises(VerificationError):
        checkpoint.open(newest, "example.com/log/other", [VKEY])


@pytest.mark.parametrize("size", range(1, 16))
def test_proofs_between_its_checkpoints(size: int) -> None:
    """If this fails, proofs made from another implementation's tiles do not lead to its signed roots."""
    hashes = shared(f"{LOG}/{tile.format_path(0, 0, 15)}").read_bytes()
    read = tile.reader(lambda *_: hashes)
    new = checkpoint.open(shared(f"{LOG}/checkpoint.15").read_bytes(), VKEY.name, [VKEY])
    old = checkpoint.open(shared(f"{LOG}/checkpoint.{size}").read_bytes(), VKEY.name, [VKEY])
    tree.check_consistency(size, 15, tree.prove_consistency(size, 15, read), old.root, new.root)
    leaf = tree.leaf_hash(ENTRIES[size - 1])
    tree.check_inclusion(size - 1, 15, leaf, tree.prove_inclusion(size - 1, 15, read), new.root)
