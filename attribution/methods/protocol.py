"""The interface and the result of a method; methods do not use files, signatures or ledgers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from attribution.hearing.features import Features
from attribution.index.catalogue import Catalogue
from ledger.types import Aspect


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """A passage of a source: start and end in the track (seconds), and start in the source."""

    source: str
    aspect: Aspect
    track_start: float
    track_end: float
    source_start: float
    transposed: int | None = None
    evidence: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A method's estimates, before intervals and rounding.

    `shares`: by aspect, each recording's share of the whole track; what they leave is unattributed.
    In the style aspect the recordings are evidence for their style groups, never paid by name.
    `above_chance`: aspects in which strangers' tracks get no shares; there small ones are claimed as well.
    `least`: what strangers' shares reach in this catalogue, where that is measured: no smaller one is claimed.
    """

    shares: Mapping[Aspect, Mapping[str, float]] = field(default_factory=dict)
    above_chance: frozenset[Aspect] = frozenset()
    least: Mapping[Aspect, float] = field(default_factory=dict)
    matches: tuple[Match, ...] = ()
    remarks: tuple[str, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)


class Method(Protocol):
    """`fit` once to a catalogue, then `attribute` any number of items; neither changes its arguments."""

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str: ...

    def fit(self, catalogue: Catalogue) -> None: ...

    def attribute(self, item: Features) -> Estimate: ...
