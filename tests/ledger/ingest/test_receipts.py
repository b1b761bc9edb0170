"""Names of receipt files."""

from __future__ import annotations

from ledger.ingest.receipts import NAME_MAX, file_name


def test_a_long_id_has_a_file_name_that_file_systems_take() -> None:
    """If this fails, one long id stops the receipts of a whole file (F2)."""
    names = {file_name("\u00e9" * 250), file_name("\u00e9" * 249), file_name("e" * 250)}
    assert len(names) == 3
    assert all(len(name.encode()) <= NAME_MAX for name in names)
    assert file_name("e" * 200) == "e" * 200
