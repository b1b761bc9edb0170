"""The interface of an encoder: it turns spectra into rows and does not depend on a catalogue.

An adapter for a model with weights of its own (CLAP, MERT, CLEWS) is an encoder that loads them from a path.
"""

from __future__ import annotations

from typing import Protocol

from attribution.hearing.spectra import Floats, Spectra


class Encoder(Protocol):
    """Turns spectra into one unit row per segment; `digest` changes whenever its answers would."""

    @property
    def name(self) -> str: ...

    @property
    def dim(self) -> int: ...

    @property
    def digest(self) -> str: ...

    def encode(self, picture: Spectra) -> Floats: ...
