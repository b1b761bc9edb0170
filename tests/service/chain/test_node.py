"""A month settled on a real node from the command line, with a keystore; and with a key on another machine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account

from contracts.client import TOKEN, PoolClient
from contracts.courier import Courier, GasTerms
from contracts.node import Web3Node
from contracts.outbox import Outbox
from contracts.store import ChainStore
from tests.cli.support import settle_json
from tests.contracts.anvil import Anvil
from tests.contracts.desk import no_wait
from tests.contracts.test_node import KEYS, KeySigner
from tests.service.chain.on_chain import REFUSED, chain, run_of
from tests.service.month import Month

pytestmark = pytest.mark.node


@pytest.fixture
def anvil() -> Iterator[Anvil]:
    node = Anvil()
    yield node
    node.stop()


def funded(anvil: Anvil, folder: Path) -> tuple[PoolClient, str]:
    """A token on the node, made by somebody else than the workspace, and that somebody's client."""
    node, signer = Web3Node.at(anvil.url), KeySigner(1)
    store = ChainStore(folder / "bank.db")
    courier = Courier(node, Outbox(store), signer, GasTerms(), wait=no_wait)
    client = PoolClient(node, store, courier, sender=signer.address, chain_id=None)
    made = client.deploy("EUR", None, window=0, notice=90 * 86_400, dormancy=365 * 86_400, roles={})
    assert made.token
    return client, made.token


def configure(june: Month, **settings: Any) -> None:
    lines = [f"{name} = {json.dumps(value)}" for name, value in settings.items()]
    path = june.home / "settle.toml"
    path.write_text(path.read_text() + "\n[chain]\n" + "\n".join(lines) + "\n")


def mint(client: PoolClient, token: str, pool: str, amount: int) -> None:
    done = client.act(f"mint:{pool}", kind="fund", target=token, data=TOKEN.data("mint", pool, amount))
    assert done.state == "final"


def test_with_a_keystore(june: Month, anvil: Anvil, tmp_path: Path) -> None:
    """If this fails, an operator with a node and a keystore cannot pay."""
    bank, token = funded(anvil, tmp_path)
    keystore = june.home / "keys" / "publisher.keystore.json"
    keystore.write_text(
        json.dumps(Account.encrypt(bytes.fromhex(KEYS[0][2:]), "secret words", iterations=4096, kdf="pbkdf2"))
    )
    (june.home / "password").write_text("secret words\n")
    configure(
        june,
        url=anvil.url,
        id=31337,
        keystore="keys/publisher.keystore.json",
        password_file="password",
        confirmations=1,
    )
    pool = chain(june, "deploy", "--currency", "EUR", "--token", token, "--window", "0")["pool"]
    refused = settle_json("pay", run_of(june), "--via", "chain", home=june.home, code=REFUSED)
    assert "lacks 630000000" in refused["error"]["message"]
    mint(bank, token, pool, 630_000_000)
    paid = settle_json("pay", run_of(june), "--via", "chain", home=june.home)
    assert (paid["posting"]["state"], paid["claims"]["paid"]) == ("final", 630_000_000)
    assert chain(june, "check", "--currency", "EUR")["ok"]
    written = chain(june, "claims", run_of(june), "--out", tmp_path / "claims")
    assert written["payees"] == 4
    assert settle_json("verify", *(tmp_path / "claims").glob("*.bundle"), home=june.home)["ok"]


def test_with_a_key_on_another_machine(june: Month, anvil: Anvil, tmp_path: Path) -> None:
    """If this fails, a workspace whose key is elsewhere cannot deploy or pay."""
    bank, token = funded(anvil, tmp_path)
    away = KeySigner(0)
    configure(june, url=anvil.url, account=away.address, confirmations=1)

    def signed_elsewhere() -> Any:
        chain(june, "export", "--out", tmp_path / "unsigned.json")
        rows = json.loads((tmp_path / "unsigned.json").read_text())["transactions"]
        signed = [{"key": row["key"], "raw": "0x" + away.sign(row["transaction"]).hex()} for row in rows]
        (tmp_path / "signed.json").write_text(json.dumps(signed))
        return chain(june, "import", tmp_path / "signed.json")

    deploy = ("deploy", "--currency", "EUR", "--token", token, "--window", "0")
    assert chain(june, *deploy)["state"] == "planned"
    assert [intent["state"] for intent in signed_elsewhere()] == ["final"]
    pool = chain(june, *deploy)["pool"]
    mint(bank, token, pool, 630_000_000)
    assert settle_json("pay", run_of(june), "--via", "chain", home=june.home)["posting"]["state"] == "planned"
    signed_elsewhere()
    waiting = settle_json("pay", run_of(june), "--via", "chain", home=june.home)
    assert (waiting["posting"]["state"], waiting["claims"]["open"]) == ("final", 1)
    signed_elsewhere()
    assert settle_json("pay", run_of(june), "--via", "chain", home=june.home)["claims"]["open"] == 0
    status = chain(june, "status")
    assert status["pools"][0]["claimed"] == 630_000_000
