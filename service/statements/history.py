"""A party's accounts over all months: one row per published run, from its sealed table of accounts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ledger.types import Digest
from payouts.accounts.account import Account
from service.settlement.blocking import blocked_parties
from service.settlement.carrying import transfers
from service.settlement.payment_list import payment_state
from service.settlement.step import read_book
from service.settlement.stored import load

if TYPE_CHECKING:
    from service.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountedMonth:
    """A party's account in one published run. opening + earned + adjustments + deductions = net + carried."""

    period: str
    pool: str
    run: Digest
    currency: str
    opening_micros: int
    earned_micros: int
    adjustments_micros: int
    deductions_micros: int
    net_micros: int
    carried_micros: int
    payment: str
    """The state of the payment: one of `payment_list.STATES`, or "nothing to pay"."""


def history(ws: Workspace, party: str) -> list[AccountedMonth]:
    """The months in which a party has an account, newest first; runs that were reversed are left out."""
    book = read_book(ws)
    months = []
    for run in reversed(book.standing()):
        stored = load(ws.log, run)
        account: Account | None = stored.accounts.get(party)
        if account is None:
            continue
        payment = "nothing to pay"
        if account.payable:
            transfer = transfers(ws.log, book, stored)[party]
            blocked = blocked_parties(ws, book, stored).get(party, "") if transfer.due else ""
            payment, _ = payment_state(transfer, book.payment_of(run.run, party), blocked)
        months.append(
            AccountedMonth(
                period=run.period,
                pool=run.pool,
                run=run.run,
                currency=stored.currency,
                opening_micros=account.opening,
                earned_micros=account.earned,
                adjustments_micros=account.corrected,
                deductions_micros=account.deducted,
                net_micros=account.payable,
                carried_micros=account.carried,
                payment=payment,
            )
        )
    return sorted(months, key=lambda month: (month.period, month.pool), reverse=True)
