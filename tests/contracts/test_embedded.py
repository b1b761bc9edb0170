"""The embedded chain: the same after a restart, honest about edits, useless elsewhere."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from contracts.embedded import CHAIN_ID, EmbeddedChain
from contracts.errors import PreflightError
from contracts.node import Web3Node
from contracts.signer import EmbeddedSigner
from ledger.errors import VerificationError
from tests.contracts.desk import NOW, Desk


def journal(home: Path) -> Path:
    return home / "embedded.ndjson"


def test_a_restart_gives_the_same_chain(desk: Desk) -> None:
    """If this fails, a demo's second command finds another chain than the first one left."""
    before, balance = desk.node.block("latest"), desk.client.balance(desk.pool)
    desk.reopen()
    assert desk.node.block("latest") == before
    assert desk.client.balance(desk.pool) == balance


def test_looking_writes_nothing(desk: Desk, home: Path) -> None:
    """If this fails, every look at the chain makes its file grow."""
    size = journal(home).stat().st_size
    desk.close()
    later = EmbeddedChain(journal(home), NOW + 1_000)
    head = Web3Node(later.web3).block("latest")
    later.close()
    assert head
    assert head.time == NOW + 1_000
    assert journal(home).stat().st_size == size
    desk.open()


def test_an_edited_journal_is_refused(desk: Desk, home: Path) -> None:
    """If this fails, somebody can rewrite the embedded chain's past without anybody noticing."""
    desk.close()
    lines = journal(home).read_text().splitlines()
    entry = json.loads(lines[-1])
    entry["time"] += 1
    journal(home).write_text("\n".join([*lines[:-1], json.dumps(entry, sort_keys=True)]) + "\n")
    with pytest.raises(VerificationError, match="it was edited"):
        EmbeddedChain(journal(home), NOW)
    journal(home).write_text("\n".join([*lines[:-1], '{"block":1}']) + "\n")
    with pytest.raises(VerificationError, match="does not replay"):
        EmbeddedChain(journal(home), NOW)
    journal(home).write_text("\n".join(lines) + "\n")
    desk.open()


def test_a_line_cut_off_by_a_crash_is_dropped(desk: Desk, home: Path) -> None:
    """If this fails, a crash while writing makes the chain unreadable."""
    before = desk.node.block("latest")
    desk.close()
    with journal(home).open("ab") as file:
        file.write(b'{"block":"abc')
    desk.open()
    assert desk.node.block("latest") == before


def test_its_accounts_sign_for_no_other_chain() -> None:
    """If this fails, a key that everybody knows signs a transaction that is worth something."""
    transaction = {
        "chainId": 1,
        "nonce": 0,
        "maxPriorityFeePerGas": 1,
        "maxFeePerGas": 2,
        "gas": 21_000,
        "to": None,
        "value": 0,
        "data": "0x",
    }
    with pytest.raises(PreflightError, match=f"sign for chain {CHAIN_ID} only"):
        EmbeddedSigner().sign(transaction)
