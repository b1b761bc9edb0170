"""Score listeners by what they played and when: the interface of a scorer, and the built-in rules.

A scorer gives each listener points with reasons; from HELD_AT points on, a person should check the streams. No rule is
proof. The built-in rules look for one kind of fraud: many accounts that play one owner's large catalogue evenly, so
that no track is conspicuous. They were not fitted to a real service; docs/benchmarks.md states what they find and miss.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

DAY: Final = 86_400
HELD_AT: Final = 100
UNKNOWN: Final = -1
"""No device hint."""

VOLUME: Final = 480
"""Plays on an active day: three minutes each fill twenty-four hours."""
SPREAD_TRACKS: Final = 2_000
"""Two plays of one listener are of the same track once in so many pairs, or more rarely."""
SPREAD_PLAYS: Final = 100
"""Below which repeats say nothing."""
HITS: Final = 200
"""The tracks with the largest audiences: what nearly everybody plays now and then."""
CLOSED: Final = 0.25
"""Of the median listener's nearness to the hits, through those who play the same tracks."""
PAUSE_SECONDS: Final = 3 * 3600
"""A longest pause of a day below which nobody sleeps."""
SLEEPLESS_PLAYS: Final = 40
"""Plays on an active day below which pauses say nothing."""
DEVICE_LISTENERS: Final = 6
"""Accounts on one device that no household has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayColumns:
    """Plays as columns, numbered from 0: listener, track, seconds, and the device if a hint states it."""

    listener: Ints
    track: Ints
    at: Ints
    device: Ints


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspicion:
    """Points by listener, and the listeners for which each reason holds."""

    points: Ints
    reasons: dict[str, NDArray[np.bool_]]

    @property
    def held(self) -> NDArray[np.bool_]:
        return self.points >= HELD_AT


class Scorer(Protocol):
    """The interface of a scorer. An installed package can offer one under the entry point `settle.scorers`."""

    def __call__(self, plays: PlayColumns, listeners: int) -> Suspicion:
        """Return the points of each of this many listeners."""


def even_spread(plays: PlayColumns, listeners: int) -> Suspicion:
    """Apply the built-in rules.

    More plays in a day than fit into it are enough alone. Otherwise a listener must play evenly over a large catalogue
    (`spread`), and one of two more must hold: the players of these tracks play no popular tracks (`closed`), or many
    accounts share a device. `sleepless` adds points but never decides alone.
    """
    counts = np.bincount(plays.listener, minlength=listeners)
    if not counts.any():
        return Suspicion(points=np.zeros(listeners, dtype=np.int64), reasons={})
    daily = counts / np.maximum(_active_days(plays, listeners), 1)
    spread = (counts >= SPREAD_PLAYS) & (_same_track(plays, counts) * SPREAD_TRACKS < 1)
    nearness = _nearness(plays, listeners, counts)
    closed = (counts > 0) & (nearness < CLOSED * float(np.median(nearness[counts > 0])))
    reasons = {
        "volume": daily > VOLUME,
        "spread": spread,
        "closed": closed,
        "device": _device_listeners(plays, listeners) >= DEVICE_LISTENERS,
        "sleepless": (daily >= SLEEPLESS_PLAYS) & (_longest_pause(plays, listeners) < PAUSE_SECONDS),
    }
    worth = {"volume": 100, "spread": 50, "closed": 50, "device": 50, "sleepless": 20}
    points = np.array(sum(worth[name] * holds.astype(np.int64) for name, holds in reasons.items()))
    alone = ~(reasons["volume"] | reasons["spread"])
    return Suspicion(points=np.where(alone, np.minimum(points, HELD_AT - 1), points), reasons=reasons)


def _active_days(plays: PlayColumns, listeners: int) -> Ints:
    days = np.unique(plays.listener * 100_000 + plays.at // DAY)
    return np.bincount(days // 100_000, minlength=listeners)


def _same_track(plays: PlayColumns, counts: Ints) -> Floats:
    """Return how often two plays of a listener are of the same track."""
    width = int(plays.track.max(initial=0)) + 1
    pairs, times = np.unique(plays.listener * width + plays.track, return_counts=True)
    same = np.bincount(pairs // width, weights=times * (times - 1.0), minlength=len(counts))
    return same / np.maximum(counts * (counts - 1.0), 1.0)


def _nearness(plays: PlayColumns, listeners: int, counts: Ints) -> Floats:
    """Return the share of hits in a listener's plays, averaged over all listeners of the same tracks."""
    tracks = int(plays.track.max(initial=0)) + 1
    audience = np.bincount(np.unique(plays.listener * tracks + plays.track) % tracks, minlength=tracks)
    hit = np.zeros(tracks, dtype=bool)
    hit[np.argsort(-audience, kind="stable")[:HITS]] = True
    some = np.maximum(counts, 1)
    own = np.bincount(plays.listener, weights=hit[plays.track], minlength=listeners) / some
    sums = np.bincount(plays.track, weights=own[plays.listener], minlength=tracks)
    of_track = sums / np.maximum(np.bincount(plays.track, minlength=tracks), 1)
    return np.bincount(plays.listener, weights=of_track[plays.track], minlength=listeners) / some


def _longest_pause(plays: PlayColumns, listeners: int) -> Floats:
    """Return a listener's longest daily pause: the median over the days with plays."""
    order = np.lexsort((plays.at, plays.listener))
    listener, at = plays.listener[order], plays.at[order]
    day = listener * 100_000 + at // DAY
    inside = np.flatnonzero(day[1:] == day[:-1])
    first = np.flatnonzero(np.r_[True, day[1:] != day[:-1]])
    last = np.r_[first[1:] - 1, len(day) - 1] if len(day) else first
    keys = np.r_[day[inside], day[first], day[last]]
    pauses = np.r_[at[inside + 1] - at[inside], at[first] % DAY, DAY - at[last] % DAY]
    order = np.lexsort((pauses, keys))
    ends = np.flatnonzero(np.r_[keys[order][1:] != keys[order][:-1], True]) if len(keys) else order
    longest, owner = pauses[order][ends], keys[order][ends] // 100_000
    result = np.full(listeners, float(DAY))
    sequence = np.lexsort((longest, owner))
    owner, longest = owner[sequence], longest[sequence]
    begins = np.searchsorted(owner, np.arange(listeners))
    totals = np.bincount(owner, minlength=listeners)
    some = totals > 0
    result[some] = longest[(begins + (totals - 1) // 2)[some]]
    return result


def _device_listeners(plays: PlayColumns, listeners: int) -> Ints:
    """Return the largest number of accounts on a device that the listener uses."""
    stated = plays.device != UNKNOWN
    pairs = np.unique(np.stack([plays.device[stated], plays.listener[stated]]), axis=1)
    shared = np.zeros(listeners, dtype=np.int64)
    if pairs.size:
        np.maximum.at(shared, pairs[1], np.bincount(pairs[0])[pairs[0]])
    return shared


def scorer_named(name: str) -> Scorer:
    """Return the built-in rules (`even-spread`), or the scorer that an installed package offers under this name."""
    if name == "even-spread":
        return even_spread
    from importlib.metadata import entry_points

    from ledger.errors import InputError

    offered = {point.name: point for point in entry_points(group="settle.scorers")}
    if name not in offered:
        raise InputError(f"scorer {name!r}; known are {', '.join(['even-spread', *sorted(offered)])}")
    loaded: Scorer = offered[name].load()
    return loaded
