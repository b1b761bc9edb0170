"""A platform signs its files, an operator takes them in, and anybody sees which events were signed."""

from __future__ import annotations

import json
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest

from tests.cli.support import settle, settle_json
from tests.cli.test_ledger import home, template  # noqa: F401  fixtures
from tests.ledger.ingest.streams import lines, row


class Platform:
    """A platform's machine: a key, files, and no workspace; and the operator's workspace beside it."""

    def __init__(self, folder: Path, workspace: Path) -> None:
        self.folder, self.home = folder, workspace
        folder.mkdir(exist_ok=True)
        self.public = self.key("acme.key")
        self.log = str(settle_json("ledger", "head", home=workspace)["origin"])
        self.last: Path | None = None

    def key(self, name: str) -> str:
        return str(settle_json("batch", "key", self.folder / name, "--no-passphrase")["public"])

    def file(self, name: str, *rows: dict[str, Any]) -> Path:
        path = self.folder / name
        path.write_bytes(lines(*rows))
        return path

    def sign(self, path: Path, *options: str | Path, key: str = "acme.key", code: int = 0) -> Path:
        after = ("--log", self.log) if self.last is None else ("--previous", self.last)
        settle_json("batch", "sign", path, "--source", "acme", "--key", self.folder / key, *after, *options, code=code)
        self.last = path.with_name(path.name + ".batch")
        return self.last

    def enrolled(self, *options: str) -> Any:
        return settle_json(
            "source", "set", "acme", "--party", "p-ann", "--public", self.public, *options, home=self.home
        )

    def ingest(self, path: Path, batch: Path, *options: str | Path, code: int = 0) -> Any:
        return settle_json("ingest", path, "--batch", batch, *options, home=self.home, code=code)

    def size(self) -> int:
        return int(settle_json("ledger", "head", home=self.home)["size"])

    def platform_of(self, event: str) -> Any:
        out = self.folder / f"{event}.bundle"
        settle_json("ledger", "prove", f"acme:{event}", "--out", out, home=self.home)
        return settle_json("verify", out, "--trust", self.home / "trust.json")["platform"]


@pytest.fixture
def acme(home: Path, tmp_path: Path) -> Platform:  # noqa: F811  the fixture above
    return Platform(tmp_path / "acme", home)


def test_from_a_signed_file_to_a_verified_event(acme: Platform) -> None:
    """If this fails, a platform's signature is lost somewhere between its own machine and the auditor's."""
    first = acme.file("june-1.ndjson", row("e-1"), row("e-2", listener=None))
    batch = acme.sign(first)
    assert "no party is assigned to source acme" in acme.ingest(first, batch, code=4)["error"]["message"]
    assert acme.enrolled()["party"] == "p-ann"
    receipts = acme.folder / "receipts"
    done = acme.ingest(first, batch, "--receipts", receipts)
    assert (done["accepted"], done["platform"], done["batch"]) == (2, "signed by p-ann", 1)
    assert acme.platform_of("e-1") == acme.platform_of("e-2") == "signed by p-ann"
    original = (receipts / "acme" / "e-1.tlog-proof").read_bytes()
    again = acme.ingest(first, batch, "--receipts", receipts)
    assert (again["accepted"], again["duplicates"], again["tree_size"]) == (0, 2, done["tree_size"])
    assert (receipts / "acme" / "e-1.tlog-proof").read_bytes() == original
    assert settle("verify", receipts / "acme.batch-1.tlog-proof", "--trust", acme.home / "trust.json").code == 0
    plain = acme.file("plain.ndjson", row("e-3"))
    assert settle_json("ingest", plain, home=acme.home)["platform"] == "unsigned"
    assert acme.platform_of("e-3") == "unsigned"
    one = receipts.with_suffix(".ndjson")
    for path in (first, plain):
        settle_json("ingest", path, "--receipts", one, home=acme.home)
    told = [json.loads(line)["platform"] for line in one.read_text().splitlines()]
    assert told == ["signed by p-ann", "signed by p-ann", "unsigned"]
    assert settle_json("ledger", "fsck", home=acme.home)["ok"]


