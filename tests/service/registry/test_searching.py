"""Things are found by what people call them, and what is registered twice is reported."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ledger.errors import InputError
from service.registry import audit
from service.registry.registering import load
from service.registry.searching import find
from tests.service.month import Month

DOCUMENT: dict[str, Any] = {
    "parties": [
        {"id": "p-zoe", "name": "Zoë Müller", "kind": "person", "ipi": "14107338"},
        {"id": "p-pub", "name": "Songs & Sons", "kind": "publisher"},
    ],
    "works": [
        {"id": "w-1", "title": "Blue Moon, again!", "iswc": "T-034.524.680-1"},
        {"id": "w-2", "title": "BLUE MOON AGAIN"},
        {"id": "w-3", "title": "Blue moon again"},
    ],
    "recordings": [
        {"id": "r-1", "title": "Déjà vu", "artist": "Zoë Müller", "isrc": "SE-A01-26-00009"},
        {"id": "r-2", "title": "Other", "isrc": "SEA012600009"},
    ],
    "shares": [
        {"subject": name, "party": "p-pub", "right": "publishing", "ppm": 1_000_000, "state": "confirmed"}
        for name in ("w-1", "w-2")
    ],
}


@pytest.fixture
def loaded(june: Month, tmp_path: Path) -> tuple[Month, Any]:
    path = tmp_path / "catalogue.json"
    path.write_text(json.dumps(DOCUMENT))
    return june, load(june.ws, [path], by=None, dry_run=False, on_progress=None)


def test_codes_and_words_find_what_they_name(loaded: tuple[Month, Any]) -> None:
    """If this fails, a rights manager with an ISRC or a title on paper cannot reach the id that every command wants."""
    ws = loaded[0].ws
    expected = {
        ("sea01 26 00009", ""): {"r-1", "r-2"},
        ("T0345246801", "iswc"): {"w-1"},
        ("00014107338", ""): {"p-zoe"},
        ("deja VU", ""): {"r-1"},
        ("zoe muller", ""): {"p-zoe", "r-1"},
        ("muller", "artist"): {"r-1"},
        ("muller", "title"): set(),
        ("moon blue", ""): {"w-1", "w-2", "w-3"},
    }
    for (text, field), names in expected.items():
        assert {match.id for match in find(ws, text, field).matches} == names, text
    for text, field in (("SEA0126", "isrc"), ("x", "colour"), ("...", "")):
        with pytest.raises(InputError):
            find(ws, text, field)


def test_what_is_registered_twice_is_reported_at_import_and_by_audit(loaded: tuple[Month, Any]) -> None:
    """If this fails, two recordings with one ISRC share what is one recording's money, and nobody is told."""
    june, done = loaded
    report = audit.audit(june.ws)
    assert {(note.kind, note.id, note.detail) for note in report.duplicates} == {
        ("duplicate-isrc", "SEA012600009", "r-1, r-2"),
        ("likely-duplicate-work", "blue moon again of p-pub", "w-1, w-2"),
    }
    for kind in ("duplicate-isrc SEA012600009", "likely-duplicate-work blue moon again of p-pub"):
        assert any(notice.startswith(kind) for notice in done.notices), kind
    assert not any("duplicate" in note.kind for note in report.findings)
