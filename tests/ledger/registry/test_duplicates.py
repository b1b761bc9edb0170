"""What is registered twice is named in a fixed order, and nothing else is."""

from __future__ import annotations

from ledger.registry.duplicates import duplicates, folded
from tests.ledger.registry.conftest import Office


def test_codes_and_titles_of_one_holder_are_compared(office: Office) -> None:
    """If this fails, one recording's money is divided between two entries, or different works are called one."""
    office.load(
        {
            "parties": [{"id": f"p-{name}", "kind": "publisher"} for name in ("one", "two")],
            "recordings": [
                {"id": "r-2", "title": "A", "isrc": "SEA012600001"},
                {"id": "r-1", "title": "B", "isrc": "SE-A01-26-00001"},
                {"id": "r-3", "title": "A", "isrc": "SEA012600002"},
                {"id": "r-4", "title": "A"},
                {"id": "r-5", "title": "A"},
            ],
            "works": [
                {"id": "w-1", "title": "Déjà vu"},
                {"id": "w-2", "title": "DEJA  VU!", "iswc": "T-034.524.680-1"},
                {"id": "w-3", "title": "Deja vu"},
                {"id": "w-4", "title": "Other", "iswc": "T-034.524.680-1"},
            ],
            "shares": [
                {"subject": work, "party": party, "right": "publishing", "ppm": 400_000, "state": "confirmed"}
                for work, party in (("w-1", "p-one"), ("w-2", "p-one"), ("w-3", "p-two"), ("w-4", "p-one"))
            ],
        }
    )
    assert [(doubled.kind, doubled.key, doubled.names) for doubled in duplicates(office.registry.view())] == [
        ("duplicate-isrc", "SEA012600001", ("r-1", "r-2")),
        ("duplicate-iswc", "T0345246801", ("w-2", "w-4")),
        ("likely-duplicate-work", "deja vu of p-one", ("w-1", "w-2")),
    ]
    (first, *_) = duplicates(office.registry.view())
    assert (first.note().kind, first.note().id, first.note().detail) == ("duplicate-isrc", "SEA012600001", "r-1, r-2")


def test_texts_are_folded_as_people_compare_them() -> None:
    """If this fails, a title is not found in other letters than it was typed in."""
    assert folded("  Straße – ÉTÉ, Nº 1! ") == "strasse ete no 1"
    assert not folded("...")
