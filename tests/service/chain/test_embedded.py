"""A month settled on the embedded chain, from the command line to the claim files."""

from __future__ import annotations

import itertools
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from cli.exits import EXIT_CODES
from ledger.errors import VerificationError
from ledger.proofs import leaf
from ledger.proofs.keys import PrivateKey
from ledger.proofs.trust import parse
from service.bundles import verify_bundle
from service.settlement import life
from service.settlement.carrying import transfers
from service.settlement.step import read_book
from service.settlement.stored import load
from service.workspace import Workspace
from tests.cli.support import settle_json
from tests.service.chain.on_chain import PARTIES, PAYS, REFUSED, account, chain, run_of
from tests.service.month import Month, asked, month


def test_a_month_is_settled_on_the_chain(june: Month, tmp_path: Path) -> None:
    """If this fails, the demo's money does not reach the payees' accounts, or a repeat pays twice."""
    run = run_of(june)
    deployed = chain(june, "deploy", "--currency", "EUR")
    assert deployed["state"] == "final"
    plan = chain(june, "settle", run, "--dry-run")
    assert (plan["total"], plan["to_fund"], plan["gas"]) == (630_000_000, 630_000_000, None)
    refused = settle_json("pay", run, "--via", "chain", home=june.home, code=REFUSED)
    assert "lacks 630000000" in refused["error"]["message"]
    assert chain(june, "fund", "630.00", "--currency", "EUR")["balance"] == 630_000_000
    assert chain(june, "settle", run, "--dry-run")["gas"] > 21_000
    paid = settle_json("pay", run, "--via", "chain", home=june.home)
    assert (paid["posting"]["state"], paid["claims"]["paid"], paid["claims"]["payees"]) == ("final", 630_000_000, 4)
    again = settle_json("pay", run, "--via", "chain", home=june.home)
    assert again["posting"] == paid["posting"]
    assert (again["claims"]["paid"], again["claims"]["transactions"]) == (0, [])
    book = read_book(june.reopened())
    for party in PARTIES:
        heard = book.payment_of(run, party)
        assert heard is not None
        assert (heard.outcome, heard.reference) == ("settled", paid["claims"]["transactions"][0])
    report = chain(june, "check", "--currency", "EUR")
    assert report["ok"]
    assert {line["left"] for line in report["lines"][:4]} == {630_000_000}
    status = chain(june, "status")
    assert (status["pools"][0]["claimed"], status["pools"][0]["balance"]) == (630_000_000, 0)
    assert {intent["state"] for intent in status["intents"]} == {"final"}


def test_only_an_operator_says_that_a_chain_has_a_batch(june: Month, tmp_path: Path) -> None:
    """If this fails, with the log key alone an unpaid batch looks posted, or a posting is never written down."""
    run = run_of(june)
    chain(june, "deploy", "--currency", "EUR")
    settle_json("pay", run, "--via", "chain", home=june.home, code=REFUSED)
    chain(june, "fund", "630.00", "--currency", "EUR")
    shutil.copytree(june.home, tmp_path / "copy")  # where the attacker sees what will be posted
    settle_json("chain", "settle", run, home=tmp_path / "copy")
    ahead = Workspace.open(tmp_path / "copy", clock=june.ws.clock)
    (genuine,) = (leaf.decode(entry.body) for entry in ahead.log.entries(types={"post"}))
    ahead.close()
    ws = june.reopened()
    fields = {name: value for name, value in genuine.items() if name not in ("key", "sig")}
    ws.log.append([fields, *(leaf.sign(fields, key) for key in (PrivateKey.generate(), ws.signer("approver")))])
    book = read_book(ws)
    states = transfers(ws.log, book, load(ws.log, book.runs[run]))
    assert {(state.attempts[-1].posted, state.moved) for state in states.values()} == {(None, 0)}
    chain(june, "settle", run)
    ws = june.reopened()
    book = read_book(ws)
    states = transfers(ws.log, book, load(ws.log, book.runs[run]))
    written = [entry.index for entry in ws.log.entries(types={"post"})]
    assert len(written) == 4
    assert {state.attempts[-1].posted for state in states.values()} == {written[-1]}


@pytest.fixture
def claims(june: Month, tmp_path: Path) -> Path:
    chain(june, "deploy", "--currency", "EUR")
    chain(june, "fund", "630.00", "--currency", "EUR")
    chain(june, "settle", run_of(june))
    written = chain(june, "claims", run_of(june), "--out", tmp_path / "claims")
    assert (written["payees"], written["total"]) == (4, 630_000_000)
    return tmp_path / "claims"


