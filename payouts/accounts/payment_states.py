"""The states of each published payment: one state machine for the bank and for the chain.

    planned -> handed over -> settled | failed | written off
    failed -> handed over (again) | settled (the bank was wrong before) | written off
    settled -> returned, once

A payment that is settled, written off or returned is never handed over again. A payment posted on a chain stays
claimable for ever: it cannot fail, and only the contract can write it off.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from payouts.accounts.payment import Route

State = Literal["planned", "handed over", "settled", "failed", "written-off", "returned"]
Outcome = Literal["settled", "failed", "written-off", "returned"]

FROM: Final[dict[Outcome, tuple[State, ...]]] = {
    "settled": ("handed over", "failed"),
    "failed": ("handed over",),
    "written-off": ("handed over", "failed"),
    "returned": ("settled",),
}
"""The states in which each outcome can be reported."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HandedOver:
    """A batch was handed over. `posted`: the index of the leaf that records its posting on a chain, or None."""

    index: int
    batch: int
    route: Route
    parties: frozenset[str]
    posted: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentNews:
    """An outcome of a payment from the bank or the chain, the index at which it took effect, and its reference."""

    index: int
    party: str
    outcome: Outcome
    reference: str = ""


@dataclass(slots=True, kw_only=True)
class HandOver:
    """One hand-over of a payment. `alive`: its money is on its way, or arrived."""

    batch: int
    route: Route
    posted: int | None
    alive: bool = True


@dataclass(slots=True, kw_only=True)
class PartyPayment:
    """One party's payment in one run."""

    micros: int
    state: State = "planned"
    attempts: list[HandOver] = field(default_factory=list)

    @property
    def due(self) -> bool:
        """Return whether it may be handed over: it never was, or it came back and no other attempt is open."""
        return self.state in ("planned", "failed") and not any(attempt.alive for attempt in self.attempts)

    @property
    def moved(self) -> int:
        """Return the micros that arrived or are handed over; for a chain, those posted."""
        return self.micros * sum(self._moves(attempt) for attempt in self.attempts)

    @property
    def overpaid(self) -> int:
        """Return the amount handed over beyond the payment; possible only in a log of release 0.1."""
        return self.micros * max(0, sum(attempt.alive for attempt in self.attempts) - 1)

    def _moves(self, one: HandOver) -> bool:
        return one.alive and (one.route == "file" or one.posted is not None or self.state == "settled")

    def accepts(self, outcome: Outcome, *, index: int, reference: str = "") -> bool:
        """Return whether this outcome is possible now."""
        if self.state not in FROM[outcome]:
            return False
        last = self.attempts[-1] if self.attempts else None
        if last is not None and last.route == "chain" and last.alive:
            posted = last.posted is not None and last.posted < index
            if outcome == "failed":
                return not posted
            if outcome == "written-off":  # only by the contract's own event, whose transaction is the reference
                return posted and reference.startswith("0x")
            if outcome == "returned":
                return False
        return outcome != "returned" or bool(reference.strip())

    def hand_over(self, batch: HandedOver) -> None:
        self.attempts.append(HandOver(batch=batch.batch, route=batch.route, posted=batch.posted))
        if self.state in ("planned", "failed"):
            self.state = "handed over"

    def hear(self, said: PaymentNews) -> None:
        """Apply an outcome; an impossible one has no effect."""
        if not self.accepts(said.outcome, index=said.index, reference=said.reference):
            return
        last = self.attempts[-1]
        last.alive = said.outcome == "settled"
        self.state = said.outcome


def follow(payable: Mapping[str, int], history: Iterable[HandedOver | PaymentNews]) -> dict[str, PartyPayment]:
    """Compute the state of each payment of a run from its amount and all its outcomes, in order."""
    transfers = {party: PartyPayment(micros=micros) for party, micros in payable.items()}
    for event in history:
        if isinstance(event, PaymentNews):
            if event.party in transfers:
                transfers[event.party].hear(event)
        else:
            for party in sorted(event.parties & transfers.keys()):
                transfers[party].hand_over(event)
    return transfers
