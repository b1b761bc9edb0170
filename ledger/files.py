"""Write files atomically and readable by their owner only; all files are written here.

What is written for the public to fetch (an exported log) says so.
"""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final

PRIVATE: Final = 0o600
PUBLIC: Final = 0o644
_OTHERS: Final = 0o077


@contextmanager
def whole(path: Path, *, mode: int = PRIVATE, durable: bool = True) -> Iterator[BinaryIO]:
    """Open a temporary file; rename it to this path when the block ends. A crash leaves the old file or the new one.

    Without `durable` nothing is synced: the file survives the death of the process, but not a power cut. That is for
    thousands of files that can be written again.
    """
    make_folder(path.parent, public=mode == PUBLIC)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:100]}.")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as out:
            yield out
            out.flush()
            if durable:
                os.fsync(out.fileno())
        temporary.chmod(mode)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if durable:
        sync_folder(path.parent)


def write_whole(path: Path, data: bytes, *, mode: int = PRIVATE, durable: bool = True) -> None:
    """Write these bytes to this path atomically, as `whole` does."""
    with whole(path, mode=mode, durable=durable) as out:
        out.write(data)


def make_folder(path: Path, *, public: bool = False) -> None:
    """Create a folder, and its missing parents, readable by the owner only; existing folders stay as they are."""
    if path.is_dir():
        return
    if path.parent != path:
        make_folder(path.parent, public=public)
    path.mkdir(mode=0o755 if public else 0o700, exist_ok=True)


def keep_private(path: Path) -> None:
    """Remove the permissions of group and others from a file or folder, whatever the umask was (finding G1)."""
    with suppress(FileNotFoundError, PermissionError):
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & _OTHERS:
            path.chmod(mode & ~_OTHERS)


def sync_folder(path: Path) -> None:
    """Sync a folder, so that files added to it or removed from it survive a power cut."""
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
