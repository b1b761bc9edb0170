"""`settle ingest`: whether an unattended job learns from the exit code that somebody should look."""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path

import pytest

from tests.attacks.victim import registry
from tests.cli.support import settle


@pytest.fixture(scope="module")
def _made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("codes") / "home"
    assert settle("init", "--no-passphrase", "--origin", "example.org/ledger", home=home).code == 0
    document = home.parent / "registry.json"
    document.write_text(json.dumps(registry()), encoding="utf-8")
    assert settle("registry", "import", document, home=home).code == 0
    return home


@pytest.fixture
def home(_made: Path, tmp_path: Path) -> Path:
    shutil.copytree(_made, tmp_path / "home")
    return tmp_path / "home"


def rows(good: int, bad: int) -> bytes:
    """So many streams of a registered track, and so many of one that nobody knows."""
    row = {"source": "acme", "occurred_at": "2026-06-03T11:05:00Z", "territory": "SE", "units": 1}
    tracks = ["trk-1"] * good + ["trk-unknown"] * bad
    lines = [json.dumps(row | {"event_id": f"e-{n}", "track": track}) for n, track in enumerate(tracks)]
    return "".join(f"{line}\n" for line in lines).encode()


def code(home: Path, data: bytes, *words: str) -> int:
    path = home.parent / "events.ndjson"
    path.write_bytes(data)
    return settle("--json", "ingest", path, *words, home=home).code


def test_a_file_of_which_nothing_was_taken_is_a_conflict(home: Path) -> None:
    """If this fails, a job that hands in the wrong month's file every night is told that all is well."""
    assert code(home, rows(0, 3)) == 5
    assert code(home, rows(0, 3), "--max-quarantine", "100%") == 5
    assert code(home, rows(1, 0)) == 0
    assert code(home, rows(1, 0)) == 0, "a file of duplicates was taken before"


@pytest.mark.parametrize(
    ("good", "bad", "words", "left_with"),
    [
        (20, 10, (), 0),
        (20, 11, (), 5),
        (1_088, 11, (), 5),
        (1_089, 11, (), 0),
        (20, 11, ("--max-quarantine", "11"), 0),
        (20, 1, ("--max-quarantine", "0"), 5),
        (20, 5, ("--max-quarantine", "20%"), 0),
        (20, 6, ("--max-quarantine", "20%"), 5),
        (20, 1, ("--max-quarantine", "many"), 2),
    ],
)
def test_many_rows_kept_aside_are_a_conflict(
    home: Path, good: int, bad: int, words: tuple[str, ...], left_with: int
) -> None:
    """If this fails, a platform's broken export stays unseen, or one odd row stops a nightly job."""
    assert code(home, rows(good, bad), *words) == left_with


def test_a_truncated_file_is_bad_input_with_its_counts(home: Path) -> None:
    """If this fails, half a file passes for a whole one, or nobody is told what was taken of it."""
    path = home.parent / "events.ndjson.gz"
    path.write_bytes(gzip.compress(rows(3_000, 0))[:-200])
    answer = settle("--json", "ingest", path, home=home)
    assert answer.code == 2
    assert answer.json["read"] == answer.json["accepted"] + answer.json["quarantined"]


def test_an_empty_hourly_file_is_nothing_wrong(home: Path) -> None:
    """If this fails, a quiet hour wakes somebody."""
    assert code(home, b"") == 0


def test_an_import_of_which_nothing_was_taken_is_a_conflict(home: Path) -> None:
    """If this fails, a registry document that is refused row by row leaves with 0."""
    path = home.parent / "wrong.json"
    path.write_text(json.dumps({"parties": [{"id": "p-x", "kind": "robot"}]}), encoding="utf-8")
    assert settle("registry", "import", path, home=home).code == 5
