"""The two plug-in protocols, encoders and methods, and what a method answers.

An encoder knows nothing of catalogues; a method nothing of files, signatures or ledgers. An adapter
for a model with weights of its own (CLAP, MERT, CLEWS) is an encoder that loads them from a path.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from attribution.spectra import Floats, Spectra
from ledger.types import Aspect

if TYPE_CHECKING:
    from attribution.catalogue import Catalogue
    from attribution.features import Features


class Encoder(Protocol):
    """Turns spectra into one unit row per segment; `digest` changes whenever its answers would."""

    @property
    def name(self) -> str: ...

    @property
    def dim(self) -> int: ...

    @property
    def digest(self) -> str: ...

    def encode(self, picture: Spectra) -> Floats: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """Where a source is heard: from when to when in the track (seconds), and from when in the source."""

    source: str
    aspect: Aspect
    track_start: float
    track_end: float
    source_start: float
    transposed: int | None = None
    evidence: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What a method believes, before intervals and rounding.

    `shares`: by aspect, each recording's share of the whole track; what they leave is unattributed.
    In the style aspect the recordings are evidence for their style groups, never paid by name.
    """

    shares: Mapping[Aspect, Mapping[str, float]] = field(default_factory=dict)
    matches: tuple[Match, ...] = ()
    remarks: tuple[str, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)


class Method(Protocol):
    """`fit` once to a catalogue, then `attribute` any number of items; neither changes what it is given."""

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str: ...

    def fit(self, catalogue: Catalogue) -> None: ...

    def attribute(self, item: Features) -> Estimate: ...