def test_nothing_of_a_false_batch_is_appended(acme: Platform) -> None:
    """If this fails, a file that is not what the platform signed is believed in part."""
    acme.enrolled()
    first = acme.file("june-1.ndjson", row("e-1"), row("e-2"))
    batch = acme.sign(first)
    size = acme.size()
    for rows, said in (
        ([row("e-1"), row("e-2", units=2)], "signed over root"),
        ([row("e-2"), row("e-1")], "or their order, was changed"),
        ([row("e-1")], "over 2 events; here are 1"),
        ([row("e-1"), row("e-2"), row("e-3")], "over 2 events; here are 3"),
    ):
        message = acme.ingest(acme.file("false.ndjson", *rows), batch, code=3)["error"]["message"]
        assert said in message
    mixed = acme.file("mixed.ndjson", row("e-1"), row("e-2", source="other"))
    assert "line 2" in acme.ingest(mixed, batch, code=2)["error"]["message"]
    thief = acme.key("thief.key")
    assert thief != acme.public
    acme.last = None
    forged = acme.folder / "forged.batch"
    acme.sign(first, "--out", forged, key="thief.key")
    assert "expected a platform key of p-ann" in acme.ingest(first, forged, code=3)["error"]["message"]
    data = json.loads(batch.read_bytes())
    data["signatures"][0]["sig"] = json.loads(forged.read_bytes())["signatures"][0]["sig"]
    forged.write_text(json.dumps(data, separators=(",", ":"), sort_keys=True))
    assert "signature is not by key" in acme.ingest(first, forged, code=3)["error"]["message"]
    assert acme.size() == size


def test_batches_come_one_after_the_other(acme: Platform) -> None:
    """If this fails, a lost or doubled file of a platform goes unnoticed."""
    acme.enrolled()
    files = [acme.file(f"june-{n}.ndjson", row(f"e-{n}")) for n in range(3)]
    batches = [acme.sign(path) for path in files]
    assert "batch 1 is missing" in acme.ingest(files[1], batches[1], code=5)["error"]["message"]
    acme.ingest(files[0], batches[0])
    assert "batch 2 is missing" in acme.ingest(files[2], batches[2], code=5)["error"]["message"]
    acme.last = batches[0]
    other = acme.file("other.ndjson", row("e-9"))
    twice = acme.sign(other)
    acme.ingest(other, twice)
    assert "another statement under this number" in acme.ingest(files[1], batches[1], code=5)["error"]["message"]
    shown = settle_json("batch", "list", "acme", home=acme.home)
    assert [(one["number"], one["count"], one["here"], one["signed_by"]) for one in shown] == [
        (1, 1, 1, "p-ann"),
        (2, 1, 1, "p-ann"),
    ]


def test_bad_rows_are_mended_before_they_are_signed(acme: Platform) -> None:
    """If this fails, a platform puts its name to rows that nobody can count."""
    for rows, said in (
        ([row("e-1"), row("e-2", territory="Sweden")], "line 2: territory"),
        ([row("e-1"), row("e-1", units=2)], "stands on line 1 already"),
        ([row("e-1", source="other")], "line 1: source"),
    ):
        path = acme.file("bad.ndjson", *rows)
        answer = settle_json(
            "batch", "sign", path, "--source", "acme", "--log", acme.log, "--key", acme.folder / "acme.key", code=2
        )
        assert said in answer["error"]["message"]
    path = acme.file("good.ndjson", row("e-1"))
    acme.sign(path)
    acme.file("good.ndjson", row("e-2"))
    acme.last = None
    acme.sign(path, code=5)


def test_a_conflict_inside_a_batch_and_a_row_that_must_wait(acme: Platform) -> None:
    """If this fails, one row of a signed file keeps the others out, or is taken for what the log holds."""
    acme.enrolled("--signed")
    before = acme.file("before.ndjson", row("e-1", units=9))
    settle_json("source", "set", "acme", "--unsigned", home=acme.home)
    settle_json("ingest", before, home=acme.home)
    settle_json("source", "set", "acme", "--signed", home=acme.home)
    refused = settle_json("ingest", acme.file("loose.ndjson", row("e-5")), home=acme.home, code=5)
    assert (refused["accepted"], refused["quarantined"]) == (0, 1)
    path = acme.file("june.ndjson", row("e-1"), row("e-2"), row("e-3", track="trk-new"))
    done = acme.ingest(path, acme.sign(path), code=5)
    assert (done["accepted"], done["conflicts"], done["quarantined"]) == (1, 1, 1)
    assert (acme.platform_of("e-1"), acme.platform_of("e-2")) == ("unsigned", "signed by p-ann")
    registry = acme.folder / "more.json"
    registry.write_text(json.dumps({"tracks": [{"id": "trk-new", "title": "New", "model": "mdl-1", "version": "1"}]}))
    settle_json("registry", "import", registry, home=acme.home)
    assert settle_json("quarantine", "replay", home=acme.home)["accepted"] == 1
    assert acme.platform_of("e-3") == "signed by p-ann"
    (shown,) = settle_json("batch", "list", home=acme.home)
    assert (shown["count"], shown["here"]) == (3, 2)


