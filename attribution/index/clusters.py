"""Near-duplicates: the same recording again, re-sung, re-instrumented or nudged in pitch and tempo.

Likeness of two recordings is the mean over the segments of one of its best cosine with any segment of
the other, in the chroma encoder's space (blind to key and offset), or the share of landmarks they have
in common at one offset, whichever is more. A copy registered later moves no money: see `sort_out`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from attribution.hearing.features import Features
from attribution.index.nearest import Nearest

LIKE: Final = 0.62
"""Likeness from which two recordings are near-duplicates; docs/methods.md has the measured error rates."""
_NEIGHBOURS: Final = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Entrant:
    """A recording at the index's door, in order of registration."""

    id: str
    groups: frozenset[str]
    confirmed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyVerdict:
    """The earlier recording it is like (if any), how much, and why it stays out (None: it is searched)."""

    like: str | None = None
    likeness: float = 0.0
    kept_out: str | None = None


def likeness(one: Features, other: Features) -> float:
    """0..1; both directions' mean, so that an excerpt is not a duplicate of a whole. Latents by cosine."""
    if one.form != other.form:
        return 0.0
    if one.form == "latents":
        if one.latents.shape != other.latents.shape:
            return 0.0
        return float(
            np.sum(one.latents * other.latents)
            / max(np.linalg.norm(one.latents) * np.linalg.norm(other.latents), 1e-12)
        )
    if one.form == "notes":
        same = one.line.pitches.tobytes() == other.line.pitches.tobytes() and len(one.line) > 0
        return 1.0 if same else 0.0
    if not one.count or not other.count:
        return 1.0 if one.judged_sha256 == other.judged_sha256 else 0.0
    cosine = one.segments["chroma"] @ other.segments["chroma"].T
    return float((cosine.max(axis=1).mean() + cosine.max(axis=0).mean()) / 2)


def sort_out(entrants: Sequence[Entrant], features: Callable[[str], Features]) -> dict[str, CopyVerdict]:
    """Who is let in, in order of registration.

    Like an earlier recording of the same group: credited through that one, so the cluster counts once.
    Like an earlier recording of another group: kept out until someone other than the claimant confirms it.
    """
    verdicts: dict[str, CopyVerdict] = {}
    let_in: dict[str, Entrant] = {}
    for entrant, nearby in zip(entrants, _nearby(entrants, features), strict=True):
        entrant_features = features(entrant.id)
        likest = max(
            ((likeness(entrant_features, features(name)), name) for name in nearby if name in let_in),
            key=lambda pair: (pair[0], pair[1]),
            default=(0.0, ""),
        )
        verdicts[entrant.id] = _judge(entrant, likest, let_in)
        if verdicts[entrant.id].kept_out is None:
            let_in[entrant.id] = entrant
    return verdicts


def _judge(entrant: Entrant, likest: tuple[float, str], let_in: dict[str, Entrant]) -> CopyVerdict:
    score, name = likest
    if score < LIKE:
        return CopyVerdict(likeness=score)
    if let_in[name].groups & entrant.groups:
        return CopyVerdict(like=name, likeness=score, kept_out=f"same group as {name}; its cluster is credited once")
    if entrant.confirmed:
        return CopyVerdict(like=name, likeness=score)
    return CopyVerdict(like=name, likeness=score, kept_out=f"like the earlier {name} of another group; not confirmed")


def _nearby(entrants: Sequence[Entrant], features: Callable[[str], Features]) -> list[list[str]]:
    """For each entrant the recordings worth comparing: neighbours of its segments, or all of its own form."""
    names = [entrant.id for entrant in entrants]
    sounds = [name for name in names if features(name).count]
    parts = [features(name).segments["chroma"] for name in sounds]
    if not parts:
        return [_same_form(name, names, features) for name in names]
    index = Nearest(np.concatenate(parts))
    owners = np.repeat(np.arange(len(sounds)), [len(part) for part in parts])
    neighbours = []
    for name in names:
        if not features(name).count:
            neighbours.append(_same_form(name, names, features))
            continue
        _, places = index.search(features(name).segments["chroma"][::3], _NEIGHBOURS)
        votes = np.bincount(owners[places].ravel(), minlength=len(sounds))
        best = np.lexsort((np.arange(len(votes)), -votes))[:16]
        neighbours.append([sounds[row] for row in best if votes[row] and sounds[row] != name])
    return neighbours


def _same_form(name: str, names: list[str], features: Callable[[str], Features]) -> list[str]:
    form = features(name).form
    return [
        candidate
        for candidate in names
        if candidate != name and features(candidate).form == form and not features(candidate).count
    ]
