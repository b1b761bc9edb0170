"""Signers: what they may be asked, what they must not show, and that nothing they return is believed unseen."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account

from contracts import settling
from contracts.embedded import CHAIN_ID, account_key
from contracts.errors import ChainStateError
from contracts.signer import CommandSigner, EmbeddedSigner, KeystoreSigner, OfflineSigner, check_signed, decode_signed
from ledger.errors import InputError, VerificationError
from tests.contracts.desk import Desk, run

TRANSACTION: dict[str, Any] = {
    "chainId": CHAIN_ID,
    "nonce": 7,
    "maxPriorityFeePerGas": 10,
    "maxFeePerGas": 20,
    "gas": 30_000,
    "to": "0x5FbDB2315678afecb367f032d93F642f64180aa3",
    "value": 0,
    "data": "0x1234",
}


@pytest.fixture(scope="session")
def keystore(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("keys") / "publisher.json"
    path.write_text(json.dumps(Account.encrypt(account_key(0), "secret words", iterations=4096, kdf="pbkdf2")))
    return path


def test_a_keystore_signs_what_it_is_asked(keystore: Path) -> None:
    """If this fails, the common way to hold a key does not work, or asks for its password without need."""
    asked: list[int] = []

    def password() -> str:
        asked.append(1)
        return "secret words"

    signer = KeystoreSigner(keystore, password)
    assert signer.address == EmbeddedSigner().address
    assert not asked
    check_signed(signer.sign(TRANSACTION), TRANSACTION, signer.address)
    signer.sign(TRANSACTION)
    assert asked == [1]
    assert "secret" not in repr(signer)
    assert account_key(0).hex() not in repr(vars(signer))


def test_a_wrong_password_and_a_wrong_file_are_told_apart(keystore: Path, tmp_path: Path) -> None:
    """If this fails, a mistyped password looks like a broken file, or is shown in the message."""
    with pytest.raises(InputError, match="password does not open") as refusal:
        KeystoreSigner(keystore, lambda: "wrong guess").sign(TRANSACTION)
    assert "wrong guess" not in str(refusal.value)
    for content in ("", "[]", "{}", '{"address": 5}', "not json"):
        path = tmp_path / "broken.json"
        path.write_text(content)
        with pytest.raises(InputError, match="not a keystore file"):
            KeystoreSigner(path, lambda: "")


@pytest.mark.parametrize("field", list(TRANSACTION))
def test_another_transaction_than_asked_is_refused(field: str) -> None:
    """If this fails, a signing service can change a payment on its way."""
    other = {"to": "0xe7f1725E7734CE288F8367e1Bb143E90bb3F0512", "data": "0x5678"}.get(field, 9)
    changed = {**TRANSACTION, field: other}
    raw = bytes(Account.from_key(account_key(0)).sign_transaction({"type": 2, **changed}).raw_transaction)
    with pytest.raises(VerificationError, match=field):
        check_signed(raw, TRANSACTION, EmbeddedSigner().address)


def test_another_signer_or_no_transaction_is_refused() -> None:
    """If this fails, bytes that are not our signed transaction are kept and sent."""
    raw = EmbeddedSigner(1).sign(TRANSACTION)
    with pytest.raises(VerificationError, match="is signed by"):
        check_signed(raw, TRANSACTION, EmbeddedSigner(0).address)
    for junk in (b"", b"\x02", b"\x02\xc0", raw[:-1], b"\x01" + raw[1:], bytes(100)):
        with pytest.raises(VerificationError):
            decode_signed(junk)


SCRIPT = """
import json, sys
from eth_account import Account
asked = json.load(sys.stdin)
fields = {name: value for name, value in asked["transaction"].items() if value is not None}
signed = Account.from_key((1).to_bytes(32, "big")).sign_transaction({"type": 2, **fields})
print(json.dumps({"raw": "0x" + bytes(signed.raw_transaction).hex()}))
"""


def test_a_command_signs_elsewhere() -> None:
    """If this fails, a KMS or HSM cannot hold the publishing key."""
    signer = CommandSigner([sys.executable, "-c", SCRIPT], EmbeddedSigner().address)
    check_signed(signer.sign(TRANSACTION), TRANSACTION, signer.address)


@pytest.mark.parametrize(
    ("code", "error"),
    [("raise SystemExit(1)", ChainStateError), ("print('x')", VerificationError), ("", VerificationError)],
)
def test_a_command_that_fails_is_an_expected_failure(code: str, error: type[Exception]) -> None:
    """If this fails, a signing service that is down looks like a bug of ours."""
    with pytest.raises(error, match="signing command"):
        CommandSigner([sys.executable, "-c", code], EmbeddedSigner().address).sign(TRANSACTION)


def test_signing_on_another_machine(home: Path) -> None:
    """If this fails, a key that never touches this machine cannot pay."""
    here = EmbeddedSigner()
    desk = Desk(home, signer=OfflineSigner(here.address))
    waiting = settling.settle(desk.client, run())
    assert (waiting.state, waiting.transaction) == ("planned", None)
    (row,) = desk.client.unsigned()
    assert row["transaction"]["nonce"] == 3
    with pytest.raises(VerificationError, match="gas"):
        desk.client.take_in(row["key"], here.sign({**row["transaction"], "gas": 1}))
    with pytest.raises(ChainStateError, match="above the cap"):
        desk.client.take_in(row["key"], here.sign({**row["transaction"], "maxFeePerGas": 10**15}))
    assert desk.client.take_in(row["key"], here.sign(row["transaction"])).state == "final"
    assert settling.settle(desk.client, run()).state == "final"
    assert desk.client.unsigned() == []
    with pytest.raises(ChainStateError, match="waits for no signature"):
        desk.client.take_in(row["key"], here.sign(row["transaction"]))
    desk.close()


def test_an_offline_account_says_where_to_go() -> None:
    """If this fails, the person at the terminal does not learn what to do next."""
    with pytest.raises(ChainStateError, match="settle chain export"):
        OfflineSigner(EmbeddedSigner().address).sign(TRANSACTION)
