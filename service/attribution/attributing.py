"""Attribute files one after another, and append their vectors to the log."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from attribution.hearing.audio import EXPECTED
from attribution.hearing.features import Features, read
from attribution.hearing.latents import SUFFIXES as LATENTS
from attribution.hearing.latents import read_latents
from attribution.hearing.symbolic import SUFFIXES as NOTES
from attribution.index.catalogue import Catalogue
from attribution.index.large import LargeCatalogue
from attribution.judge import details, judge, parameters
from attribution.methods.byname import method as method_of
from attribution.methods.protocol import Method
from ledger.errors import InputError, SettleError
from ledger.files import write_whole
from ledger.proofs import canon
from ledger.types import Digest, InfluenceVector
from service.attribution.indexing import Progress, store_of
from service.attribution.vectors import Attributed, record

if TYPE_CHECKING:
    from service.workspace import Workspace

SOUNDS: Final = frozenset({".wav", ".flac", ".ogg", ".oga", ".mp3", ".aif", ".aiff", ".opus"})
READABLE: Final = SOUNDS | NOTES | LATENTS
OTHER_SOUNDS: Final = frozenset(
    {".m4a", ".mp4", ".aac", ".wma", ".ac3", ".amr", ".ape", ".wv", ".mka", ".webm", ".ra", ".dsf", ".mpc", ".3gp"}
)
"""What people have that cannot be decoded: named where a folder holds it, not passed over."""
AT_ONCE: Final = 64
"""Vectors recorded in one step: what is computed again at most when a long folder is interrupted."""


@dataclass(slots=True, kw_only=True)
class AttributionResults:
    """The result for the files: a vector for each, or the reason why there is none."""

    answers: list[Attributed] = field(default_factory=list)
    failed: list[dict[str, str]] = field(default_factory=list)


def fitted(workspace: Workspace, name: str) -> tuple[Method, Catalogue | LargeCatalogue]:
    """Return a method (by default the configured one), fitted to the indexed catalogue."""
    chosen = method_of(name or workspace.settings.text("attribution.method"))
    catalogue = store_of(workspace).catalogue()
    chosen.fit(catalogue)
    return chosen, catalogue


_resident: dict[tuple[Path, str], tuple[Digest, Method, Catalogue | LargeCatalogue]] = {}


def resident(workspace: Workspace, name: str) -> tuple[Method, Catalogue | LargeCatalogue]:
    """Return the same as `fitted`, cached until the index changes."""
    # The method is named here, not in `fitted`: the setting may change while the process lives.
    name = name or workspace.settings.text("attribution.method")
    key = (workspace.home, name)
    # Not canonical JSON, which has no fractions: a manifest holds calibrations.
    state = canon.digest(json.dumps(store_of(workspace).manifest(), sort_keys=True).encode())
    if key not in _resident or _resident[key][0] != state:
        _resident[key] = (state, *fitted(workspace, name))
    return _resident[key][1:]


def attribute_files(
    workspace: Workspace,
    paths: Sequence[Path],
    *,
    track: str,
    method: str,
    assign: bool,
    keep_declared: bool = False,
    on_progress: Progress = None,
    fit: Callable[[Workspace, str], tuple[Method, Catalogue | LargeCatalogue]] = fitted,
) -> AttributionResults:
    """Attribute every file (folders: every file in them that can be read) and record the vectors.

    A file that cannot be attributed does not stop the others.
    """
    items = list(_items(paths))
    if track and len(items) != 1:
        raise InputError(f"--track names one track, but there are {len(items)} files")
    items = [(track or name, path) for name, path in items]
    names = [name for name, _ in items]
    if len(set(names)) != len(names):
        raise InputError(f"two files for track {max(names, key=names.count)!r}: attribute them one by one with --track")
    chosen, catalogue = fit(workspace, method)
    workspace.log.put_blob(canon.encode(parameters(chosen)))
    tracks = workspace.registry.view().tracks
    results, latents_of = AttributionResults(failed=_undecodable(paths)), lru_cache(maxsize=1)(read_latents)
    for begin in range(0, len(items), AT_ONCE):
        vectors: list[InfluenceVector] = []
        seconds: list[float] = []
        shown: dict[str, Remembered] = {}
        for number, (name, path) in enumerate(items[begin : begin + AT_ONCE], start=begin + 1):
            started = time.perf_counter()
            try:
                item = read(path, name, latents_of=latents_of)
                registered = tracks.get(name)
                model = (
                    (registered.model, registered.version)
                    if registered is not None and registered.model
                    else (None, None)
                )
                estimated, estimate = judge(chosen, catalogue, item, track=name, model=model)
                shown[f"{name}@{chosen.name}"] = _remember(workspace, path, item, details(name, item, estimate, chosen))
                vectors.append(estimated)
                seconds.append(time.perf_counter() - started)
            except SettleError as problem:
                results.failed.append({"track": name, "reason": str(problem)})
            if on_progress is not None:
                on_progress(number, len(items))
        _write_remembered(workspace, remembered(workspace) | shown)
        results.answers += record(workspace, vectors, assign=assign, seconds=seconds, keep_declared=keep_declared)
    return results


def _items(paths: Sequence[Path]) -> Iterator[tuple[str, Path]]:
    """Return each track's id and its file: the file's stem, or the names in a file of many latents."""
    for path in _files(paths):
        names = _names(path) if path.suffix.lower() in LATENTS else []
        yield from ((name, path) for name in names) if len(names) > 1 else [(path.stem, path)]


def _undecodable(paths: Sequence[Path]) -> list[dict[str, str]]:
    """Return sound files that no decoder here reads, each with advice."""
    return [
        {"track": entry.stem, "reason": f"{entry}: {entry.suffix} cannot be decoded; export it as {EXPECTED}"}
        for path in paths
        if path.is_dir()
        for entry in sorted(path.iterdir())
        if entry.suffix.lower() in OTHER_SOUNDS
    ]


def _names(path: Path) -> list[str]:
    """Return the names in a file of latents; none if it cannot be read, which is reported later."""
    try:
        return list(read_latents(path))
    except InputError:
        return []


def _files(paths: Sequence[Path]) -> list[Path]:
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            readable = sorted(entry for entry in path.iterdir() if entry.suffix.lower() in READABLE)
            if not readable:
                raise InputError(f"{path}: no file in it that can be attributed")
            files.extend(readable)
        else:
            files.append(path)
    return files


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """Data of an attributed track that this host stores and the ledger does not."""

    path: str
    sha256: Digest
    details: Digest


def remembered(workspace: Workspace) -> dict[str, Remembered]:
    """Return the stored data by track and method (`track@method`)."""
    path = workspace.home / "index" / "tracks.json"
    documents = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return {name: Remembered(**document) for name, document in documents.items()}


def _remember(workspace: Workspace, path: Path, item: Features, shown: dict[str, Any]) -> Remembered:
    """Store the track's features and passages, for reports and reruns."""
    store = store_of(workspace)
    if not store.has(item.digest):
        store.put(item)
    return Remembered(path=str(path.resolve()), sha256=item.digest, details=workspace.log.put_blob(canon.encode(shown)))


def _write_remembered(workspace: Workspace, known: dict[str, Remembered]) -> None:
    plain = {name: asdict(item) for name, item in known.items()}
    path = workspace.home / "index" / "tracks.json"
    write_whole(path, (json.dumps(plain, indent=1, sort_keys=True) + "\n").encode())
