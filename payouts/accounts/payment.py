"""Payments: the batch that leaves for a route, and its file, which a spreadsheet must not be able to run.

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
COLUMNS: Final = ("reference", "party", "name", "account", "amount", "currency", "period", "pool", "run")
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class PayeeAccount:
    """Where a party's money goes. Kept outside the log; a batch holds only the account's digest."""

    party: str
    name: str
    method: str
    account: str


def account_digest(party: str, method: str, account: str) -> Digest:
    """Names an account without showing it to those who do not know it."""
    return canon.digest(canon.encode({"party": party, "method": method, "account": account}))


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Instruction:
    """One payment of a batch. `reference` follows from run and party: the same intent, the same reference."""

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


def intent_payload(account: Account, route: Any) -> dict[str, Any]:
    """The one payment a published account comes to, by the route that publication gives it."""
    if route not in ROUTES:
        raise TermsError(f"{account.party}: route {route!r}: expected one of {', '.join(ROUTES)}")
    if account.converted is not None and route == "chain":
        raise TermsError(f"{account.party} is paid in {account.converted.currency}, which the chain does not pay in")
    plain = {"party": account.party, "micros": str(account.payable), "route": route}
    return plain if account.converted is None else plain | {"sent": account.converted.sent}


def reference(run: Digest, party: str) -> str:
    """An end-to-end reference of 35 characters or fewer, as ISO 20022 allows."""
    return "ST" + canon.digest(f"{run}/{party}".encode())[:30].upper()


def batch_payload(run: Digest, via: str, batch: int, instructions: Sequence[Instruction]) -> dict[str, Any]:
    """What is signed when a batch leaves."""
    return {
        "v": 1,
        "run": run,
        "via": via,
        "batch": batch,
        "micros": str(sum(one.micros for one in instructions)),
        "payments": [one.payload() for one in sorted(instructions)],
    }


def cell(text: str) -> str:
    """Text that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def payment_file(
    rows: Iterable[tuple[Instruction, PayeeAccount]], *, currency: str, period: str, pool: str, run: Digest
) -> bytes:
    """The batch as CSV (RFC 4180, UTF-8, CRLF), by party."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n", quoting=csv.QUOTE_MINIMAL)
    writer.writerow(COLUMNS)
    for one, payee in sorted(rows, key=lambda row: row[0]):
        paid = one.sent or {"currency": currency, "micros": str(one.micros)}
        amount = format_amount(int(paid["micros"]), paid["currency"])
        texts = (one.reference, one.party, payee.name, payee.account, amount, paid["currency"], period, pool, run)
        writer.writerow(cell(text) for text in texts)
    return out.getvalue().encode()
