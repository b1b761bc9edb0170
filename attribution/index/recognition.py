"""Recognise a known item in a copy of it: re-encoded, filtered, shortened, in another key or tempo.

A copy is all one item: unlike a track that merely contains a recording, it runs along it nearly everywhere it sounds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from attribution.hearing.constellation import Constellation
from attribution.index.alignments import BLOCK
from attribution.index.patterns import PatternIndex

SURELY: Final = 24.0
"""Standard deviations of shared peaks that all of a copy must reach. Ten seconds of a song reach 27 and more, songs
that borrow from the same recordings up to 29: see docs/benchmarks.md.
"""
MOSTLY: Final = 0.8
"""The part of the copy's sounding blocks that must run along the item."""
AHEAD: Final = 1.25
"""How many times as surely as along the next item: what two songs share does not tell them apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recognised:
    """An item that a sound runs along: how surely, for which part of the sound, and how much faster and higher."""

    id: str
    strength: float
    part: float
    tempo: float
    shift: float


def candidates(sound: Constellation, items: Mapping[str, Constellation]) -> list[Recognised]:
    """The items that the sound runs along for the most part, surest first."""
    if not len(sound) or not items:
        return []
    names = sorted(items)
    index = PatternIndex([items[name] for name in names])
    sounding = set((sound.frames // BLOCK).tolist())
    alike = [
        Recognised(
            id=names[line.row],
            strength=line.surprise,
            part=len(line.heard & sounding) / len(sounding),
            tempo=line.tempo,
            shift=line.shift,
        )
        for line in index.align(sound)
    ]
    alike = [item for item in alike if item.strength >= SURELY and item.part >= MOSTLY]
    return sorted(alike, key=lambda item: (-item.strength, item.id))


def recognised(alike: list[Recognised]) -> Recognised | None:
    """The item that the sound is a copy of; None where nothing is near, or two are about as near."""
    if not alike or (len(alike) > 1 and alike[0].strength < AHEAD * alike[1].strength):
        return None
    return alike[0]
