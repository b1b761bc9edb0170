"""The canary check in a workspace: attribute the tracks again with canaries in the catalogue."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from attribution.hearing.features import Features, Form, read
from attribution.judge import judge
from attribution.lab import canary
from attribution.methods.byname import method as method_of
from ledger.errors import StateError
from ledger.types import ASPECTS, MILLION
from service.attribution.attributing import remembered
from service.attribution.indexing import store_of

if TYPE_CHECKING:
    from attribution.index.catalogue import Catalogue
    from service.workspace import Workspace

Progress = Callable[[int, int | None], None] | None
ALLOWED_PPM: Final = 50_000
"""Of a hundred tracks that have nothing to do with a recording, five at most may name one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Canaries:
    """How often tracks were attributed to recordings that they cannot come from; `false` lists every case.

    `aspects`: by aspect the number of tracks with a share for a canary, the rate, and its upper bound at 95 %
    confidence. `ok`: no aspect's rate is above `allowed_ppm`.
    """

    ok: bool
    method: str
    canaries: int
    tracks: int
    allowed_ppm: int
    aspects: list[dict[str, Any]]
    false: list[dict[str, Any]]


def check(
    workspace: Workspace, files: Sequence[Path], *, count: int, method: str, on_progress: Progress = None
) -> Canaries:
    """Attribute again every track that this method attributed here; nothing is signed or recorded."""
    chosen = method_of(method or workspace.settings.text("attribution.method"))
    inputs = {
        name.rpartition("@")[0]: remembered_input.sha256
        for name, remembered_input in remembered(workspace).items()
        if name.rpartition("@")[2] == chosen.name
    }
    if not inputs:
        raise StateError(f"no track was attributed by {chosen.name} here; run `settle attribute` on some first")
    store = store_of(workspace)
    items = {track: store.get(digest) for track, digest in inputs.items()}
    catalogue = store.catalogue()
    planted = [read(path) for path in files] or _invented(catalogue, list(items.values()), count)
    every = canary.plant(catalogue, planted)
    chosen.fit(every)
    false: list[dict[str, Any]] = []
    for number, (track, item) in enumerate(sorted(items.items()), start=1):
        estimated, _ = judge(chosen, every, item, track=track)
        false += [
            {"track": track, "aspect": aspect, "canary": name, "ppm": ppm}
            for aspect, name, ppm in canary.given(estimated)
        ]
        if on_progress is not None:
            on_progress(number, len(items))
    aspects = _rates(false, len(items))
    return Canaries(
        ok=all(remembered_input["rate_ppm"] <= ALLOWED_PPM for remembered_input in aspects),
        method=chosen.name,
        canaries=len(planted),
        tracks=len(items),
        allowed_ppm=ALLOWED_PPM,
        aspects=aspects,
        false=false,
    )


def _invented(catalogue: Catalogue, items: Sequence[Features], count: int) -> list[Features]:
    """Return as many canaries of each form as there are tracks of it; items are compared only within a form."""
    forms: set[Form] = {item.form for item in items}
    return [sketch for form in sorted(forms) for sketch in canary.invent(catalogue, form, count)]


def _rates(false: list[dict[str, Any]], tracks: int) -> list[dict[str, Any]]:
    wrong = Counter(aspect for aspect, _ in {(claim["aspect"], claim["track"]) for claim in false})
    return [
        {
            "aspect": aspect,
            "tracks": wrong[aspect],
            "rate_ppm": MILLION * wrong[aspect] // tracks,
            "at_most_ppm": round(MILLION * canary.at_most(wrong[aspect], tracks)),
        }
        for aspect in ASPECTS
    ]
