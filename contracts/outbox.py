"""The outbox: every transaction is planned, signed and stored here before `courier.py` sends it or sends it again.

An intent is bound to one nonce for good, once it has one; a replacement spends the same nonce. So
whatever is sent again, and however often, the chain can hold at most one transaction of an intent.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal

from contracts.errors import ChainStateError, NonceError
from contracts.signer import OfflineSigner, TransactionSigner, Unsigned, check_signed, decode_signed, transaction_hash
from contracts.store import ChainStore
from ledger.errors import InputError

State = Literal["planned", "signed", "sent", "mined", "final", "failed"]
OPEN: Final[tuple[State, ...]] = ("planned", "signed", "sent", "mined")

BUMP_PERMILLE: Final = 1125
"""A replacement must offer an eighth more: geth asks for a tenth, others for an eighth."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fees:
    """What a transaction offers per gas, in wei."""

    max_fee: int
    tip: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """An intent: one effect that must happen once on a chain."""

    id: int
    key: str
    kind: str
    chain_id: int
    sender: str
    target: str | None
    data: bytes
    gas: int
    nonce: int | None
    state: State
    block: int | None
    block_hash: str | None
    detail: str

    @property
    def open(self) -> bool:
        return self.state in OPEN

    def unsigned(self, fees: Fees) -> Unsigned:
        return {
            "chainId": self.chain_id,
            "nonce": self.nonce,
            "maxPriorityFeePerGas": fees.tip,
            "maxFeePerGas": fees.max_fee,
            "gas": self.gas,
            "to": self.target,
            "value": 0,
            "data": "0x" + self.data.hex(),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedAttempt:
    """One signed transaction of an intent."""

    hash: str
    raw: bytes
    fees: Fees


def replacement(fees: Fees, cap: int) -> Fees:
    """The fees that replace a transaction: both an eighth up, never above the cap."""
    raised = Fees(max_fee=_raise(fees.max_fee), tip=_raise(fees.tip))
    if raised.max_fee > cap:
        raise ChainStateError(
            f"a replacement would offer {raised.max_fee} wei per gas, above the cap of {cap}; "
            "wait, or raise chain.fee_cap_gwei"
        )
    return raised


def _raise(fee: int) -> int:
    return -(-fee * BUMP_PERMILLE // 1000)


class Outbox:
    """Intents and their signed transactions. Every method is one transaction on the store."""

    def __init__(self, store: ChainStore) -> None:
        self._store = store

    # --- reading

    def find(self, key: str) -> Intent | None:
        row = self._store.connection.execute("SELECT * FROM intent WHERE key = ?", (key,)).fetchone()
        return _intent(row) if row else None

    def get(self, key: str) -> Intent:
        intent = self.find(key)
        if intent is None:
            raise InputError(f"no intent {key!r} in the outbox; `settle chain status` lists them")
        return intent

    def intents(self, *states: State) -> list[Intent]:
        """In the order they were planned; all of them when no state is named."""
        marks = ",".join("?" * len(states))
        where = f" WHERE state IN ({marks})" if states else ""
        rows = self._store.connection.execute(f"SELECT * FROM intent{where} ORDER BY id", states)  # noqa: S608  marks only
        return [_intent(row) for row in rows]

    def attempts(self, intent: Intent) -> list[SignedAttempt]:
        rows = self._store.connection.execute("SELECT * FROM attempt WHERE intent = ? ORDER BY rowid", (intent.id,))
        return [
            SignedAttempt(hash=row["hash"], raw=row["raw"], fees=Fees(max_fee=row["max_fee"], tip=row["tip"]))
            for row in rows
        ]

    # --- planning and signing

    def plan(
        self, key: str, *, kind: str, chain_id: int, sender: str, target: str | None, data: bytes, gas: int
    ) -> Intent:
        """The intent of this key; made if there is none, or if the last one failed without an effect."""
        with self._store.transaction() as db:
            planned = self.find(key)
            if planned and planned.state != "failed":
                return planned
            if planned:
                db.execute("UPDATE intent SET key = ? WHERE id = ?", (f"{key}#{planned.id}", planned.id))
            db.execute(
                "INSERT INTO intent (key, kind, chain_id, sender, target, data, gas, state)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, 'planned')",
                (key, kind, chain_id, sender, target, data, gas),
            )
        return self.get(key)

    def sign(self, intent: Intent, signer: TransactionSigner, fees: Fees, pending: Callable[[], int]) -> Intent:
        """Give the intent its nonce and keep it signed, in one transaction, before anybody can send it."""
        with self._store.transaction() as db:
            current = self.get(intent.key)
            if current.state != "planned":
                return current
            if current.nonce is None:
                nonce = self._take_nonce(current, pending())
                db.execute("UPDATE intent SET nonce = ? WHERE id = ?", (nonce, current.id))
                current = self.get(intent.key)
            if isinstance(signer, OfflineSigner):
                return current
            return self._keep_signed(current, signer.sign(current.unsigned(fees)), fees, signer.address)

    def replace(self, intent: Intent, signer: TransactionSigner, cap: int) -> Intent:
        """Sign the same call again with an eighth more gas; both are stored, and only one can be mined."""
        with self._store.transaction():
            current = self.get(intent.key)
            if current.state not in ("signed", "sent"):
                raise ChainStateError(f"{current.key} is {current.state}; only what waits to be mined can be replaced")
            fees = replacement(self.attempts(current)[-1].fees, cap)
            return self._keep_signed(current, signer.sign(current.unsigned(fees)), fees, signer.address)

    def import_signed(self, intent: Intent, raw: bytes, cap: int) -> Intent:
        """Import a transaction signed on another machine; only its fees may differ from the exported one."""
        transaction, _ = decode_signed(raw)
        fees = Fees(max_fee=transaction["maxFeePerGas"], tip=transaction["maxPriorityFeePerGas"])
        if fees.max_fee > cap:
            raise ChainStateError(f"it offers {fees.max_fee} wei per gas, above the cap of {cap}: chain.fee_cap_gwei")
        with self._store.transaction():
            current = self.get(intent.key)
            if current.nonce is None or current.state not in ("planned", "signed", "sent"):
                raise ChainStateError(f"{current.key} is {current.state} and waits for no signature")
            return self._keep_signed(current, raw, fees, current.sender)

    def _keep_signed(self, intent: Intent, raw: bytes, fees: Fees, address: str) -> Intent:
        check_signed(raw, intent.unsigned(fees), address)
        with self._store.transaction() as db:
            db.execute(
                "INSERT OR IGNORE INTO attempt (hash, intent, raw, max_fee, tip) VALUES (?, ?, ?, ?, ?)",
                (transaction_hash(raw), intent.id, raw, fees.max_fee, fees.tip),
            )
            db.execute("UPDATE intent SET state = 'signed' WHERE id = ? AND state = 'planned'", (intent.id,))
        return self.get(intent.key)

    def _take_nonce(self, intent: Intent, pending: int) -> int:
        """Return the sender's next nonce: our own, except the first time; a higher one of the node is refused."""
        db, who = self._store.connection, (intent.chain_id, intent.sender)
        row = db.execute("SELECT next_nonce FROM sender WHERE chain_id = ? AND address = ?", who).fetchone()
        if row and pending > row["next_nonce"]:
            raise NonceError(
                f"the node counts {pending} transactions of {intent.sender}, the outbox {row['next_nonce']}: another "
                "program uses this key, or the node is wrong; check, then `settle chain status --adopt-nonce`"
            )
        nonce = row["next_nonce"] if row else pending
        db.execute("INSERT OR REPLACE INTO sender (chain_id, address, next_nonce) VALUES (?, ?, ?)", (*who, nonce + 1))
        return int(nonce)

    def adopt_nonce(self, chain_id: int, address: str, pending: int) -> int:
        """Believe the node's count after a person has looked; never goes back."""
        with self._store.transaction() as db:
            db.execute(
                "INSERT INTO sender (chain_id, address, next_nonce) VALUES (?, ?, ?) ON CONFLICT (chain_id, address)"
                " DO UPDATE SET next_nonce = max(next_nonce, excluded.next_nonce)",
                (chain_id, address, pending),
            )
            row: sqlite3.Row = db.execute(
                "SELECT next_nonce FROM sender WHERE chain_id = ? AND address = ?", (chain_id, address)
            ).fetchone()
            return int(row["next_nonce"])

    # --- what became of it

    def mark(
        self, intent: Intent, state: State, *, block: int | None = None, block_hash: str | None = None, detail: str = ""
    ) -> Intent:
        """Record what was seen; a final or failed intent never changes again."""
        with self._store.transaction() as db:
            db.execute(
                "UPDATE intent SET state = ?, block = ?, block_hash = ?, detail = ?"
                " WHERE id = ? AND state NOT IN ('final', 'failed')",
                (state, block, block_hash, detail, intent.id),
            )
        return self.get(intent.key)


def _intent(row: sqlite3.Row) -> Intent:
    fields: dict[str, Any] = {name: row[name] for name in row.keys()}  # noqa: SIM118  a Row iterates over values
    return Intent(**fields)
