"""Declared vectors through the command line into the ledger."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ledger.log.fsck import fsck
from ledger.proofs import canon
from service.attribution.vectors import assign, declare
from service.workspace import Workspace
from tests.cli.support import settle, settle_json
from tests.service.month import DECLARED, Month

ONE = {"track": "trk-1", "sources": [{"recording": "rec-1", "aspect": "recording", "ppm": 600_000, "use": "condition"}]}
TWO = {"track": "trk-2", "sources": [{"recording": "rec-2", "ppm": 250_000}]}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    settle_json("init", "--no-passphrase", home=tmp_path / "home")
    return tmp_path / "home"


def write(folder: Path, *documents: object) -> Path:
    path = folder / "declared.ndjson"
    path.write_text("\n".join(json.dumps(document) for document in documents), encoding="utf-8")
    return path


def test_declared_vectors_are_signed_and_assigned(home: Path, tmp_path: Path) -> None:
    """If this fails, what a generator declares does not become payable, or not with the numbers it declared."""
    answers = settle_json("attribute", "--declared", write(tmp_path, ONE, TWO), home=home)
    assert [(one["track"], one["method"], one["assigned"]) for one in answers] == [
        ("trk-1", "declared", True),
        ("trk-2", "declared", True),
    ]
    recording = answers[0]["vector"]["recording"]
    assert recording["sources"][0]["ppm"] == 600_000
    assert recording["unattributed"] == 400_000
    assert answers[0]["vector"]["style"] == {"sources": [], "unattributed": 1_000_000}
    log = Workspace.open(home).log
    assert log.assignments()["trk-1"][0] == answers[0]["digest"]
    assert [canon.decode(entry.body)["id"] for entry in log.entries(types=("track",))] == ["trk-1", "trk-2"]


def test_evidence_does_not_pay_until_assigned(home: Path, tmp_path: Path) -> None:
    """If this fails, recording evidence moves money, or a correction leaves no reason behind."""
    first = settle_json("attribute", "--declared", write(tmp_path, ONE), home=home)[0]
    other = settle_json("attribute", "--declared", write(tmp_path, {**ONE, "sources": []}), "--no-assign", home=home)[0]
    log = Workspace.open(home).log
    assert log.assignments()["trk-1"][0] == first["digest"]
    done = settle_json("assign", "trk-1", other["digest"], "--reason", "declared in error", home=home)
    assert log.assignments()["trk-1"] == (other["digest"], done["index"])
    assert canon.decode(log.entry(done["index"]).body)["reason"] == "declared in error"
    settle_json("assign", "trk-1", other["digest"], "--reason", "again", home=home, code=4)
    settle_json("assign", "trk-1", "0" * 64, "--reason", "no such vector", home=home, code=2)


def test_an_assignment_said_again_within_a_second_counts(june: Month) -> None:
    """If this fails, whoever takes a correction back at once is told so, and the track goes on paying by it."""
    ws = june.ws
    corrected = june.home.parent / "corrected.json"
    corrected.write_text(json.dumps({**DECLARED[0], "sources": []}))
    original = june.home.parent / "original.json"
    original.write_text(json.dumps(DECLARED[0]))
    (other,) = declare(ws, corrected, assign=False)
    for digest in (other.digest, june.digests["trk-1"]) * 2:
        done = assign(ws, "trk-1", digest, "declared in error")
        assert ws.log.assignments()["trk-1"] == ws.log.reading().assigned["trk-1"][::-1] == (digest, done.index)
    for path in (corrected, original) * 2:
        (said,) = declare(ws, path, assign=True)
        assert ws.log.assignments()["trk-1"][0] == ws.log.reading().assigned["trk-1"][1] == said.digest
    assert fsck(ws.log).ok


def test_one_malformed_line_records_nothing(home: Path, tmp_path: Path) -> None:
    """If this fails, half a file of declarations can end up in the ledger."""
    bad = {"track": "trk-2", "sources": [{"recording": "rec-2", "ppm": 1_000_001}]}
    before = Workspace.open(home).log.head().size
    assert settle("attribute", "--declared", write(tmp_path, ONE, bad), home=home).code == 2
    assert settle("attribute", "--declared", write(tmp_path, ONE, ONE), home=home).code == 2
    (tmp_path / "noise").write_bytes(b"\xff\xfe{")
    assert settle("attribute", "--declared", tmp_path / "noise", home=home).code == 2
    assert Workspace.open(home).log.head().size == before
