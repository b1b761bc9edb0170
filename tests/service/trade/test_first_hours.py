"""The first hour of a label, a publisher, a society and a platform: from their own files to statements that are paid.

Nobody edits a file by hand: what each hands in is what its own system writes, and what each gets is a file it reads.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ledger.tabular import Lettering
from service.trade.cwr.records import CwrTransaction, lines, transactions
from service.trade.dsr import royalty
from tests.cli.support import settle, settle_json
from tests.service.trade.cwr_files import ADMINISTRATOR, ANN, DIFFERENT, SENDER, cwr, work
from tests.service.trade.dsr_files import Sale, report
from tests.service.trade.test_ern import BLUE, LABEL, controller, message, party, recording

CODE, TRACK_CODE = "GBAYC1700598", "SEA012600001"
LABEL_ID, WORK = f"dpid-{BLUE}", f"{SENDER}:W1"
COLLECTING = (f"ipi-{ADMINISTRATOR}", f"ipi-{ANN}")
PAID = (LABEL_ID, *COLLECTING)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A workspace in which a label, a publisher and its society have handed in what their systems write."""
    home = tmp_path / "home"

    def run(*words: str | Path) -> Any:
        return settle_json(*words, home=home)

    run("init", "--no-passphrase")
    release = message(party("P1", "Blue Label", LABEL), recording(CODE, "Blue", controller("P1", "100")))
    (tmp_path / "release.xml").write_bytes(release)
    assert run("registry", "import", tmp_path / "release.xml")["quarantined"] == 0
    (tmp_path / "works.v21").write_bytes(cwr(work("W1", "BLUE", DIFFERENT, isrc=CODE)))
    assert run("registry", "import", tmp_path / "works.v21", "--right", "performing")["quarantined"] == 0
    links = [link["id"] for link in run("registry", "show", CODE)["links"]]
    run("registry", "confirm", CODE, *links)
    run("registry", "confirm", WORK, "--party", COLLECTING[0], "--party", COLLECTING[1])
    for holder in PAID:
        subject = CODE if holder == LABEL_ID else WORK
        grant = ("--uses", "train,condition", "--grantor", holder, "--id", f"g-{holder}")
        run("registry", "grant", subject, *grant)
    # The operator's own files: the model, the track with the platform's ISRC, and where money goes.
    accounts = ("SE4550000000058398257466", "DE89370400440532013000", "FR1420041010050500013M02606")
    (tmp_path / "own.json").write_text(
        json.dumps(
            {
                "parties": [{"id": "p-lab", "kind": "model-operator", "name": "The Lab"}],
                "models": [{"id": "mdl", "version": "1", "operator": "p-lab", "training": [CODE]}],
                "tracks": [{"id": "trk-1", "title": "New", "model": "mdl", "version": "1", "isrc": TRACK_CODE}],
                "payees": [
                    {"party": holder, "method": "bank", "account": account, "from": "2020-01-01"}
                    for holder, account in zip(PAID, accounts, strict=True)
                ],
            }
        )
    )
    assert run("registry", "import", tmp_path / "own.json")["quarantined"] == 0
    source = {"recording": CODE, "aspect": "recording", "ppm": 800_000, "use": "condition"}
    tune = {"recording": CODE, "aspect": "composition", "ppm": 800_000, "use": "condition"}
    (tmp_path / "vectors.ndjson").write_text(json.dumps({"track": "trk-1", "sources": [source, tune]}) + "\n")
    run("attribute", "--declared", tmp_path / "vectors.ndjson")
    return home


@pytest.mark.slow
def test_from_everybodys_own_files_to_statements_that_are_paid(home: Path, tmp_path: Path) -> None:
    """If this fails, somebody's own files do not lead to money without a hand in between."""

    def run(*words: str | Path) -> Any:
        return settle_json(*words, home=home)

    # The society hears what became of its works.
    who = ("--right", "performing", "--sender", "AA000000123")
    run("registry", "acknowledge", tmp_path / "works.v21", *who, "--out", tmp_path / "ack.v21")
    with (tmp_path / "ack.v21").open("rb") as file:
        answers = list(transactions(lines(file, "ack", Lettering()), "ack"))[1:]
    assert [item.records[0].text[157:159] for item in answers if isinstance(item, CwrTransaction)] == ["RA"]

    # The platform reports its month, by the ISRC of the track.
    sales = [Sale(resource="T-77", isrc=TRACK_CODE, streams=1000)]
    (tmp_path / "DSR_june.tsv").write_bytes(report(sales))
    assert run("ingest", tmp_path / "DSR_june.tsv")["accepted"] == 1

    run("approver", "add", "carol")
    run("period", "close", "2026-06")
    terms = ("--period", "2026-06", "--pool", "1000.00", "--currency", "EUR")
    shares = ("--param", "aspects=recording:500000,composition:500000")
    done = run("run", *terms, *shares)["run"]
    run("approve", done, "--as", "carol", "--yes")
    run("publish", done)
    run("pay", done, "--via", "file")
    for holder in PAID:
        run("payment", done, holder, "settled")

    # 1000 EUR: half for recordings, half for compositions; a fifth of each is unattributed.
    earned = {}
    for holder in PAID:
        statement = run("statement", holder, "--period", "2026-06")
        (pool,) = statement["pools"]
        assert pool["payment"]["state"] == "settled"
        earned[holder] = pool["earned_micros"]
        out = tmp_path / f"{holder}.tsv"
        assert settle("statement", holder, "--period", "2026-06", "--format", "dsr", "--out", out, home=home).code == 0
        assert royalty.read(out.read_bytes(), out.name).summaries[0].earned_micros == earned[holder]
        bundle = tmp_path / f"{holder}.bundle"
        settle("statement", holder, "--period", "2026-06", "--format", "bundle", "--out", bundle, home=home)
        assert run("verify", bundle, "--trust", home / "trust.json")["ok"]
    assert earned == {LABEL_ID: 400_000_000, COLLECTING[0]: 200_000_000, COLLECTING[1]: 200_000_000}
    clean = run("certificate", "trk-1")
    assert (clean["clean"], clean["money"]) == (True, [{"currency": "EUR", "state": "paid", "micros": "800000000"}])
