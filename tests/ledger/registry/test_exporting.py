from __future__ import annotations

import csv
import io
from pathlib import Path

from ledger.registry import exporting, manifest, personal
from ledger.registry.importing import import_files
from ledger.registry.readers import columns
from ledger.registry.rows import LISTS
from tests.ledger.registry.conftest import MakeOffice, Office, sample


def exported(office: Office) -> dict[str, list[dict[str, object]]]:
    def names(kind: str, one: str) -> personal.Fields:
        return office.registry.personal(kind, one)

    return exporting.document(
        office.registry.view(), names, lambda blob: manifest.decode(office.registry.log.blob(blob))
    )


def test_what_is_exported_imports_to_the_same_answers(make_office: MakeOffice) -> None:
    """If this fails, a registry cannot be moved to another system and back."""
    first, second = make_office("first"), make_office("second")
    first.load(sample())
    document = exported(first)
    done = second.load(document)
    assert (done.conflicts, done.quarantined) == (0, 0), done.refused
    assert exported(second) == document
    at = "2026-06-01T00:00:00Z"
    for subject in ("rec-1", "rec-2"):
        assert first.registry.view().decide(subject, "train", at=at) == second.registry.view().decide(
            subject, "train", at=at
        )


def test_csv_exports_read_back(make_office: MakeOffice, tmp_path: Path) -> None:
    """If this fails, an exported CSV does not import, or a title becomes a formula in a spreadsheet."""
    first, second = make_office("first"), make_office("second")
    document = sample()
    document["recordings"][0]["title"] = "=HYPERLINK(1)"
    document["recordings"][1]["title"] = 'Says "no", twice'
    first.load(document)
    paths = []
    for name, rows in exported(first).items():
        text = exporting.csv_text(name, rows)
        for cells in csv.reader(io.StringIO(text)):
            assert not any(cell.startswith(("=", "+", "-", "@")) for cell in cells)
        paths.append(tmp_path / f"{name}.csv")
        paths[-1].write_text(text, encoding="utf-8")
    done = import_files(second.registry, paths, second.operator)
    assert (done.conflicts, done.quarantined) == (0, 0), done.refused
    assert exported(second) == exported(first)


def test_every_list_has_an_example_that_imports(make_office: MakeOffice, tmp_path: Path) -> None:
    """If this fails, a template does not work as it stands."""
    assert set(exporting.EXAMPLE) == set(LISTS)
    whole = make_office("whole").load(exporting.EXAMPLE)
    assert (whole.read, whole.accepted, whole.leaves) == (9, 9, 8), whole.refused
    office = make_office("lists")
    for name, rows in exporting.EXAMPLE.items():
        path = tmp_path / f"{name}.csv"
        path.write_text(exporting.csv_text(name, rows), encoding="utf-8")
        assert path.read_text(encoding="utf-8").splitlines()[0] == ",".join(columns(name))
        done = import_files(office.registry, [path], office.operator)
        assert (done.conflicts, done.quarantined) == (0, 0), done.refused
