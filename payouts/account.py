"""A payee's account through one run: what it opened with, earned, was corrected by, is paid, carries.

opening + earned + corrections = payable + carried, always. Payable is what a bank can be told: whole
minor units, and nothing below the minimum payout; the rest is carried to the pool's next run.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from payouts.money import payable

Kind = Literal["adjustment", "release", "returned", "reversal"]


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Correction:
    """Money that reaches an account from outside the run's own usage. `id` is used up by the run that books it.

    `adjustment`: decided by two people. `release`: held in `run`, its hold since lifted. `returned`: a payment
    of `run` that will never arrive. `reversal`: already paid out by `run`, which was undone.
    """

    id: str
    kind: Kind
    party: str
    micros: int
    run: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Account:
    """One payee in one run, in micro-units of the pool's currency."""

    party: str
    opening: int
    earned: int
    corrections: tuple[Correction, ...]
    payable: int
    carried: int

    @property
    def corrected(self) -> int:
        return sum(correction.micros for correction in self.corrections)

    def payload(self) -> dict[str, Any]:
        """The account as canonical JSON; amounts are decimal strings."""
        return {
            "party": self.party,
            "opening": str(self.opening),
            "earned": str(self.earned),
            "corrections": [
                {
                    "id": one.id, "kind": one.kind, "micros": str(one.micros), "run": one.run, "reason": one.reason,
                }
                for one in self.corrections
            ],
            "payable": str(self.payable),
            "carried": str(self.carried),
        }  # fmt: skip

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any]) -> Account:
        """The inverse of `payload`."""
        party = payload["party"]
        return cls(
            party=party,
            opening=int(payload["opening"]),
            earned=int(payload["earned"]),
            corrections=tuple(
                Correction(
                    id=one["id"], kind=one["kind"], party=party, micros=int(one["micros"]), run=one["run"],
                    reason=one["reason"],
                )
                for one in payload["corrections"]
            ),
            payable=int(payload["payable"]),
            carried=int(payload["carried"]),
        )  # fmt: skip


def accounts(
    *,
    currency: str,
    minimum: int,
    opening: Mapping[str, int],
    earned: Mapping[str, int],
    corrections: Iterable[Correction],
) -> list[Account]:
    """Every account that has anything in it, by party. `minimum`: a balance below it is carried whole."""
    by_party: dict[str, list[Correction]] = defaultdict(list)
    for correction in corrections:
        by_party[correction.party].append(correction)
    out = []
    for party in sorted({*opening, *earned, *by_party}):
        booked = tuple(sorted(by_party.get(party, ())))
        start, income = opening.get(party, 0), earned.get(party, 0)
        balance = start + income + sum(one.micros for one in booked)
        due = payable(balance, currency)[0] if balance >= max(minimum, 1) else 0
        if start or income or booked:
            out.append(
                Account(
                    party=party, opening=start, earned=income, corrections=booked, payable=due, carried=balance - due
                )
            )
    return out
