"""Release messages (ERN) as rows for the registry of this workspace; registered things keep their ids."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ledger.registry import personal
from ledger.registry.readers import RawRow
from service.trade import ern
from service.trade.cwr import works

if TYPE_CHECKING:
    from service.workspace import Workspace

CWR_SUFFIXES: Final = (".v21", ".v22")


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


class CwrReader:
    """Reads CWR files; `right` is the one of a composition's rights that pays, where a file's three rights differ."""

    def __init__(self, ws: Workspace, right: str | None) -> None:
        self._workspace, self._right = ws, right
        self.reading = works.CwrReading()

    def accepts(self, path: Path) -> bool:
        return path.suffix.lower() in CWR_SUFFIXES

    def rows(self, path: Path) -> Iterator[RawRow]:
        lookup = identified(self._workspace)
        with path.open("rb") as file:
            yield from works.read(file, str(path), lookup, self._right, self.reading)


def identified(ws: Workspace) -> Callable[[str, str], str | None]:
    """Finds the one thing that is registered with a code, or, of kind `id`, under this very id."""
    ids, view = _identified(ws), ws.registry.view()

    def lookup(kind: str, code: str) -> str | None:
        if kind == "id":
            return code if code in view.works or code in view.parties else None
        return ids.get((kind, code))

    return lookup


def _identified(ws: Workspace) -> dict[tuple[str, str], str]:
    """Return, by kind and code, the id of the only recording or party that is registered with it."""
    ids: dict[tuple[str, str], set[str]] = {}
    for name, recording in ws.registry.view().all_recordings.items():
        if recording.isrc:
            ids.setdefault(("isrc", recording.isrc), set()).add(name)
    for name, work in ws.registry.view().works.items():
        if work.iswc:
            ids.setdefault(("iswc", work.iswc), set()).add(name)
    with ws.log.store.reading() as connection:
        parties = personal.load(connection, "party")
    for (_, name), (_, fields) in parties.items():
        for kind in ("dpid", "isni", "ipi"):
            if code := fields.get(kind):
                ids.setdefault((kind, code), set()).add(name)
    return {key: names.pop() for key, names in ids.items() if len(names) == 1}
