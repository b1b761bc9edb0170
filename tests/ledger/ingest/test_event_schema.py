"""The JSON Schema of an event says what the checks do."""

from __future__ import annotations

import json
from typing import Any

import jsonschema_rs
import pytest

from ledger.errors import InputError
from ledger.ingest.checks import FIELDS, explain
from ledger.ingest.event_schema import event_schema
from tests.ledger.ingest.streams import row
from tests.support import ROOT

FULL = row("e-1") | {"listener": "u-1", "vector": {"sources": []}}


def test_it_names_every_field_and_stands_in_the_docs() -> None:
    """If this fails, code made from the published schema lacks a field, or differs from what is taken."""
    assert set(event_schema()["properties"]) == set(FIELDS)
    published = json.loads((ROOT / "docs" / "event.schema.json").read_text())
    assert published == event_schema()


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"listener": None},
        {"units": -1},
        {"units": 1.5},
        {"units": "1"},
        {"units": True},
        {"units": 1_000_000_001},
        {"territory": "se"},
        {"currency": "EURO"},
        {"currency": None},
        {"source": ""},
        {"event_id": "x" * 257},
        {"track": 7},
        {"occurred_at": "yesterday"},
        {"gross_micros": 2**53},
        {"vector": "declared"},
        {"source": None},
    ],
)
def test_it_admits_what_the_checks_admit(change: dict[str, Any]) -> None:
    """If this fails, an event that fits the schema is refused, or one that does not is taken."""
    document = {name: value for name, value in (FULL | change).items() if value is not None}
    validator = jsonschema_rs.validator_for(event_schema())
    try:
        explain(document)
        taken = True
    except InputError:
        taken = False
    assert validator.is_valid(document) == taken
