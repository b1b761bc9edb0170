"""The open workspace of a long-running process, with its keys decrypted; opened again when they change.

A command opens a workspace, acts and ends. During the life of a server, another process may rotate a key or change
trust.json or settle.toml. So each user borrows the workspace for one act; a workspace opened before a change is closed
when its last borrower returns it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Final, TypeVar

from ledger.errors import SettleError, StateError
from ledger.log.store import queries
from ledger.types import Role
from service.workspace import CONFIG, KEYS, TRUST, Workspace

LOOK_SECONDS: Final = 0.5
"""How often it is looked whether keys, trust or settings have changed."""

Result = TypeVar("Result")

Epoch = tuple[object, ...]


@dataclass(slots=True, eq=False)
class _Opened:
    workspace: Workspace
    epoch: Epoch
    borrowers: int = 0
    retired: bool = False
    folding: threading.RLock = field(default_factory=threading.RLock)


class Standing:
    """One workspace for the life of a process; may be shared between threads."""

    def __init__(self, parent: Workspace, roles: Sequence[Role], *, now: Callable[[], float] = monotonic) -> None:
        """The keys of `roles` are opened at the start, because a request cannot prompt for a passphrase."""
        self._parent, self._roles, self._now = parent, roles, now
        self._lock = threading.Lock()
        self._current = self._open()
        self._looked = now()

    @contextmanager
    def workspace(self) -> Iterator[Workspace]:
        """Lend the current workspace for one act."""
        with self._borrowed() as opened:
            yield opened.workspace

    @contextmanager
    def folded(self) -> Iterator[Workspace]:
        """Lend the workspace to one thread at a time, to read its registry or months.

        Their caches are not thread-safe.
        """
        with self._borrowed() as opened, opened.folding:
            yield opened.workspace

    def acting(self, act: Callable[[Workspace], Result], *, folding: bool = False) -> Result:
        """Run a function that signs.

        If the log's keys were changed meanwhile, nothing was written, and it is run once more. `folding`: it also reads
        the registry or the months.
        """
        borrow = self.folded if folding else self.workspace
        with borrow() as workspace:
            try:
                return act(workspace)
            except StateError:
                if not self.renew(workspace):
                    raise
        with borrow() as renewed:
            return act(renewed)

    def acting_apart(self, act: Callable[[Workspace], Result]) -> Result:
        """Do something that may take long in a workspace of its own, so that it keeps nobody waiting."""
        workspace = Workspace.open(self._parent.home, clock=self._parent.clock)
        workspace.passphrase = self._parent.passphrase
        try:
            return act(workspace)
        finally:
            workspace.close()

    def renew(self, stale: Workspace) -> bool:
        """Open the workspace again unless that was done since `stale` was borrowed; return whether anything changed."""
        with self._lock:
            if self._current.workspace is stale:
                self._look_now()
            return self._current.workspace is not stale

    def close(self) -> None:
        """Close the workspace."""
        with self._lock:
            self._retire(self._current)

    @contextmanager
    def _borrowed(self) -> Iterator[_Opened]:
        with self._lock:
            if self._now() - self._looked >= LOOK_SECONDS:
                self._look_now()
            opened = self._current
            opened.borrowers += 1
        try:
            yield opened
        finally:
            with self._lock:
                opened.borrowers -= 1
                self._close_unused(opened)

    def _look_now(self) -> None:
        """Open again if something changed. This fails in the middle of a rotation; the next look tries again."""
        self._looked = self._now()
        try:
            if self._epoch(self._current.workspace) == self._current.epoch:
                return
            renewed = self._open()
        except (SettleError, OSError):
            return
        self._retire(self._current)
        self._current = renewed

    def _open(self) -> _Opened:
        workspace = Workspace.open(self._parent.home, clock=self._parent.clock)
        workspace.passphrase = self._parent.passphrase
        epoch = self._epoch(workspace)  # before the keys are read: a change while they are is seen at the next look
        for role in self._roles:
            workspace.signer(role)
        workspace.log.head()
        _ = workspace.registry
        return _Opened(workspace, epoch)

    def _epoch(self, workspace: Workspace) -> Epoch:
        """Return a value that changes with keys, trust and settings."""
        with workspace.log.store.reading() as connection:
            key = queries.last_of_type(connection, "key")
        files = (workspace.home / CONFIG, workspace.home / TRUST, *sorted((workspace.home / KEYS).glob("*")))
        return (None if key is None else key.index, *map(_state_of, files))

    def _retire(self, opened: _Opened) -> None:
        opened.retired = True
        self._close_unused(opened)

    @staticmethod
    def _close_unused(opened: _Opened) -> None:
        if opened.retired and not opened.borrowers:
            opened.workspace.close()


def _state_of(path: Path) -> tuple[str, int, int, int]:
    about = path.stat()
    return path.name, about.st_ino, about.st_mtime_ns, about.st_size
