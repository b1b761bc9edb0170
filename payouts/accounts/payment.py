"""Payments: the batch of a route, and its file, whose cells a spreadsheet must not run as formulas.

A cell that starts with `=`, `+`, `-`, `@`, a tab or a carriage return is a formula to spreadsheets
(OWASP, CSV injection); such a cell gets an apostrophe before it. Amounts are never negative.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from ledger.proofs import canon
from ledger.types import Digest
from payouts.accounts.account import Account
from payouts.errors import TermsError
from payouts.money import format_amount

Route = Literal["file", "chain"]
ROUTES: Final[tuple[Route, ...]] = ("file", "chain")

PAYMENTS_TYPE: Final = "application/vnd.settle.payments+json"
ATTEMPTS_MAX: Final = 99
"""Of one payment: two digits of its reference say which attempt it is."""
COLUMNS: Final = (
    "reference",
    "party",
    "name",
    "account",
    "amount",
    "currency",
    "period",
    "pool",
    "run",
    "bic",
    "town",
    "country",
)
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class PayeeAccount:
    """A payee's account.

    Stored outside the log; a batch contains only the account's digest. `name`: the holder's name at the bank, or else
    the party's name.
    """

    party: str
    name: str
    method: str
    account: str
    bic: str = ""
    town: str = ""
    country: str = ""


def account_digest(party: str, method: str, account: str) -> Digest:
    """Return a digest that identifies an account without revealing it."""
    return canon.digest(canon.encode({"party": party, "method": method, "account": account}))


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Instruction:
    """One payment of a batch. `reference` is computed from run, party and attempt, so one attempt has one reference."""

    party: str
    micros: int
    reference: str
    account: Digest
    sent: Mapping[str, str] | None = field(default=None, compare=False)
    """Currency and micros of what the payee gets, where that is not `micros` of the pool's currency."""

    def payload(self) -> dict[str, Any]:
        plain = {
            "party": self.party,
            "micros": str(self.micros),
            "reference": self.reference,
            "account": self.account,
        }
        return plain if self.sent is None else plain | {"sent": dict(self.sent)}

    def paid(self, currency: str) -> tuple[str, int]:
        """Return the currency and micro-units sent to the bank; `currency` is the pool's."""
        return (currency, self.micros) if self.sent is None else (self.sent["currency"], int(self.sent["micros"]))

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any]) -> Instruction:
        """The inverse of `payload`."""
        return cls(
            party=payload["party"],
            micros=int(payload["micros"]),
            reference=payload["reference"],
            account=payload["account"],
            sent=payload.get("sent"),
        )


def intent_payload(account: Account, route: Any, salt: str | None = None) -> dict[str, Any]:
    """Return the payment of a published account, by its published route.

    `salt`: the account's salt (runs of version 2).
    """
    if route not in ROUTES:
        raise TermsError(f"{account.party}: route {route!r}: expected one of {', '.join(ROUTES)}")
    if account.converted is not None and route == "chain":
        raise TermsError(f"{account.party} is paid in {account.converted.currency}, which the chain does not pay in")
    row: dict[str, Any] = {"party": account.party, "micros": str(account.payable), "route": route}
    if account.converted is not None:
        row["sent"] = account.converted.sent
    if salt is not None:
        row["salt"] = salt
    return row


def reference(run: Digest, party: str, attempt: int = 1) -> str:
    """Return an end-to-end reference of at most 35 characters (ISO 20022); that of the second attempt ends in `-2`."""
    if attempt > ATTEMPTS_MAX:
        raise TermsError(
            f"{party}: attempt {attempt} at one payment; write it off: settle payment RUN PARTY written-off"
        )
    first = "ST" + canon.digest(f"{run}/{party}".encode())[:30].upper()
    return first if attempt == 1 else f"{first}-{attempt}"


def batch_payload(
    run: Digest, via: str, batch: int, instructions: Sequence[Instruction], *, v: int = 2
) -> dict[str, Any]:
    """Return the signed content of a batch.

    In version 1 (release 0.1) the log does not contain the accounts' digests.
    """
    return {
        "v": v,
        "run": run,
        "via": via,
        "batch": batch,
        "micros": str(sum(instruction.micros for instruction in instructions)),
        "payments": [instruction.payload() for instruction in sorted(instructions)],
    }


def cell(text: str) -> str:
    """Return a text that no spreadsheet runs as a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def payment_file(
    rows: Iterable[tuple[Instruction, PayeeAccount]], *, currency: str, period: str, pool: str, run: Digest
) -> bytes:
    """Return the batch as CSV (RFC 4180, UTF-8, CRLF), by party."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n", quoting=csv.QUOTE_MINIMAL)
    writer.writerow(COLUMNS)
    for instruction, payee in sorted(rows, key=lambda row: row[0]):
        paid_in, micros = instruction.paid(currency)
        texts = (
            instruction.reference,
            instruction.party,
            payee.name,
            payee.account,
            format_amount(micros, paid_in),
            paid_in,
            period,
            pool,
            run,
            payee.bic,
            payee.town,
            payee.country,
        )
        writer.writerow(cell(text) for text in texts)
    return out.getvalue().encode()
