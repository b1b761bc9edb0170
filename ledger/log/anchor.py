"""The anchor: the last acknowledged checkpoint, stored outside the log's database.

A database can be reset to an older state in which every hash is still right. The anchor detects this: it only moves
forward, and a log whose database is behind it signs nothing. One writer locks it before a checkpoint is signed, until
that checkpoint is committed and anchored.

| who holds it | what a lying holder can do |
| ------------ | -------------------------- |
| database     | lose or fork entries; noticed here, by witnesses, and by anyone with an old checkpoint |
| anchor       | let a rollback pass unnoticed on this host; still noticed by witnesses |
| both         | fork the log for those who never compare checkpoints |
"""

from __future__ import annotations

import fcntl
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ledger.errors import TransientError, VerificationError
from ledger.files import write_whole
from ledger.proofs import checkpoint, note
from ledger.proofs.checkpoint import Checkpoint


def content(data: bytes) -> Checkpoint:
    """Return the content of a signed checkpoint without verifying its signature."""
    return checkpoint.parse(note.parse(data).text)


class AnchorLock(ABC):
    """The anchor, locked by one writer: no other writer can read it in order to sign."""

    note: bytes | None

    def advance(self, signed: bytes) -> None:
        """Store this signed checkpoint durably; refuses a smaller tree, or another tree of the same size."""
        new = content(signed)
        if self.note is not None:
            old = content(self.note)
            if new.origin != old.origin:
                raise VerificationError(f"the anchor belongs to log {old.origin!r}, not to {new.origin!r}")
            if new.size < old.size or (new.size == old.size and new.root != old.root):
                raise VerificationError(
                    f"the anchor stands at size {old.size}, root {old.root.hex()}; it will not move to "
                    f"size {new.size}, root {new.root.hex()}"
                )
        self._write(signed)
        self.note = signed

    @abstractmethod
    def _write(self, signed: bytes) -> None:
        """Replace the anchor's content; on return it survives a power cut."""


class Anchor(ABC):
    """The anchor of one log, shared by all of its writers."""

    @abstractmethod
    def read(self) -> bytes | None:
        """Return the stored signed checkpoint; None if there is no anchor yet."""

    @abstractmethod
    @contextmanager
    def held(self) -> Iterator[AnchorLock]:
        """Wait for the lock, and hold it until the anchor has advanced or the block ends."""

    @abstractmethod
    def close(self) -> None:
        """Close all open files or connections."""


@dataclass(frozen=True, slots=True)
class FileAnchor(Anchor):
    """A file beside the database, or better on another volume: the signed checkpoint itself."""

    path: Path

    def read(self) -> bytes | None:
        try:
            return self.path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as failure:
            raise TransientError(f"anchor {self.path}: {failure.strerror}") from failure

    @contextmanager
    def held(self) -> Iterator[AnchorLock]:
        """The lock is on the folder, so that replacing the file neither breaks nor frees it."""
        try:
            folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as failure:
            raise TransientError(f"anchor {self.path}: {failure.strerror}") from failure
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield _HeldFile(self.path, self.read())
        finally:
            os.close(folder)

    def close(self) -> None:
        """Do nothing: no file is kept open between uses."""


class _HeldFile(AnchorLock):
    def __init__(self, path: Path, signed: bytes | None) -> None:
        self._path, self.note = path, signed

    def _write(self, signed: bytes) -> None:
        """Replace the file atomically: a crash leaves the old or the new content on the disk."""
        try:
            write_whole(self._path, signed)
        except OSError as failure:
            raise TransientError(
                f"anchor {self._path}: {failure.strerror}; the batch is committed but not acknowledged, "
                "send it again once the anchor can be written"
            ) from failure
