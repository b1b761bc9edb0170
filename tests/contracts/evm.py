"""A fast EVM for tests: py-evm's own state, without blocks, with snapshots and a clock that can be set.

Behaviour is py-evm's, about a millisecond a transaction. Gas is not: without blocks, slots stay warm from
one transaction to the next, so the bench measures on a chain that mines.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from eth.vm.spoof import SpoofTransaction
from eth_abi.abi import decode
from eth_tester.backends.pyevm.main import setup_tester_chain

from contracts.abi import Abi
from tests.contracts.compiled import Compiled

sys.setrecursionlimit(3_000)  # py-evm raised it beyond the stack; see contracts/embedded.py

START = 1_800_000_000
GAS_PRICE = 10**9


@dataclass(frozen=True, slots=True)
class Result:
    """What one transaction did."""

    ok: bool
    reason: str
    output: bytes
    logs: tuple[tuple[bytes, tuple[int, ...], bytes], ...]
    created: str = ""


class Evm:
    """One chain with ten rich accounts."""

    def __init__(self) -> None:
        self.keys, self._chain = setup_tester_chain()
        self.accounts = [key.public_key.to_checksum_address() for key in self.keys]
        self._state = self._chain.get_vm().state
        self.now = START

    @property
    def chain_id(self) -> int:
        return int(self._chain.chain_id)

    @property
    def now(self) -> int:
        return int(self._state.execution_context.timestamp)

    @now.setter
    def now(self, value: int) -> None:
        self._state.execution_context._timestamp = value

    @contextmanager
    def sandbox(self) -> Iterator[None]:
        """Whatever happens inside is undone, the clock included."""
        before, now = self._state.snapshot(), self.now
        try:
            yield
        finally:
            self._state.revert(before)
            self.now = now

    def transact(self, sender: str, to: str | None, data: bytes, gas: int = 20_000_000) -> Result:
        who = bytes.fromhex(sender[2:])
        plain = self._chain.get_transaction_builder().create_unsigned_transaction(
            nonce=self._state.get_nonce(who),
            gas_price=GAS_PRICE,
            gas=gas,
            to=bytes.fromhex(to[2:]) if to else b"",
            value=0,
            data=data,
        )
        outcome = self._state.apply_transaction(SpoofTransaction(plain, from_=who))
        output = bytes(outcome.output)
        return Result(
            ok=outcome.is_success,
            reason="" if outcome.is_success else reason_of(output),
            output=output,
            logs=tuple(outcome.get_log_entries()) if outcome.is_success else (),
            created="0x" + outcome.msg.storage_address.hex() if to is None else "",
        )

    def storage(self, address: str, slot: int) -> int:
        return int(self._state.get_storage(bytes.fromhex(address[2:]), slot))

    def code(self, address: str) -> bytes:
        return bytes(self._state.get_code(bytes.fromhex(address[2:])))

    def deploy(self, compiled: Compiled, *arguments: Any, sender: str | None = None) -> Contract:
        abi = Abi(compiled.abi)
        result = self.transact(sender or self.accounts[0], None, compiled.bytecode + abi.constructor(*arguments))
        assert result.ok, f"deployment reverted: {result.reason}"
        return Contract(self, result.created, abi)


def reason_of(output: bytes) -> str:
    """The text of a revert, or its bytes."""
    if output[:4] == bytes.fromhex("08c379a0"):
        return str(decode(["string"], output[4:])[0])
    return output.hex()


@dataclass
class Contract:
    """An address with an ABI: `send` transacts, `read` calls and leaves no trace."""

    evm: Evm
    address: str
    abi: Abi

    def send(self, sender: str, name: str, *arguments: Any, gas: int = 20_000_000) -> Result:
        return self.evm.transact(sender, self.address, self.abi.data(name, *arguments), gas)

    def read(self, name: str, *arguments: Any) -> Any:
        with self.evm.sandbox():
            result = self.send(self.evm.accounts[0], name, *arguments)
        assert result.ok, f"{name}: {result.reason}"
        return self.abi.answer(name, result.output)

    def events(self, result: Result) -> list[tuple[str, dict[str, Any]]]:
        """This contract's events of a transaction, decoded, in order."""
        found = (
            self.abi.event([topic.to_bytes(32, "big") for topic in topics], payload)
            for address, topics, payload in result.logs
            if "0x" + address.hex() == self.address
        )
        return [event for event in found if event is not None]
