"""Derive a batch of payments: published intents, minus holds and earlier outcomes.

Payment and audit call the same function. Its inputs are the published payments and their states, the parties stopped by
a hold or a dispute, and the account of each party that the log commits to. An audit compares a batch with its whole
result.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ledger.errors import VerificationError
from ledger.proofs import canon
from ledger.text import parse_hex
from ledger.types import Digest
from payouts.accounts.payment import Instruction, batch_payload, reference
from payouts.accounts.payment_states import PartyPayment


@dataclass(frozen=True, slots=True, kw_only=True)
class Payable:
    """The inputs that decide a run's batches at one index of the log.

    `accounts`: the digest of the account that counts for each party there; None in a log of release 0.1, which
    committed to none.
    """

    run: Digest
    intents: Sequence[Mapping[str, Any]]
    payments: Mapping[str, PartyPayment]
    stopped: Collection[str]
    accounts: Mapping[str, Digest] | None

    def instructions(self, via: str) -> list[Instruction]:
        """Return all payments that may leave by a route: published for it, due, not blocked, with a valid account."""
        return [
            Instruction(
                party=party,
                micros=int(intent["micros"]),
                reference=reference(self.run, party, len(self.payments[party].attempts) + 1),
                account="" if self.accounts is None else self.accounts[party],
                sent=intent.get("sent"),
            )
            for intent in self.intents
            if intent["route"] == via
            and self.payments[(party := intent["party"])].due
            and party not in self.stopped
            and (self.accounts is None or party in self.accounts)
        ]


def check_batch(batch: Mapping[str, Any], at: Payable, *, via: str, number: int) -> None:
    """Refuse a batch with a payment that may not leave there. Payees that it omits stay due."""
    derived = {instruction.party: instruction for instruction in at.instructions(via)}
    instructions = []
    for payment in batch["payments"]:
        instruction = derived.pop(payment["party"], None)
        if instruction is None:
            raise VerificationError(
                f"batch {number} of run {at.run[:16]} pays {payment['party']}, and no payment to it by {via} is "
                "published, due, free of holds and to an account that counts"
            )
        if at.accounts is None:
            parse_hex(payment["account"], "the digest of an account", 32)
            instruction = replace(instruction, account=payment["account"])
            first = reference(at.run, instruction.party)  # release 0.1 wrote it under every attempt
            if payment["reference"] == first:
                instruction = replace(instruction, reference=first)
        instructions.append(instruction)
    own = batch_payload(at.run, via, number, instructions, v=1 if at.accounts is None else 2)
    if canon.encode(dict(batch)) != canon.encode(own):
        raise VerificationError(
            f"batch {number} of run {at.run[:16]} is {str(dict(batch))[:400]}, published and due is {str(own)[:400]}"
        )
