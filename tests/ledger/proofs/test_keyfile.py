"""Key files: sealed or private, never overwritten, and every change noticed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ledger.errors import ConflictError, StateError, VerificationError
from ledger.proofs import keyfile
from tests.ledger.world import seeded

KEY = seeded("file")


def never() -> bytes:
    raise AssertionError("an unsealed key file needs no passphrase")


def test_unsealed(tmp_path: Path) -> None:
    """If this fails, a workspace made without a passphrase cannot use its keys, or asks for one."""
    path = tmp_path / "log.json"
    keyfile.save(path, KEY, None)
    assert path.stat().st_mode & 0o777 == 0o600
    assert keyfile.load(path, never).seed == KEY.seed


def test_sealed(tmp_path: Path) -> None:
    """If this fails, a key is readable without its passphrase, or lost with it."""
    path = tmp_path / "log.json"
    keyfile.save(path, KEY, "pässword".encode())
    assert KEY.seed.hex() not in path.read_text()
    assert keyfile.load(path, "pässword".encode).seed == KEY.seed
    with pytest.raises(VerificationError, match="wrong passphrase"):
        keyfile.load(path, lambda: b"password")


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    """If this fails, making a workspace twice destroys the keys of the first."""
    path = tmp_path / "log.json"
    keyfile.save(path, KEY, None)
    with pytest.raises(ConflictError):
        keyfile.save(path, seeded("other"), None)
    assert keyfile.load(path, never).seed == KEY.seed


def test_a_file_open_to_others_is_refused(tmp_path: Path) -> None:
    """If this fails, a key that everyone on the machine can read is used as if it were private."""
    path = tmp_path / "log.json"
    keyfile.save(path, KEY, None)
    path.chmod(0o640)
    with pytest.raises(StateError, match="chmod 600"):
        keyfile.load(path, never)


@pytest.mark.parametrize(
    "change",
    [{"public": "00" * 32}, {"seed": "11" * 32}, {"seed": "zz"}, {"public": 5}, {"seed": None}],
)
def test_changed_files_are_refused(tmp_path: Path, change: dict[str, object]) -> None:
    """If this fails, a damaged key file signs with a key nobody trusts, or crashes."""
    path = tmp_path / "log.json"
    keyfile.save(path, KEY, None)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(VerificationError):
        keyfile.load(path, never)


@pytest.mark.parametrize("field", ["salt", "nonce", "sealed", "public"])
def test_a_changed_seal_is_refused(tmp_path: Path, field: str) -> None:
    """If this fails, a changed file opens to another key."""
    path = tmp_path / "log.json"
    keyfile.save(path, KEY, b"x")
    document = json.loads(path.read_text())
    document[field] = f"{int(document[field][0], 16) ^ 1:x}" + document[field][1:]
    path.write_text(json.dumps(document))
    with pytest.raises(VerificationError):
        keyfile.load(path, lambda: b"x")


@pytest.mark.parametrize("content", ["", "[]", "{", "null", '"x"', "{}"])
def test_what_is_no_key_file(tmp_path: Path, content: str) -> None:
    """If this fails, a wrong file is a crash instead of a message."""
    path = tmp_path / "log.json"
    path.touch(mode=0o600)
    path.write_text(content)
    with pytest.raises(VerificationError, match="restore it"):
        keyfile.load(path, never)
