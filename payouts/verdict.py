"""State in words what a bundle about money proves: the party, the amounts, and what it does not show."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ledger.shown import counted, money
from payouts.accounts.account import Account
from payouts.compute import Line, Outcome
from payouts.life.binding import Binding
from payouts.tables import Row

UNSIGNED_SHARE: Final = (
    "how many of the streams behind it their platforms signed is not in this bundle: settle period recompute counts "
    "them"
)


def of_party(binding: Binding, party: str, own: Sequence[Line], accounts: Sequence[Row]) -> list[str]:
    """Return what a statement proves, in plain words."""
    terms = binding.given.terms
    where = f"in the published run of {terms.period}, pool {terms.pool}"
    if not accounts:
        return [f"{party}: this bundle shows no money {where}"]
    account = Account.from_payload(accounts[0])
    waiting = sum(line.micros for line in own if line.state != "allocated")
    earnings = (
        f"{where}, {party} earned {money(account.earned, terms.currency)}, is paid "
        f"{money(account.payable, terms.currency)} and carries {money(account.carried, terms.currency)}"
    )
    return [f"{earnings}; {money(waiting, terms.currency)} of it waits" if waiting else earnings, UNSIGNED_SHARE]


def of_run(binding: Binding, outcome: Outcome, accounts: Sequence[Account]) -> list[str]:
    """Return what a run bundle proves, in plain words."""
    terms = binding.given.terms
    due = [account.payable for account in accounts if account.payable]
    parts = (
        f"{money(micros, terms.currency)} {name}"
        for name, micros in (
            ("allocated", outcome.allocated),
            ("held", outcome.held),
            ("in suspense", outcome.suspense),
            ("unattributed", outcome.unattributed),
            ("in reserve", outcome.reserve),
        )
    )
    divides = f"the published run of {terms.period}, pool {terms.pool}, divides {money(outcome.pool, terms.currency)}"
    pays = f"it pays {counted(len(due), 'party', 'parties')} {money(sum(due), terms.currency)}"
    return [f"{divides}: {', '.join(parts)}", pays, UNSIGNED_SHARE]
