"""Attribution joined to the workspace: the registry's recordings indexed, tracks attributed into the log."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from attribution.audio import file_digest
from attribution.catalogue import Catalogue
from attribution.clusters import Entrant, sort_out
from attribution.features import Features, read
from attribution.judge import details, judge, parameters
from attribution.latents import SUFFIXES as LATENTS
from attribution.methods.byname import method as method_of
from attribution.protocol import Method
from attribution.store import IndexStore, Row
from attribution.symbolic import SUFFIXES as NOTES
from ledger import canon
from ledger.errors import InputError, SettleError
from ledger.types import Digest
from service.attribution.vectors import Attributed, record
from service.registry import audio_roots

if TYPE_CHECKING:
    from ledger.registry.model import Recording
    from service.workspace import Workspace

Progress = Callable[[int, int | None], None] | None
SOUNDS: Final = frozenset({".wav", ".flac", ".ogg", ".oga", ".mp3", ".aif", ".aiff", ".opus"})
READABLE: Final = SOUNDS | NOTES | LATENTS


@dataclass(frozen=True, slots=True, kw_only=True)
class Indexed:
    """What the index holds. A recording without a near-duplicate is a cluster; `root` commits to those searched."""

    recordings: int
    clusters: int
    root: Digest
    added: int
    kept_out: list[dict[str, Any]]
    failed: list[dict[str, str]]


def store_of(workspace: Workspace) -> IndexStore:
    return IndexStore(workspace.home / "index")


def build_index(workspace: Workspace, *, on_progress: Progress = None) -> Indexed:
    """Bring the index up to the registry. What was read before is not read again; a bad file fails alone."""
    store = store_of(workspace)
    held: dict[str, tuple[Recording, Path, str]] = {}
    failed: list[dict[str, str]] = []
    added = 0
    wanted = [one for one in workspace.registry.view().recordings() if one.audio]
    for number, one in enumerate(wanted):
        try:
            path = _file_of(workspace, one)
            digest = file_digest(path)
            if not store.has(digest):
                store.put(read(path))
                added += 1
            held[one.id] = (one, path, digest)
        except SettleError as problem:
            failed.append({"id": one.id, "reason": str(problem)})
        if on_progress is not None:
            on_progress(number + 1, len(wanted))
    if not held:
        reasons = "; ".join(one["reason"] for one in failed[:3]) or "no recording in the registry has an `audio` path"
        raise InputError(f"nothing to index: {reasons}")
    rows = _sorted_out(workspace, store, held)
    store.write(rows, "")
    catalogue = store.catalogue()
    store.write(rows, catalogue.root)
    return Indexed(
        recordings=len(rows),
        clusters=sum(row.kept_out is None for row in rows),
        root=catalogue.root,
        added=added,
        failed=failed,
        kept_out=[{"id": row.id, "like": row.like, "reason": row.kept_out} for row in rows if row.kept_out],
    )


def _file_of(workspace: Workspace, one: Recording) -> Path:
    path = audio_roots.find(workspace, one.audio or "")
    if path is None:
        raise InputError(f"recording {one.id}: no file {one.audio} beside any imported registry document")
    return path


def _sorted_out(workspace: Workspace, store: IndexStore, held: dict[str, tuple[Recording, Path, str]]) -> list[Row]:
    """The manifest's rows, near-duplicates judged in order of registration."""
    view, now = workspace.registry.view(), workspace.registry.now()
    entrants = [
        Entrant(id=name, groups=frozenset(view.owner_groups(name, now)), confirmed=one.confirmed)
        for name, (one, _, _) in held.items()
    ]
    kept: dict[str, Features] = {name: store.get(digest) for name, (_, _, digest) in held.items()}
    verdicts = sort_out(entrants, kept.__getitem__)
    rows = []
    for name, (one, path, digest) in held.items():
        verdict = verdicts[name]
        rows.append(
            Row(
                id=name,
                sha256=digest,
                judged_sha256=kept[name].judged_sha256,
                path=str(path),
                style=one.style,
                like=verdict.like,
                likeness_ppm=round(verdict.likeness * 1_000_000),
                kept_out=verdict.kept_out,
            )
        )
    return rows


def fitted(workspace: Workspace, name: str) -> tuple[Method, Catalogue]:
    """A method (the configured one unless named), fitted to the indexed catalogue."""
    chosen = method_of(name or workspace.settings.text("attribution.method"))
    catalogue = store_of(workspace).catalogue()
    chosen.fit(catalogue)
    return chosen, catalogue


def attribute_files(
    workspace: Workspace,
    paths: Sequence[Path],
    *,
    track: str,
    method: str,
    assign: bool,
    on_failure: Callable[[Path, SettleError], None] | None = None,
    on_progress: Progress = None,
) -> list[Attributed]:
    """Attribute every file (folders: every file in them that can be read) and record the vectors.

    A file that cannot be read stops everything, unless there is somebody to tell.
    """
    files = _files(paths)
    if track and len(files) != 1:
        raise InputError(f"--track names one track, but there are {len(files)} files")
    names = [track or path.stem for path in files]
    if len(set(names)) != len(names):
        raise InputError(
            f"two files with the stem {max(names, key=names.count)!r}: attribute them one by one with --track"
        )
    chosen, catalogue = fitted(workspace, method)
    known = workspace.registry.view().tracks
    vectors, seconds = [], []
    for number, (path, name) in enumerate(zip(files, names, strict=True)):
        started = time.perf_counter()
        try:
            item = read(path)
        except SettleError as problem:
            if on_failure is None:
                raise
            on_failure(path, problem)
            continue
        made = known.get(name)
        model = (made.model, made.version) if made is not None and made.model else (None, None)
        found, estimate = judge(chosen, catalogue, item, track=name, model=model)
        vectors.append(found)
        seconds.append(time.perf_counter() - started)
        _remember(workspace, name, path, item, details(name, item, estimate, chosen))
        if on_progress is not None:
            on_progress(number + 1, len(files))
    workspace.log.put_blob(canon.encode(parameters(chosen)))
    return record(workspace, vectors, assign=assign, seconds=seconds)


def _files(paths: Sequence[Path]) -> list[Path]:
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            found = sorted(one for one in path.iterdir() if one.suffix.lower() in READABLE)
            if not found:
                raise InputError(f"{path}: no file in it that can be attributed")
            files.extend(found)
        else:
            files.append(path)
    return files


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """What this host knows of an attributed track beyond the ledger."""

    path: str
    sha256: Digest
    details: Digest


def remembered(workspace: Workspace) -> dict[str, Remembered]:
    """By track and method (`track@method`)."""
    place = workspace.home / "index" / "tracks.json"
    known = json.loads(place.read_text(encoding="utf-8")) if place.is_file() else {}
    return {name: Remembered(**one) for name, one in known.items()}


def _remember(workspace: Workspace, track: str, path: Path, item: Features, shown: dict[str, Any]) -> None:
    """Keep the track's features and where it was heard: reports and reruns start from them."""
    store = store_of(workspace)
    if not store.has(item.digest):
        store.put(item)
    known = {name: asdict(one) for name, one in remembered(workspace).items()}
    digest = workspace.log.put_blob(canon.encode(shown))
    known[f"{track}@{shown['method']}"] = {"path": str(path.resolve()), "sha256": item.digest, "details": digest}
    place = workspace.home / "index" / "tracks.json"
    place.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n", encoding="utf-8")
