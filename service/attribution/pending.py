"""Find tracks without a vector, and the new files for them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from attribution.hearing.audio import file_digest
from ledger.errors import InputError, SettleError
from service.attribution.attributing import READABLE, attribute_files

if TYPE_CHECKING:
    from service.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class Caught:
    """The result for the inbox: tracks with new vectors, and unusable files with the reason."""

    inbox: str
    attributed: list[str]
    failed: list[str]


def attribute_pending(ws: Workspace) -> Caught:
    """Attribute each registered track without a vector whose file is in the inbox; a bad file does not stop others."""
    inbox = Path(ws.path("attribution.inbox"))
    failed: list[str] = []
    waiting = list(_waiting(ws, inbox, failed))
    if not waiting:
        return Caught(inbox=str(inbox), attributed=[], failed=failed)
    results = attribute_files(ws, waiting, track="", method="", assign=True)
    failed += [f"{failure['track']}: {failure['reason']}" for failure in results.failed]
    return Caught(inbox=str(inbox), attributed=[failure.track for failure in results.answers], failed=failed)


def _waiting(ws: Workspace, inbox: Path, failed: list[str]) -> Iterator[Path]:
    """Return one file for each track, by name; if a digest was registered, only a file with that digest."""
    files = {path.stem: path for path in sorted(inbox.iterdir()) if _readable(path)} if inbox.is_dir() else {}
    if not files:
        return
    tracks, assigned = ws.registry.view().tracks, ws.log.assignments()
    for name, path in files.items():
        if name not in tracks or name in assigned:
            continue
        registered = tracks[name].audio_sha256
        try:
            if registered is not None and (digest := file_digest(path)) != registered:
                raise InputError(f"its SHA-256 is {digest[:16]}, registered for track {name} is {registered[:16]}")
            yield path
        except SettleError as problem:
            failed.append(f"{path.name}: {problem}")


def _readable(path: Path) -> bool:
    return path.is_file() and path.suffix.lower() in READABLE and not path.name.startswith(".")
