"""`settle verify`: what an auditor types, and what a script reads."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest

from tests.cli.support import settle, settle_json
from tests.ledger.world import World, story
from tests.support import ROOT

GOLDEN = ROOT / "tests" / "golden"


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a bundle and the trust to check it, and no workspace anywhere above."""
    shutil.copy(GOLDEN / "event.bundle", tmp_path / "event.bundle")
    shutil.copy(GOLDEN / "event.tlog-proof", tmp_path / "event.tlog-proof")
    shutil.copy(GOLDEN / "event.trust.json", tmp_path / "trust.json")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SETTLE_HOME", raising=False)
    return tmp_path


def test_an_honest_bundle(files: Path) -> None:
    """If this fails, an auditor with the right files gets no for an answer."""
    answer = settle_json("verify", files / "event.bundle", "--trust", files / "trust.json")
    assert answer["ok"] is True
    assert [step["n"] for step in answer["steps"]] == list(range(1, 11))
    assert set(answer["steps"][0]) == {"n", "name", "ok", "detail"}
    assert answer["unchecked"]
    text = settle("verify", files / "event.bundle", "--trust", files / "trust.json")
    assert text.out.startswith("OK  ")
    assert "not checked: whether others see the same log" in text.out


def test_a_forged_bundle_leaves_with_3(files: Path) -> None:
    """If this fails, a script takes a forgery for a proof."""
    data = bytearray((files / "event.bundle").read_bytes())
    data[len(data) // 2] ^= 1
    (files / "forged.bundle").write_bytes(data)
    answer = settle_json("verify", files / "forged.bundle", "--trust", files / "trust.json", code=3)
    assert answer["ok"] is False
    assert answer["steps"][-1]["ok"] is False


def test_an_outsiders_bundle_leaves_with_3(files: Path) -> None:
    """If this fails, anybody's keys will do."""
    (files / "evil.bundle").write_bytes(story(World(origin="example.org/evil")).bundle())
    answer = settle_json("verify", files / "evil.bundle", "--trust", files / "trust.json", code=3)
    assert "the checkpoint is of log example.org/evil" in answer["steps"][-1]["detail"]


def test_without_trust_leaves_with_2(files: Path) -> None:
    """If this fails, a bundle is believed on its own word, or an honest one is called a forgery."""
    answer = settle_json("verify", files / "event.bundle", code=2)
    assert "no trust file; give --trust trust.json" in answer["error"]["message"]


@pytest.mark.parametrize(("data", "named"), [(b"%PDF-1.4 ...", "a PDF"), (b"\n<!doctype html><p>", "a page")])
def test_what_is_for_reading_is_not_called_a_forgery(files: Path, data: bytes, named: str) -> None:
    """If this fails, a holder who checks the statement they read is told that it is forged."""
    (files / "statement").write_bytes(data)
    answer = settle_json("verify", "statement", "--trust", "trust.json", code=2)
    assert f"statement is {named}, not a bundle" in answer["error"]["message"]
    assert ".bundle" in answer["error"]["message"]


def test_a_folder_is_not_trusted_because_one_stands_in_it(files: Path) -> None:
    """If this fails, whoever sends a bundle in a folder sends the trust for it as well (finding V10)."""
    (files / "settle.toml").write_text("")
    assert "give --trust" in settle_json("verify", "event.bundle", code=2)["error"]["message"]
    answer = settle_json("verify", files / "event.bundle", home=files)
    assert answer["ok"] is True
    digest = hashlib.sha256((files / "trust.json").read_bytes()).hexdigest()
    assert answer["trust"] == {"path": str(files / "trust.json"), "sha256": digest}


def test_a_receipt_and_several_files_at_once(files: Path) -> None:
    """If this fails, a folder of receipts cannot be checked in one go, or one bad one is lost among the good."""
    names = ["event.bundle", "event.tlog-proof"]
    answer = settle_json("verify", *names, "--trust", "trust.json")
    assert [one["bundle"] for one in answer["bundles"]] == names
    assert answer["ok"] is True
    (files / "bad.bundle").write_bytes(b"{}")
    answer = settle_json("verify", *names, "bad.bundle", "--trust", "trust.json", code=3)
    assert [one["ok"] for one in answer["bundles"]] == [True, True, False]


def test_explanations(files: Path) -> None:
    """If this fails, a reader cannot redo the arithmetic."""
    answer = settle_json("verify", files / "event.bundle", "--trust", files / "trust.json", "--explain")
    assert "sha256sum" in answer["steps"][6]["explain"][0]


def test_the_verdict_is_read_first_and_is_not_buried(files: Path) -> None:
    """If this fails, a person must search the hash steps for whether the bundle holds, or is alarmed by an odd word."""
    verdict = "OK  event.bundle: all 10 steps hold"
    said = settle("verify", "event.bundle", "--trust", "trust.json").out.splitlines()
    assert said[0] == verdict
    assert said[1].startswith("  proved: ")
    assert "its platform did not sign it, which is optional" in said[2]
    assert not any(line.rstrip().endswith(":") or "(unsigned)" in line for line in said)
    explained = settle("verify", "event.bundle", "--trust", "trust.json", "--explain").out.splitlines()
    assert (explained[0], explained[-1]) == (verdict, verdict)
    (files / "notes.txt").write_text("what we agreed")
    several = settle("verify", "notes.txt", "event.bundle", "--trust", "trust.json")
    lines = several.out.splitlines()
    assert (several.code, lines[-1]) == (3, "FAILED  1 of 2 bundles")
    assert lines[0].startswith("FAILED  notes.txt: at step 1")
    assert "this is no bundle" in lines[2]


def test_files_that_are_not_there(files: Path) -> None:
    """If this fails, a typing error looks like a failed proof."""
    assert settle("verify", "nowhere.bundle", "--trust", "trust.json").code == 2
    assert settle("verify", "event.bundle", "--trust", "nowhere.json").code == 2
    for text in ("{}", "<html>", (files / "trust.json").read_text()[:300]):
        (files / "torn.json").write_text(text)
        refused = settle("verify", "event.bundle", "--trust", "torn.json")
        assert refused.code == 2
        assert "torn.json is not a trust file" in refused.err


def test_the_page_for_a_browser_is_written_with_its_digest(files: Path) -> None:
    """If this fails, nobody can tell whether a verify.html is the one of a release."""
    answer = settle_json("verify", "--page", files / "verify.html")
    assert answer["sha256"] == hashlib.sha256((files / "verify.html").read_bytes()).hexdigest()
    assert settle("verify", "--trust", files / "trust.json").code == 2
