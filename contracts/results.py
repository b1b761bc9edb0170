"""The results of the chain commands. Amounts are in the token's base units unless the name says micros."""

from __future__ import annotations

from dataclasses import dataclass

from contracts.outbox import State


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployed:
    """What came of a deployment."""

    pool: str | None
    token: str | None
    chain_id: int
    currency: str
    state: State
    transaction: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SettledRun:
    """How the posting of one run stands."""

    run: str
    pool: str
    chain_id: int
    sequence: int
    root: str
    total: int
    payees: int
    state: State
    transaction: str | None
    active_at: int | None
    gas: int | None
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedTransaction:
    """A posting that was not sent: what would be signed, and what the node says it would cost."""

    run: str
    pool: str
    chain_id: int
    sequence: int
    root: str
    total: int
    payees: int
    to_fund: int
    gas: int | None
    calldata: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """A payee that a batch could not pay, and why."""

    party: str
    account: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """What one push of claims paid, and whom it had to skip."""

    run: str
    paid: int
    payees: int
    skipped: tuple[Skipped, ...]
    open: int
    transactions: tuple[str, ...]
