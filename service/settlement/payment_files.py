"""Write payment files for a bank: one per batch and currency, reproducible from the log and the payee book.

An existing file may have been sent, so it is never overwritten, and a batch written in one format is not written in the
other as well: somebody could send both.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ledger.errors import InputError, StateError
from ledger.files import write_whole
from ledger.registry.payees import Payee as Account
from payouts.accounts.payment import Instruction, PayeeAccount, payment_file
from payouts.life.mandates import Instalment, Mandate
from payouts.life.records import Pay
from service.settlement.carrying import payments_of
from service.settlement.payees import accounts_ever, made_out_to, named
from service.settlement.stored import Stored
from service.trade import pain

if TYPE_CHECKING:
    from service.workspace import Workspace

EXTENSIONS: Final = {"csv": "csv", "pain.001": "xml"}
DEBTOR: Final = ("payouts.debtor_name", "payouts.debtor_iban")


@dataclass(frozen=True, slots=True, kw_only=True)
class CurrencyTotal:
    """The sum of payments in one currency."""

    currency: str
    payments: int
    micros: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentSubject:
    """What payments of a file are for: a pool's month, by a run or on account."""

    period: str
    pool: str
    currency: str
    remittance: str

    @classmethod
    def of(cls, stored: Stored) -> PaymentSubject:
        """Return the subject of a run's payments."""
        period, pool = stored.record.period, stored.record.pool
        return cls(period=period, pool=pool, currency=stored.currency, remittance=f"Royalties {period}, {pool}")

    @classmethod
    def on_account(cls, mandate: Mandate, period: str) -> PaymentSubject:
        """Return the subject of an instalment's payments."""
        remittance = f"On account of {period}, {mandate.pool}"
        return cls(period=period, pool=mandate.pool, currency=mandate.currency, remittance=remittance)


def paid_in(intent: Mapping[str, Any], currency: str) -> tuple[str, int]:
    """Return the currency and micro-units that the payee of an intent gets; `currency` is the pool's."""
    sent = intent.get("sent")
    return (currency, int(intent["micros"])) if sent is None else (sent["currency"], int(sent["micros"]))


def totals(amounts: Iterable[tuple[str, int]]) -> tuple[CurrencyTotal, ...]:
    """Returns the sum of (currency, micro-units) in each currency, by its code."""
    sums: dict[str, tuple[int, int]] = {}
    for currency, micros in amounts:
        count, total = sums.get(currency, (0, 0))
        sums[currency] = (count + 1, total + micros)
    return tuple(CurrencyTotal(currency=code, payments=n, micros=micros) for code, (n, micros) in sorted(sums.items()))


def check_format(ws: Workspace, form: str) -> None:
    """Refuse an unknown format, or one that needs the payer's account if no setting names it."""
    if form not in EXTENSIONS:
        raise InputError(f"format {form!r}: expected one of {', '.join(EXTENSIONS)}")
    missing = [name for name in DEBTOR if form == "pain.001" and not ws.settings.text(name)]
    if missing:
        lines = "; ".join(f'{name.removeprefix("payouts.")} = "..."' for name in missing)
        raise InputError(
            f"pain.001 names the account that pays, and settle.toml does not: add below [payouts]: {lines}"
        )


def obstacle(ws: Workspace, subject: PaymentSubject, instruction: Instruction, account: Account, form: str) -> str:
    """Return why a bank would refuse this payment in this format; empty if it would accept it."""
    if form == "csv":
        return ""
    try:
        transfer = _transfer(subject, instruction, named(ws, account))
        pain.message([transfer], name="CHECK", created="", execute_on="", debtor=_debtor(ws))
    except InputError as problem:
        return str(problem)
    return ""


def message_id(batch: Pay | Instalment, currency: str) -> str:
    """Return the id of a batch's message in one currency; answers about the batch as a whole name it."""
    return f"{batch.run[:20].upper()}-{batch.batch}-{currency}"


def write_batch(ws: Workspace, subject: PaymentSubject, batch: Pay | Instalment, form: str) -> list[str]:
    """Returns the paths of a batch's files; those that are missing are made again from the log and the payee book."""
    folder = ws.home / "payments"
    stem = f"{subject.period}-{subject.pool}-{batch.run[:12]}-{batch.batch}"
    _check_one_format(folder, stem, form)
    whole = folder / f"{stem}.csv"
    if whole.exists():  # release 0.1 wrote all currencies into one file, and this one may have been sent
        return [str(whole)]
    instructions = [Instruction.from_payload(row) for row in payments_of(ws.log, batch.statement)]
    paths = []
    accounts = None
    for currency in sorted({instruction.paid(subject.currency)[0] for instruction in instructions}):
        path = folder / f"{stem}-{currency}.{EXTENSIONS[form]}"
        if not path.exists():
            accounts = accounts_ever(ws) if accounts is None else accounts
            rows = [
                (instruction, _payee(ws, accounts, instruction))
                for instruction in instructions
                if instruction.paid(subject.currency)[0] == currency
            ]
            write_whole(path, _content(ws, subject, batch, rows, form), mode=0o600)
        paths.append(str(path))
    return paths


def _check_one_format(folder: Path, stem: str, form: str) -> None:
    other_extensions = (extension for name, extension in EXTENSIONS.items() if name != form)
    # Release 0.1 named no currency. Batch 1 is not batch 10, whose name begins the same.
    patterns = (f"{stem}{currency}.{extension}" for extension in other_extensions for currency in ("", "-*"))
    written = [path for pattern in patterns for path in sorted(folder.glob(pattern))]
    if written:
        raise StateError(
            f"it was written as {written[0].name} before, and sending both would pay twice; if no bank has that file, "
            "delete it and pay again"
        )


def _content(
    ws: Workspace,
    subject: PaymentSubject,
    batch: Pay | Instalment,
    rows: Sequence[tuple[Instruction, PayeeAccount]],
    form: str,
) -> bytes:
    if form == "csv":
        return payment_file(rows, currency=subject.currency, period=subject.period, pool=subject.pool, run=batch.run)
    # Both dates are the batch's own, so that the file made again is the file that was sent.
    currency = rows[0][0].paid(subject.currency)[0]
    return pain.message(
        [_transfer(subject, instruction, payee) for instruction, payee in rows],
        name=message_id(batch, currency),
        created=batch.at,
        execute_on=batch.at[:10],
        debtor=_debtor(ws),
    )


def _debtor(ws: Workspace) -> pain.BankAccount:
    name, number, bic = (ws.settings.text(key) for key in (*DEBTOR, "payouts.debtor_bic"))
    return pain.BankAccount(name=name, number=number, bic=bic)


def _transfer(subject: PaymentSubject, instruction: Instruction, payee: PayeeAccount) -> pain.CreditTransfer:
    currency, micros = instruction.paid(subject.currency)
    return pain.CreditTransfer(
        reference=instruction.reference,
        to=pain.BankAccount(
            name=payee.name, number=payee.account, bic=payee.bic, town=payee.town, country=payee.country
        ),
        currency=currency,
        micros=micros,
        remittance=subject.remittance,
    )


def _payee(ws: Workspace, accounts: Mapping[str, Sequence[Account]], instruction: Instruction) -> PayeeAccount:
    """Return the account in a payment, which need not be the one in force now."""
    for account in accounts.get(instruction.party, ()):
        if made_out_to(account, instruction.account):
            return named(ws, account)
    raise StateError(
        f"the account that payment {instruction.reference} to {instruction.party} was made out to is not in the payee "
        "book any more; find the file that was sent, or let the payment fail and pay again"
    )
