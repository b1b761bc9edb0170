"""The catalogue joined to the workspace: the registry's recordings read into the index, copies and hubs found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attribution.hearing.audio import file_digest
from attribution.hearing.features import Features, digest_of, read
from attribution.hearing.latents import read_latents
from attribution.index.catalogue import Listed, leaf_hashes
from attribution.index.clusters import Entrant, Verdict, sort_out
from attribution.index.hubs import hubs
from attribution.index.limits import Chance
from attribution.index.store import IndexStore, Row
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
    """What the index holds. A recording without a near-duplicate is a cluster; `root` commits to those searched."""

    recordings: int
    clusters: int
    root: Digest
    added: int
    kept_out: list[dict[str, Any]]
    hubs: list[dict[str, Any]]
    failed: list[dict[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A recording that was read: its file, and the digest its features are kept by."""

    recording: Recording
    path: Path
    digest: Digest


def store_of(workspace: Workspace) -> IndexStore:
    return IndexStore(workspace.home / "index")


def build_index(workspace: Workspace, *, on_progress: Progress = None) -> Indexed:
    """Bring the index up to the registry. What was read before is not read again; a bad file fails alone.

    Memory holds the features of one recording at a time, and a sketch of all.
    """
    store = store_of(workspace)
    held, failed, added = _read_all(workspace, store, on_progress)
    sketches = {one.recording.id: store.sketch(one.digest) for one in held}
    held, strange = _of_one_width(held, sketches)
    failed += strange
    if not held:
        reasons = "; ".join(one["reason"] for one in failed[:3]) or "no recording in the registry has an `audio` path"
        raise InputError(f"nothing to index: {reasons}")
    verdicts = sort_out(_entrants(workspace, held), sketches.__getitem__)
    searched = [one for one in held if verdicts[one.recording.id].kept_out is None]
    crowds = hubs({one.recording.id: store.screened(one.digest) for one in searched})
    rows = [_row(one, sketches[one.recording.id], verdicts[one.recording.id], crowds) for one in held]
    root = tree.root_of(leaf_hashes({row.id: row.judged_sha256 for row in rows if row.kept_out is None})).hex()
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


def _chance(store: IndexStore, searched: list[Held], sketches: dict[str, Features]) -> Chance:
    """What strangers reach in this index; memory holds the features of a sample and the sketches."""
    known = {one.recording.id: sketches[one.recording.id] for one in searched}
    chosen = set(probes([name for name, one in known.items() if one.form == "audio"], PROBES))
    sample = [one for one in searched if one.recording.id in chosen]
    return measure(known, [Listed(id=one.recording.id, features=store.get(one.digest)) for one in sample])


def _read_all(
    workspace: Workspace, store: IndexStore, on_progress: Progress
) -> tuple[list[Held], list[dict[str, str]], int]:
    """Every recording's features into the store, in order of registration: what is held, what failed, what was new."""
    held: list[Held] = []
    failed: list[dict[str, str]] = []
    added = 0
    digests, latents_of = cache(file_digest), lru_cache(maxsize=1)(read_latents)
    wanted = [one for one in workspace.registry.view().recordings() if one.audio]
    for number, one in enumerate(wanted, start=1):
        try:
            path = _file_of(workspace, one)
            # A file of many latents is looked up by the recording's id in it.
            known = (digests(path), digest_of(digests(path), one.id))
            digest = next((name for name in known if store.has(name)), "")
            if not digest:
                item = read(path, one.id, latents_of=latents_of)
                store.put(item)
                digest, added = item.digest, added + 1
            held.append(Held(recording=one, path=path, digest=digest))
        except SettleError as problem:
            failed.append({"id": one.id, "reason": str(problem)})
        if on_progress is not None:
            on_progress(number, len(wanted))
    return held, failed, added


def _file_of(workspace: Workspace, one: Recording) -> Path:
    path = audio_roots.find(workspace, one.audio or "")
    if path is None:
        raise InputError(f"recording {one.id}: no file {one.audio} beside any imported registry document")
    return path


def _of_one_width(held: list[Held], sketches: dict[str, Features]) -> tuple[list[Held], list[dict[str, str]]]:
    """Latents are comparable only within one model: the width first registered is the catalogue's."""
    latent = [one.recording.id for one in held if sketches[one.recording.id].form == "latents"]
    widths = {name: sketches[name].latents.shape[1] for name in latent}
    strange = [name for name in latent if widths[name] != widths[latent[0]]]
    failed = [
        {"id": name, "reason": f"recording {name}: latents {widths[name]} wide, those of {latent[0]}, registered "
                               f"first, are {widths[latent[0]]}; export them from the same model"}
        for name in strange
    ]  # fmt: skip
    return [one for one in held if one.recording.id not in set(strange)], failed


def _entrants(workspace: Workspace, held: list[Held]) -> list[Entrant]:
    view, now = workspace.registry.view(), workspace.registry.now()
    return [
        Entrant(
            id=one.recording.id,
            groups=frozenset(view.owner_groups(one.recording.id, now)),
            confirmed=one.recording.confirmed,
        )
        for one in held
    ]


def _row(one: Held, sketch: Features, verdict: Verdict, crowds: dict[str, float]) -> Row:
    crowd = crowds.get(one.recording.id)
    return Row(
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
