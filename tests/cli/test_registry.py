"""The registry's commands keep their contract: fields, exit codes, what stands in the log afterwards."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tests.cli.support import settle, settle_json
from tests.ledger.registry.conftest import sample


@pytest.fixture
def home(tmp_path: Path) -> Path:
    settle_json("init", "--no-passphrase", home=tmp_path)
    load(tmp_path, sample())
    return tmp_path


FOR = ("--licensee", "p-ann", "--model", "mdl-1@1")
"""Whom a receipt is for."""


def load(home: Path, document: dict[str, Any], *words: str, code: int = 0) -> Any:
    path = home / "registry.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    return settle_json("registry", "import", path, *words, home=home, code=code)


def test_import_answers_its_contract(home: Path) -> None:
    """If this fails, scripts that read an import's counts break, or a conflict leaves with 0."""
    again = load(home, sample())
    assert {name: again[name] for name in ("read", "accepted", "duplicates", "conflicts", "quarantined")} == {
        "read": 17,
        "accepted": 0,
        "duplicates": 17,
        "conflicts": 0,
        "quarantined": 0,
    }
    other = {"recordings": [{"id": "rec-1", "title": "Red"}, {"id": "rec-8", "title": "Eight", "isrc": "x"}]}
    refused = load(home, other, code=5)
    assert (refused["conflicts"], refused["quarantined"]) == (1, 1)
    waiting = settle_json("quarantine", "list", home=home)
    assert {row["kind"] for row in waiting} == {"registry", "registry-conflict"}


def test_an_import_that_was_refused_does_not_leave_with_success(home: Path) -> None:
    """If this fails, a nightly job that hands in a broken catalogue is told that all is well."""
    bad = [{"id": f"rec-b{n}", "title": "Bad", "isrc": "x"} for n in range(11)]
    good = [{"id": f"rec-g{n}", "title": "Good"} for n in range(20)]
    nothing = load(home, {"recordings": bad[:1]}, "--dry-run", code=5)
    assert (nothing["read"], nothing["accepted"]) == (1, 0)
    assert load(home, {"recordings": good + bad}, code=5)["accepted"] == 20
    assert load(home, {"recordings": good + bad[:10]})["duplicates"] == 20
    assert load(home, {"recordings": good + bad}, "--max-quarantine", "40%")["quarantined"] == 11
    load(home, {"recordings": good + bad[:1]}, "--max-quarantine", "0", code=5)
    load(home, {"recordings": good}, "--max-quarantine", "few", code=2)
    again = settle_json("registry", "replay", home=home, code=5)
    assert (again["read"] > 0, again["accepted"]) == (True, 0)


def test_decide_answers_its_contract(home: Path) -> None:
    """If this fails, a generator that asks before it generates cannot read the answer."""
    allowed = settle_json("registry", "decide", "rec-1", "--use", "train", home=home)
    assert (allowed["decision"], allowed["grants"]) == ("allow", ["g-1", "g-2"])
    denied = settle_json("registry", "decide", "rec-1", "--use", "voice", home=home)
    assert denied["decision"] == "deny"
    assert len(denied["reasons"]) == 2
    assert settle_json("registry", "decide", "rec-nobody", "--use", "train", home=home)["decision"] == "deny"
    past = settle_json("registry", "decide", "rec-1", "--use", "train", "--at", "2025-12-31", home=home)
    assert past["decision"] == "deny"
    unknown = settle_json("registry", "decide", "rec-1", "--use", "train", "--known-at", "1", home=home)
    assert (unknown["decision"], unknown["known_at"]) == ("deny", 1)
    settle_json("registry", "decide", "rec-1", "--use", "remix", home=home, code=2)


def test_a_receipt_can_be_shown_again(home: Path) -> None:
    """If this fails, a receipt's digest in a vector leads to nothing."""
    given = settle_json("registry", "decide", "rec-1", "--use", "train", *FOR, "--receipt", home=home)
    paper = settle_json("registry", "show", given["receipt"], home=home)
    assert (paper["kind"], paper["decision"], paper["subject"]) == ("paper", "allow", "rec-1")


