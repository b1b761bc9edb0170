"""Honest listeners and streaming bots, invented: what the fraud rules are scored on.

Written before the rules. Honest people differ in how much, when, what and how repetitively they listen, and the model
has those whom naive rules accuse: venues that play all day or around the clock, families on one account, people who
sleep to noise, children who loop one song, fans of one album, scenes that share no track with anybody else, and
people who never play anything twice. Nothing here is fitted to a real service; the shares are stated below.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

DAY: Final = 86_400
DAYS: Final = 7
TRACKS: Final = 200_000
"""Of the open catalogue; its popularity is Zipf's with exponent 1.05."""
SCENES: Final = 10
SCENE_TRACKS: Final = 3_000
"""Of each scene, beyond the open catalogue: a language or a style whose followers play little else."""
NOISES: Final = 500
"""Tracks of rain and the like."""
FIRST_SCENE: Final = TRACKS
FIRST_NOISE: Final = FIRST_SCENE + SCENES * SCENE_TRACKS
FIRST_FRAUD: Final = FIRST_NOISE + NOISES
FRAUD_TRACKS: Final = 10_000
BOTS: Final = 52 * 20

KINDS: Final = {
    "usual": 0.80,
    "heavy": 0.06,  # many hours a day
    "family": 0.05,  # two to four people on one account
    "scene": 0.03,  # nine plays in ten within one scene
    "discovery": 0.02,  # hardly anything twice
    "sleeper": 0.015,  # noise all night, music by day
    "looper": 0.01,  # a child's song, a fan's album
    "venue": 0.01,  # ten to sixteen hours a day from a programme of thousands
    "around-the-clock": 0.002,  # a venue that never closes
    "night": 0.003,  # awake at night
}

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Listening:
    """Plays as columns: who, what, when (seconds from the window's start); `kinds` by listener."""

    listener: Ints
    track: Ints
    at: Ints
    kinds: list[str]


def honest(listeners: int, rng: np.random.Generator) -> Listening:
    """A week of so many honest accounts."""
    names = list(KINDS)
    shares = np.array(list(KINDS.values()))
    kinds = [names[k] for k in rng.choice(len(names), size=listeners, p=shares / shares.sum())]
    popularity = _zipf(TRACKS, 1.05)
    parts = [_week(kind, rng, popularity) for kind in kinds]
    return Listening(
        listener=np.repeat(np.arange(listeners), [len(tracks) for tracks, _ in parts]),
        track=np.concatenate([tracks for tracks, _ in parts]),
        at=np.concatenate([times for _, times in parts]),
        kinds=kinds,
    )


def bots(
    per_day: int, rng: np.random.Generator, *, sleeping: bool = False, camouflage: float = 0.0, number: int = BOTS
) -> Listening:
    """A week of the published case: 52 accounts of 20 bots, each playing evenly over 10,000 tracks of one owner.

    `sleeping` bots play in sixteen hours of the day; `camouflage` is the part of their plays that is popular music.
    """
    count = number * per_day * DAYS
    listener = np.repeat(np.arange(number), per_day * DAYS)
    day = np.tile(np.repeat(np.arange(DAYS), per_day), number)
    second = rng.integers(0, DAY, count)
    if sleeping:
        second = (7 * 3600 + rng.integers(0, 16 * 3600, count)) % DAY
    track = FIRST_FRAUD + rng.integers(0, FRAUD_TRACKS, count)
    if camouflage:
        hidden = rng.random(count) < camouflage
        track = np.where(hidden, _draw(_zipf(TRACKS, 1.05), count, rng), track)
    return Listening(listener=listener, track=track, at=day * DAY + second, kinds=["bot"] * number)


def together(people: Listening, machines: Listening) -> Listening:
    """Both on one service; the bots' listeners come after the people."""
    return Listening(
        listener=np.concatenate([people.listener, machines.listener + len(people.kinds)]),
        track=np.concatenate([people.track, machines.track]),
        at=np.concatenate([people.at, machines.at]),
        kinds=people.kinds + machines.kinds,
    )


@lru_cache(maxsize=4096)
def _zipf(count: int, exponent: float) -> NDArray[np.float64]:
    """Cumulative popularity."""
    weights = 1.0 / np.arange(1, count + 1) ** exponent
    return np.cumsum(weights / weights.sum())


