"""Decide which recordings are copies: whole or in parts, changed in pitch, tempo or colour, or re-recorded.

Two recordings of sound are alike where landmarks say that one runs along the other for a large part of either: faster,
in another key, filtered, looped or cut in pieces. Or where the mean over the segments of one of its best cosine with
any segment of the other, in the chroma encoder's space (blind to key and offset), is that of one piece played twice.
A copy moves no money: see `sort_out`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Final

import numpy as np

from attribution.hearing.features import Features
from attribution.index.alignments import coverage, heard_parts
from attribution.index.nearest import Nearest
from attribution.index.patterns import PatternIndex
from ledger.types import MILLION

LIKE: Final = 0.62
"""Likeness from which two recordings are near-duplicates; docs/methods.md has the measured error rates."""
PLAYED_TWICE: Final = 0.72
"""Mean cosine of segments from which two recordings are alike: of distinct real recordings the most alike have 0.69."""
SURELY: Final = 16.0
"""Standard deviations of shared landmarks from which a recording runs along another.

Distinct invented tunes over one beat reach 14, and 9 before the recording's own tempo was tried by itself (ADR 110).
"""
PART: Final = 0.4
"""The part of either recording that must run along the other."""
WHOLE: Final = Fraction(9, 10)
"""The part from which a recording counts as heard whole: in its quiet blocks nothing is recognised."""
_NEIGHBOURS: Final = 24
_RUNNING: Final = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Entrant:
    """A recording at the index's door, in order of registration. Those registered by one statement have one `since`."""

    id: str
    groups: frozenset[str]
    confirmed: bool
    since: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyVerdict:
    """The earlier similar recording (if any), the similarity, and the reason to keep it out (None: it is indexed)."""

    like: str | None = None
    likeness: float = 0.0
    kept_out: str | None = None


def likeness(first: Features, second: Features) -> float:
    """Return the similarity (0..1) of two whole items; an excerpt is not similar to the whole. Latents by cosine."""
    if first.form != second.form:
        return 0.0
    if first.form == "latents":
        if first.latents.shape != second.latents.shape:
            return 0.0
        return float(
            np.sum(first.latents * second.latents)
            / max(np.linalg.norm(first.latents) * np.linalg.norm(second.latents), 1e-12)
        )
    if first.form == "notes":
        same = first.line.pitches.tobytes() == second.line.pitches.tobytes() and len(first.line) > 0
        return 1.0 if same else 0.0
    if not first.count or not second.count:
        return 1.0 if first.judged_sha256 == second.judged_sha256 else 0.0
    cosine = first.segments["chroma"] @ second.segments["chroma"].T
    return float((cosine.max(axis=1).mean() + cosine.max(axis=0).mean()) / 2)


def sort_out(entrants: Sequence[Entrant], features: Callable[[str], Features]) -> dict[str, CopyVerdict]:
    """Decide which recordings are indexed, in order of registration, from the similarity of their features."""
    return decide(entrants, pairs_alike(entrants, features))


def decide(entrants: Sequence[Entrant], alike: Mapping[str, Mapping[str, float]]) -> dict[str, CopyVerdict]:
    """Decide which recordings are indexed, in order of registration, from given similarities.

    Like an earlier recording of the same group: credited through that one, so the cluster counts once.
    Like an earlier recording of another group: kept out until someone other than the claimant confirms it.
    Like a recording of another group that one statement registered with it: neither is earlier, so both are kept out
    until one of them is confirmed.
    """
    by_id = {entrant.id: entrant for entrant in entrants}
    contested = {
        name: other_id
        for name, likes in alike.items()
        for other_id in sorted(likes, key=lambda other_id: (likes[other_id], other_id))
        if _undecided(by_id[name], by_id[other_id])
    }
    verdicts: dict[str, CopyVerdict] = {}
    let_in: dict[str, Entrant] = {}
    # Of those that one statement registered, a confirmed one stands before the others.
    places = _first_of_statement(entrants)
    for entrant in sorted(entrants, key=lambda entrant: (places[entrant.id], not entrant.confirmed)):
        likes = alike[entrant.id]
        if entrant.id in contested:
            other_id = contested[entrant.id]
            reason = f"like {other_id} of another group, registered by the same statement; confirm one of them"
            verdicts[entrant.id] = CopyVerdict(like=other_id, likeness=likes[other_id], kept_out=reason)
            continue
        earlier = [(score, name) for name, score in likes.items() if name in let_in or name in contested]
        own = [pair for pair in earlier if by_id[pair[1]].groups & entrant.groups]
        score, name = max(own or earlier, default=(0.0, ""))
        verdicts[entrant.id] = _judge(entrant, score, by_id.get(name))
        if verdicts[entrant.id].kept_out is None:
            let_in[entrant.id] = entrant
    return {entrant.id: verdicts[entrant.id] for entrant in entrants}


