"""Where the money of a party in a run is: paid, with the bank, carried over or escrowed, followed through later runs.

A run pays what it earned, what was carried to it and what came back; part of that may have been paid before it, on
account or by a run that it takes the place of. So one sum can have several payments: the least advanced one counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from ledger.log.append import Log
from payouts.accounts.account import Correction
from payouts.life.book import Book
from payouts.life.mandates import Instalment
from payouts.money import payable
from service.settlement.carrying import instalment_payments, moved_on_account, paid_out
from service.settlement.payment_list import PaymentFilter, payments
from service.settlement.stored import Stored, load

if TYPE_CHECKING:
    from service.workspace import Workspace

PAID, ON_ITS_WAY, CARRIED, ESCROWED = "paid", "with the bank", "carried over", "escrowed"
"""Where money may be: escrowed is what is held, blocked or in suspense; it is somebody's, and not yet decided whose."""
_STATES: Final = {"settled": PAID, "handed over": ON_ITS_WAY, "blocked": ESCROWED}
_ADVANCE: Final = (ESCROWED, ON_ITS_WAY, PAID)
_OPEN: Final = {
    "to be paid": "settle pay pays it",
    "failed": "settle pay sends it again",
    "returned": "the bank sent it back; the pool's next run pays it again",
    "written-off": "it was written off; the pool's next run pays it again",
}


class MoneyStates:
    """`standing`: the published runs in force, in the order in which a pool's balances pass through them."""

    def __init__(self, ws: Workspace, book: Book, standing: Sequence[Stored]) -> None:
        self._log: Log = ws.log
        self._book, self._standing = book, standing
        self._payments = {(payment.run, payment.party): payment.state for payment in payments(ws, PaymentFilter())}

    def state(self, start: Stored, party: str) -> tuple[str, str]:
        """Where what the run gave the party is, or an empty text and what is open."""
        chain = [
            stored
            for stored in self._standing
            if (stored.record.pool, stored.currency) == (start.record.pool, start.currency)
        ]
        first = [stored.record.run for stored in chain].index(start.record.run)
        booked: Counter[str] = Counter()
        # What came back is owed again by the run that books its correction: until then no later payment is of it.
        awaited: dict[str, str] = {}
        for position, stored in enumerate(chain):
            account = stored.accounts.get(party)
            if account is None:
                continue
            for correction in account.corrections:
                if correction.kind in ("instalment", "reversal", "returned"):
                    booked[correction.run] += correction.micros
            if position < first:
                continue
            for correction in account.corrections:
                awaited.pop(correction.id, None)
            states: list[str] = []
            state = self._payments.get((stored.record.run, party))
            if state in ("returned", "written-off"):
                awaited[f"returned@{stored.record.run}/{party}"] = _sentence(stored, party, state)
            elif state is not None:
                states.append(state)
            for correction in account.corrections:
                if correction.micros < 0 and correction.kind in ("instalment", "reversal"):
                    states += self._paid_before(correction)
                    awaited |= self._came_back(chain[position + 1 :], booked[correction.run], correction)
            if awaited or (state is None and (not states or payable(max(0, account.carried), stored.currency)[0])):
                continue
            if wrong := [name for name in states if name not in _STATES]:
                return "", _sentence(stored, party, wrong[0])
            return min((_STATES[name] for name in states), key=_ADVANCE.index), ""
        return ("", next(iter(awaited.values()))) if awaited else (CARRIED, "")

    def _paid_before(self, correction: Correction) -> Iterator[str]:
        """The states of the payments that a run takes as made: on account, or by the run in whose place it stands."""
        if correction.kind == "reversal":
            state = self._payments.get((correction.run, correction.party), "")
            yield from [state] if state in ("settled", "handed over") else []
            return
        for record in self._instalments(correction.run):
            payment = instalment_payments(self._log, self._book, record).get(correction.party)
            yield from [payment.state] if payment is not None and payment.moved else []

    def _came_back(self, later: Sequence[Stored], booked: int, correction: Correction) -> dict[str, str]:
        """Corrections that give back money of these payments: those of later runs, and one that no run booked yet."""
        text = f"a payment to {correction.party} of before its run came back: the pool's next run pays it again"
        given_back = [
            other
            for stored in later
            if (account := stored.accounts.get(correction.party)) is not None
            for other in account.corrections
            if other.run == correction.run and other.kind in (correction.kind, "returned")
        ]
        back = {other.id: text for other in given_back if other.micros > 0}
        if self._moved(correction) < -booked - sum(other.micros for other in given_back):
            back["not booked"] = text
        return back

    def _moved(self, correction: Correction) -> int:
        """What arrived or is on its way of the payments that a correction speaks of."""
        if correction.kind == "reversal":
            stored = load(self._log, self._book.runs[correction.run])
            return paid_out(self._log, self._book, stored).get(correction.party, 0)
        return moved_on_account(self._log, self._book, self._instalments(correction.run)).get(correction.party, 0)

    def _instalments(self, name: str) -> list[Instalment]:
        mandate, _, month = name.partition("/")
        records = self._book.mandates.instalments.values()
        return [record for record in records if (record.mandate, record.period) == (mandate, month)]


def _sentence(stored: Stored, party: str, state: str) -> str:
    return f"the payment of {stored.record.period} to {party} is {state}: {_OPEN[state]}"
