"""Where recordings' files are: the folders that registry documents were imported from.

A recording's `audio` is a path relative to the document that named it, and the ledger keeps it as
written. The folders are this host's own business, so they are kept beside the index, not in the log.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from ledger.files import write_whole
from ledger.registry.rows import beside

if TYPE_CHECKING:
    from service.workspace import Workspace


def roots(workspace: Workspace) -> list[Path]:
    """Known folders, the newest first, then the workspace's own."""
    path = _place(workspace)
    folders = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []
    return [*(Path(folder) for folder in folders), workspace.home]


def remember(workspace: Workspace, folders: Iterable[Path]) -> None:
    """Look for audio in these folders from now on."""
    remembered = [str(folder) for folder in roots(workspace)[:-1]]
    fresh = [name for name in dict.fromkeys(str(folder.resolve()) for folder in folders) if name not in remembered]
    if fresh:
        write_whole(_place(workspace), (json.dumps([*fresh, *remembered], indent=1) + "\n").encode())


def find(workspace: Workspace, audio: str) -> Path | None:
    """The file that a recording's `audio` names, in the newest folder that has it; InputError for one outside them all.

    An import refuses such a path; a log may be older than that.
    """
    beside(audio)
    return next((root / audio for root in roots(workspace) if (root / audio).is_file()), None)


def _place(workspace: Workspace) -> Path:
    return workspace.home / "index" / "roots.json"
