from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ledger.errors import InputError
from ledger.registry import payees, rows
from service.registry.registering import load
from service.settlement.payees import payees_entered, payees_now
from tests.service.month import Month


def test_a_second_account_in_one_import_waits_for_a_second_person(june: Month, tmp_path: Path) -> None:
    """If this fails, the operator alone redirects a party's later payments by importing two accounts at once (M11)."""
    accounts = [("ACC-1", "2020-01-01"), ("ACC-2", "2026-06-15")]
    document: dict[str, Any] = {
        "parties": [{"id": "eve", "kind": "person"}],
        "payees": [{"party": "eve", "method": "bank", "account": name, "from": start} for name, start in accounts],
    }
    path = tmp_path / "eve.json"
    path.write_text(json.dumps(document))
    load(june.ws, [path], by=None, dry_run=False, on_progress=None)
    with june.ws.log.store.reading() as connection:
        states = [one.state for one in payees.listed(connection, june.ws.registry.view(), "eve")]
    assert sorted(states) == ["approved", "proposed"]


def test_an_account_that_nobody_approved_decides_no_route(june: Month, tmp_path: Path) -> None:
    """If this fails, one person who proposes a wallet for a party turns its next payment from the bank to the chain."""
    accounts = [("bank", "ACC-1", "2027-01-01"), ("chain", "0x" + "ab" * 20, "2027-01-02")]
    path = tmp_path / "eve.json"
    for method, name, start in accounts:
        document: dict[str, Any] = {
            "parties": [{"id": "eve", "kind": "person"}],
            "payees": [{"party": "eve", "method": method, "account": name, "from": start}],
        }
        path.write_text(json.dumps(document))
        load(june.ws, [path], by=None, dry_run=False, on_progress=None)
    assert "eve" not in payees_now(june.ws)
    assert payees_entered(june.ws)["eve"].method == "bank"


@pytest.mark.parametrize("name", ["p-nl\n", "p nl", "p|nl"])
def test_an_id_ends_where_it_seems_to_end(name: str) -> None:
    """If this fails, a party whose id ends in a newline stands beside the one it looks like (L2)."""
    with pytest.raises(InputError):
        rows.parse("parties", {"id": name, "kind": "person"})
