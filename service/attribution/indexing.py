"""Index the registry's recordings, and find copies and hubs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attribution.hearing.audio import file_digest
from attribution.hearing.features import Features, digest_of, read
from attribution.hearing.latents import read_latents
from attribution.index.catalogue import CatalogueEntry, leaf_hashes
from attribution.index.copies import CopyVerdict, Entrant, overlap_ppm, sort_out
from attribution.index.hubs import hubs
from attribution.index.large import IN_MEMORY
from attribution.index.limits import Chance
from attribution.index.store import IndexRow, IndexStore
from attribution.methods.chance import PROBES, measure, probes
from ledger.errors import InputError, SettleError
from ledger.proofs import tree
from ledger.types import Digest
from service.registry import audio_roots

if TYPE_CHECKING:
    from ledger.registry.model import Recording
    from service.workspace import Workspace

Progress = Callable[[int, int | None], None] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Indexed:
    """The content of the index. A recording without a near-duplicate is a cluster; `root` commits to those searched."""

    recordings: int
    clusters: int
    root: Digest
    added: int
    kept_out: list[dict[str, Any]]
    hubs: list[dict[str, Any]]
    failed: list[dict[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexReading:
    """A recording that was read: its file, and the digest under which its features are stored."""

    recording: Recording
    path: Path
    digest: Digest


def store_of(workspace: Workspace) -> IndexStore:
    return IndexStore(workspace.home / "index")


def overlap_of(workspace: Workspace, first: str, second: str) -> tuple[int, int] | None:
    """Return how much of each of two recordings runs along the other, in ppm; None if the index does not say."""
    store = store_of(workspace)
    rows = {row.id: row for row in store.rows()}
    if first not in rows or second not in rows:
        return None
    return overlap_ppm(store.sketch(rows[first].sha256), store.sketch(rows[second].sha256))


def build_index(workspace: Workspace, *, on_progress: Progress = None) -> Indexed:
    """Update the index from the registry.

    Indexed files are not read again; an unreadable file does not stop the others. Memory holds the features of one
    recording at a time, and a sketch of all.
    """
    store = store_of(workspace)
    readings, failed, added = _read_all(workspace, store, on_progress)
    sketches = {reading.recording.id: store.sketch(reading.digest) for reading in readings}
    readings, unfit = _fit(readings, sketches)
    readings, strange = _of_one_width(readings, sketches)
    failed += unfit + strange
    if not readings:
        reasons = (
            "; ".join(reading["reason"] for reading in failed[:3]) or "no recording in the registry has an `audio` path"
        )
        raise InputError(f"nothing to index: {reasons}")
    verdicts = sort_out(_entrants(workspace, readings), sketches.__getitem__)
    searched = [reading for reading in readings if verdicts[reading.recording.id].kept_out is None]
    crowds = hubs({reading.recording.id: store.screened(reading.digest) for reading in searched})
    rows = [
        _row(reading, sketches[reading.recording.id], verdicts[reading.recording.id], crowds) for reading in readings
    ]
    root = tree.root_of(leaf_hashes({row.id: row.judged_sha256 for row in rows if row.kept_out is None})).hex()
    if len(searched) > IN_MEMORY:
        store.shelve(reading.digest for reading in searched)
    store.write(rows, root, _chance(store, searched, sketches))
    return Indexed(
        recordings=len(rows),
        clusters=len(searched),
        root=root,
        added=added,
        failed=failed,
        kept_out=[{"id": row.id, "like": row.like, "reason": row.kept_out} for row in rows if row.kept_out],
        hubs=[{"id": row.id, "crowd_ppm": row.crowd_ppm} for row in rows if row.crowd_ppm is not None],
    )


def _chance(store: IndexStore, searched: list[IndexReading], sketches: dict[str, Features]) -> Chance:
    """Measure the scores of strangers in this index; memory contains a sample's features and the sketches."""
    features = {reading.recording.id: sketches[reading.recording.id] for reading in searched}
    chosen = set(probes([name for name, reading in features.items() if reading.form == "audio"], PROBES))
    sample = [reading for reading in searched if reading.recording.id in chosen]
    return measure(
        features,
        [
            CatalogueEntry(id=reading.recording.id, features=store.get(reading.digest), style=reading.recording.style)
            for reading in sample
        ],
    )


