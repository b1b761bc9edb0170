"""Permissions out and in: what the registry permits to everybody, and opt-outs of a whole catalogue from a file."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from ledger.errors import InputError
from ledger.files import write_whole
from ledger.proofs import canon
from ledger.registry.importing import Imported, import_rows
from ledger.registry.model import CATALOGUE, FOREVER, USES, WORLD, Answer, Decision, Use
from ledger.registry.readers import RawRow
from ledger.registry.view import View
from service.registry.messages import identified
from service.registry.signing import signer
from service.trade import permissions

if TYPE_CHECKING:
    from service.workspace import Workspace


_SEPARATORS: Final = re.compile(r"[\s,;|]+")
"""Between the uses of a row: people write `train|voice`, `train, voice` and `train;voice`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PermissionsWritten:
    """The files, and how many recordings they speak of."""

    files: tuple[Path, ...]
    recordings: int
    header: str
    vocabulary: str


def write(ws: Workspace, out: Path, *, site: str) -> PermissionsWritten:
    """Write `rsl.xml`, `tdmrep.json` and the header for all recordings, each at SITE followed by its id."""
    view, now = ws.registry.view(), ws.registry.now()
    things = [
        permissions.Permitted(
            url=f"{site}{quote(name, safe='')}",
            answers={use: _published(view.decide(name, use, WORLD, at=now)) for use in USES},
        )
        for name in sorted(view.all_recordings)
    ]
    files = {"rsl.xml": permissions.rsl(things), "tdmrep.json": permissions.tdmrep(things)}
    header = permissions.content_usage(things)
    files["content-usage.txt"] = header.encode()
    for name, data in files.items():
        write_whole(out / name, data)
    return PermissionsWritten(
        files=tuple(out / name for name in files),
        recordings=len(things),
        header=header.strip(),
        vocabulary=permissions.AIPREF,
    )


def _published(decision: Decision) -> Answer:
    """What everybody may read: no vocabulary has a price or a limit, so that such a permission is asked for."""
    conditional = bool(decision.floors) or decision.cap_ppm is not None
    return "ask" if decision.decision == "allow" and conditional else decision.decision


def opt_out(ws: Workspace, path: Path, *, grantor: str, by: str | None, dry_run: bool) -> Imported:
    """Register what a file restricts: of a whole catalogue (RSL, TDM, header), or of the codes in a table."""
    try:
        with path.open("rb") as file:
            data = file.read(permissions.SIZE_MAX + 1)  # a device or an archive must not fill the memory
    except OSError as problem:
        raise InputError(f"{path}: {problem.strerror or problem}") from None
    if len(data) > permissions.SIZE_MAX:
        raise InputError(f"{path}: more than the {permissions.SIZE_MAX:,} bytes that a file of permissions may have")
    left_out: list[str] = []
    if path.suffix.lower() in (".csv", ".tsv"):
        restricted = list(_listed(ws, data, path))
    else:
        restrictions = permissions.read(data, str(path))
        left_out = restrictions.sentences()
        restricted = [(1, CATALOGUE, use, answer) for use, answer in sorted(restrictions.answers.items())]
    if not restricted:
        raise InputError(f"{path} restricts nothing that is a use here; nothing was registered")
    rows = [
        RawRow(list="grants", file=str(path), line=line, value=value)
        for line, value in _grants(ws.registry.view(), restricted, grantor, ws.registry.now())
    ]
    done = import_rows(ws.registry, rows, signer(ws, by), dry_run=dry_run)
    return replace(done, notices=(*done.notices, *left_out), summary=(*done.summary, *left_out))


def _listed(ws: Workspace, data: bytes, path: Path) -> Iterator[tuple[int, str, Use, Answer]]:
    """The things of a table, by `id`, `isrc` or `iswc`; all uses of each are denied, or those that the row names."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"{path}: not UTF-8; save it as UTF-8") from None
    reader = csv.DictReader(io.StringIO(text), delimiter="\t" if path.suffix.lower() == ".tsv" else ",")
    try:
        names, rows = list(reader.fieldnames or ()), list(enumerate(reader, 2))
    except csv.Error as problem:
        raise InputError(f"{path}: line {reader.line_num}: {problem}") from None
    columns = set(names)
    if not columns & {"id", "isrc", "iswc"} or columns - {"id", "isrc", "iswc", "uses", "title"}:
        raise InputError(f"{path}: columns {', '.join(sorted(columns))}; expected id, isrc or iswc, and perhaps uses")
    if len(names) > len(columns):
        raise InputError(f"{path}: columns {', '.join(names)}; expected each once")
    lookup = identified(ws)
    for line, row in rows:
        if None in row:  # `rec-1,train,voice`: the second use would be lost
            raise InputError(f"{path}: line {line}: more cells than columns; write several uses as train|voice")
        codes = [
            (kind, row[kind].strip()) for kind in ("id", "isrc", "iswc") if row.get(kind, "") and row[kind].strip()
        ]
        if len(codes) != 1:
            raise InputError(f"{path}: line {line}: expected one of id, isrc and iswc; nothing was registered")
        kind, code = codes[0]
        # One that is not registered stays as it stands, so that its row is refused with the reason.
        subject = code if kind == "id" else lookup(kind, code.replace("-", "").replace(".", "").upper()) or code
        words = set(filter(None, _SEPARATORS.split((row.get("uses") or " ".join(USES)).lower())))
        if not words or words - set(USES):
            # Nothing of the file counts: an opt-out of which a word was not understood must not be registered in part.
            raise InputError(f"{path}: line {line}: uses {row['uses']!r}: expected some of {', '.join(USES)}")
        yield from ((line, subject, use, "deny") for use in USES if use in words)


def _grants(
    view: View, restricted: list[tuple[int, str, Use, Answer]], grantor: str, now: str
) -> Iterator[tuple[int, dict[str, object]]]:
    """One grant for each subject and answer; none where the grantor restricts it as much already."""
    in_force = {
        (grant.subject, use, grant.decision)
        for grant in view.grants_by(grantor)
        for use in grant.uses
        # One that begins later or ends some day restricts less than an opt-out, which counts from now on.
        if grant.start <= now
        and grant.end_of(use) == FOREVER
        and grant.territory == WORLD
        and grant.licensee is None
        and grant.model is None
    }
    grouped: dict[tuple[str, Answer], tuple[int, list[Use]]] = {}
    for line, subject, use, answer in restricted:
        if (subject, use, answer) not in in_force:
            uses = grouped.setdefault((subject, answer), (line, []))[1]
            if use not in uses:
                uses.append(use)
    for (subject, answer), (line, uses) in grouped.items():
        named = canon.digest(canon.encode({"grantor": grantor, "subject": subject, "uses": sorted(uses), "at": now}))
        yield (
            line,
            {
                "id": f"opt-out-{named[:24]}",
                "grantor": grantor,
                "subject": subject,
                "uses": sorted(uses, key=USES.index),
                "decision": answer,
                "territory": WORLD,
                "from": now,
            },
        )
