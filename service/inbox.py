"""The inbox: a folder into which people and programs put files of events and audio.

A file is processed once it has not changed between two looks. It moves to `done/` before it is read, so that a track's
file keeps its final path; a result file is written next to it. A file in `done/` without a result was interrupted and
is processed again. A file that cannot be used moves to `failed/`, with the reason next to it. Of several processes that
watch one folder, one at a time processes files.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

import msgspec

from ledger.errors import ConflictError, InputError, StateError
from ledger.files import write_whole
from ledger.ingest.files import named_as_events
from ledger.ingest.naming import Naming

if TYPE_CHECKING:
    from service.workspace import Workspace

DONE: Final = "done"
FAILED: Final = "failed"
ANSWER: Final = ".answer.json"
REASON: Final = ".reason.txt"
VECTOR: Final = ".vector"
"""Of a file that holds a declared vector."""
_SECOND: Final = re.compile(r"~[0-9]+\Z")
"""What stands behind a file's name where one of that name was there already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxFile:
    """One processed file: its result, or the reason why it could not be used."""

    file: str
    answer: dict[str, Any] | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxStanding:
    """How many files wait, are done, and have failed."""

    folder: str
    waiting: int
    done: int
    failed: int


@dataclass(slots=True)
class Inbox:
    """A watched folder. `look` is called at intervals; a file that is unchanged at two looks is processed."""

    folder: Path
    open_workspace: Callable[[], Workspace]
    source: str | None = None
    naming: Callable[[], Naming] = Naming
    resident: bool = False
    """Whether the method stays fitted between files: for a process that lives long."""
    _seen: dict[Path, tuple[int, int]] = field(default_factory=dict)

    def look(self, stopping: Callable[[], bool] = lambda: False) -> list[InboxFile]:
        """Process every file that has not changed since the last look, until `stopping` is set."""
        self.prepare()
        with _alone(self.folder) as alone:
            return self._taken(stopping) if alone else []

    def prepare(self) -> None:
        """Create the folders; InputError if that is impossible."""
        for name in (DONE, FAILED):
            try:
                (self.folder / name).mkdir(parents=True, exist_ok=True)
            except OSError as problem:
                raise InputError(f"{self.folder} cannot be an inbox: {problem.strerror or problem}") from None

    def _taken(self, stopping: Callable[[], bool]) -> list[InboxFile]:
        seen = {path: state for path in _files(self.folder) if (state := _state_of(path)) is not None}
        ready = [path for path, state in seen.items() if self._seen.get(path) == state]
        self._seen = seen
        interrupted = [path for path in _files(self.folder / DONE) if not _beside(path, ANSWER).exists()]
        if not ready and not interrupted:
            return []
        results: list[InboxFile] = []
        failure: Exception | None = None
        ws = self.open_workspace()
        try:
            for path in (*interrupted, *ready):
                if stopping():
                    break
                try:
                    is_new = path.parent == self.folder
                    file = path.replace(_free(self.folder / DONE, path.name)) if is_new else path
                    results.append(self._take(ws, file))
                except Exception as problem:  # noqa: BLE001  raised below: the other files do not wait for this one
                    failure = failure or problem
        finally:
            ws.close()
        if failure is not None:
            raise failure
        return results

    def _take(self, ws: Workspace, path: Path) -> InboxFile:
        """Process a file in `done/`.

        Return its result. An error of disk or database is raised, and the file is tried again later.
        """
        answer, reason = None, None
        try:
            answer = self._answered(ws, path)
        except (InputError, ConflictError, StateError) as problem:
            reason = str(problem)
        if not path.exists():  # taken away meanwhile: an answer would stand beside the next file of this name
            return InboxFile(file=path.name, answer=answer, reason=reason)
        if reason is not None:
            target = _free(self.folder / FAILED, path.name)
            write_whole(_beside(target, REASON), f"{reason}\n".encode())
            path.replace(target)
            return InboxFile(file=path.name, reason=reason)
        write_whole(_beside(path, ANSWER), json.dumps(answer, indent=1).encode() + b"\n")
        return InboxFile(file=path.name, answer=answer)

    def _answered(self, ws: Workspace, path: Path) -> dict[str, Any]:
        """Return the result of a file.

        If a key was rotated meanwhile, the workspace is opened again and the file retried.
        """
        try:
            return self._answer(ws, path)
        except StateError:
            fresh = self.open_workspace()
            try:
                return self._answer(fresh, path)
            finally:
                fresh.close()

    def _answer(self, ws: Workspace, path: Path) -> dict[str, Any]:
        if named_as_events(path):
            from service.log.ingesting import ingest_file

            done = ingest_file(ws, path, source=self.source, naming=self.naming())
            if done.read and not done.accepted and not done.duplicates:
                raise InputError(f"none of its {done.read:,} rows was taken; settle quarantine list says why")
            return dict(msgspec.to_builtins(done))
        track = unquote(_SECOND.sub("", path.stem))
        if path.suffix == VECTOR:
            from service.attribution.vectors import declare, read_declared

            named = [document.get("track") for document in read_declared(path) if isinstance(document, dict)]
            if named != [track]:
                raise InputError(f"expected one declared vector, of track {track!r}")
            return dict(msgspec.to_builtins(declare(ws, path)[0]))
        from service.attribution.attributing import READABLE, attribute_files, fitted, resident

        if path.suffix.lower() not in READABLE:
            raise InputError(f"{path.name} is neither a file of events nor a file of sound or notes")
        fit = resident if self.resident else fitted
        results = attribute_files(ws, [path], track=track, method="", assign=True, fit=fit)
        if results.failed:
            raise InputError(results.failed[0]["reason"])
        return dict(msgspec.to_builtins(results.answers[0]))


def inbox_standing(folder: Path) -> InboxStanding | None:
    """Return the state of an inbox; None if the folder was never watched."""
    if not (folder / DONE).is_dir():
        return None
    return InboxStanding(
        folder=str(folder),
        waiting=sum(1 for _ in _files(folder)),
        done=sum(1 for _ in _files(folder / DONE)),
        failed=sum(1 for _ in _files(folder / FAILED)),
    )


def _files(folder: Path) -> Iterator[Path]:
    """Return the files of a folder by name; hidden ones are still being written."""
    for path in sorted(folder.iterdir()):
        if path.is_file() and not path.name.startswith(".") and not path.name.endswith((ANSWER, REASON)):
            yield path


@contextmanager
def _alone(folder: Path) -> Iterator[bool]:
    """Return whether no other process works on this folder; a file in its hands would look interrupted to us."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            alone = True
        except BlockingIOError:
            alone = False
        yield alone
    finally:
        os.close(handle)


def _state_of(path: Path) -> tuple[int, int] | None:
    """Return the values that change with a file's content; None if the file was removed meanwhile."""
    try:
        about = path.stat()
    except FileNotFoundError:
        return None
    return about.st_size, about.st_mtime_ns


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _free(folder: Path, name: str) -> Path:
    """Return an unused name in the folder, so that a second file of one name does not replace the first."""
    path, number = folder / name, 1
    while path.exists() or _beside(path, ANSWER).exists():
        number += 1
        path = folder / f"{Path(name).stem}~{number}{Path(name).suffix}"
    return path
