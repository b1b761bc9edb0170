from __future__ import annotations

import pytest

from ledger.errors import InputError, StateError
from ledger.proofs.keys import PrivateKey
from ledger.registry import payees, quarantine
from ledger.registry.compare import Author
from ledger.registry.model import ProposedAccount
from ledger.registry.rows import PayeeRow
from ledger.registry.statement import Signer
from tests.ledger.registry.conftest import Office, sample

NEW = "DE89370400440532013000"


def account(office: Office, at: str) -> str | None:
    with office.registry.log.store.reading() as connection:
        book = payees.listed(connection, office.registry.view())
    found = payees.current(book, at).get("p-ann")
    return None if found is None else found.account


def propose(office: Office, signer: Signer, start: str | None = None) -> str:
    row = PayeeRow(party="p-ann", method="bank", account=NEW, start=start)
    view, author = office.registry.view(), author_of(office, signer)
    with office.registry.log.store.reading() as connection:
        planned = payees.proposals(connection, view, [row], author, ())
    office.registry.register(planned, signer, known=view.size)
    return str(planned[0].fact.fields()["id"])


def author_of(office: Office, signer: Signer) -> Author:
    return Author(party=signer.party, role=signer.role, at=office.registry.now())


def approve(office: Office, name: str, signer: Signer, hours: int = 72) -> ProposedAccount:
    view = office.registry.view()
    planned = payees.approval(view, author_of(office, signer), name, hours)
    office.registry.register(planned, signer, known=view.size)
    account = office.registry.view().payees[name]
    assert account.approved_by is not None, "the approval had no effect"
    return account


def test_the_first_account_counts_at_once(office: Office) -> None:
    """If this fails, a new party cannot be paid, or is paid to an account of a later date."""
    office.load(sample())
    assert account(office, "2026-06-01T12:00:00Z") == "SE4550000000058398257466"
    assert account(office, "2025-12-31T00:00:00Z") is None


def test_a_second_account_in_a_first_import_waits_for_a_second_person(office: Office) -> None:
    """If this fails, the operator alone dates a second account ahead and redirects a payout (M11)."""
    document = sample()
    document["payees"].append({"party": "p-ann", "method": "bank", "account": NEW, "from": "2027-01-01"})
    office.load(document)
    assert account(office, "2026-12-31T23:59:59Z") == "SE4550000000058398257466"
    assert account(office, "2027-01-01T00:00:00Z") == "SE4550000000058398257466"


def test_a_change_takes_two_people_and_time(office: Office) -> None:
    """If this fails, one person alone can redirect a payout, or do it overnight."""
    office.load(sample())
    name = propose(office, office.operator)
    assert account(office, "2030-01-01T00:00:00Z") == "SE4550000000058398257466"
    with pytest.raises(StateError, match="operator key cannot"):
        approve(office, name, office.operator)
    with pytest.raises(StateError, match="another person"):
        approve(office, name, Signer(PrivateKey.from_seed(b"\x07" * 32), "p-op", "approver"))
    with pytest.raises(AssertionError, match="no effect"):
        approve(office, name, Signer(office.operator.key, "p-else", "approver"))
    with pytest.raises(StateError, match="holder key"):
        approve(office, name, office.holder("p-lbl"))
    approved = approve(office, name, office.approver)
    assert (approved.approved_by, approved.effective_from) == ("p-approver", "2026-06-04T12:00:00Z")
    assert account(office, "2026-06-04T11:59:59Z") == "SE4550000000058398257466"
    assert account(office, "2026-06-04T12:00:00Z") == NEW
    with pytest.raises(StateError, match="already"):
        approve(office, name, office.approver)


def test_a_holder_s_first_account_waits_too(office: Office) -> None:
    """If this fails, whoever steals a holder's key is paid at once."""
    document = sample()
    del document["payees"]
    office.load(document)
    row = {"party": "p-ann", "method": "bank", "account": NEW}
    done = office.load({"payees": [row, row | {"party": "p-lbl"}]}, office.holder("p-ann"))
    assert (done.accepted, done.quarantined) == (1, 1)
    assert account(office, "2030-01-01T00:00:00Z") is None


def test_an_account_wanted_later_counts_later(office: Office) -> None:
    """If this fails, a change announced for next year is in force this week."""
    office.load(sample())
    name = propose(office, office.operator, "2027-01-01T00:00:00Z")
    assert approve(office, name, office.approver).effective_from == "2027-01-01T00:00:00Z"


def test_a_party_has_one_first_account_ever(office: Office) -> None:
    """If this fails, erasing a party's accounts lets one person send its money elsewhere at once."""
    office.load(sample())
    view = office.registry.view()
    with office.registry.log.projection() as connection:
        assert payees.erase(connection, view, "p-ann") == 1
        assert payees.erase(connection, view, "p-ann") == 0
    done = office.load({"payees": [{"party": "p-ann", "method": "bank", "account": NEW}]})
    assert done.accepted == 1
    assert account(office, "2030-01-01T00:00:00Z") is None


@pytest.mark.parametrize("hours", [0, -1000])
def test_there_is_no_doing_without_the_cooling_off_time(office: Office, hours: int) -> None:
    """If this fails, a setting lets a new account count at once, or from the past on."""
    office.load(sample())
    name = propose(office, office.operator)
    with pytest.raises(StateError, match="cooling_off_hours"):
        approve(office, name, office.approver, hours)


def test_unknown_payees_are_named(office: Office) -> None:
    """If this fails, approving a mistyped id is an internal error."""
    with pytest.raises(InputError, match="payee list"):
        approve(office, "pay-nothing", office.approver)


def test_accounts_can_be_forgotten(office: Office) -> None:
    """If this fails, a bank account outlives the person's wish to be forgotten."""
    office.load(sample())
    bad = {"party": "p-ann", "method": "bank", "account": "SE45 5000 0000 0583 9825 7467"}
    office.load(
        {"payees": [bad, bad | {"party": "p-lbl"}], "parties": [{"id": "p-ann", "name": "Ann", "kind": "robot"}]}
    )
    view = office.registry.view()
    with office.registry.log.projection() as connection:
        assert payees.erase(connection, view, "p-ann") == 1
        assert quarantine.forget(connection, "p-ann") == 2
        assert quarantine.forget(connection, "p-lbl") == 1
    assert account(office, "2030-01-01T00:00:00Z") is None