def _read_all(
    workspace: Workspace, store: IndexStore, on_progress: Progress
) -> tuple[list[IndexReading], list[dict[str, str]], int]:
    """Store every recording's features, in order of registration; return the stored, the failed and the new ones."""
    readings: list[IndexReading] = []
    failed: list[dict[str, str]] = []
    added = 0
    digests, latents_of = cache(file_digest), lru_cache(maxsize=1)(read_latents)
    recordings = [recording for recording in workspace.registry.view().recordings() if recording.audio]
    for number, recording in enumerate(recordings, start=1):
        try:
            path = _file_of(workspace, recording)
            # A file of many latents is looked up by the recording's id in it.
            cached = (digests(path), digest_of(digests(path), recording.id))
            digest = next((name for name in cached if store.has(name)), "")
            if not digest:
                item = read(path, recording.id, latents_of=latents_of)
                store.put(item)
                digest, added = item.digest, added + 1
            readings.append(IndexReading(recording=recording, path=path, digest=digest))
        except SettleError as problem:
            failed.append({"id": recording.id, "reason": str(problem)})
        if on_progress is not None:
            on_progress(number, len(recordings))
    return readings, failed, added


def _file_of(workspace: Workspace, one: Recording) -> Path:
    path = audio_roots.find(workspace, one.id, one.audio or "")
    if path is None:
        raise InputError(f"recording {one.id}: no file {one.audio} in the folder of any imported registry document")
    return path


def _fit(held: list[IndexReading], sketches: dict[str, Features]) -> tuple[list[IndexReading], list[dict[str, str]]]:
    """Return recordings with usable sound; silence, fragments and truncated files are refused."""
    failed = [
        {"id": reading.recording.id, "reason": f"{reading.path}: {why}; hand in the whole recording"}
        for reading in held
        if (why := sketches[reading.recording.id].unfit) is not None
    ]
    refused = {problem["id"] for problem in failed}
    return [reading for reading in held if reading.recording.id not in refused], failed


def _of_one_width(
    held: list[IndexReading], sketches: dict[str, Features]
) -> tuple[list[IndexReading], list[dict[str, str]]]:
    """Refuse latents of another width than the first registered ones: only latents of one model are comparable."""
    latent = [reading.recording.id for reading in held if sketches[reading.recording.id].form == "latents"]
    widths = {name: sketches[name].latents.shape[1] for name in latent}
    strange = [name for name in latent if widths[name] != widths[latent[0]]]
    failed = [
        {
            "id": name,
            "reason": f"recording {name}: latents {widths[name]} wide, those of {latent[0]}, registered "
            f"first, are {widths[latent[0]]}; export them from the same model",
        }
        for name in strange
    ]
    return [reading for reading in held if reading.recording.id not in set(strange)], failed


def _entrants(workspace: Workspace, held: list[IndexReading]) -> list[Entrant]:
    view, now = workspace.registry.view(), workspace.registry.now()
    return [
        Entrant(
            id=reading.recording.id,
            groups=frozenset(view.owner_groups(reading.recording.id, now)),
            confirmed=reading.recording.confirmed,
            since=reading.recording.statement,
        )
        for reading in held
    ]


def _row(one: IndexReading, sketch: Features, verdict: CopyVerdict, crowds: dict[str, float]) -> IndexRow:
    crowd = crowds.get(one.recording.id)
    return IndexRow(
        id=one.recording.id,
        sha256=one.digest,
        judged_sha256=sketch.judged_sha256,
        path=str(one.path),
        style=one.recording.style,
        like=verdict.like,
        likeness_ppm=round(verdict.likeness * 1_000_000),
        kept_out=verdict.kept_out,
        crowd_ppm=None if crowd is None else round(crowd * 1_000_000),
    )