def test_a_platform_changes_its_key(acme: Platform) -> None:
    """If this fails, a platform cannot replace a key, or a stolen one signs on."""
    acme.enrolled()
    first = acme.file("june-1.ndjson", row("e-1"))
    acme.ingest(first, acme.sign(first))
    second = acme.file("june-2.ndjson", row("e-2"))
    stale = acme.sign(second)
    old = settle_json("source", "list", home=acme.home)[0]["keys"][0]
    renewed = acme.key("new.key")
    assert len(settle_json("source", "set", "acme", "--public", renewed, home=acme.home)["keys"]) == 2
    settle_json("key", "revoke", old, home=acme.home)
    assert "up to size" in acme.ingest(second, stale, code=3)["error"]["message"]
    acme.last = first.with_name("june-1.ndjson.batch")
    resigned = acme.sign(second, "--out", acme.folder / "again.batch", key="new.key")
    assert acme.ingest(second, acme.folder / "again.batch")["accepted"] == 1, resigned
    assert acme.ingest(first, first.with_name("june-1.ndjson.batch"))["duplicates"] == 1
    assert acme.platform_of("e-1") == acme.platform_of("e-2") == "signed by p-ann"
    settle_json(
        "key", "revoke", settle_json("source", "list", home=acme.home)[0]["keys"][0], "--until", "3", home=acme.home
    )
    assert acme.platform_of("e-2") == "unsigned"
    assert settle_json("ledger", "fsck", home=acme.home)["ok"]


def test_a_batch_whose_key_is_revoked_lets_no_event_in(acme: Platform) -> None:
    """If this fails, whoever stole a platform's key gets events in after the key was revoked, by way of quarantine."""
    acme.enrolled("--signed")
    path = acme.file("june.ndjson", row("e-1", track="trk-new"))
    assert acme.ingest(path, acme.sign(path), code=5)["quarantined"] == 1
    (shown,) = settle_json("batch", "list", home=acme.home)
    key = settle_json("source", "list", home=acme.home)[0]["keys"][0]
    settle_json("key", "revoke", key, "--until", str(shown["index"]), home=acme.home)
    registry = acme.folder / "more.json"
    registry.write_text(json.dumps({"tracks": [{"id": "trk-new", "title": "New", "model": "mdl-1", "version": "1"}]}))
    settle_json("registry", "import", registry, home=acme.home)
    again = settle_json("quarantine", "replay", home=acme.home, code=5)
    assert (again["accepted"], again["quarantined"]) == (0, 1)


def test_a_batch_is_for_one_log(acme: Platform) -> None:
    """If this fails, a platform's streams are counted by two operators on one signature."""
    acme.enrolled()
    path = acme.file("june.ndjson", row("e-1"))
    bare = settle_json("batch", "sign", path, "--source", "acme", "--key", acme.folder / "acme.key", code=2)
    assert "--log ORIGIN" in bare["error"]["message"]
    elsewhere = acme.folder / "elsewhere.batch"
    key: tuple[str | Path, ...] = ("--source", "acme", "--key", acme.folder / "acme.key", "--out", elsewhere)
    assert settle_json("batch", "sign", path, *key, "--log", "example.org/other")["log"] == "example.org/other"
    size = acme.size()
    assert "was signed for log example.org/other" in acme.ingest(path, elsewhere, code=3)["error"]["message"]
    assert acme.size() == size
    assert settle_json("batch", "sign", path, *key[:-1], path.with_name("here"), home=acme.home)["log"] == acme.log
    acme.ingest(path, acme.sign(path))
    second = acme.file("june-2.ndjson", row("e-2"))
    data = json.loads(acme.sign(second).read_bytes())
    assert json.loads(b64decode(data["payload"]))["log"] == acme.log


def test_what_only_the_operator_says(acme: Platform) -> None:
    """If this fails, a source is given keys or duties that nobody can answer for."""
    assert (
        "nobody could sign"
        in settle_json("source", "set", "acme", "--signed", home=acme.home, code=4)["error"]["message"]
    )
    lone = settle_json("source", "set", "acme", "--public", acme.public, home=acme.home, code=2)
    assert "--party" in lone["error"]["message"]
    assert settle("source", "set", "acme", "--party", "nobody", home=acme.home).code == 2
    acme.enrolled()
    again = settle_json("source", "set", "acme", "--public", acme.public, home=acme.home, code=5)
    assert "is in the log already" in again["error"]["message"]
    assert "name the file" in settle_json("ingest", "-", "--batch", "x", home=acme.home, code=2)["error"]["message"]
