"""The synthetic worlds as notes: what a catalogue and a track look like when MIDI is at hand."""

from __future__ import annotations

from attribution.hearing.features import features_of_line
from attribution.hearing.melody import MelodyLine
from attribution.index.catalogue import Catalogue, CatalogueEntry
from attribution.lab import synth
from attribution.lab.compose import line_of_notes


def notes_catalogue(world: synth.World) -> Catalogue:
    """The world's catalogue as MIDI would give it."""
    return Catalogue(
        [
            CatalogueEntry(
                id=piece.id,
                style=piece.style,
                features=features_of_line(
                    line_of_notes(synth.notes_in_seconds(piece.score, synth.SECONDS)), synth.SECONDS, piece.id
                ),
            )
            for piece in world.pieces
        ]
    )


def track_line(made: synth.Made) -> MelodyLine:
    """A generated track as MIDI would give it."""
    return line_of_notes(made.notes)
