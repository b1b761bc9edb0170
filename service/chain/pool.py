"""A workspace's chain: its node, its signer, and operations on a whole pool."""

from __future__ import annotations

import json
import os
import shlex
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from contracts.client import PoolClient
from contracts.courier import GWEI, Courier, GasTerms
from contracts.embedded import EmbeddedChain
from contracts.node import Node, Web3Node
from contracts.outbox import Intent, Outbox
from contracts.results import Deployed
from contracts.signer import CommandSigner, EmbeddedSigner, KeystoreSigner, NoSigner, OfflineSigner, TransactionSigner
from contracts.store import ChainStore
from ledger.errors import InputError, StateError
from ledger.files import write_whole
from service.secrets import keystore_password

if TYPE_CHECKING:
    from service.workspace import Workspace

STORE: Final = "chain.db"
JOURNAL: Final = Path("chain") / "embedded.ndjson"
DAY: Final = 86_400
WINDOW: Final = 3 * DAY
NOTICE: Final = 90 * DAY
DORMANCY: Final = 365 * DAY


@contextmanager
def opened(ws: Workspace, *, signing: bool = True) -> Iterator[PoolClient]:
    """Open the client of this workspace's chain: the node of chain.url, or the embedded chain. Reading needs no key."""
    store = ChainStore(ws.home / STORE)
    chain = None
    try:
        node: Node
        if url := ws.settings.text("chain.url"):
            node, signer = Web3Node.at(url), signer_of(ws) if signing else NoSigner()
            terms = GasTerms(
                confirmations=ws.settings.number("chain.confirmations"),
                fee_cap=ws.settings.number("chain.fee_cap_gwei") * GWEI,
            )
        else:
            chain = EmbeddedChain(ws.home / JOURNAL, int(ws.clock().timestamp()))
            node, signer, terms = Web3Node(chain.web3), EmbeddedSigner(), GasTerms()
        courier = Courier(node, Outbox(store), signer, terms, wait=time.sleep)
        yield PoolClient(node, store, courier, sender=signer.address, chain_id=ws.settings.number("chain.id") or None)
    finally:
        store.close()
        if chain is not None:
            chain.close()


def signer_of(ws: Workspace) -> TransactionSigner:
    """Return the signer of a real chain; no key is loaded before the first signature."""
    keystore, command, account = (ws.settings.text(f"chain.{name}") for name in ("keystore", "signer", "account"))
    if keystore:
        file = ws.settings.text("chain.password_file")
        return KeystoreSigner(ws.home / keystore, keystore_password(str(ws.home / file) if file else "", os.environ))
    if command:
        return CommandSigner(shlex.split(command), account)
    if account:
        return OfflineSigner(account)
    raise StateError("no signer for this chain: set chain.keystore, or chain.account with or without chain.signer")


def deploy(
    ws: Workspace, *, currency: str, token: str | None, window: int | None, owner: str | None, guardian: str | None
) -> Deployed:
    """Deploy the pool that pays a currency; on the embedded chain by default with test money and without a window."""
    embedded = not ws.settings.text("chain.url")
    if token is None and not embedded:
        raise InputError("name the token the pool shall pay in: --token 0x...; only the embedded chain has test money")
    seconds = window if window is not None else 0 if embedded else WINDOW
    roles = {name: account for name, account in (("owner", owner), ("guardian", guardian)) if account}
    with opened(ws) as client:
        return client.deploy(currency, token, window=seconds, notice=NOTICE, dormancy=DORMANCY, roles=roles)


@dataclass(frozen=True, slots=True, kw_only=True)
class Funded:
    """Test money put into a pool; `balance` is in the token's base units."""

    pool: str
    currency: str
    micros: int
    balance: int
    state: str


