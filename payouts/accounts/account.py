"""Compute a payee's account in one run: opening, earned, corrections, deductions, net, carried.

opening + earned + corrections + deductions = payable + carried, always. Payable is what a bank can pay: whole minor
units, and nothing below the minimum payout; but where instalments paid a part of the month, what they left of a
balance above the minimum is paid, however small. The remainder is carried to the pool's next run.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from payouts.accounts.deductions import NONE, Converted, Deductions, Stages
from payouts.money import payable

Kind = Literal["adjustment", "release", "returned", "reversal", "instalment"]
FRESH: Final = ("adjustment", "release")
"""Corrections by money that no deduction was made from yet; what returns or is reversed went through them once."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Correction:
    """Money on an account from outside the run's own usage. Each `id` is booked by one run only.

    `adjustment`: decided by two people. `release`: held in `run`, its hold since lifted. `returned`: a payment
    of `run` that will never arrive. `reversal`: already paid out by `run`, which was undone.
    `instalment`: paid on account of a month, `run` being `MANDATE/PERIOD`; more than zero where it came back.
    """

    id: str
    kind: Kind
    party: str
    micros: int
    run: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One payee in one run, in micro-units of the pool's currency."""

    party: str
    opening: int
    earned: int
    corrections: tuple[Correction, ...]
    payable: int
    carried: int
    deductions: Deductions = NONE
    converted: Converted | None = None
    """What is paid for `payable` where the party is paid in another currency."""

    @property
    def corrected(self) -> int:
        return sum(correction.micros for correction in self.corrections)

    @property
    def deducted(self) -> int:
        """Return the sum of the entries: negative, unless more is released than deducted."""
        return self.deductions.total

    @property
    def moves(self) -> bool:
        """Return whether the account is not empty: it has money, a reserve or an advance."""
        return bool(self.opening or self.earned or self.corrections or self.deductions)

    def payload(self, *, every_term: bool = False) -> dict[str, Any]:
        """Return the account as canonical JSON; amounts are decimal strings, and unused fields are absent.

        `every_term`: shows terms also where they made no entry (runs of version 2).
        """
        shown = self.deductions or (every_term and self.deductions.agreed)
        more = {"deductions": self.deductions.payload()} if shown else {}
        if self.converted is not None:
            more["converted"] = self.converted.payload()
        return {
            "party": self.party,
            "opening": str(self.opening),
            "earned": str(self.earned),
            "corrections": [
                {
                    "id": correction.id,
                    "kind": correction.kind,
                    "micros": str(correction.micros),
                    "run": correction.run,
                    "reason": correction.reason,
                }
                for correction in self.corrections
            ],
            "payable": str(self.payable),
            "carried": str(self.carried),
        } | more

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any]) -> Account:
        """The inverse of `payload`."""
        party = payload["party"]
        deductions, converted = payload.get("deductions"), payload.get("converted")
        return cls(
            party=party,
            opening=int(payload["opening"]),
            earned=int(payload["earned"]),
            corrections=tuple(
                Correction(
                    id=correction["id"],
                    kind=correction["kind"],
                    party=party,
                    micros=int(correction["micros"]),
                    run=correction["run"],
                    reason=correction["reason"],
                )
                for correction in payload["corrections"]
            ),
            payable=int(payload["payable"]),
            carried=int(payload["carried"]),
            deductions=NONE if deductions is None else Deductions.from_payload(deductions),
            converted=None if converted is None else Converted.from_payload(converted),
        )


def account(
    *,
    party: str,
    currency: str,
    minimum: int,
    opening: int,
    earned: int,
    corrections: Iterable[Correction],
    stages: Stages | None = None,
) -> Account:
    """Compute one party's account. `minimum`: a balance below it is carried whole."""
    booked = tuple(sorted(corrections))
    fresh = earned + sum(correction.micros for correction in booked if correction.kind in FRESH)
    on_account = sum(correction.micros for correction in booked if correction.kind == "instalment")
    settled = sum(correction.micros for correction in booked if correction.kind not in (*FRESH, "instalment"))
    balance = opening + fresh + settled
    deductions, converted = NONE, None
    if stages is not None:
        deductions = stages.deduct(party, currency=currency, opening=opening, fresh=fresh, settled=settled)
        balance += deductions.total
    due = payable(balance, currency)[0] if balance >= max(minimum, 1) else 0
    if on_account:
        # Instalments pay a part of the amount that the month would pay without them. If they sum to more than this
        # amount, the excess is a debt, and the next month opens with that debt.
        balance += on_account
        due = min(payable(max(0, due + on_account), currency)[0], payable(max(0, balance), currency)[0])
    if stages is not None and due:
        converted = stages.convert(party, due, currency)
        if converted is not None and not converted.micros:
            due, converted = 0, None
    return Account(
        party=party,
        opening=opening,
        earned=earned,
        corrections=booked,
        payable=due,
        carried=balance - due,
        deductions=deductions,
        converted=converted,
    )


def accounts(
    *,
    currency: str,
    minimum: int,
    opening: Mapping[str, int],
    earned: Mapping[str, int],
    corrections: Iterable[Correction],
    stages: Stages | None = None,
    everybody: Iterable[str] = (),
) -> list[Account]:
    """Return every account that is not empty, and those of `everybody`, by party."""
    named = set(everybody)
    by_party: dict[str, list[Correction]] = defaultdict(list)
    for correction in corrections:
        by_party[correction.party].append(correction)
    out = []
    for party in sorted({*opening, *earned, *by_party, *(stages.parties if stages is not None else ()), *named}):
        derived = account(
            party=party,
            currency=currency,
            minimum=minimum,
            opening=opening.get(party, 0),
            earned=earned.get(party, 0),
            corrections=by_party.get(party, ()),
            stages=stages,
        )
        if derived.moves or party in named:
            out.append(derived)
    return out
