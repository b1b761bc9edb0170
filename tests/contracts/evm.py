"""A fast EVM for tests: py-evm's own state, without blocks, with snapshots and a clock that can be set.

Behaviour is py-evm's, about a millisecond a transaction. Gas is not: without blocks, slots stay warm from
one transaction to the next, so the bench measures on a chain that mines.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from eth.vm.spoof import SpoofTransaction
from eth_abi.abi import decode, encode
from eth_tester.backends.pyevm.main import setup_tester_chain
from eth_utils.abi import collapse_if_tuple, event_abi_to_log_topic, function_abi_to_4byte_selector

from tests.contracts.compiled import Compiled

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

    def deploy(self, compiled: Compiled, *arguments: Any, sender: str | None = None) -> Contract:
        types = [collapse_if_tuple(item) for item in compiled.constructor_inputs]
        result = self.transact(sender or self.accounts[0], None, compiled.bytecode + encode(types, arguments))
        assert result.ok, f"deployment reverted: {result.reason}"
        return Contract(self, result.created, compiled)


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
    compiled: Compiled
    _functions: dict[str, dict[str, Any]] = field(init=False)
    _events: dict[int, dict[str, Any]] = field(init=False)

    def __post_init__(self) -> None:
        self._functions = {item["name"]: item for item in self.compiled.abi if item["type"] == "function"}
        self._events = {
            int.from_bytes(event_abi_to_log_topic(item), "big"): item  # type: ignore[arg-type]  # plain dicts
            for item in self.compiled.abi
            if item["type"] == "event"
        }

    def data(self, name: str, *arguments: Any) -> bytes:
        item = self._functions[name]
        types = [collapse_if_tuple(one) for one in item["inputs"]]
        return function_abi_to_4byte_selector(item) + encode(types, arguments)  # type: ignore[arg-type]  # plain dicts

    def send(self, sender: str, name: str, *arguments: Any, gas: int = 20_000_000) -> Result:
        return self.evm.transact(sender, self.address, self.data(name, *arguments), gas)

    def read(self, name: str, *arguments: Any) -> Any:
        before = self.evm._state.snapshot()
        result = self.send(self.evm.accounts[0], name, *arguments)
        self.evm._state.revert(before)
        assert result.ok, f"{name}: {result.reason}"
        outputs = self._functions[name]["outputs"]
        values = decode([collapse_if_tuple(one) for one in outputs], result.output)
        if len(outputs) == 1 and outputs[0]["type"] == "tuple":
            return dict(zip([one["name"] for one in outputs[0]["components"]], values[0], strict=True))
        return values[0] if len(values) == 1 else values

    def events(self, result: Result) -> list[tuple[str, dict[str, Any]]]:
        """This contract's events of a transaction, decoded, in order."""
        return list(self._decoded(result.logs))

    def _decoded(self, logs: Sequence[tuple[bytes, tuple[int, ...], bytes]]) -> Iterator[tuple[str, dict[str, Any]]]:
        for address, topics, payload in logs:
            if "0x" + address.hex() != self.address:
                continue
            item = self._events[topics[0]]
            indexed = [one for one in item["inputs"] if one["indexed"]]
            plain = [one for one in item["inputs"] if not one["indexed"]]
            values = dict(
                zip([one["name"] for one in plain], decode([one["type"] for one in plain], payload), strict=True)
            )
            for one, topic in zip(indexed, topics[1:], strict=True):
                values[one["name"]] = decode([one["type"]], topic.to_bytes(32, "big"))[0]
            yield item["name"], values
