"""The inbox: a folder into which people and programs put files of events and audio.

A file is taken once it has not changed between two looks. It moves to `done/` before anything is read, so that a
track's file stays where the ledger's host remembers it; an answer beside it says what became of it, and a file of
`done/` without one was interrupted and is taken again. A file that cannot be used moves to `failed/`, with the reason
beside it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
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
    """One file that was taken: what became of it, or why it could not be used."""

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
    """A watched folder. `look` is called by the clock; what it sees twice unchanged is taken."""

    folder: Path
    open_workspace: Callable[[], Workspace]
    source: str | None = None
    naming: Callable[[], Naming] = Naming
    resident: bool = False
    """Whether the method stays fitted between files: for a process that lives long."""
    _seen: dict[Path, tuple[int, int]] = field(default_factory=dict)

    def look(self, stopping: Callable[[], bool] = lambda: False) -> list[InboxFile]:
        """Take every file that has not changed since the last look, until `stopping` says to leave the rest."""
        for name in (DONE, FAILED):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        seen = {path: _state_of(path) for path in _files(self.folder)}
        ready = [path for path, state in seen.items() if self._seen.get(path) == state]
        self._seen = seen
        interrupted = [path for path in _files(self.folder / DONE) if not _beside(path, ANSWER).exists()]
        if not ready and not interrupted:
            return []
        ws = self.open_workspace()
        try:
            results = [self._take(ws, path) for path in interrupted]
            for path in ready:
                if stopping():
                    break
                target = _free(self.folder / DONE, path.name)
                path.replace(target)
                results.append(self._take(ws, target))
            return results
        finally:
            ws.close()

    def _take(self, ws: Workspace, path: Path) -> InboxFile:
        """What became of a file in `done/`. A disk or database that fails is raised: the file is taken again then."""
        try:
            answer = self._answer(ws, path)
        except (InputError, ConflictError, StateError) as problem:
            target = _free(self.folder / FAILED, path.name)
            write_whole(_beside(target, REASON), f"{problem}\n".encode())
            path.replace(target)
            return InboxFile(file=path.name, reason=str(problem))
        write_whole(_beside(path, ANSWER), json.dumps(answer, indent=1).encode() + b"\n")
        return InboxFile(file=path.name, answer=answer)

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
            raise InputError(f"{path.name} is neither a file of events nor one that can be heard or read as notes")
        fit = resident if self.resident else fitted
        results = attribute_files(ws, [path], track=track, method="", assign=True, fit=fit)
        if results.failed:
            raise InputError(results.failed[0]["reason"])
        return dict(msgspec.to_builtins(results.answers[0]))


def inbox_standing(folder: Path) -> InboxStanding | None:
    """How an inbox stands; None where the folder was never watched."""
    if not (folder / DONE).is_dir():
        return None
    return InboxStanding(
        folder=str(folder),
        waiting=sum(1 for _ in _files(folder)),
        done=sum(1 for _ in _files(folder / DONE)),
        failed=sum(1 for _ in _files(folder / FAILED)),
    )


def _files(folder: Path) -> Iterator[Path]:
    """The files of a folder in the order of their names; hidden ones are still being written."""
    for path in sorted(folder.iterdir()):
        if path.is_file() and not path.name.startswith(".") and not path.name.endswith((ANSWER, REASON)):
            yield path


def _state_of(path: Path) -> tuple[int, int]:
    about = path.stat()
    return about.st_size, about.st_mtime_ns


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _free(folder: Path, name: str) -> Path:
    """A name that no file of the folder has: a second file of one name stands beside the first."""
    path, number = folder / name, 1
    while path.exists():
        number += 1
        path = folder / f"{Path(name).stem}~{number}{Path(name).suffix}"
    return path
