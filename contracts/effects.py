"""Decide whether an intent has had its effect, from the contract's state and the intent's bytes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import rlp
from eth_abi.abi import decode, encode

from contracts.abi import Abi
from contracts.address import ZERO, checksum
from contracts.artifacts import load
from contracts.errors import PreflightError
from contracts.merkle import keccak
from contracts.node import Node, Place
from contracts.outbox import Intent

POOL: Final = Abi(load("RoyaltyPool").abi)


def created_address(sender: str, nonce: int) -> str:
    """Where a deployment will stand: known before it is sent."""
    return checksum(keccak(rlp.encode([bytes.fromhex(sender[2:]), nonce]))[12:])


def posting_digest(period: bytes, payout_root: bytes, ledger_root: bytes, ledger_size: int, total: int) -> bytes:
    """What the pool keeps of a posting, under its sequence."""
    types = ["bytes32", "bytes32", "bytes32", "uint256", "uint256"]
    return keccak(encode(types, [period, payout_root, ledger_root, ledger_size, total]))


def happened(intent: Intent, node: Node, at: Place) -> bool:
    """True only if the chain at this block shows the effect; a kind without a trace of its own never does."""
    check = _CHECKS.get(intent.kind)
    try:
        return check is not None and check(intent, node, at)
    except PreflightError:
        return False  # at that block the contract did not stand yet


def _deployed(intent: Intent, node: Node, at: Place) -> bool:
    del at  # code never goes away again, but for a reorganisation, which the receipt shows
    return intent.nonce is not None and node.code(created_address(intent.sender, intent.nonce)) != b""


def _posted(intent: Intent, node: Node, at: Place) -> bool:
    sequence, *arguments = _arguments(intent, ["uint256", "bytes32", "bytes32", "bytes32", "uint256", "uint256"])
    return bool(_read(intent, node, at, "posted", sequence) == posting_digest(*arguments))


def _anchored(intent: Intent, node: Node, at: Place) -> bool:
    root, size = _arguments(intent, ["bytes32", "uint256"])
    ledger_size = _read(intent, node, at, "status")["ledger_size"]
    return bool(ledger_size == size and _read(intent, node, at, "ledger_root") == root)


def _claimed(intent: Intent, node: Node, at: Place) -> bool:
    (claims,) = _arguments(intent, ["(bytes32,address,uint256,bytes32[])[]"])
    return all(_read(intent, node, at, "claimed", payee) >= cumulative for payee, _, cumulative, _ in claims)


_CHECKS: Final[dict[str, Callable[[Intent, Node, Place], bool]]] = {
    "deploy": _deployed,
    "post": _posted,
    "anchor": _anchored,
    "claim": _claimed,
}


def _arguments(intent: Intent, types: list[str]) -> tuple[Any, ...]:
    return decode(types, intent.data[4:])


def _read(intent: Intent, node: Node, at: Place, name: str, *arguments: Any) -> Any:
    return POOL.answer(name, node.call(intent.target or ZERO, POOL.data(name, *arguments), at))
