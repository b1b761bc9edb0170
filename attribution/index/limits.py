"""The limits of a catalogue, above which a recording or a tune is named; `attribution.methods.chance` measures them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from attribution.hearing.features import Form

TUNE_LEAST: Final = 36.0
"""The strength that unrelated invented tunes reach in a catalogue of hundreds: never less is asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chance:
    """The limits of a catalogue: margin of a recording, strength of a tune by what the track is made of; in style the
    likeness of the nearest recording, and the share of a group where none is so near.
    """

    recording: float = 0.0
    tunes: Mapping[str, float] = field(default_factory=dict)
    near: float = 0.0
    groups: float = 0.0

    def tune(self, form: Form) -> float:
        """Return the strength that a tune needs; if nothing of that form is indexed, the highest of any form."""
        return self.tunes.get(form, max(self.tunes.values(), default=TUNE_LEAST))
