"""The durable queue of files that the server attributes; each result is stored next to its file.

The queue is a separate inbox, so a crash loses nothing, and a track sent twice is attributed twice. The server keeps
the method fitted: the catalogue, which takes seconds to load, is loaded once.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from ledger.errors import InputError, TransientError
from ledger.files import write_whole
from ledger.ingest.checks import check_id
from service.inbox import ANSWER, DONE, FAILED, REASON, VECTOR, Inbox

if TYPE_CHECKING:
    from service.workspace import Workspace

FOLDER: Final = "queue"
ATTENDED: Final = "queue.lock"
"""Locked for as long as a server attributes what waits."""
FORMS: Final = {
    "audio/wav": ".wav",
    "audio/flac": ".flac",
    "audio/mpeg": ".mp3",
    "audio/ogg": ".ogg",
    "audio/midi": ".mid",
    "application/json": VECTOR,
}
"""Content types that are taken: sound, notes, or a declared vector."""
WAITING_MAX: Final = 1_000
NAME_MAX: Final = 180
"""Of a track's id as a file name: file systems end at 255 bytes, and suffixes stand behind it."""
LOOK_SECONDS: Final = 0.5
BACKOFF_SECONDS: Final = 30.0
"""After a failure that is not the file's, such as a disk or a missing library."""

_LOG: Final = logging.getLogger("settle.web")


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuedTrack:
    """A track's state: none (never sent), waiting, done with its vector, or failed with the reason.

    `webhook` is the id of the webhook message requested with this file.
    """

    track: str
    state: str
    answer: dict[str, Any] | None = None
    reason: str | None = None
    webhook: str | None = None


def enqueue(ws: Workspace, track: str, media: str, body: bytes) -> QueuedTrack:
    """Store a registered track's file until it is attributed; on return it is durable."""
    check_id(track, "track")
    if not body:
        raise InputError("the body is empty: send the track's sound or notes, or its declared vector")
    if track not in ws.registry.view().tracks:
        raise InputError(f"track {track!r} is not registered; register it first")
    folder = ws.home / FOLDER
    if _waiting(ws.home) >= WAITING_MAX:
        raise TransientError(f"{WAITING_MAX:,} tracks wait to be attributed already; send it again later")
    name = _name_of(track)
    for outcome in (folder / DONE, folder / FAILED):  # what was said of an earlier file is not said of this one
        for former in outcome.glob(f"{name}.*") if outcome.is_dir() else ():
            former.unlink(missing_ok=True)
    path = folder / f"{name}{FORMS[media]}"
    write_whole(path, body)
    for former in folder.glob(f"{name}.*"):  # in another form: taken in its turn, it might be the one that pays
        if former != path:
            former.unlink(missing_ok=True)
    return QueuedTrack(track=track, state="waiting")


def queued(ws: Workspace, track: str) -> QueuedTrack:
    """Return a track's state in the queue."""
    check_id(track, "track")
    folder, name = ws.home / FOLDER, _name_of(track)
    for suffix in FORMS.values():
        if (folder / f"{name}{suffix}").exists():
            return QueuedTrack(track=track, state="waiting")
        if (answer := folder / DONE / f"{name}{suffix}{ANSWER}").exists():
            return QueuedTrack(track=track, state="done", answer=json.loads(answer.read_text(encoding="utf-8")))
        if (folder / DONE / f"{name}{suffix}").exists():
            return QueuedTrack(track=track, state="waiting")
        if (reason := folder / FAILED / f"{name}{suffix}{REASON}").exists():
            return QueuedTrack(track=track, state="failed", reason=reason.read_text(encoding="utf-8").strip())
    return QueuedTrack(track=track, state="none")


def has_room(home: Path, tracks: Collection[str]) -> bool:
    """Return whether the queue has room for a file of each of these tracks now."""
    named = all(len(_quoted(track)) <= NAME_MAX for track in tracks)
    return named and len(tracks) <= WAITING_MAX - _waiting(home)


def _waiting(home: Path) -> int:
    """Return how many files wait; the folders next to them contain attributed files."""
    folder = home / FOLDER
    if not folder.is_dir():
        return 0
    with os.scandir(folder) as entries:
        return sum(entry.is_file() for entry in entries)


def _name_of(track: str) -> str:
    """Return a track's id as a file name; InputError if it is too long."""
    name = _quoted(track)
    if len(name) > NAME_MAX:
        raise InputError(f"track: its id is too long for the queue, at most {NAME_MAX} plain characters")
    return name


def _quoted(track: str) -> str:
    """Return a track's id without characters that are special to a file system or to the inbox."""
    return quote(track, safe="").replace(".", "%2E").replace("~", "%7E")


def is_attended(home: Path) -> bool:
    """Return whether a server of this workspace is attributing the queue now."""
    folder = os.open(home, os.O_RDONLY)
    try:
        # One process looks at a time: two that try the same lock would take each other for a server. The anchor of the
        # log locks this folder too, for as long as one append takes.
        fcntl.flock(folder, fcntl.LOCK_EX)
        with (home / ATTENDED).open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    finally:
        os.close(folder)
    return False


@dataclass(slots=True, eq=False)
class QueueWorker:
    """One thread that attributes waiting files while the server runs."""

    home: Path
    open_workspace: Callable[[], Workspace]
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None
    _lock: int = -1

    def start(self) -> None:
        # Shared, so that servers do not exclude each other; the kernel gives it up when the process ends, however.
        self._lock = os.open(self.home / ATTENDED, os.O_RDONLY | os.O_CREAT, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_SH)
        self._thread = threading.Thread(target=self._run, name="attribution queue", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Finish the current file and start no other."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            os.close(self._lock)

    def _run(self) -> None:
        queue = Inbox(self.home / FOLDER, self.open_workspace, resident=True)
        while not self._stop.wait(LOOK_SECONDS):
            try:
                for finished in queue.look(self._stop.is_set):
                    _LOG.info("attributed %s: %s", finished.file, "done" if finished.reason is None else "failed")
            except Exception:  # noqa: BLE001  logged: its file is tried again, and the server goes on
                _LOG.exception("the attribution queue failed; trying again in %g seconds", BACKOFF_SECONDS)
                self._stop.wait(BACKOFF_SECONDS)
