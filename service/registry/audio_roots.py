"""Find recordings' files in the folders from which registry documents were imported.

A recording's `audio` is a path relative to its document, and the ledger stores it unchanged. The folders exist only on
this host, so they are stored with the index, not in the log. A recording is bound to the folder of its own document, so
that a later document's folder cannot replace its sound.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ledger.files import make_folder, write_whole
from ledger.registry.rows import beside

if TYPE_CHECKING:
    from service.workspace import Workspace


def roots(workspace: Workspace) -> list[Path]:
    """Return the known folders, the newest first, then the workspace's own."""
    path = _place(workspace)
    folders = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []
    return [*(Path(folder) for folder in folders), workspace.home]


def remember(workspace: Workspace, folders: Iterable[Path]) -> None:
    """Look for audio in these folders from now on."""
    remembered = [str(folder) for folder in roots(workspace)[:-1]]
    fresh = [name for name in dict.fromkeys(str(folder.resolve()) for folder in folders) if name not in remembered]
    if fresh:
        write_whole(_place(workspace), (json.dumps([*fresh, *remembered], indent=1) + "\n").encode())


def bind(workspace: Workspace, audio: Mapping[str, str], folders: Iterable[Path]) -> None:
    """Look for these recordings' files (path by id) only in the first of these folders that has them."""
    bound = _bound(workspace)
    for name, path in audio.items():
        holders = [folder.resolve() for folder in folders if (folder / path).is_file()]
        if holders:
            bound.setdefault(name, str(holders[0]))
    file = _bound_place(workspace)
    make_folder(file.parent)
    write_whole(file, (json.dumps(bound, indent=1, sort_keys=True) + "\n").encode())


def find(workspace: Workspace, recording: str, audio: str) -> Path | None:
    """Return the file that a recording's `audio` names in its document's folder; InputError for a path outside of it.

    A recording without a bound folder, from an earlier version, uses the oldest folder. An import refuses a path
    outside of the folder, but older logs may contain one.
    """
    beside(audio)
    folder = _bound(workspace).get(recording)
    places = [Path(folder)] if folder is not None else [workspace.home, *reversed(roots(workspace)[:-1])]
    return next((root / audio for root in places if (root / audio).is_file()), None)


def _bound(workspace: Workspace) -> dict[str, str]:
    file = _bound_place(workspace)
    bound: dict[str, str] = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    return bound


def _bound_place(workspace: Workspace) -> Path:
    return workspace.home / "index" / "audio.json"


def _place(workspace: Workspace) -> Path:
    return workspace.home / "index" / "roots.json"
