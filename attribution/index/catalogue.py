"""The catalogue: the features of all indexed recordings, joined into tables in order of recording id.

A catalogue is a value: adding recordings makes another one. Its root commits to who is in it (the
RFC 6962 root over the id and the content digest of each), so that a vector says what it was compared with.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from attribution.hearing.features import Features, Form
from attribution.hearing.spectra import Floats, unit
from attribution.index.alignments import LandmarkIndex
from attribution.index.evidence import Evidence
from attribution.index.limits import Chance
from attribution.index.nearest import Nearest
from attribution.index.patterns import PatternIndex
from attribution.index.tunes import TuneIndex
from ledger.proofs import canon, tree

SCREEN_ENCODERS = ("patch", "chroma", "style")


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogueEntry:
    """One recording of a catalogue; `cluster` is the id its near-duplicates in the same group are credited to."""

    id: str
    features: Features
    style: str | None = None
    cluster: str | None = None


class Catalogue:
    """Recordings with their search tables, each built when first asked for."""

    def __init__(self, recordings: Sequence[CatalogueEntry], chance: Chance | None = None) -> None:
        self.recordings = tuple(sorted(recordings, key=lambda recording: recording.id))
        self.ids = tuple(recording.id for recording in self.recordings)
        self.styles = tuple(recording.style for recording in self.recordings)
        self.row = {name: row for row, name in enumerate(self.ids)}
        self.evidence: tuple[str, Evidence] | None = None
        self.chance = chance  # as measured when it was indexed; see `attribution.methods.chance.chance_in`

    def __len__(self) -> int:
        return len(self.recordings)

    def features(self, row: int) -> Features:
        return self.recordings[row].features

    @cached_property
    def leaf_hashes(self) -> list[bytes]:
        """One leaf per recording, in order of id: what inclusion proofs are made from."""
        return leaf_hashes({recording.id: recording.features.judged_sha256 for recording in self.recordings})

    @cached_property
    def root(self) -> str:
        """The RFC 6962 root of the catalogue, in hex."""
        return tree.root_of(self.leaf_hashes).hex()

    @cached_property
    def starts(self) -> npt.NDArray[np.int64]:
        """The first segment of each recording, and the end of the last, in the joined tables."""
        return np.concatenate(([0], np.cumsum([recording.features.count for recording in self.recordings]))).astype(
            np.int64
        )

    @cached_property
    def owners(self) -> npt.NDArray[np.int64]:
        """The recording of each segment."""
        return np.repeat(np.arange(len(self)), np.diff(self.starts))

    def rows_of(self, form: Form) -> list[int]:
        return [row for row, recording in enumerate(self.recordings) if recording.features.form == form]

    def table(self, encoder: str) -> Floats:
        """Every segment's vector, recording after recording."""
        if encoder not in self._tables:
            parts = [recording.features.segments[encoder] for recording in self.recordings if recording.features.count]
            self._tables[encoder] = np.concatenate(parts) if parts else np.zeros((0, 1), np.float32)
        return self._tables[encoder]

    @cached_property
    def _tables(self) -> dict[str, Floats]:
        return {}

    @cached_property
    def screen(self) -> Nearest:
        """Neighbours of joined segment vectors."""
        return Nearest(joined({name: self.table(name) for name in SCREEN_ENCODERS}))

    @cached_property
    def styles_index(self) -> Nearest:
        """Neighbours in the style encoder's space."""
        return Nearest(self.table("style"))

    @cached_property
    def landmarks(self) -> LandmarkIndex:
        return LandmarkIndex([recording.features.marks for recording in self.recordings])

    @cached_property
    def patterns(self) -> PatternIndex:
        return PatternIndex([recording.features.stars for recording in self.recordings])

    @cached_property
    def tunes(self) -> TuneIndex:
        return TuneIndex([recording.features.line for recording in self.recordings])

    @cached_property
    def latents(self) -> tuple[Nearest, npt.NDArray[np.int64]]:
        """Neighbours among supplied latents, and the recording of each row."""
        rows = self.rows_of("latents")
        parts = [self.features(row).latents for row in rows]
        owners = np.repeat(rows, [len(part) for part in parts]) if parts else np.zeros(0, np.int64)
        return Nearest(unit(np.concatenate(parts)) if parts else np.zeros((0, 1), np.float32)), owners.astype(np.int64)


def leaf_hashes(judged: Mapping[str, str]) -> list[bytes]:
    """What a catalogue commits to: by recording, the digest of what was judged; in order of id."""
    return tree.leaf_hashes(canon.encode({"id": name, "sha256": judged[name]}) for name in sorted(judged))


def joined(tables: dict[str, Floats]) -> Floats:
    """Several encoders' unit rows as one unit row each."""
    return unit(np.concatenate([tables[name] for name in SCREEN_ENCODERS], axis=1))
