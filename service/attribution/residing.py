"""`settle attribute` next to a running server: files go through the server's queue, whose catalogue is loaded already.

The queue is a folder of the workspace, so no key and no address are needed: a user who may run the command may write
there.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from ledger.errors import TransientError
from service.attribution.attributing import AttributionResults, attribute_files
from service.attribution.queue import FORMS, enqueue, has_room, is_attended, queued
from service.attribution.vectors import Attributed
from service.inbox import VECTOR

if TYPE_CHECKING:
    from service.attribution.indexing import Progress
    from service.workspace import Workspace

POLL_SECONDS: Final = 0.1
_MEDIA: Final = {suffix: media for media, suffix in FORMS.items() if suffix != VECTOR}


def attribute(
    workspace: Workspace,
    paths: Sequence[Path],
    *,
    track: str,
    method: str,
    assign: bool,
    keep_declared: bool = False,
    on_progress: Progress = None,
    wait: Callable[[float], None] = time.sleep,
) -> AttributionResults:
    """Attribute files by the running server if it would give the same result, otherwise in this process."""
    named = {track or path.stem: path for path in paths}
    own = method or not assign or keep_declared or len(named) != len(paths)
    if own or not _taken_by_server(workspace, named):
        return attribute_files(
            workspace,
            paths,
            track=track,
            method=method,
            assign=assign,
            keep_declared=keep_declared,
            on_progress=on_progress,
        )
    for name, path in named.items():
        enqueue(workspace, name, _MEDIA[path.suffix.lower()], path.read_bytes())
    results = AttributionResults()
    for number, name in enumerate(named, start=1):
        while (standing := queued(workspace, name)).state == "waiting":
            if not is_attended(workspace.home):
                raise TransientError(f"the server stopped; track {name!r} waits in queue/ for the next one")
            wait(POLL_SECONDS)
        if standing.answer is None:
            results.failed.append({"track": name, "reason": standing.reason or "the queue has no answer for it"})
        else:
            results.answers.append(msgspec.convert(standing.answer, Attributed))
        if on_progress is not None:
            on_progress(number, len(named))
    return results


def _taken_by_server(workspace: Workspace, named: dict[str, Path]) -> bool:
    """Return whether a server runs, knows every track, reads every file, has the same method, and has room for all.

    All files are queued or none: a refusal in the middle would leave the others attributed without an answer.
    """
    (chosen,) = (value for value in workspace.settings.explained() if value.name == "attribution.method")
    readable = all(_is_readable(path) for path in named.values())
    if chosen.source == "environment" or not readable or not has_room(workspace.home, named):
        return False
    if not is_attended(workspace.home):
        return False
    return named.keys() <= workspace.registry.view().tracks.keys()


def _is_readable(path: Path) -> bool:
    return path.is_file() and path.suffix.lower() in _MEDIA and path.stat().st_size > 0
