"""Compute the next posting from a published run: each payee's total since the beginning, and the tree over it.

Values only. A posting carries every payee of the one before it, so that an unclaimed sum stays
claimable under each later root; what is wrong is refused here, all of it at once, before anything is
signed.
"""

from __future__ import annotations

import hashlib
import hmac
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from contracts.address import parse_address
from contracts.errors import ChainStateError, PostingError
from contracts.merkle import MerkleTree, leaf_hash
from ledger.types import Digest

AMOUNT_MAX: Final = 2**96 - 1
MICRO_DECIMALS: Final = 6
_PAYEE_TAG: Final = b"settle payee id v1\x00"


@dataclass(frozen=True, slots=True, kw_only=True)
class PostedPayment:
    """A run's payment to one party on the chain; `account` is None if unknown."""

    party: str
    account: str | None
    micros: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedRun:
    """The data of a run for a posting. The ledger's root and size are those at publication."""

    run: str
    published: bool
    period: str
    period_root: Digest
    ledger_root: Digest
    ledger_size: int
    currency: str
    payments: tuple[PostedPayment, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """One deployed pool: its address and its token."""

    chain_id: int
    address: str
    token: str
    currency: str
    decimals: int
    window: int
    block: int
    """The block it was deployed in: no event of it is older."""

    def base_units(self, micros: int) -> int:
        """Micro-units as the token counts; refuses what the token cannot express."""
        if self.decimals >= MICRO_DECIMALS:
            return int(micros * 10 ** (self.decimals - MICRO_DECIMALS))
        units, remainder = divmod(micros, 10 ** (MICRO_DECIMALS - self.decimals))
        if remainder:
            raise PostingError(f"{micros} micros of {self.currency}: the token has only {self.decimals} decimals")
        return int(units)


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """One payee's total since the beginning, in the token's base units."""

    party: str
    payee_id: bytes
    account: str
    cumulative: int

    def row(self, pool: Pool) -> bytes:
        """The leaf as the contract hashes it."""
        return abi_row(pool.chain_id, pool.address, self.payee_id, self.account, self.cumulative)


def abi_row(chain_id: int, pool: str, payee: bytes, account: str, cumulative: int) -> bytes:
    """abi.encode of a leaf: five static words, so that nothing heavier than concatenation is needed."""
    words = (chain_id.to_bytes(32, "big"), _word(pool), payee, _word(account), cumulative.to_bytes(32, "big"))
    return b"".join(words)


def _word(address: str) -> bytes:
    return bytes.fromhex(address[2:]).rjust(32, b"\0")


@dataclass(frozen=True, kw_only=True)
class Posting:
    """One root with all that is under it. `leaves` are in the order of party ids."""

    pool: Pool
    sequence: int
    run: str
    period: str
    period_root: Digest
    ledger_root: Digest
    ledger_size: int
    leaves: tuple[Leaf, ...]

    @property
    def total(self) -> int:
        return sum(leaf.cumulative for leaf in self.leaves)

    @cached_property
    def tree(self) -> MerkleTree:
        return MerkleTree([leaf_hash(leaf.row(self.pool)) for leaf in self.leaves])

    def as_json(self) -> dict[str, Any]:
        """How a posting is kept; the pool is known from where it is kept."""
        return {
            "v": 1,
            "sequence": self.sequence,
            "run": self.run,
            "period": self.period,
            "period_root": self.period_root,
            "ledger_root": self.ledger_root,
            "ledger_size": self.ledger_size,
            "leaves": [[leaf.party, leaf.payee_id.hex(), leaf.account, str(leaf.cumulative)] for leaf in self.leaves],
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any], pool: Pool) -> Posting:
        leaves = tuple(
            Leaf(party=party, payee_id=bytes.fromhex(payee_id), account=account, cumulative=int(cumulative))
            for party, payee_id, account, cumulative in document["leaves"]
        )
        names = ("sequence", "run", "period", "period_root", "ledger_root", "ledger_size")
        return cls(pool=pool, leaves=leaves, **{name: document[name] for name in names})


def payee_salt(secret: bytes, party: str) -> bytes:
    """The salt of one party's payee id: known to the operator, and to whoever holds that party's claim."""
    return hmac.digest(secret, party.encode(), "sha256")


def payee_id(salt: bytes, party: str) -> bytes:
    """Return a party's id on the chain: it reveals nothing without the salt, and never changes."""
    return hashlib.sha256(_PAYEE_TAG + salt + party.encode()).digest()


def next_posting(
    pool: Pool, run: PublishedRun, previous: Posting | None, *, sequence: int, salt: Callable[[str], bytes]
) -> Posting:
    """The posting that adds a run to the one before it; PostingError names everything that is wrong.

    A payee keeps the account of the latest run that paid it; one that is absent from this run keeps
    what it is owed.
    """
    if not run.published:
        raise ChainStateError(f"run {run.run} is not published; approve and publish it before it is posted")
    problems = list(_problems(pool, run, previous))
    if problems:
        shown = "; ".join(problems[:10]) + (f"; and {len(problems) - 10} more" if len(problems) > 10 else "")
        raise PostingError(f"run {run.run} cannot be posted: {shown}")
    leaves = {leaf.party: leaf for leaf in previous.leaves} if previous else {}
    for payment in run.payments:
        posted = leaves[payment.party].cumulative if payment.party in leaves else 0
        leaves[payment.party] = Leaf(
            party=payment.party,
            payee_id=payee_id(salt(payment.party), payment.party),
            account=parse_address(payment.account or ""),
            cumulative=posted + pool.base_units(payment.micros),
        )
    posting = Posting(
        pool=pool,
        sequence=sequence,
        run=run.run,
        period=run.period,
        period_root=run.period_root,
        ledger_root=run.ledger_root,
        ledger_size=run.ledger_size,
        leaves=tuple(leaves[party] for party in sorted(leaves)),
    )
    if posting.total > AMOUNT_MAX:
        raise PostingError(f"run {run.run}: the total {posting.total} passes 2^96 base units; use another pool")
    return posting


def _problems(pool: Pool, run: PublishedRun, previous: Posting | None) -> Iterable[str]:
    if run.currency != pool.currency:
        yield f"it pays in {run.currency}, the pool's token stands for {pool.currency}"
    if not run.payments:
        yield "it pays nobody on the chain"
    if previous and run.ledger_size < previous.ledger_size:
        yield f"its ledger has {run.ledger_size} leaves, the last posting's had {previous.ledger_size}"
    for party, count in Counter(payment.party for payment in run.payments).items():
        if count > 1:
            yield f"payee {party} stands in it {count} times"
    for payment in run.payments:
        if payment.micros < 0:
            yield f"payee {payment.party}: {payment.micros} micros would make what it is owed fall"
        if payment.account is None:
            yield f"payee {payment.party} has no account on this chain"
            continue
        try:
            account = parse_address(payment.account)
            pool.base_units(payment.micros)
        except PostingError as problem:
            yield f"payee {payment.party}: {problem}"
            continue
        if account in (pool.address, pool.token):
            yield f"payee {payment.party}: {account} is the {'pool' if account == pool.address else 'token'} itself"
