"""The baseline method: similarity of two pieces' average harmony, in the best of twelve keys.

It is here to be beaten, and because others quote it. On supplied latents it is cosine similarity.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from attribution.hearing.features import Features
from attribution.index.catalogue import Catalogue
from attribution.methods.protocol import Estimate

SHARPNESS = 40.0
KEPT = 5


class Chroma:
    """Cosine similarity of mean chroma over all transpositions, sharpened into shares."""

    name = "chroma"
    version = "1"

    def fit(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        profiles = [profile(catalogue.features(row)) for row in range(len(catalogue))]
        self._profiles = np.stack(profiles) if profiles else np.zeros((0, 12))

    def attribute(self, item: Features) -> Estimate:
        if item.form == "latents":
            nearest, owners = self._catalogue.latents
            if nearest.rows.shape[1] != item.latents.shape[1]:
                return Estimate()
            mean = item.latents.mean(axis=0)
            scores, places = nearest.search(mean[None, :] / max(float(np.linalg.norm(mean)), 1e-12), KEPT)
            best = {
                self._catalogue.ids[owners[column]]: float(score)
                for column, score in zip(places[0], scores[0], strict=True)
            }
        else:
            query = profile(item)
            if not query.any() or not len(self._profiles):
                return Estimate()
            turned = np.stack([np.roll(query, shift) for shift in range(12)])
            likeness = (self._profiles @ turned.T).max(axis=1)
            order = np.lexsort((np.arange(len(likeness)), -likeness))[:KEPT]
            best = {self._catalogue.ids[row]: float(likeness[row]) for row in order}
        powers = {name: np.exp(SHARPNESS * (round(score, 4) - 1)) for name, score in best.items()}
        whole = sum(powers.values()) + np.exp(SHARPNESS * (0.9 - 1))
        shares = {name: float(value / whole) for name, value in powers.items()}
        return Estimate(shares={"recording": shares, "composition": shares})


def profile(item: Features) -> npt.NDArray[np.float64]:
    """How long each pitch class sounds, of length one: from the tune and, in sound, the semitones' power."""
    weights = np.zeros(12)
    if len(item.line):
        np.add.at(weights, item.line.pitches % 12, item.line.lengths * (item.line.pitches > 0))
    weights = weights - weights.mean()
    length = float(np.linalg.norm(weights))
    return np.asarray(weights / length if length > 0 else weights, dtype=np.float64)