def fund(ws: Workspace, currency: str, micros: int) -> Funded:
    """Mint test money into the embedded chain's pool. Real money is sent to a pool's address by its owner."""
    with opened(ws) as client:
        pool = client.book.pool(client.chain_id, currency)
        done = client.fund(pool, pool.base_units(micros))
        return Funded(
            pool=pool.address, currency=currency, micros=micros, balance=client.balance(pool), state=done.state
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchored:
    """The size and root of the ledger that a pool has stored."""

    pool: str
    chain_id: int
    size: int
    root: str
    state: str
    transaction: str | None


def anchor(ws: Workspace, currency: str) -> Anchored:
    """Anchor the log's present size and root."""
    head = ws.log.head()
    with opened(ws) as client:
        intent = client.anchor(currency, head.root.hex(), head.size)
        return Anchored(
            pool=intent.target or "",
            chain_id=intent.chain_id,
            size=head.size,
            root=head.root.hex(),
            state=intent.state,
            transaction=client.transaction(intent),
        )


def veto(ws: Workspace, currency: str) -> IntentRow:
    """Veto the pending posting; the previous one stays active."""
    with opened(ws) as client:
        return _intent_row(client, client.veto(currency))


def pause(ws: Workspace, currency: str, *, on: bool) -> IntentRow:
    """Pause claims for seven days, or end the pause."""
    with opened(ws) as client:
        return _intent_row(client, client.pause(currency, on=on))


# --- what is under way --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class IntentRow:
    """One intended operation on the chain, and its state."""

    key: str
    kind: str
    state: str
    nonce: int | None
    transaction: str | None
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolRow:
    """The present state of a pool on the chain. Amounts in base units; times in seconds since 1970."""

    pool: str
    token: str
    currency: str
    sequence: int
    pending: bool
    active_at: int
    paused_until: int
    total: int
    claimed: int
    balance: int
    surplus: int
    ledger_size: int
    serving_root: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainStatus:
    """The state of the chain for this workspace."""

    chain_id: int
    embedded: bool
    account: str
    block: int
    pools: tuple[PoolRow, ...]
    intents: tuple[IntentRow, ...]


def status(ws: Workspace, *, adopt_nonce: bool = False) -> ChainStatus:
    """Return pools and intents; nothing is sent."""
    with opened(ws, signing=adopt_nonce) as client:
        if adopt_nonce:
            client.adopt_nonce()
        head = client.node.block("latest")
        return ChainStatus(
            chain_id=client.chain_id,
            embedded=not ws.settings.text("chain.url"),
            account=client.sender,
            block=head.number if head else 0,
            pools=tuple(_pool_row(client, pool) for pool in client.book.pools(client.chain_id)),
            intents=tuple(_intent_row(client, intent) for intent in client.outbox.intents()),
        )


def _pool_row(client: PoolClient, pool: Any) -> PoolRow:
    status, balance = client.status(pool), client.balance(pool)
    return PoolRow(
        pool=pool.address,
        token=pool.token,
        currency=pool.currency,
        sequence=status["sequence"],
        pending=status["pending"],
        active_at=status["active_at"],
        paused_until=status["paused_until"],
        total=status["total"],
        claimed=status["claimed"],
        balance=balance,
        surplus=balance - (status["total"] - status["claimed"]),
        ledger_size=status["ledger_size"],
        serving_root="0x" + status["serving_root"].hex(),
    )


def _intent_row(client: PoolClient, intent: Intent) -> IntentRow:
    attempts = client.outbox.attempts(intent)
    return IntentRow(
        key=intent.key,
        kind=intent.kind,
        state=intent.state,
        nonce=intent.nonce,
        transaction=attempts[-1].hash if attempts else None,
        detail=intent.detail,
    )


def resume(ws: Workspace, *, replace: bool = False) -> tuple[IntentRow, ...]:
    """Continue all open intents; `replace` replaces pending transactions by ones with a higher fee."""
    with opened(ws) as client:
        return tuple(_intent_row(client, intent) for intent in client.resume(replace=replace))


# --- signing on another machine -----------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedTransactions:
    """Transactions written out for a machine that holds the key."""

    out: str
    transactions: int


def export(ws: Workspace, out: Path) -> ExportedTransactions:
    """Write the unsigned transactions for the machine that has the key."""
    with opened(ws) as client:
        rows = client.unsigned()
    if not rows:
        raise StateError("nothing waits for a signature")
    document = {"v": 1, "kind": "unsigned-transactions", "transactions": rows}
    write_whole(out, (json.dumps(document, indent=1) + "\n").encode(), mode=0o600)
    return ExportedTransactions(out=str(out), transactions=len(rows))


def take_in(ws: Workspace, path: Path) -> tuple[IntentRow, ...]:
    """Import signed transactions, compare each with the exported one, and send them.

    The file has the form `[{"key": ..., "raw": "0x..."}]`.
    """
    try:
        signed = [
            (str(row["key"]), bytes.fromhex(row["raw"].removeprefix("0x"))) for row in json.loads(path.read_bytes())
        ]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as problem:
        raise InputError(f'{path}: expected [{{"key": ..., "raw": "0x..."}}] ({type(problem).__name__})') from None
    with opened(ws) as client:
        return tuple(_intent_row(client, client.take_in(key, raw)) for key, raw in signed)
