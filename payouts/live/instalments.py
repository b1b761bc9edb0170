"""Derive an instalment: what each party may be paid on account now, within its mandate.

Whoever pays and whoever audits call these functions. A party's target is its net of the month if only the part that is
paid early had been earned, by the account of a run: so debts, money held by a dispute, reserves, advances and taxes
lower it as they will lower the month's. What was paid on account of the month before is taken off.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final

from ledger.errors import VerificationError
from ledger.proofs import canon, dsse
from ledger.proofs.keys import PublicKey
from ledger.types import MILLION, Digest
from payouts.accounts.account import Correction, account
from payouts.accounts.deductions import Stages
from payouts.accounts.payment import Instruction, batch_payload, reference
from payouts.life.mandates import Instalment, Mandate
from payouts.life.records import LogSize
from payouts.money import payable

INSTALMENT_TYPE: Final = "application/vnd.settle.instalment+json"
OTHER_CURRENCY: Final = "paid-in-other-currency"
"""Why a party gets no instalment that is paid in a currency whose rate is known when the month is over."""


def targets(
    mandate: Mandate,
    *,
    earned: Mapping[str, int],
    minimum: int,
    opening: Mapping[str, int],
    corrections: Iterable[Correction],
    stages: Stages,
) -> dict[str, int]:
    """Return what each party may have on account of the month in all. `earned`: its accrual that nothing holds.

    Instalments of other months are left to those months' runs, and what of them came back to the next run.
    """
    booked: dict[str, list[Correction]] = defaultdict(list)
    for correction in corrections:
        if correction.kind != "instalment":
            booked[correction.party].append(correction)
    out: dict[str, int] = {}
    for party, micros in sorted(earned.items()):
        early = micros * mandate.early_ppm // MILLION
        if is_paid_in_other_currency(stages, party, mandate.currency):
            continue
        month = account(
            party=party,
            currency=mandate.currency,
            minimum=minimum,
            opening=opening.get(party, 0),
            earned=early,
            corrections=booked[party],
            stages=stages,
        )
        out[party] = min(month.payable, payable(early, mandate.currency)[0], mandate.party_micros)
    return out


def is_paid_in_other_currency(stages: Stages, party: str, currency: str) -> bool:
    return any(agreed.paid_in not in (None, currency) for agreed in stages.of(party))


def amounts(
    mandate: Mandate, *, target: Mapping[str, int], moved: Mapping[str, int], left_out: Collection[str]
) -> dict[str, int]:
    """Return what leaves now, in whole minor units; above the ceiling everybody gets the same part of what is due.

    `moved`: what is on its way or arrived on account of the month, under whichever mandate.
    """
    due = {
        party: payable(max(0, micros - moved.get(party, 0)), mandate.currency)[0]
        for party, micros in sorted(target.items())
        if party not in left_out
    }
    total = sum(due.values())
    if total > mandate.ceiling:
        due = {party: payable(micros * mandate.ceiling // total, mandate.currency)[0] for party, micros in due.items()}
    return {party: micros for party, micros in due.items() if micros}


def instalment_payload(
    mandate: Mandate,
    instalment: Digest,
    number: int,
    *,
    period: str,
    logs: Sequence[LogSize],
    minimum: int,
    pays: Mapping[str, int],
    accounts: Mapping[str, Digest],
    left_out: Mapping[str, str],
) -> dict[str, Any]:
    """Return the signed content of an instalment: a batch of payments, and all that decides it beside the log."""
    instructions = [
        Instruction(party=party, micros=micros, reference=reference(instalment, party), account=accounts[party])
        for party, micros in pays.items()
    ]
    return batch_payload(instalment, mandate.via, number, instructions) | {
        "mandate": mandate.id,
        "period": period,
        "logs": [{"origin": log.origin, "size": log.size, "root": log.root} for log in logs],
        "minimum_micros": str(minimum),
        "left_out": dict(sorted(left_out.items())),
    }


def logs_of(document: Mapping[str, Any]) -> tuple[LogSize, ...]:
    """Return the logs whose events an instalment counts, the home log first."""
    return tuple(
        LogSize(origin=str(log["origin"]), size=int(log["size"]), root=str(log["root"])) for log in document["logs"]
    )


def read_document(data: bytes, record: Instalment, mandate: Mandate, signer: PublicKey) -> dict[str, Any]:
    """Read an instalment's document from its envelope.

    Refuses one of another signer, instalment, mandate, route, month, sum or spelling, and payments that repeat a party
    or come to nothing. What the log comes to at its size is left to `check_instalment`.
    """
    name = f"instalment {record.number} of {mandate.id}"
    envelope = dsse.parse(data)
    if envelope.payload_type != INSTALMENT_TYPE or envelope.digest != record.statement:
        raise VerificationError(f"{name}: its statement is no instalment, or has another digest")
    if not dsse.signers(envelope, [signer]):
        raise VerificationError(f"{name}: its statement is not signed by the key that signed its leaf")
    document = canon.decode_object(envelope.payload, "instalment")
    try:
        payments = [Instruction.from_payload(row) for row in document["payments"]]
        logs = logs_of(document)
        expected = instalment_payload(
            mandate,
            record.id,
            record.number,
            period=record.period,
            logs=logs,
            minimum=int(document["minimum_micros"]),
            pays={payment.party: payment.micros for payment in payments},
            accounts={payment.party: payment.account for payment in payments},
            left_out={str(party): str(reason) for party, reason in document["left_out"].items()},
        )
        home_size = logs[0].size
    except (LookupError, TypeError, ValueError, AttributeError) as problem:
        raise VerificationError(f"{name}: a field is missing or of another type: {problem!r}") from None
    if canon.encode(document) != canon.encode(expected):
        raise VerificationError(f"{name}: its document is not written as this instalment writes it")
    if (expected["micros"], home_size) != (str(record.micros), record.size):
        raise VerificationError(f"{name}: its document pays {expected['micros']} micros at size {home_size}")
    if any(payment.micros <= 0 for payment in payments):
        raise VerificationError(f"{name}: a payment comes to nothing")
    return document


def check_instalment(
    document: Mapping[str, Any],
    record: Instalment,
    mandate: Mandate,
    *,
    target: Mapping[str, int],
    moved: Mapping[str, int],
    accounts: Mapping[str, Digest],
) -> None:
    """Refuse an instalment that is not what its mandate and the log come to. Parties that it leaves out stay due."""
    logs = logs_of(document)
    left_out = {str(party): str(reason) for party, reason in document["left_out"].items()}
    pays = amounts(mandate, target=target, moved=moved, left_out=left_out)
    if without := sorted(pays.keys() - accounts.keys()):
        raise VerificationError(f"instalment {record.number} of {mandate.id} pays {without[0]}, which has no account")
    own = instalment_payload(
        mandate,
        record.id,
        record.number,
        period=record.period,
        logs=logs,
        minimum=int(document["minimum_micros"]),
        pays=pays,
        accounts=accounts,
        left_out=left_out,
    )
    if canon.encode(dict(document)) != canon.encode(own) or str(record.micros) != own["micros"]:
        raise VerificationError(
            f"instalment {record.number} of {mandate.id} is {str(dict(document))[:400]}, the log comes to "
            f"{str(own)[:400]}"
        )
