"""The log at the command line, from a file of events to a verified bundle and back from a rollback."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.cli.support import settle, settle_json
from tests.ledger.ingest.streams import lines, row

REGISTRY = {
    "parties": [{"id": "p-ann", "name": "Ann", "kind": "person"}],
    "recordings": [
        {"id": "rec-1", "title": "Blue", "artist": "Ann"},
        {"id": "rec-2", "title": "Red", "artist": "Bo"},
        {"id": "rec-3", "title": "Green", "artist": "Ann"},
    ],
    "shares": [
        {
            "subject": "rec-1",
            "party": "p-ann",
            "right": "master",
            "ppm": 1_000_000,
            "territory": "WORLD",
            "from": "2020-01-01",
            "state": "confirmed",
        },
        {
            "subject": "rec-3",
            "party": "p-ann",
            "right": "master",
            "ppm": 1_000_000,
            "territory": "WORLD",
            "from": "2020-01-01",
            "state": "confirmed",
        },
    ],
    "grants": [
        {
            "id": "g-1",
            "grantor": "p-ann",
            "subject": "rec-1",
            "uses": ["condition"],
            "decision": "allow",
            "territory": "WORLD",
            "from": "2026-01-01",
        },
        {
            "id": "g-2",
            "grantor": "p-ann",
            "subject": "rec-3",
            "uses": ["condition"],
            "decision": "ask",
            "territory": "WORLD",
            "from": "2026-01-01",
        },
    ],
    "models": [{"id": "mdl-1", "version": "1", "operator": "p-ann", "training": ["rec-1"]}],
    "tracks": [{"id": name, "title": name, "model": "mdl-1", "version": "1"} for name in ("trk-1", "trk-2")],
}
DECLARED = {"track": "trk-1", "sources": [{"recording": "rec-1", "ppm": 600_000, "use": "condition"}]}


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("workspace")
    home = folder / "home"
    settle_json("init", "--no-passphrase", "--origin", "example.org/log", home=home)
    (folder / "registry.json").write_text(json.dumps(REGISTRY))
    (folder / "declared.json").write_text(json.dumps(DECLARED))
    settle_json("registry", "import", folder / "registry.json", home=home)
    settle_json("attribute", "--declared", folder / "declared.json", home=home)
    return home


@pytest.fixture
def home(template: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(template, tmp_path / "home"))


def ingest(home: Path, *rows: dict[str, Any] | bytes, code: int = 0, options: tuple[str | Path, ...] = ()) -> Any:
    place = home / "events.ndjson"
    place.write_bytes(lines(*rows))
    return settle_json("ingest", place, *options, home=home, code=code)


def test_ingest_counts_reconcile(home: Path) -> None:
    """If this fails, a platform cannot tell what became of what it sent."""
    rows: list[dict[str, Any] | bytes] = [
        row("e-1"),
        row("e-2", track="trk-2"),
        row("e-1"),
        row("e-1", units=9),
        row("e-3", track="nobody"),
        b"{",
    ]
    answer = ingest(home, *rows, code=5)
    head = settle_json("ledger", "head", home=home)
    names = ("read", "accepted", "unresolved", "duplicates", "conflicts", "quarantined")
    assert [answer[name] for name in names] == [6, 2, 1, 1, 1, 2]
    assert (answer["tree_size"], answer["root"]) == (head["size"], head["root"])
    assert set(head) == {"origin", "size", "root", "chain"}


def test_counts_add_up_where_a_person_reads_them(home: Path) -> None:
    """If this fails, a platform's operator finds more rows in quarantine than ingest told of."""
    place = home / "events.ndjson"
    place.write_bytes(lines(row("e-1"), row("e-2", track="trk-2"), row("e-1"), row("e-1", units=9), b"{"))
    said = settle("ingest", place, home=home)
    assert said.out.startswith("5 rows read = 2 accepted + 1 duplicate + 1 conflict + 1 quarantined\n")
    assert "1 of those accepted have no vector yet" in said.out
    assert "2 rows kept in quarantine (1 rejected + 1 conflict)" in said.err
    assert settle("quarantine", "list", home=home).out.startswith("2 rows = 1 conflict + 1 invalid\n")