def test_a_track_is_cleared_once_it_is_attributed(home: Path) -> None:
    """If this fails, the release gate does not open for a clean track, or opens for another."""
    blocked = settle_json("registry", "clear", "trk-1", home=home)
    assert (blocked["clear"], blocked["certificate"]) == (False, None)
    declared = {
        "track": "trk-1",
        "sources": [{"recording": "rec-1", "aspect": "recording", "ppm": 600_000, "use": "condition"}],
    }
    (home / "declared.json").write_text(json.dumps(declared), encoding="utf-8")
    settle_json("attribute", "--declared", home / "declared.json", home=home)
    unexplained = settle_json("registry", "clear", "trk-1", home=home)
    assert (unexplained["clear"], unexplained["certificate"], unexplained["trained_without"]) == (False, None, 0)
    cleared = settle_json("registry", "clear", "trk-1", "--unattributed-limit", "40%", home=home)
    assert (cleared["clear"], cleared["unlicensed_ppm"], cleared["unattributed_ppm"]) == (True, 0, 400_000)
    paper = settle_json("registry", "show", cleared["certificate"], home=home)
    assert (paper["type"], paper["track"], paper["vector"]) == ("clearance", "trk-1", cleared["vector"])
    assert cleared["certificate"] in settle_json("registry", "show", "trk-1", home=home)["certificates"]


def test_a_receipt_in_a_vector_does_not_outlive_a_revocation(home: Path) -> None:
    """If this fails, one receipt from before a revocation licenses every track made after it (C2)."""
    asked = ("registry", "decide", "rec-2", "--use", "condition", *FOR, "--receipt")
    receipt = settle_json(*asked, home=home)["receipt"]
    settle_json("registry", "revoke", "g-3", home=home)
    load(home, {"tracks": [{"id": name, "model": "mdl-1", "version": "1"} for name in ("trk-2", "trk-3")]})
    source = {"recording": "rec-2", "aspect": "recording", "ppm": 500_000, "use": "condition"}
    declared = [
        {"track": "trk-2", "sources": [source]},
        {"track": "trk-3", "sources": [source], "decisions": [receipt]},
    ]
    (home / "declared.json").write_text(json.dumps(declared), encoding="utf-8")
    settle_json("attribute", "--declared", home / "declared.json", home=home)
    assert settle_json("registry", "clear", "trk-2", home=home)["unlicensed_ppm"] == 500_000
    assert settle_json("registry", "clear", "trk-3", home=home)["unlicensed_ppm"] == 500_000
    settle_json("registry", "decide", "rec-2", "--use", "train", "--receipt", home=home, code=2)
    declared[1]["decisions"] = [7]
    (home / "declared.json").write_text(json.dumps(declared), encoding="utf-8")
    settle_json("attribute", "--declared", home / "declared.json", home=home, code=2)


def test_an_audit_can_be_recorded_and_replayed(home: Path) -> None:
    """If this fails, last quarter's audit cannot be repeated to the same digest."""
    first = settle_json("registry", "audit", "--record", home=home)
    assert first["ok"]
    load(home, {"recordings": [{"id": "rec-9", "title": "Nine"}]})
    replayed = settle_json("registry", "audit", "--size", str(first["size"]), home=home)
    assert replayed == first
    assert settle_json("registry", "audit", home=home)["digest"] != first["digest"]


