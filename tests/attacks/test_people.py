"""M4, M5, M10, M11: who may change an account, approve, and speak for a source."""

from __future__ import annotations

import sqlite3

import pytest

from tests.attacks.victim import Victim

OPEN = pytest.mark.xfail(raises=AssertionError)
SWAPPED = "GB82WEST12345698765432"


@OPEN
def test_m4_an_account_changed_in_the_database_is_not_paid(published: Victim) -> None:
    """If this fails, who can write the database, without any key, sends a payee's money to an account of their own."""
    with sqlite3.connect(published.home / "settle.db") as database:
        database.execute("update registry_payee set account = ? where party = 'p-ann'", (SWAPPED,))
    database.close()
    published.settle("pay", "2026-06", "--via", "file")
    files = list((published.home / "payments").glob("*.csv"))
    assert all(SWAPPED not in path.read_text() for path in files)


def test_m5_the_workspaces_own_approver_key_stops_counting(victim: Victim) -> None:
    """If this fails, an operator approves alone although somebody else was enrolled to do it."""
    (victim.home / "keys" / "approver-carol.json").unlink()
    run = victim.calculate()["run"]
    assert victim.settle("approve", run, "--as", "approver").code != 0


def test_m5_an_operator_enrols_no_approver_alone(victim: Victim) -> None:
    """If this fails, an operator invents the second person who approves."""
    (victim.home / "keys" / "approver-carol.json").unlink()
    run = victim.calculate()["run"]
    enrolled = victim.settle("approver", "add", "dave")
    assert enrolled.code != 0 or victim.settle("approve", run, "--as", "dave").code != 0


@OPEN
@pytest.mark.parametrize("alias", ["Acme", "ACME", "\u0430cme"])
def test_m10_a_signed_source_has_no_unsigned_double(victim: Victim, alias: str) -> None:
    """If this fails, streams that must be signed are counted unsigned under another spelling of their source."""
    victim.do("registry", "import", victim.write("p.json", {"parties": [{"id": "p-acme", "kind": "platform"}]}))
    made = victim.do("batch", "key", victim.home.parent / "acme.key", "--no-passphrase")
    victim.do("source", "set", "acme", "--party", "p-acme", "--signed", "--public", made["public"])
    answer = victim.stream("alias", source=alias, units=1000)
    assert answer.code != 0 or not answer.json["accepted"]
