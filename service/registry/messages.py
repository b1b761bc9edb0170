"""Release messages (ERN) as rows for the registry of this workspace; registered things keep their ids."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ledger.registry import personal
from ledger.registry.readers import RawRow
from service.trade import ern

if TYPE_CHECKING:
    from service.workspace import Workspace


class ErnReader:
    """Reads ERN 4.3 messages; `left_out` is their content for which the registry has no fields."""

    def __init__(self, ws: Workspace) -> None:
        self._workspace = ws
        self.left_out = ern.ErnLeftOut()

    def accepts(self, path: Path) -> bool:
        return path.suffix.lower() == ".xml"

    def rows(self, path: Path) -> Iterator[RawRow]:
        ids = _identified(self._workspace)
        with path.open("rb") as file:
            yield from ern.read(file, str(path), lambda kind, code: ids.get((kind, code)), self.left_out)


def _identified(ws: Workspace) -> dict[tuple[str, str], str]:
    """Return, by kind and code, the id of the only recording or party that is registered with it."""
    ids: dict[tuple[str, str], set[str]] = {}
    for name, recording in ws.registry.view().all_recordings.items():
        if recording.isrc:
            ids.setdefault(("isrc", recording.isrc), set()).add(name)
    with ws.log.store.reading() as connection:
        parties = personal.load(connection, "party")
    for (_, name), (_, fields) in parties.items():
        for kind in ("dpid", "isni", "ipi"):
            if code := fields.get(kind):
                ids.setdefault((kind, code), set()).add(name)
    return {key: names.pop() for key, names in ids.items() if len(names) == 1}