def test_rows_that_will_never_be_taken_are_closed_and_stay_on_record(home: Path) -> None:
    """If this fails, an operator is reminded of a conflict for ever, or can make a row vanish."""
    ingest(home, row("e-1"), row("e-1", units=9), b"{", code=5)
    first, second = (one["id"] for one in settle_json("quarantine", "list", home=home))
    closed = settle_json("quarantine", "discard", str(first), "--reason", "sent twice by mistake", home=home)
    assert closed == {"discarded": 1, "already": 0, "waiting": 1}
    assert settle_json("quarantine", "discard", str(first), "--reason", "again", home=home)["already"] == 1
    assert [one["id"] for one in settle_json("quarantine", "list", home=home)] == [second]
    kept = settle_json("quarantine", "show", str(first), home=home)
    assert (kept["state"], json.loads(kept["raw"])["units"]) == ("discarded", 9)
    assert kept["reason"].startswith("line 1 has this event id with another body (discarded by operator at ")
    assert kept["reason"].endswith(": sent twice by mistake)")
    ingest(home, row("e-1"), row("e-1", units=9), b"{", code=5)
    assert len(settle_json("quarantine", "list", home=home)) == 2, "handed in again, it waits again"
    settle_json("quarantine", "discard", "99", "--reason", "x", home=home, code=2)
    for reason in (" ", "a\033[2J", "a\nb"):
        settle_json("quarantine", "discard", str(second), "--reason", reason, home=home, code=2)


def test_a_row_that_speaks_for_another_platform_is_replayed_by_name_only(home: Path) -> None:
    """If this fails, what one platform says in another's name is counted once somebody replays what waits."""
    foreign = row("z-1", source="beta")
    late = row("z-2", source="beta", occurred_at="2999-01-01T00:00:00Z")
    assert ingest(home, row("e-1"), foreign, late, options=("--source", "acme"))["quarantined"] == 2
    kept = settle_json("quarantine", "list", home=home)
    assert [one["kind"] for one in kept] == ["other-source", "other-source"]
    again = settle_json("quarantine", "replay", home=home)
    assert (again["read"], again["accepted"], again["left"]) == (0, 0, 2)
    assert "2 rows skipped" in settle("quarantine", "replay", home=home).err
    named = settle_json("quarantine", "replay", str(kept[0]["id"]), home=home)
    assert (named["accepted"], named["left"]) == (1, 0)


def test_a_file_of_another_kind_is_refused_whole(home: Path) -> None:
    """If this fails, somebody who hands in the registry as events is told that all is well."""
    (home / "registry.json").write_text(json.dumps(REGISTRY, indent=1))
    said = settle("ingest", home / "registry.json", home=home)
    assert said.code == 2
    assert "no file of stream events" in said.err
    assert settle_json("quarantine", "list", "--all", home=home) == []


def test_a_file_that_holds_no_event_says_so(home: Path) -> None:
    """If this fails, a night's export that came out empty looks like a night without trouble."""
    place = home / "events.csv"
    place.write_text("source,event_id,track,occurred_at,territory,units\n")
    said = settle("ingest", place, home=home)
    assert said.code == 0
    assert "events.csv contains no event" in said.err


def test_quarantined_rows_alone_are_no_failure(home: Path) -> None:
    """If this fails, one late track turns a night's job red."""
    assert ingest(home, row("e-1"), row("e-2", track="nobody"))["quarantined"] == 1


@pytest.mark.parametrize("name", ["e-1", "acme:e-1"])
def test_an_event_is_proven_and_verified(home: Path, tmp_path: Path, name: str) -> None:
    """If this fails, what the log proves the verifier does not accept."""
    ingest(home, row("e-1"))
    bundle = tmp_path / "e.bundle"
    answer = settle_json("ledger", "prove", name, "--out", bundle, home=home)
    assert answer["kind"] == "event"
    report = settle_json("verify", bundle, "--trust", home / "trust.json")
    assert report["ok"]
    assert any("assigned" in step["name"] for step in report["steps"])


