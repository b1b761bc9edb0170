"""The embedded chain: a real EVM in the process, whose blocks are kept in a file.

py-evm holds its state in memory, so what makes it outlive a command is its journal: one line a block,
with the block's time, the raw transactions in it and the hash it got. Opening the chain replays the
journal; everything else about a block is derived from its parent, so the same lines give the same
hashes, and a journal that was edited is refused. It is a chain with one participant, for trying out
and for demonstrations: it proves nothing to anybody else, and its ten accounts have public keys.
"""

from __future__ import annotations

import fcntl
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from eth.vm.spoof import SpoofTransaction
from eth_tester import EthereumTester
from eth_tester.backends.pyevm.main import PyEVMBackend, get_default_genesis_params
from eth_tester.exceptions import TransactionFailed, ValidationError
from eth_utils.exceptions import ValidationError as RefusedByEvm
from web3 import EthereumTesterProvider, Web3
from web3.exceptions import ContractLogicError, Web3ValueError

from contracts.merkle import keccak
from ledger.errors import VerificationError

if TYPE_CHECKING:
    from typing import BinaryIO

# Importing py-evm raises the recursion limit of the whole process to 100,000, far beyond its stack: nested
# JSON would then crash the parser instead of being refused. Our contract calls nest a handful deep.
sys.setrecursionlimit(3_000)

CHAIN_ID: Final = 131277322940537
"""eth-tester's; no other network uses it, so nothing signed for it is valid elsewhere."""

GENESIS_TIME: Final = 1_735_689_600  # 2025-01-01: a chain's first block is older than what it settles
COINBASE: Final = bytes(20)


def account_key(index: int) -> bytes:
    """The private key of an embedded account: the numbers one to ten, known to everybody."""
    return (index + 1).to_bytes(32, "big")


class _Backend(PyEVMBackend):  # type: ignore[misc]  # untyped library
    """py-evm mining blocks that depend on nothing but their parent, their time and their transactions."""

    def __init__(self) -> None:
        super().__init__(genesis_parameters=get_default_genesis_params({"timestamp": GENESIS_TIME}))
        self.chain.gas_estimator = self._estimate
        self.time = GENESIS_TIME
        self.mined: list[dict[str, Any]] = []
        self._raw: list[str] = []

    def send_raw_transaction(self, raw_transaction: bytes) -> Any:
        self._set_time()
        result = super().send_raw_transaction(raw_transaction)
        self._raw.append(bytes(raw_transaction).hex())
        return result

    def mine_blocks(self, num_blocks: int = 1, coinbase: bytes = COINBASE) -> Sequence[bytes]:
        hashes = []
        for _ in range(num_blocks):
            self._set_time()
            mix_hash = keccak(b"settle embedded chain" + self.chain.header.parent_hash)
            block = self.chain.mine_block(coinbase=coinbase, mix_hash=mix_hash, blob_gas_used=0)
            self.mined.append({"block": block.hash.hex(), "raw": self._raw, "time": block.header.timestamp})
            self._raw = []
            hashes.append(block.hash)
        return hashes

    def _set_time(self) -> None:
        self.chain.header = self.chain.header.copy(timestamp=self._next_time())

    def _next_time(self) -> int:
        return int(max(self.time, self.chain.get_canonical_head().timestamp + 1))

    def _estimate(self, state: Any, transaction: Any) -> int:
        """In a block of our time; the library's would be of the machine's clock, when a window may be over."""
        state.execution_context._timestamp = self._next_time()  # noqa: SLF001  there is no other way to say it
        return _estimate(state, transaction)


def _estimate(state: Any, transaction: Any) -> int:
    """One execution and a fifth on top; the library would search with twenty executions."""
    snapshot = state.snapshot()
    asked = SpoofTransaction(transaction, gas=state.gas_limit, gas_price=0)
    try:
        outcome = state.apply_transaction(asked)
    finally:
        state.revert(snapshot)
    if outcome.is_error:
        raise outcome.error
    used = asked.gas - outcome.get_gas_remaining()
    return int(used + used // 5)


class EmbeddedChain:
    """The chain kept in one file. One process at a time: a second one waits for the first."""

    def __init__(self, journal: Path, now: int) -> None:
        journal.parent.mkdir(parents=True, exist_ok=True)
        self._file: BinaryIO = journal.open("a+b")
        fcntl.flock(self._file, fcntl.LOCK_EX)
        self._backend = _Backend()
        self._tester = EthereumTester(self._backend)
        try:
            self._replay(journal)
        except VerificationError:
            self._file.close()
            raise
        self.web3 = Web3(_Provider(self._tester, self._keep))
        if now > self._backend.time:
            self._mine(now)

    def close(self) -> None:
        self._file.close()

    def advance(self, seconds: int) -> None:
        """Let time go by on the chain, for good."""
        self._mine(self._backend.chain.get_canonical_head().timestamp + seconds)
        self._keep()

    def _mine(self, time: int) -> None:
        """An empty block at this time; it is kept once something follows it."""
        self._backend.time = time
        self._tester.mine_block()

    def _replay(self, journal: Path) -> None:
        self._file.seek(0)
        whole = self._file.read()
        complete = whole[: whole.rfind(b"\n") + 1]
        for number, line in enumerate(complete.splitlines(), 1):
            try:
                entry = json.loads(line)
                self._backend.time = entry["time"]
                for raw in entry["raw"]:
                    self._backend.send_raw_transaction(bytes.fromhex(raw))
                self._backend.mine_blocks()
                same = self._backend.mined[-1] == entry
            except Exception as problem:
                raise VerificationError(f"{journal}, line {number}: does not replay: {problem!r}") from problem
            if not same:
                raise VerificationError(f"{journal}, line {number}: the block replays to another hash; it was edited")
        self._backend.mined.clear()
        self._file.truncate(len(complete))  # a line cut off by a crash was never acknowledged

    def _keep(self) -> None:
        """Write down the blocks mined since; before anybody is told of them."""
        lines = (json.dumps(entry, sort_keys=True, separators=(",", ":")) + "\n" for entry in self._backend.mined)
        self._file.write("".join(lines).encode())
        self._file.flush()
        os.fsync(self._file.fileno())
        self._backend.mined.clear()


class _Provider(EthereumTesterProvider):
    """eth-tester's, but a transaction is on disk before its hash is given out."""

    def __init__(self, tester: EthereumTester, keep: Any) -> None:
        super().__init__(tester)
        self._keep = keep

    def make_request(self, method: Any, params: Any) -> Any:
        try:
            response = super().make_request(method, params)
        except TransactionFailed as refusal:
            raise ContractLogicError(str(refusal)) from None
        except (ValidationError, RefusedByEvm) as problem:
            raise Web3ValueError(str(problem)) from None
        if method == "eth_sendRawTransaction":
            self._keep()
        return response
