"""The inbox: files taken once they are whole, answered for beside them, and never twice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ledger.errors import InputError, TransientError
from ledger.types import Role
from service import inbox as module
from service import operating
from service.inbox import Inbox, inbox_standing
from service.log.keys import rotate
from service.workspace import Workspace
from tests.service.month import DECLARED, Month
from tests.service.web.serving import lines, row


def watched(june: Month, folder: Path) -> Inbox:
    return Inbox(folder, june.reopened, source="acme")


def test_a_file_is_taken_once_it_is_whole(june: Month, tmp_path: Path) -> None:
    """If this fails, half a file is taken while it is still being copied, or a whole one never."""
    folder = tmp_path / "inbox"
    inbox = watched(june, folder)
    assert inbox.look() == []
    path = folder / "hour.ndjson"
    path.write_bytes(lines(row("a")))
    assert inbox.look() == []
    path.write_bytes(lines(row("a"), row("b")))
    assert inbox.look() == []
    (taken,) = inbox.look()
    assert (taken.file, taken.answer and taken.answer["accepted"]) == ("hour.ndjson", 2)
    answer = json.loads((folder / "done" / "hour.ndjson.answer.json").read_text())
    assert answer["ranges"]
    assert answer["checkpoint"]
    assert inbox.look() == []
    standing = inbox_standing(folder)
    assert standing is not None
    assert (standing.waiting, standing.done, standing.failed) == (0, 1, 0)


def test_a_file_that_cannot_be_used_stands_beside_its_reason(june: Month, tmp_path: Path) -> None:
    """If this fails, a bad file stops the inbox, is lost, or nobody learns why it failed."""
    folder = tmp_path / "inbox"
    inbox = watched(june, folder)
    folder.mkdir()
    (folder / "photo.jpg").write_bytes(b"\xff\xd8")
    (folder / "empty.csv").write_bytes(b"colour\nred\n")
    (folder / "other.ndjson").write_bytes(lines(row("x", source="other")))
    (folder / "good.ndjson").write_bytes(lines(row("a"), row("b", track="nobody-knows")))
    (folder / "song.wav").write_bytes(b"RIFF no sound")
    inbox.look()
    taken = {one.file: one for one in inbox.look()}
    assert {name for name, one in taken.items() if one.reason is None} == {"good.ndjson"}
    for name in ("photo.jpg", "empty.csv", "other.ndjson", "song.wav"):
        assert (folder / "failed" / name).is_file()
        assert (folder / "failed" / f"{name}.reason.txt").read_text().strip() == taken[name].reason


@pytest.mark.parametrize("role", ["log", "attribution"])
def test_a_key_that_is_rotated_meanwhile_fails_no_file(june: Month, tmp_path: Path, role: Role) -> None:
    """If this fails, files taken while a key is rotated go to `failed/`, or stand in the log signed by the old key."""
    folder = tmp_path / "inbox"
    opened: list[Workspace] = []

    def open_workspace() -> Workspace:
        opened.append(june.reopened())
        opened[-1].signer(role)
        opened[-1].log.head()
        if len(opened) == 1:  # from here on the workspace just opened holds a key that was handed over
            rotate(june.ws, role)
        return opened[-1]

    inbox = Inbox(folder, open_workspace, source="acme")
    inbox.look()
    (folder / "trk-3.vector").write_text(json.dumps(DECLARED[0] | {"track": "trk-3"}))
    (folder / "a.ndjson").write_bytes(lines(row("a")))
    inbox.look()
    assert [taken.reason for taken in inbox.look()] == [None] * 2
    assert sorted((folder / "failed").iterdir()) == []
    assert operating.fsck(june.reopened()).ok


def test_the_same_name_again_stands_beside_the_first(june: Month, tmp_path: Path) -> None:
    """If this fails, the second file of a name overwrites the first one, or its events count twice."""
    folder = tmp_path / "inbox"
    inbox = watched(june, folder)
    for ids in (("a",), ("a", "b")):
        inbox.look()
        (folder / "hour.ndjson").write_bytes(lines(*map(row, ids)))
        inbox.look()
        (taken,) = inbox.look()
    assert (taken.file, taken.answer and taken.answer["duplicates"]) == ("hour~2.ndjson", 1)


def test_an_interrupted_file_is_taken_again(june: Month, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, a crash between moving a file and answering for it loses its events."""
    folder = tmp_path / "inbox"
    inbox = watched(june, folder)
    inbox.look()
    (folder / "hour.ndjson").write_bytes(lines(row("a")))
    inbox.look()

    def crash(*_: Any, **__: Any) -> None:
        raise TransientError("the disk is full")

    with monkeypatch.context() as broken:
        broken.setattr(module, "write_whole", crash)
        with pytest.raises(TransientError):
            inbox.look()
    (taken,) = watched(june, folder).look()
    assert taken.answer is not None
    assert (taken.answer["accepted"], taken.answer["duplicates"]) == (0, 1)


def test_a_file_that_brings_an_error_of_ours_to_light_keeps_no_other_waiting(
    june: Month, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If this fails, one such file stops the whole inbox for good: it is taken first each time."""
    folder = tmp_path / "inbox"
    inbox = watched(june, folder)
    inbox.look()
    answer = Inbox._answer

    def stumble(self: Inbox, ws: Any, path: Path) -> dict[str, Any]:
        if path.name == "bad.ndjson":
            raise ZeroDivisionError
        return answer(self, ws, path)

    monkeypatch.setattr(Inbox, "_answer", stumble)
    for name in ("bad", "good"):
        (folder / f"{name}.ndjson").write_bytes(lines(row(name)))
    inbox.look()
    with pytest.raises(ZeroDivisionError):
        inbox.look()
    assert (folder / "done" / "good.ndjson.answer.json").is_file()
    (folder / "late.ndjson").write_bytes(lines(row("late")))
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            inbox.look()
    assert (folder / "done" / "late.ndjson.answer.json").is_file()
    assert (folder / "done" / "bad.ndjson").is_file()


def test_what_another_process_works_on_is_not_taken_for_interrupted(
    june: Month, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If this fails, two servers of one workspace attribute every track twice and move each other's files."""
    folder = tmp_path / "inbox"
    inbox, second = watched(june, folder), watched(june, folder)
    answer, seen = Inbox._answer, []

    def meanwhile(self: Inbox, ws: Any, path: Path) -> dict[str, Any]:
        seen.append(second.look())
        return answer(self, ws, path)

    monkeypatch.setattr(Inbox, "_answer", meanwhile)
    inbox.look()
    (folder / "hour.ndjson").write_bytes(lines(row("a")))
    inbox.look()
    (taken,) = inbox.look()
    assert (taken.answer and taken.answer["accepted"], seen) == (1, [[]])


def test_a_file_taken_away_meanwhile_leaves_no_answer_for_the_next_of_its_name(
    june: Month, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If this fails, the next file of that name looks answered, and a crash while it is taken loses it."""
    folder = tmp_path / "inbox"
    inbox = watched(june, folder)
    answer = Inbox._answer

    def removed(self: Inbox, ws: Any, path: Path) -> dict[str, Any]:
        done = answer(self, ws, path)
        path.unlink()
        return done

    monkeypatch.setattr(Inbox, "_answer", removed)
    inbox.look()
    (folder / "hour.ndjson").write_bytes(lines(row("a")))
    inbox.look()
    inbox.look()
    assert list((folder / "done").iterdir()) == []


def test_a_file_is_no_inbox(june: Month, tmp_path: Path) -> None:
    """If this fails, a mistyped folder ends in a traceback."""
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be an inbox"):
        watched(june, tmp_path / "file").look()