def _draw(cumulative: NDArray[np.float64], count: int, rng: np.random.Generator) -> Ints:
    return np.searchsorted(cumulative, rng.random(count), side="right").clip(0, len(cumulative) - 1)


def _week(kind: str, rng: np.random.Generator, popularity: NDArray[np.float64]) -> tuple[Ints, Ints]:
    """The tracks and times of one account."""
    people = int(rng.integers(2, 5)) if kind == "family" else 1
    parts = [_person(kind, rng, popularity) for _ in range(people)]
    return np.concatenate([tracks for tracks, _ in parts]), np.concatenate([times for _, times in parts])


def _person(kind: str, rng: np.random.Generator, popularity: NDArray[np.float64]) -> tuple[Ints, Ints]:
    rate = float(rng.lognormal(np.log(12), 0.9))
    begin, hours = int(rng.integers(6, 11)) * 3600, 16
    active = 0.65
    if kind == "heavy":
        rate, active = float(rng.uniform(80, 200)), 0.95
    elif kind == "venue":
        hours, active = int(rng.integers(10, 17)), 0.9
        rate = hours * 3600 / 210
    elif kind == "around-the-clock":
        hours, active, begin = 24, 1.0, 0
        rate = DAY / 210
    elif kind == "night":
        begin = 20 * 3600
    times = []
    for day in range(DAYS):
        if rng.random() > active:
            continue
        plays = int(rng.poisson(rate))
        if kind in ("venue", "around-the-clock"):
            times.append(day * DAY + begin + np.arange(plays) * (hours * 3600 // max(plays, 1)))
        else:
            times.append(_sessions(plays, day * DAY + begin, hours * 3600, rng))
    at = np.concatenate(times) if times else np.zeros(0, dtype=np.int64)
    tracks = _tracks(kind, len(at), rng, popularity)
    if kind == "sleeper":
        nights = np.concatenate([day * DAY + 23 * 3600 + np.arange(130) * 210 for day in range(DAYS - 1)])
        noise = FIRST_NOISE + np.repeat(_draw(_zipf(NOISES, 1.0), DAYS - 1, rng), 130)
        at, tracks = np.concatenate([at, nights]), np.concatenate([tracks, noise])
    return tracks.astype(np.int64), at.astype(np.int64) % (DAYS * DAY)


def _sessions(plays: int, begin: int, length: int, rng: np.random.Generator) -> Ints:
    """Plays come one after the other in a few sessions."""
    sessions = max(1, int(rng.poisson(1 + plays / 15)))
    starts = begin + np.sort(rng.integers(0, length, sessions))
    chosen = np.sort(rng.integers(0, sessions, plays))
    order = np.arange(plays) - np.searchsorted(chosen, chosen)
    return starts[chosen] + order * 205


def _tracks(kind: str, count: int, rng: np.random.Generator, popularity: NDArray[np.float64]) -> Ints:
    """A library of favourites played again and again, hits of the day, and something new."""
    if kind in {"venue", "around-the-clock"}:
        programme = _draw(popularity, int(rng.integers(1_000, 6_000)), rng)
        return programme[rng.integers(0, len(programme), count)]
    if kind == "discovery":
        return rng.permutation(_draw(_zipf(TRACKS, 0.7), count, rng))
    library = _draw(popularity, int(rng.lognormal(np.log(120), 0.8)) + 5, rng)
    if kind == "looper":
        library = library[:12]
    own = library[_draw(_zipf(len(library), 0.8), count, rng)]
    new = _draw(_zipf(TRACKS, 0.9), count, rng)
    tracks = np.where(rng.random(count) < (0.95 if kind == "looper" else 0.65), own, new)
    if kind == "scene":
        first = FIRST_SCENE + int(rng.integers(0, SCENES)) * SCENE_TRACKS
        scene = _draw(_zipf(SCENE_TRACKS, 0.9), int(rng.lognormal(np.log(150), 0.6)) + 5, rng)
        inside = first + np.where(
            rng.random(count) < 0.6,
            scene[rng.integers(0, len(scene), count)],
            _draw(_zipf(SCENE_TRACKS, 0.9), count, rng),
        )
        tracks = np.where(rng.random(count) < 0.9, inside, tracks)
    return tracks
