"""The client's interface to a node: few calls, typed answers, two kinds of errors.

Any JSON-RPC endpoint by URL, or the embedded chain. What a node says in prose is kept for people to
read; no decision is ever taken on it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Protocol

import requests
from web3 import HTTPProvider, Web3
from web3.exceptions import (
    BadFunctionCallOutput,
    BlockNotFound,
    ContractLogicError,
    TransactionNotFound,
    Web3Exception,
    Web3RPCError,
)

from contracts.errors import NodeError, PreflightError

LOG_STRETCH: Final = 10_000
"""Blocks searched for events at a time."""

Place = int | str
"""A block by number, or `latest`, `pending`, `finalized`."""


@dataclass(frozen=True, slots=True)
class ChainBlock:
    number: int
    hash: str
    time: int
    base_fee: int


@dataclass(frozen=True, slots=True)
class ChainEvent:
    """One event as the chain holds it."""

    address: str
    topics: tuple[bytes, ...]
    data: bytes
    block: int
    transaction: str


@dataclass(frozen=True, slots=True)
class TransactionReceipt:
    """Proof, as far as the node is believed, that a transaction is in a block."""

    hash: str
    ok: bool
    block: int
    block_hash: str
    gas: int
    logs: tuple[ChainEvent, ...]


class Node(Protocol):
    """The client's interface to a node."""

    def chain_id(self) -> int: ...
    def code(self, address: str) -> bytes: ...
    def nonce(self, address: str, at: Place) -> int: ...
    def balance(self, address: str) -> int: ...
    def block(self, at: Place) -> ChainBlock | None: ...
    def receipt(self, transaction: str) -> TransactionReceipt | None: ...
    def call(self, to: str, data: bytes, at: Place = "latest", sender: str | None = None) -> bytes: ...
    def estimate(self, sender: str, to: str | None, data: bytes) -> int: ...
    def tip(self) -> int: ...
    def logs(self, address: str, topics: Sequence[bytes], start: int) -> list[ChainEvent]: ...
    def send(self, raw: bytes) -> str: ...


class Web3Node:
    """A node behind web3."""

    def __init__(self, web3: Web3) -> None:
        self._web3 = web3

    @classmethod
    def at(cls, url: str, timeout: float = 20) -> Web3Node:
        return cls(Web3(HTTPProvider(url, request_kwargs={"timeout": timeout}, exception_retry_configuration=None)))

    def chain_id(self) -> int:
        return int(self._ask(lambda eth: eth.chain_id))

    def code(self, address: str) -> bytes:
        return bytes(self._ask(lambda eth: eth.get_code(address)))

    def nonce(self, address: str, at: Place) -> int:
        return int(self._ask(lambda eth: eth.get_transaction_count(address, at)))

    def balance(self, address: str) -> int:
        return int(self._ask(lambda eth: eth.get_balance(address)))

    def block(self, at: Place) -> ChainBlock | None:
        try:
            block = self._ask(lambda eth: eth.get_block(at))
        except _Absent:
            return None
        return ChainBlock(block["number"], _hex(block["hash"]), block["timestamp"], block.get("baseFeePerGas", 0))

    def receipt(self, transaction: str) -> TransactionReceipt | None:
        try:
            receipt = self._ask(lambda eth: eth.get_transaction_receipt(transaction))
        except _Absent:
            return None
        logs = tuple(map(_log, receipt["logs"]))
        return TransactionReceipt(
            transaction,
            receipt["status"] == 1,
            receipt["blockNumber"],
            _hex(receipt["blockHash"]),
            receipt["gasUsed"],
            logs,
        )

    def call(self, to: str, data: bytes, at: Place = "latest", sender: str | None = None) -> bytes:
        asked: dict[str, Any] = {"to": to, "data": "0x" + data.hex()} | ({"from": sender} if sender else {})
        return bytes(self._ask(lambda eth: eth.call(asked, at)))

    def estimate(self, sender: str, to: str | None, data: bytes) -> int:
        asked: dict[str, Any] = {"from": sender, "data": "0x" + data.hex()} | ({"to": to} if to else {})
        return int(self._ask(lambda eth: eth.estimate_gas(asked)))

    def tip(self) -> int:
        return int(self._ask(lambda eth: eth.max_priority_fee))

    def logs(self, address: str, topics: Sequence[bytes], start: int) -> list[ChainEvent]:
        """Events from a block to the latest, in stretches that public nodes are willing to search."""
        head = self.block("latest")
        last = head.number if head else start
        logs: list[ChainEvent] = []
        for first in range(start, last + 1, LOG_STRETCH):
            logs += self._logs(address, topics, first, min(first + LOG_STRETCH - 1, last))
        return logs

    def _logs(self, address: str, topics: Sequence[bytes], first: int, last: int) -> list[ChainEvent]:
        filter_params = {
            "address": address,
            "fromBlock": first,
            "toBlock": last,
            "topics": ["0x" + topic.hex() for topic in topics],
        }
        return list(map(_log, self._ask(lambda eth: eth.get_logs(filter_params))))

    def send(self, raw: bytes) -> str:
        """Hand over a signed transaction; gives the node's remark, empty when it had none."""
        try:
            self._web3.eth.send_raw_transaction(raw)
        except (requests.RequestException, OSError) as problem:
            return f"no answer: {type(problem).__name__}"
        except Exception as remark:  # noqa: BLE001  whatever a node's refusal looks like, receipt and state decide
            return str(remark)[:200] or type(remark).__name__
        return ""

    def _ask(self, question: Callable[[Any], Any]) -> Any:
        with _translated():
            return question(self._web3.eth)


class _Absent(Exception):  # noqa: N818  an answer, not a failure
    """The node does not have the requested object."""


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (TransactionNotFound, BlockNotFound):
        raise _Absent from None
    except ContractLogicError as refusal:
        raise PreflightError(f"the contract refuses: {refusal.message or refusal}") from None
    except BadFunctionCallOutput as problem:
        raise PreflightError(f"no such function there: {problem}") from None
    except Web3RPCError as problem:
        raise NodeError(f"the node answered with an error: {problem.message}") from None
    except Web3Exception as problem:
        raise NodeError(f"the node's answer cannot be read: {problem}") from None
    except (requests.RequestException, OSError) as problem:
        raise NodeError(f"the node does not answer ({type(problem).__name__}); try again, or check chain.url") from None


def _hex(value: bytes) -> str:
    return "0x" + bytes(value).hex()


def _log(found: Mapping[str, Any]) -> ChainEvent:
    return ChainEvent(
        address=str(found["address"]),
        topics=tuple(bytes(topic) for topic in found["topics"]),
        data=bytes(found["data"]),
        block=int(found["blockNumber"]),
        transaction=_hex(found["transactionHash"]),
    )
