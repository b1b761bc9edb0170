"""What statements say of a run is taken apart once and looked up after that."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from ledger.errors import TransientError
from ledger.proofs import dsse, keyfile
from ledger.proofs.keys import PrivateKey
from service.settlement.step import read_book
from service.statements import parts
from service.statements.statements import state, state_all
from tests.service.month import Month, published


def test_a_statement_is_looked_up_after_the_first(june: Month, monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, every single statement of a large month costs as much as all of them."""
    published(june)
    first = list(state_all(june.ws, "2026-06"))
    monkeypatch.setattr(parts, "break_down", None)
    assert [state(june.reopened(), statement.party, "2026-06") for statement in first] == first
    monkeypatch.undo()
    shutil.rmtree(june.home / parts.FOLDER)
    assert list(state_all(june.reopened(), "2026-06")) == first
    assert (june.home / parts.FOLDER).is_dir()


def test_a_published_run_is_taken_apart_before_anybody_asks(june: Month, monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, the first holder who asks for a statement waits while the whole run is taken apart."""
    published(june)
    (run,) = read_book(june.ws).published
    assert not list(june.home.glob("statement-parts/*.db"))
    parts.prepare(june.ws, run)
    monkeypatch.setattr(parts, "break_down", None)
    assert state(june.ws, "ann", "2026-06").pools[0].earnings


def test_statements_need_no_place_to_write(june: Month, monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, a workspace on a full or read-only disk can state nothing."""
    published(june)
    expected = state(june.ws, "ann", "2026-06")

    def refused(_: Path) -> None:
        raise PermissionError(13, "read-only")

    shutil.rmtree(june.home / parts.FOLDER)
    monkeypatch.setattr(parts, "make_folder", refused)
    assert state(june.reopened(), "ann", "2026-06") == expected
    assert not (june.home / parts.FOLDER).exists()


@pytest.mark.parametrize("content", [b"", b"no database" * 1000], ids=["empty", "garbage"])
def test_a_file_that_a_crash_left_unreadable_is_written_again(june: Month, content: bytes) -> None:
    """If this fails, a power cut while statements were stored leaves everybody without one for good."""
    published(june)
    expected = state(june.ws, "ann", "2026-06")
    (path,) = (june.home / parts.FOLDER).iterdir()
    path.write_bytes(content)
    assert state(june.reopened(), "ann", "2026-06") == expected
    assert path.read_bytes() != content
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE part SET content = ? WHERE party = 'ann'", (b"\xc1",))
    with pytest.raises(TransientError):
        state(june.reopened(), "ann", "2026-06")
    assert state(june.reopened(), "ann", "2026-06") == expected


def test_the_parts_are_on_disk_before_they_have_their_name(june: Month, monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, a power cut leaves a file of parts under its name without its content."""
    steps: list[str] = []
    replace, sync = Path.replace, os.fsync

    def synced(handle: int) -> None:
        steps.append("folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file")
        sync(handle)

    def renamed(path: Path, target: Path) -> Path:
        steps.append("renamed")
        return replace(path, target)

    published(june)
    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", renamed)
    shutil.rmtree(june.home / parts.FOLDER, ignore_errors=True)
    state(june.reopened(), "ann", "2026-06")
    assert steps[-3:] == ["file", "renamed", "folder"]


def changed(connection: sqlite3.Connection, *, digests: bool) -> None:
    """Bob's part becomes ann's, with its digest or without."""
    connection.execute("UPDATE part SET content = (SELECT content FROM part WHERE party = 'bob') WHERE party = 'ann'")
    if digests:
        query = "UPDATE digest SET sha256 = (SELECT sha256 FROM digest WHERE party = 'bob') WHERE party = 'ann'"
        connection.execute(query)


def omitted(connection: sqlite3.Connection) -> None:
    """Ann has no part in the run."""
    connection.execute("DELETE FROM part WHERE party = 'ann'")
    connection.execute("DELETE FROM digest WHERE party = 'ann'")


def resigned(connection: sqlite3.Connection) -> None:
    """A stranger signs what the operator signed."""
    (statement,) = connection.execute("SELECT statement FROM signed").fetchone()
    envelope = dsse.parse(statement)
    forged = dsse.sign(envelope.payload_type, envelope.payload, [PrivateKey.from_seed(b"x" * 32)])
    connection.execute("UPDATE signed SET statement = ?", (forged.encode(),))


@pytest.mark.parametrize("change", [partial(changed, digests=True), omitted, resigned])
def test_a_list_of_parts_that_somebody_changed_is_made_again(
    june: Month, change: Callable[[sqlite3.Connection], None]
) -> None:
    """If this fails, whoever can write to the workspace decides which tracks a printed statement names."""
    published(june)
    expected = state(june.ws, "ann", "2026-06")
    (path,) = (june.home / parts.FOLDER).iterdir()
    before = path.read_bytes()
    with closing(sqlite3.connect(path)) as connection, connection:
        change(connection)
    assert state(june.reopened(), "ann", "2026-06") == expected
    assert path.read_bytes() == before


def test_a_changed_part_is_refused_by_name(june: Month) -> None:
    """If this fails, a holder's statement names tracks of another, and nothing says so."""
    published(june)
    expected = state(june.ws, "ann", "2026-06")
    (path,) = (june.home / parts.FOLDER).iterdir()
    with closing(sqlite3.connect(path)) as connection, connection:
        changed(connection, digests=False)
    with pytest.raises(TransientError, match="the part of ann was changed"):
        state(june.reopened(), "ann", "2026-06")
    assert state(june.reopened(), "ann", "2026-06") == expected


def test_a_folder_in_the_place_of_the_parts_stops_no_statement(june: Month) -> None:
    """If this fails, whoever can write to the workspace keeps everybody from a statement."""
    published(june)
    expected = state(june.ws, "ann", "2026-06")
    (path,) = (june.home / parts.FOLDER).iterdir()
    path.unlink()
    path.mkdir()
    assert state(june.reopened(), "ann", "2026-06") == expected


def test_nobody_is_asked_for_a_passphrase_to_state(june: Month, monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, a statement waits for a passphrase that nobody types, or is kept unsigned."""
    published(june)
    expected = state(june.ws, "ann", "2026-06")
    shutil.rmtree(june.home / parts.FOLDER)
    path = june.ws.key_path("operator")
    key = june.ws.key("operator")
    path.unlink()
    keyfile.save(path, key, b"secret")
    for name in ("SETTLE_PASSPHRASE", "SETTLE_PASSPHRASE_FILE"):
        monkeypatch.delenv(name, raising=False)
    assert state(june.reopened(), "ann", "2026-06") == expected
    assert not (june.home / parts.FOLDER).exists()
    monkeypatch.setenv("SETTLE_PASSPHRASE", "secret")
    assert state(june.reopened(), "ann", "2026-06") == expected
    assert (june.home / parts.FOLDER).is_dir()