def _first_of_statement(entrants: Sequence[Entrant]) -> dict[str, int]:
    """For each recording the place of the first that the same statement registered."""
    first: dict[str, int] = {}
    return {
        entrant.id: first.setdefault(entrant.since, position) if entrant.since else position
        for position, entrant in enumerate(entrants)
    }


def _undecided(first: Entrant, second: Entrant) -> bool:
    """Return whether it is unknown which of two similar recordings was first."""
    together = first.since != "" and first.since == second.since
    return together and not first.groups & second.groups and not first.confirmed and not second.confirmed


def _judge(entrant: Entrant, score: float, likest: Entrant | None) -> CopyVerdict:
    if likest is None:
        return CopyVerdict()
    if likest.groups & entrant.groups:
        reason: str | None = f"same group as {likest.id}; its cluster is credited once"
    elif entrant.confirmed:
        reason = None
    else:
        reason = f"like the earlier {likest.id} of another group; not confirmed"
    return CopyVerdict(like=likest.id, likeness=score, kept_out=reason)


def pairs_alike(entrants: Sequence[Entrant], features: Callable[[str], Features]) -> dict[str, dict[str, float]]:
    """By recording, those that are near-duplicates of it, both ways, and how much so."""
    alike: dict[str, dict[str, float]] = {entrant.id: {} for entrant in entrants}
    for name, alike_ids in [*_alike_all_along(entrants, features), *_running_along(entrants, features)]:
        for other_id, score in alike_ids.items():
            for first, second in ((name, other_id), (other_id, name)):
                alike[first][second] = max(score, alike[first].get(second, 0.0))
    return alike


def overlap_ppm(first: Features, second: Features) -> tuple[int, int] | None:
    """Return how much of each of two recordings of sound runs along the other, in ppm rounded up; None if neither does.

    Counted are the blocks of 2 s in which a recording sounds.
    """
    lines = PatternIndex([second.stars]).align(first.stars, most=1)
    if not lines or lines[0].strength < SURELY:
        return None
    # One tune over one beat resembles itself elsewhere: other passes count only where they are as sure.
    passes = tuple(line for line in lines[0].again if line.strength >= SURELY)
    parts = heard_parts(replace(lines[0], again=passes), first.stars, second.stars)
    ppm = [MILLION if part >= WHOLE else -int(-part * MILLION // 1) for part in parts]
    return (ppm[0], ppm[1]) if all(ppm) else None


def _running_along(
    entrants: Sequence[Entrant], features: Callable[[str], Features]
) -> Iterator[tuple[str, dict[str, float]]]:
    """For each recording of sound those that run along it, or that it runs along, for a large part."""
    names = [entrant.id for entrant in entrants if len(features(entrant.id).stars)]
    stars = [features(name).stars for name in names]
    index = PatternIndex(stars)
    for row, name in enumerate(names):
        parts = {
            names[line.row]: coverage(line, stars[row], stars[line.row])
            for line in index.align(stars[row], most=_RUNNING)
            if line.row != row and line.strength >= SURELY
        }
        # On the scale of likeness: what runs along for PART is as like as what is LIKE all along.
        scale = (1 - LIKE) / (1 - PART)
        yield name, {other_id: LIKE + scale * (part - PART) for other_id, part in parts.items() if part >= PART}


def _alike_all_along(
    entrants: Sequence[Entrant], features: Callable[[str], Features]
) -> Iterator[tuple[str, dict[str, float]]]:
    """For each recording those that are like it all along."""
    for entrant, nearby in zip(entrants, _nearby(entrants, features), strict=True):
        features_here = features(entrant.id)
        least = PLAYED_TWICE if features_here.form == "audio" else LIKE
        scores = {name: likeness(features_here, features(name)) for name in nearby}
        yield entrant.id, {name: score for name, score in scores.items() if score >= least}


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
