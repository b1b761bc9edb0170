"""Register documents, grants and changes: plan them against the current registry, sign them, append them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ledger.errors import ConflictError, InputError
from ledger.proofs import canon
from ledger.registry import acts
from ledger.registry.compare import Author
from ledger.registry.importing import Imported, import_files, import_rows, notices
from ledger.registry.importing import replay as replay_quarantine
from ledger.registry.intake import Planned
from ledger.registry.readers import JsonReader, RawRow, TableReader
from ledger.registry.view import View
from ledger.types import Digest
from service.registry import audio_roots
from service.registry.messages import CwrReader, ErnReader
from service.registry.signing import author, signer
from service.settlement.payees import settled_parties

if TYPE_CHECKING:
    from service.workspace import Workspace

Progress = Callable[[int, int | None], None]


def load(
    ws: Workspace,
    paths: Sequence[Path],
    *,
    by: str | None,
    dry_run: bool,
    on_progress: Progress | None,
    tables: TableReader | None = None,
    right: str | None = None,
) -> Imported:
    """`settle registry import`."""
    before = _audio(ws)
    messages, registrations = ErnReader(ws), CwrReader(ws, right)
    tables = tables or TableReader()
    done = import_files(
        ws.registry,
        paths,
        signer(ws, by),
        formats=(JsonReader(), tables, messages, registrations),
        settled=lambda: settled_parties(ws),
        dry_run=dry_run,
        on_progress=on_progress,
    )
    if not dry_run:
        folders = [path.parent for path in paths]  # audio paths are relative to these files
        audio_roots.remember(ws, folders)
        audio_roots.bind(ws, {name: path for name, path in _audio(ws).items() if name not in before}, folders)
    reading = (*messages.left_out.sentences(), *registrations.reading.sentences(), *tables.assumed)
    return replace(done, notices=(*done.notices, *reading), summary=(*done.summary, *reading))


def _audio(ws: Workspace) -> dict[str, str]:
    """Return the path of each recording's sound."""
    return {recording.id: recording.audio for recording in ws.registry.view().recordings() if recording.audio}


def replay(ws: Workspace, by: str | None) -> Imported:
    """`settle registry replay`: import the signer's quarantined rows again."""
    return replay_quarantine(ws.registry, signer(ws, by), settled=lambda: settled_parties(ws))


def grant(ws: Workspace, row: Mapping[str, Any], by: str | None) -> Imported:
    """Register one grant from the command line; InputError with the reason if it is refused."""
    fields = {name: value for name, value in row.items() if value is not None}
    done = import_rows(ws.registry, [RawRow(list="grants", file="-", line=1, value=fields)], signer(ws, by))
    if done.refused:
        kind = ConflictError if done.conflicts else InputError
        raise kind(done.refused[0].reason)
    return done


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """The entries that an act added; none if it was registered already."""

    leaves: int
    size: int
    registered: tuple[dict[str, Any], ...]
    notices: tuple[str, ...] = ()


def act(ws: Workspace, by: str | None, plan: Callable[[View, Author], list[Planned]]) -> Done:
    """Plan an act against the current registry, sign it and append it."""
    who = signer(ws, by)
    view = ws.registry.view()
    acting = author(ws, who)
    planned = plan(view, acting)
    if not planned:
        return Done(leaves=0, size=view.size, registered=())
    done = ws.registry.register(planned, who, known=view.size, at=acting.at)
    return Done(
        leaves=done.leaves,
        size=done.size,
        registered=tuple(item.fact.fields() for item in planned),
        notices=tuple(item.text for item in notices(ws.registry.view(), [item.fact for item in planned])),
    )


def confirm(ws: Workspace, ids: Sequence[str], by: str | None, parties: Sequence[str] = ()) -> Done:
    """Confirm shares, links and recordings by id; for a subject, the shares that wait in it, of these parties."""

    def plan(view: View, acting: Author) -> list[Planned]:
        names: list[str] = []
        for name in ids:
            is_subject = name in view.all_recordings or name in view.works
            names += (acts.waiting(view, name, parties) if is_subject else []) or [name]
        return acts.confirm(view, acting, names)

    return act(ws, by, plan)


def evidence(path: Path | None) -> Digest | None:
    """Return the digest of an evidence file. The file itself is not stored, because it may name people."""
    if path is None:
        return None
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    return canon.digest(path.read_bytes())


def heard_in_common(ws: Workspace, subject: str, like: str) -> tuple[int | None, int | None]:
    """Return how much of each of two recordings the index heard in the other, in ppm; None where it does not say."""
    if not (ws.home / "index").is_dir():  # an installation without an index may lack what reads it
        return None, None
    from service.attribution.indexing import overlap_of

    return overlap_of(ws, subject, like) or (None, None)