def test_every_entry_can_be_proven(home: Path, tmp_path: Path) -> None:
    """If this fails, some kind of leaf cannot be shown to an auditor."""
    ingest(home, row("e-1"), row("e-2", track="trk-2"))
    for index in range(settle_json("ledger", "head", home=home)["size"]):
        bundle = tmp_path / f"{index}.bundle"
        settle_json("ledger", "prove", "--index", str(index), "--out", bundle, home=home)
        assert settle_json("verify", bundle, home=home)["ok"], index


def test_an_event_bound_later_is_proven_by_that_assignment(home: Path, tmp_path: Path) -> None:
    """If this fails, an event that waited for its vector cannot be checked."""
    ingest(home, row("e-1", track="trk-2"))
    declared = tmp_path / "d.json"
    declared.write_text(json.dumps({**DECLARED, "track": "trk-2"}))
    settle_json("attribute", "--declared", declared, home=home)
    settle_json("ledger", "prove", "e-1", "--out", tmp_path / "b", home=home)
    report = settle_json("verify", tmp_path / "b", home=home)
    assert report["ok"]
    assert any("first assignment" in remark for remark in report["unchecked"])


def test_an_event_keeps_the_assignment_it_was_bound_by(home: Path, tmp_path: Path) -> None:
    """If this fails, a correction breaks the proofs of what was paid before it."""
    ingest(home, row("e-1"))
    declared = tmp_path / "d.json"
    declared.write_text(json.dumps({**DECLARED, "sources": [{"recording": "rec-1", "ppm": 1}]}))
    settle_json("attribute", "--declared", declared, home=home)
    ingest(home, row("e-2"))
    for name in ("e-1", "e-2"):
        settle_json("ledger", "prove", name, "--out", tmp_path / name, home=home)
    assert settle_json("verify", tmp_path / "e-1", tmp_path / "e-2", home=home)["ok"]
    vectors = [json.loads((tmp_path / name).read_text())["event"]["leaf"]["vector"] for name in ("e-1", "e-2")]
    assert vectors[0] != vectors[1]


def test_receipts_verify_alone_and_come_again(home: Path, tmp_path: Path) -> None:
    """If this fails, a platform's receipt is worth nothing without us, or changes between two answers."""
    rows = [row("e-1"), row("odd / id"), row("..", source="..")]
    ingest(home, *rows, options=("--receipts", tmp_path / "r"))
    files = sorted(place for place in (tmp_path / "r").rglob("*") if place.is_file())
    assert len(files) == 3
    assert all(tmp_path / "r" in place.resolve().parents for place in files)
    before = [place.read_bytes() for place in files]
    assert settle_json("verify", *files, "--trust", home / "trust.json")["ok"]
    ingest(home, row("e-9"))
    ingest(home, *rows, options=("--receipts", tmp_path / "r"))
    assert [place.read_bytes() for place in files] == before


def test_receipts_in_one_file(home: Path, tmp_path: Path) -> None:
    """If this fails, a platform with millions of events must keep millions of files."""
    ingest(home, row("e-1"), row("e-2"), options=("--receipts", tmp_path / "receipts.ndjson"))
    found = [json.loads(line) for line in (tmp_path / "receipts.ndjson").read_text().splitlines()]
    assert [(one["source"], one["event_id"]) for one in found] == [("acme", "e-1"), ("acme", "e-2")]
    (tmp_path / "one.tlog-proof").write_text(found[1]["receipt"])
    assert settle_json("verify", tmp_path / "one.tlog-proof", home=home)["ok"]


def test_carried_vectors_pass_the_permission_check(home: Path) -> None:
    """If this fails, a platform's own vectors pay sources that never agreed."""
    allowed = {"sources": [{"recording": "rec-1", "ppm": 100_000}]}
    denied = {"sources": [{"recording": "rec-2", "ppm": 100_000}]}
    unknown = {"sources": [{"recording": "rec-9", "ppm": 100_000}]}
    asking = {"sources": [{"recording": "rec-3", "ppm": 100_000}]}
    vectors = (allowed, denied, unknown, asking)
    rows = [row(f"e-{i}", track="trk-2", vector=one) for i, one in enumerate(vectors, start=1)]
    answer = ingest(home, *rows)
    assert (answer["accepted"], answer["quarantined"]) == (1, 3)
    reasons = [one["reason"] for one in settle_json("quarantine", "list", home=home)]
    assert "rec-2" in reasons[0]
    assert "'rec-9' is not registered" in reasons[1]
    assert "rec-3: refused: condition: ask" in reasons[2]


