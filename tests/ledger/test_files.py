"""The one way in which files are written: whole, durable, and for nobody else's eyes."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from ledger.files import PUBLIC, keep_private, make_folder, whole, write_whole


@pytest.fixture
def _usual_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.usefixtures("_usual_umask")
def test_others_read_only_what_is_meant_for_them(tmp_path: Path) -> None:
    """If this fails, whoever has an account on the host reads payees' bank accounts (G1)."""
    write_whole(tmp_path / "own" / "deep" / "file", b"x")
    assert [mode(tmp_path / "own" / part) for part in ("", "deep", "deep/file")] == [0o700, 0o700, 0o600]
    write_whole(tmp_path / "shown" / "file", b"x", mode=PUBLIC)
    assert [mode(tmp_path / "shown"), mode(tmp_path / "shown" / "file")] == [0o755, 0o644]
    older = tmp_path / "older"
    older.write_bytes(b"x")
    keep_private(older)
    assert mode(older) == 0o600
    keep_private(tmp_path / "absent")
    make_folder(tmp_path / "shown")
    assert mode(tmp_path / "shown") == 0o755, "a folder that was there is its owner's"


@pytest.mark.parametrize("durable", [True, False])
def test_a_reader_sees_the_old_file_or_the_new_one(tmp_path: Path, durable: bool) -> None:
    """If this fails, a reader or a crash meets half a file."""
    path = tmp_path / "file"
    write_whole(path, b"old")
    with suppress(RuntimeError), whole(path, durable=durable) as out:
        out.write(b"ne")
        assert path.read_bytes() == b"old"
        raise RuntimeError
    assert path.read_bytes() == b"old"
    assert [one.name for one in tmp_path.iterdir()] == ["file"], "what was begun is left lying about"


def test_two_writers_at_once_leave_one_whole_file(tmp_path: Path) -> None:
    """If this fails, two processes that write one file leave a mixture of both."""
    bodies = [bytes([65 + n]) * 100_000 for n in range(4)]
    threads = [threading.Thread(target=write_whole, args=(tmp_path / "file", body)) for body in bodies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tmp_path / "file").read_bytes() in bodies