def test_a_holder_signs_for_itself_and_the_proof_is_offline(home: Path) -> None:
    """If this fails, an enrolled holder cannot register, or bundles made after an enrolment do not verify."""
    settle_json("registry", "enrol", "p-lbl", home=home)
    settle_json("registry", "enrol", "p-lbl", home=home, code=5)
    settle_json("registry", "grant", "rec-1", "--id", "g-9", "--uses", "voice", "--as", "p-lbl", home=home)
    settle_json("registry", "revoke", "g-1", "--as", "p-lbl", home=home, code=4)
    settle_json("registry", "grant", "rec-1", "--id", "g-8", "--uses", "voice", "--as", "p-ann", home=home, code=4)
    assert settle_json("registry", "audit", home=home)["ok"]
    load(home, {"recordings": [{"id": "rec-7", "title": "Seven"}]})
    settle_json("registry", "model", "prove", "rec-77", "--out", home / "m.bundle", home=home, code=2)
    for recording, member in (("rec-1", True), ("rec-7", False)):
        proved = settle_json("registry", "model", "prove", recording, "--out", home / "m.bundle", home=home)
        assert proved["member"] is member
        assert settle_json("verify", home / "m.bundle", home=home)["ok"]


def test_an_erased_party_s_next_account_waits_for_a_second_person(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, erase and propose together redirect a payout at once; or no waiting time is needed."""
    settle_json("registry", "erase", "p-ann", home=home)
    account = ("registry", "payee", "propose", "p-ann", "--account", "DE89370400440532013000")
    proposed = settle_json(*account, home=home)
    assert proposed["effective_from"] is None
    approve = ("registry", "payee", "approve", proposed["id"])
    monkeypatch.setenv("SETTLE_REGISTRY_COOLING_OFF_HOURS", "-1000")
    settle_json(*approve, home=home, code=4)
    monkeypatch.delenv("SETTLE_REGISTRY_COOLING_OFF_HOURS")
    monkeypatch.setenv("SETTLE_OPERATOR", "p-else")
    settle_json("registry", "payee", "propose", "p-lbl", "--account", "DE89370400440532013000", home=home, code=4)
    monkeypatch.delenv("SETTLE_OPERATOR")
    approved = settle_json(*approve, home=home)
    assert approved["effective_from"] > approved["approved_at"]


def test_another_name_for_the_operator_signs_nothing(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, a claimant resolves its own dispute, or the log takes what an audit calls badly signed."""
    load(home, {"parties": [{"id": "operator", "kind": "label"}]})
    claim = ("registry", "dispute", "open", "rec-1", "--claimant", "operator", "--reason", "ours")
    settle_json(*claim, home=home)
    name = settle_json("registry", "dispute", "list", home=home)[0]["id"]
    size = settle_json("registry", "audit", home=home)["size"]
    resolve = ("registry", "dispute", "resolve", name, "--right", "master", "--resplit", "p-lbl=1000000")
    settle_json(*resolve, home=home, code=4)
    monkeypatch.setenv("SETTLE_OPERATOR", "p-else")
    settle_json(*resolve, home=home, code=4)
    settle_json("registry", "confirm", "rec-1", home=home, code=4)
    load(home, {"recordings": [{"id": "rec-9", "title": "Nine"}]}, code=4)
    monkeypatch.delenv("SETTLE_OPERATOR")
    report = settle_json("registry", "audit", home=home)
    assert (report["ok"], report["size"]) == (True, size)


def test_several_claimants_are_told_apart(home: Path) -> None:
    """If this fails, `registry confirm SUBJECT` vouches for a rival's claim along with the right one."""
    claim = {"subject": "rec-9", "right": "master", "ppm": 1_000_000}
    load(
        home,
        {
            "recordings": [{"id": "rec-9", "title": "Nine"}],
            "shares": [claim | {"party": party} for party in ("p-ann", "p-lbl")],
        },
    )
    settle_json("registry", "confirm", "rec-9", home=home, code=4)
    done = settle_json("registry", "confirm", "rec-9", "--party", "p-ann", home=home)
    assert done["leaves"] == 1
    states = {line["party"]: line["state"] for line in settle_json("registry", "show", "rec-9", home=home)["shares"]}
    assert states == {"p-ann": "confirmed", "p-lbl": "asserted"}


def test_a_receipt_does_not_believe_the_index(home: Path) -> None:
    """If this fails, whoever deletes rows beside the log gets a signed permission that was revoked."""
    settle_json("registry", "decide", "rec-2", "--use", "train", home=home)
    settle_json("registry", "revoke", "g-3", home=home)
    asked = ("registry", "decide", "rec-2", "--use", "train", "--at", "2100-01-01")
    assert settle_json(*asked, home=home)["decision"] == "deny"
    with sqlite3.connect(home / "settle.db") as connection:
        last = connection.execute("SELECT max(idx) FROM registry_about").fetchone()[0]
        connection.execute("DELETE FROM registry_about WHERE idx = ?", (last,))
    receipt = settle_json("registry", "decide", "rec-2", "--use", "train", *FOR, "--receipt", home=home)
    assert receipt["decision"] == "deny"
    report = settle_json("registry", "audit", home=home, code=3)
    assert report["violations"] == []
    assert {note["kind"] for note in report["index"]} == {"index"}


def test_templates_are_what_they_say(home: Path) -> None:
    """If this fails, a template the product hands out is refused by the product."""
    names = [row["name"] for row in settle_json("template", home=home)]
    assert {"registry", "shares.csv", "events", "declared"} <= set(names)
    for name in names:
        assert settle("template", name).code == 0
    settle_json("template", "nothing", home=home, code=2)


def test_an_import_is_told_by_kind_and_its_counts_add_up(tmp_path: Path) -> None:
    """If this fails, a catalogue's import scrolls a line for every row past whoever runs it, or leaves rows out."""
    home, file = tmp_path / "home", tmp_path / "many.json"
    home.mkdir()
    settle_json("init", "--no-passphrase", home=home)
    names = [f"r{n:02d}" for n in range(12)]
    share = {"party": "p", "right": "master", "ppm": 500_000, "territory": "WORLD", "from": "2020-01-01"}
    shares = [{"subject": one, "state": "confirmed", **share} for one in (*names, *(f"no-{n}" for n in range(8)))]
    parties, recordings = [{"id": "p", "name": "P", "kind": "person"}], [{"id": one, "title": one} for one in names]
    file.write_text(json.dumps({"parties": parties, "recordings": recordings, "shares": shares}))
    said = settle("registry", "import", file, home=home).out
    assert "33 rows read = 25 accepted + 0 duplicates + 0 conflicts + 8 quarantined" in said
    assert "12 rights whose confirmed shares are not the whole" in said
    assert "r00 master, r01 master, r02 master, r03 master, r04 master and 7 more" in said
    assert said.count("no-") == 5
    assert "and 3 more: settle quarantine list" in said
    assert len(said.splitlines()) < 20
    again = tmp_path / "again"
    again.mkdir()
    settle_json("init", "--no-passphrase", home=again)
    full = settle("registry", "import", file, "--verbose", home=again).out
    assert full.count("sum to 50 % (short)") == 12
    assert full.count("no-") == 8


def test_an_assumed_encoding_is_said(home: Path) -> None:
    """If this fails, names in another alphabet are registered as garbled letters, and nobody is told."""
    path = home / "parties.csv"
    for encoding, count in (("cp1252", 1), ("utf-8", 0)):
        path.write_bytes(f"id,name,kind\np-{encoding},Zoë,person\n".encode(encoding))
        done = settle_json("registry", "import", path, home=home)
        assert (done["accepted"], sum("Windows-1252" in notice for notice in done["notices"])) == (1, count)
    events = home / "events.csv"
    for encoding, assumed in (("cp1252", True), ("utf-8", False)):
        head = "source,event_id,track,occurred_at,territory,units\n"
        events.write_bytes(f"{head}acme,é-{encoding},trk-1,2026-06-03T11:05:00Z,SE,1\n".encode(encoding))
        done = settle_json("ingest", events, home=home)
        assert (done["read"], "Windows-1252" in (done["assumed"] or "")) == (1, assumed)