def test_a_platforms_file_speaks_for_that_platform(home: Path) -> None:
    """If this fails, one platform's file reports streams in the name of another."""
    answer = ingest(home, row("e-1"), row("e-2", source="rival"), options=("--source", "acme"))
    assert (answer["accepted"], answer["quarantined"]) == (1, 1)
    (kept,) = settle_json("quarantine", "list", home=home)
    assert (kept["line"], kept["kind"]) == (2, "other-source")
    assert "rival" in kept["reason"]


def test_quarantine_is_listed_shown_and_replayed(home: Path, tmp_path: Path) -> None:
    """If this fails, a refused row is lost, or can only be rescued by hand."""
    ingest(home, row("e-1", track="trk-9"), row("e-2", units=-1), code=5)
    waiting = settle_json("quarantine", "list", home=home)
    assert [(one["line"], one["kind"]) for one in waiting] == [(1, "unknown-track"), (2, "invalid")]
    assert json.loads(settle_json("quarantine", "show", str(waiting[1]["id"]), home=home)["raw"])["units"] == -1
    (tmp_path / "more.json").write_text(
        json.dumps({"tracks": [{"id": "trk-9", "title": "Late", "model": "mdl-1", "version": "1"}]})
    )
    settle_json("registry", "import", tmp_path / "more.json", home=home)
    assert settle_json("quarantine", "replay", home=home)["accepted"] == 1
    (tmp_path / "fixed.json").write_text(json.dumps(row("e-2")))
    fixed = settle_json("quarantine", "replay", str(waiting[1]["id"]), "--with", tmp_path / "fixed.json", home=home)
    assert fixed["accepted"] == 1
    assert settle_json("quarantine", "list", home=home) == []
    assert len(settle_json("quarantine", "list", "--all", home=home)) == 2


def test_a_listener_is_erased(home: Path) -> None:
    """If this fails, the right to be forgotten has no button."""
    ingest(home, row("e-1"), row("e-2", track="nobody"))
    assert settle_json("listener", "erase", "acme", "u-77", home=home) == {"source": "acme", "salts": 1, "rows": 1}
    assert settle_json("ledger", "fsck", home=home)["ok"]