def test_claim_files_verify_and_forged_ones_do_not(june: Month, claims: Path) -> None:
    """If this fails, a payee cannot prove what it is owed, or somebody can prove what they are not."""
    index = json.loads((claims / "index.json").read_text())
    assert {row["party"]: int(row["cumulative"]) for row in index["claims"]} == PAYS
    assert {row["party"]: row["account"] for row in index["claims"]} == {party: account(party) for party in PARTIES}
    files = [claims / row["file"] for row in index["claims"]]
    answer = settle_json("verify", *files, home=june.home)
    assert answer["ok"]
    steps = [step["name"] for step in answer["bundles"][0]["steps"]]
    assert steps[-3:] == [
        "the posting is in the tree, signed by the operator",
        "the claim is of this posting and this payee",
        "the leaf leads to the posted root (keccak-256)",
    ]
    original = files[0].read_text()
    amount = index["claims"][0]["cumulative"]
    files[0].write_text(original.replace(f'"{amount}"', f'"{int(amount) + 1}"'))
    refused = settle_json("verify", files[0], home=june.home, code=EXIT_CODES[VerificationError])
    assert "leads to" in refused["steps"][-1]["detail"]
    files[0].write_text(original.replace('"party":"ann"', '"party":"bob"'))
    refused = settle_json("verify", files[0], home=june.home, code=EXIT_CODES[VerificationError])
    assert "payee id" in refused["steps"][-1]["detail"]


def test_no_bytes_of_a_claim_file_raise(june: Month, claims: Path) -> None:
    """If this fails, a damaged claim file ends in a traceback, or a damaged one still passes."""
    data = next(claims.glob("*.bundle")).read_bytes()
    trust = parse((june.home / "trust.json").read_bytes())
    assert verify_bundle(data, trust).ok
    for place in range(0, len(data), 3):
        for change in (0x01, 0x10):
            damaged = bytes([*data[:place], data[place] ^ change, *data[place + 1 :]])
            assert not verify_bundle(damaged, trust).ok, place


def test_no_value_in_a_claim_raises(june: Month, claims: Path) -> None:
    """If this fails, a claim with a field of another kind ends in a traceback instead of a refusal."""
    from ledger.proofs import canon

    document = json.loads(next(claims.glob("*.bundle")).read_bytes())
    trust = parse((june.home / "trust.json").read_bytes())
    fields = ["party", "salt", "root", "leaf_encoding", "leaf", "proof", *(f"leaf/{n}" for n in range(5))]
    values: tuple[Any, ...] = (None, 0, -1, "", "x", "0x", "9" * 100, [], {}, [1], ["x"] * 30, True)
    for field, value in itertools.product(fields, values):
        name, _, place = field.partition("/")
        broken = json.loads(json.dumps(document))
        if place:
            broken["claim"][name][int(place)] = value
        else:
            broken["claim"][name] = value
        report = verify_bundle(canon.encode(broken), trust)
        assert not report.ok
        assert not report.steps[-1].ok


def test_without_a_pool_the_person_is_told_what_to_do(june: Month) -> None:
    """If this fails, the first mistake of a newcomer ends without a next step."""
    refused = settle_json("pay", run_of(june), "--via", "chain", home=june.home, code=REFUSED)
    assert "settle chain deploy --currency EUR" in refused["error"]["message"]


def test_an_unpublished_run_is_refused(tmp_path: Path) -> None:
    """If this fails, a run that nobody approved is posted."""
    made = month(tmp_path / "home")
    life.close(made.ws, "2026-06")
    run = life.run(made.ws, asked()).run
    chain(made, "deploy", "--currency", "EUR")
    refused = chain(made, "settle", run, code=REFUSED)
    assert "not published" in refused["error"]["message"]


def test_anchoring_the_ledger(june: Month) -> None:
    """If this fails, the log's root does not reach the chain between two postings."""
    chain(june, "deploy", "--currency", "EUR")
    head = june.ws.log.head()
    done = chain(june, "anchor", "--currency", "EUR")
    assert (done["size"], done["root"], done["state"]) == (head.size, head.root.hex(), "final")
    assert chain(june, "anchor", "--currency", "EUR") == done
