"""Sign transactions: by a keystore file, a command for a KMS or HSM, another machine, or the embedded chain.

A private key is never an argument and never in a log. Whatever a signer gives back is decoded and
compared with what was asked before it is believed.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

import rlp
from eth_account import Account

from contracts.address import ZERO, checksum, parse_address
from contracts.embedded import CHAIN_ID, account_key
from contracts.errors import ChainStateError, PreflightError
from contracts.merkle import keccak
from ledger.errors import InputError, VerificationError

Unsigned = Mapping[str, Any]
"""An EIP-1559 transaction before its signature: chainId, nonce, fees, gas, to, value, data (hex)."""

_FIELDS: Final = ("chainId", "nonce", "maxPriorityFeePerGas", "maxFeePerGas", "gas", "to", "value", "data")


class TransactionSigner(Protocol):
    """Signs transactions for one account; `sign` gives the raw transaction."""

    @property
    def address(self) -> str: ...
    def sign(self, transaction: Unsigned) -> bytes: ...


class KeystoreSigner:
    """A keystore file (Web3 Secret Storage); the password is asked for at the first signature."""

    def __init__(self, path: Path, password: Callable[[], str]) -> None:
        try:
            self._keystore = json.loads(path.read_text(encoding="utf-8"))
            self.address = parse_address("0x" + self._keystore["address"].removeprefix("0x"))
        except (OSError, ValueError, KeyError, AttributeError, TypeError) as problem:
            raise InputError(f"{path}: not a keystore file ({type(problem).__name__})") from None
        self._path, self._password = path, password
        self._account: Any = None

    def __repr__(self) -> str:
        return f"KeystoreSigner({self.address})"

    def sign(self, transaction: Unsigned) -> bytes:
        if self._account is None:
            try:
                key = Account.decrypt(self._keystore, self._password())
            except ValueError:
                raise InputError(f"{self._path}: the password does not open this keystore") from None
            self._account = Account.from_key(key)
        return _sign(self._account, transaction)


class CommandSigner:
    """A command that signs elsewhere: the transaction as JSON on stdin, `{"raw": "0x..."}` on stdout."""

    def __init__(self, command: Sequence[str], address: str, timeout: float = 60) -> None:
        self.address = parse_address(address)
        self._command, self._timeout = list(command), timeout

    def sign(self, transaction: Unsigned) -> bytes:
        asked = json.dumps({"address": self.address, "transaction": dict(transaction)})
        try:
            # The passphrases of our own keys are not the signing command's business (finding L6).
            done = subprocess.run(
                self._command,
                input=asked,
                capture_output=True,
                text=True,
                timeout=self._timeout,
                check=True,
                env={name: value for name, value in os.environ.items() if not name.startswith("SETTLE_")},
            )
            return bytes.fromhex(json.loads(done.stdout)["raw"].removeprefix("0x"))
        except (OSError, subprocess.SubprocessError) as problem:
            raise ChainStateError(f"the signing command {self._command[0]} failed: {type(problem).__name__}") from None
        except (ValueError, KeyError, TypeError, AttributeError):
            raise VerificationError(
                f'the signing command {self._command[0]} did not answer {{"raw": "0x..."}}'
            ) from None


class OfflineSigner:
    """An account whose key is on another machine: `sign` only says how to go there."""

    def __init__(self, address: str) -> None:
        self.address = parse_address(address)

    def sign(self, transaction: Unsigned) -> bytes:
        raise ChainStateError(
            f"transaction {transaction['nonce']} of {self.address} waits for its signature: "
            "`settle chain export --out F`, sign it on the other machine, then `settle chain import F`"
        )


class NoSigner:
    """A signer for read-only use: no account, and no signature."""

    address: str = ZERO

    def sign(self, transaction: Unsigned) -> bytes:
        raise ChainStateError(f"nothing can sign transaction {transaction['nonce']} here")


class EmbeddedSigner:
    """One of the embedded chain's accounts, whose keys everybody knows; signs for no other chain."""

    def __init__(self, index: int = 0) -> None:
        self._account = Account.from_key(account_key(index))
        self.address: str = self._account.address

    def sign(self, transaction: Unsigned) -> bytes:
        if transaction["chainId"] != CHAIN_ID:
            raise PreflightError(f"the embedded accounts sign for chain {CHAIN_ID} only, not {transaction['chainId']}")
        return _sign(self._account, transaction)


def _sign(account: Any, transaction: Unsigned) -> bytes:
    return bytes(
        account.sign_transaction({"type": 2, **{k: v for k, v in transaction.items() if v is not None}}).raw_transaction
    )


def transaction_hash(raw: bytes) -> str:
    """What the chain will call it: known before it is sent."""
    return "0x" + keccak(raw).hex()


def decode_signed(raw: bytes) -> tuple[dict[str, Any], str]:
    """The fields of a signed EIP-1559 transaction, and who signed it."""
    try:
        if raw[:1] != b"\x02":
            raise ValueError("not an EIP-1559 transaction")
        words = rlp.decode(raw[1:])
        numbers = [int.from_bytes(word, "big") for word in words[:5]]
        to = checksum(words[5]) if words[5] else None
        values = [*numbers, to, int.from_bytes(words[6], "big"), "0x" + words[7].hex()]
        fields = dict(zip(_FIELDS, values, strict=True)) | {"accessList": words[8]}
        return fields, str(Account.recover_transaction(raw))
    except Exception as problem:  # noqa: BLE001  bytes from outside: any failure means the same
        raise VerificationError(f"the signed transaction cannot be read: {problem}") from None


def check_signed(raw: bytes, transaction: Unsigned, address: str) -> None:
    """A signed transaction is exactly the one that was asked for, signed by the account it is for."""
    decoded, signer = decode_signed(raw)
    for name in _FIELDS:
        if decoded[name] != transaction[name]:
            raise VerificationError(f"it was signed with {name} {decoded[name]}, asked for was {transaction[name]}")
    if decoded["accessList"]:
        raise VerificationError("the signed transaction carries an access list that was not asked for")
    if signer != address:
        raise VerificationError(f"the transaction is signed by {signer}, expected {address}")