def test_a_truncated_file_leaves_with_usage_and_counts(home: Path) -> None:
    """If this fails, a broken transfer looks complete, or what it held is not answered for."""
    import gzip

    data = gzip.compress(lines(*(row(f"e-{i}") for i in range(20_000))))
    (home / "events.ndjson.gz").write_bytes(data[: len(data) * 3 // 4])
    answer = settle_json("ingest", home / "events.ndjson.gz", home=home, code=2)
    assert answer["accepted"] > 0
    assert "send the whole file again" in answer["incomplete"]


def test_standard_input_is_a_file_too(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, events cannot be piped in."""
    import io
    import sys

    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(lines(row("e-1")))))
    assert settle_json("ingest", "-", home=home)["accepted"] == 1


def test_unknown_things_are_named(home: Path) -> None:
    """If this fails, a typing error ends in a traceback or in silence."""
    for words, reason in [
        (("ledger", "prove", "nothing"), "no event 'nothing'"),
        (("ledger", "prove"), "name one entry"),
        (("ledger", "prove", "--index", "99"), "no entry 99"),
        (("ledger", "consistency", "1", "99"), "not 99"),
        (("ledger", "checkpoint", "--size", "99"), "no checkpoint of size 99"),
        (("ingest", "missing.ndjson"), "no file missing.ndjson"),
        (("quarantine", "show", "5"), "no row 5"),
        (("ledger", "recover"), "say how"),
    ]:
        assert reason in settle_json(*words, home=home, code=2)["error"]["message"]


def test_rollback_and_recovery_from_an_export(home: Path, tmp_path: Path) -> None:
    """If this fails, a restored backup forks the log, or an export cannot undo it."""
    ingest(home, row("e-1"))
    shutil.copytree(home, tmp_path / "backup")
    ingest(home, row("e-2"))
    head = settle_json("ledger", "head", home=home)
    settle_json("ledger", "export", tmp_path / "export", home=home)
    for place in home.glob("settle.db*"):
        place.unlink()
    for place in (tmp_path / "backup").glob("settle.db*"):
        shutil.copy(place, home)
    for words in (("ledger", "head"), ("ingest", home / "events.ndjson"), ("ledger", "seal")):
        assert settle("--json", *words, home=home).code == 3
    assert settle_json("ledger", "fsck", home=home, code=3)["ok"] is False
    mended = settle_json("ledger", "recover", "--from", tmp_path / "export", home=home)
    assert (mended["size"], mended["root"], mended["replayed"]) == (head["size"], head["root"], 1)
    assert settle_json("ledger", "fsck", home=home)["ok"]


def test_a_successor_names_both_heads_and_the_reason(home: Path, tmp_path: Path) -> None:
    """If this fails, starting afresh hides what was lost, or after a rotation leaves a log that nobody can open."""
    settle_json("key", "rotate", "log", home=home)
    shutil.copytree(home, tmp_path / "backup")
    ingest(home, row("e-1"))
    lost = settle_json("ledger", "head", home=home)
    for place in home.glob("settle.db*"):
        place.unlink()
    for place in (tmp_path / "backup").glob("settle.db*"):
        shutil.copy(place, home)
    options = ("--new-origin", "example.org/log-2", "--reason", "the disk died")
    assert settle_json("ledger", "recover", *options, home=home)["size"] == 1
    settle_json("ledger", "prove", "--index", "0", "--out", tmp_path / "b", home=home)
    assert settle_json("verify", tmp_path / "b", home=home)["ok"]
    first = json.loads((tmp_path / "b").read_text())["entry"]["leaf"]
    assert (first["origin"], first["reason"]) == ("example.org/log-2", "the disk died")
    assert [one["size"] for one in first["follows"]] == [lost["size"] - 1, lost["size"]]
    assert len(list(home.glob("settle.db.example.org_log*"))) >= 1
    successor, old = json.loads((home / "trust.json").read_text())["logs"]
    assert [sum(key["role"] == "log" for key in one["keys"]) for one in (successor, old)] == [1, 2]
    assert settle_json("ledger", "seal", home=home)["size"] == 2
    assert settle_json("ledger", "fsck", home=home)["ok"]


def test_seal_checkpoint_and_consistency(home: Path) -> None:
    """If this fails, the log cannot be watched from outside."""
    old = settle_json("ledger", "head", home=home)["size"]
    assert settle_json("ledger", "seal", home=home) == {"index": old, "size": old + 1}
    assert settle_json("ledger", "checkpoint", home=home)["checkpoint"].startswith(f"example.org/log\n{old + 1}\n")
    assert settle_json("ledger", "consistency", str(old), str(old + 1), home=home)["proof"]


def test_several_files_and_folders_are_answered_for_one_by_one(home: Path, tmp_path: Path) -> None:
    """If this fails, one bad file of an hourly folder stops the others, or nobody learns which it was."""
    folder = tmp_path / "hours"
    folder.mkdir()
    for hour in range(3):
        renamed = row(f"e-{hour}") | {"device": "phone"}
        renamed["played_at"] = renamed.pop("occurred_at")
        (folder / f"{hour}.ndjson").write_text(json.dumps(renamed) + "\n")
    (folder / ".3.ndjson.part").write_text("half a fi")
    bad = tmp_path / "bad.csv"
    bad.write_text("colour\nred\n")
    answer = settle_json("ingest", folder, bad, "--map", "played_at=occurred_at", home=home, code=2)
    assert [one["done"] and one["done"]["accepted"] for one in answer] == [1, 1, 1, None]
    assert "missing column" in answer[3]["refused"]
    first, second = answer[0]["done"], answer[1]["done"]
    assert first["ignored"] == {"device": 1}
    assert sum(first["ranges"][-1]) == second["ranges"][0][0]
    assert second["checkpoint"].splitlines()[1] == str(second["tree_size"])
