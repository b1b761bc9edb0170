"""A new workspace is whole, is found, and is never made over another."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from tests.cli.support import settle, settle_json


def test_init_makes_a_workspace_whose_trust_file_names_its_log(tmp_path: Path) -> None:
    """If this fails, an auditor has nothing to compare out of band."""
    made = settle_json("init", "--no-passphrase", home=tmp_path / "w")
    trust = json.loads((tmp_path / "w" / "trust.json").read_text(encoding="utf-8"))
    assert [log["origin"] for log in trust["logs"]] == [made["origin"]]
    head = settle_json("status", home=tmp_path / "w")
    assert (head["origin"], head["size"]) == (made["origin"], 1)


def test_a_second_init_changes_nothing(tmp_path: Path) -> None:
    """If this fails, a mistyped command replaces the keys of a living log."""
    settle_json("init", "--no-passphrase", home=tmp_path)
    before = {path: path.read_bytes() for path in sorted(tmp_path.rglob("*.json"))}
    settle_json("init", "--no-passphrase", home=tmp_path, code=5)
    assert {path: path.read_bytes() for path in sorted(tmp_path.rglob("*.json"))} == before


def test_a_second_init_asks_for_no_secret(tmp_path: Path) -> None:
    """If this fails, a person types a passphrase twice and learns only then that it was for nothing."""
    settle_json("init", "--no-passphrase", home=tmp_path)
    assert "already holds a workspace" in settle("init", home=tmp_path).err


@pytest.mark.parametrize("place", ["missing", "."])
def test_a_passphrase_file_that_cannot_be_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """If this fails, a mistyped path ends in a traceback, or in keys sealed with something else."""
    monkeypatch.setenv("SETTLE_PASSPHRASE_FILE", str(tmp_path / place))
    answer = settle("init", home=tmp_path / "w")
    assert answer.code == 4
    assert "SETTLE_PASSPHRASE_FILE=" in answer.err
    assert not (tmp_path / "w").exists()


@pytest.mark.parametrize("setting", ["SETTLE_PASSPHRASE", "SETTLE_PASSPHRASE_FILE"])
def test_an_empty_passphrase_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, setting: str) -> None:
    """If this fails, keys that look sealed are open to anybody who presses Enter."""
    (tmp_path / "empty").write_text("\n")
    monkeypatch.setenv(setting, str(tmp_path / "empty") if setting.endswith("FILE") else "")
    answer = settle("init", home=tmp_path / "w")
    assert answer.code == 4
    assert "--no-passphrase" in answer.err
    assert not (tmp_path / "w").exists()


def test_private_keys_are_for_their_owner_only(tmp_path: Path) -> None:
    """If this fails, another user of the machine can sign as us."""
    settle_json("init", "--no-passphrase", home=tmp_path)
    keys = sorted((tmp_path / "keys").iterdir())
    assert len(keys) == 4
    assert {stat.S_IMODE(path.stat().st_mode) for path in keys} == {0o600}


def test_the_passphrase_seals_every_key_and_is_asked_for_only_to_sign(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If this fails, keys lie open on disk, or merely looking at a log needs a secret."""
    monkeypatch.setenv("SETTLE_PASSPHRASE", "a secret of this test")
    settle_json("init", home=tmp_path)
    monkeypatch.delenv("SETTLE_PASSPHRASE")
    for path in (tmp_path / "keys").iterdir():
        assert "seed" not in json.loads(path.read_text(encoding="ascii"))
    assert settle("status", home=tmp_path).code == 0


def test_one_is_not_told_as_many(tmp_path: Path) -> None:
    """If this fails, a first workspace speaks of 1 entries, or of recordings that were not permitted where all were."""
    settle_json("init", "--no-passphrase", home=tmp_path)
    assert ", 1 entry, root" in settle("status", home=tmp_path).out
    registry = {
        "parties": [{"id": "p-ann", "name": "Ann", "kind": "person"}],
        "recordings": [{"id": "rec-1", "title": "One"}],
        "models": [{"id": "mdl", "version": "1", "operator": "p-ann", "training": ["rec-1"]}],
    }
    (tmp_path / "registry.json").write_text(json.dumps(registry))
    told = settle("registry", "import", tmp_path / "registry.json", home=tmp_path)
    assert "to see which, if any, of its 1 recording was not permitted" in told.out + told.err
    assert "1 party, 1 recording, 0 tracks" in settle("status", home=tmp_path).out
