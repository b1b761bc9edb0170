"""Detect pastiche: a track in one artist's style that contains neither their recordings nor their tunes.

Measured by the benchmarks, and reported nowhere (docs/adr/0111): a manner is nobody's, and its style group is paid.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

LEAST_PPM: Final = 300_000
"""Less of a track's style than this is a part of it in somebody's manner, and the track is no imitation."""
LEAD: Final = 2.5
"""How many times the next one's part the imitated one's is; docs/benchmarks.md has the measured rates."""


def in_the_manner_of(style: Mapping[str, int], named: Collection[str]) -> str | None:
    """Return the artist who stands out among the style shares (ppm by artist or recording), or None.

    `named`: those whose recordings or tunes were found. What is heard outright is no imitation.
    """
    ranked = sorted((name for name in style if name not in named), key=lambda name: (-style[name], name))
    if not ranked or style[ranked[0]] < LEAST_PPM:
        return None
    second = style[ranked[1]] if len(ranked) > 1 else 0
    return ranked[0] if style[ranked[0]] >= LEAD * second else None
