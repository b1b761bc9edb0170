"""Shares of supplied latents: sums of indexed ones, in the generator's own space."""

from __future__ import annotations

import numpy as np
import pytest

from attribution.hearing.features import features_of_latents
from attribution.hearing.spectra import Floats, unit
from attribution.index.catalogue import Catalogue, CatalogueEntry
from attribution.methods.latent import attribute_latents
from ledger.errors import InputError

WIDTH = 64


def rows(count: int, seed: int = 1) -> Floats:
    found = np.random.default_rng(seed).standard_normal((count, WIDTH)).astype(np.float32)
    return unit(found)


def catalogue(count: int = 12) -> Catalogue:
    return Catalogue(
        [
            CatalogueEntry(id=f"r-{n:02d}", features=features_of_latents(row[None, :], f"{n:064x}"))
            for n, row in enumerate(rows(count))
        ]
    )


def test_a_mixture_is_taken_apart_whatever_its_length() -> None:
    """If this fails, a latent's shares depend on how loud the generator made it."""
    known = rows(12)
    mixture = 0.7 * known[2] + 0.3 * known[5]
    for scale in (1.0, 40.0):
        estimate = attribute_latents(catalogue(), features_of_latents(scale * mixture[None, :], "a" * 64))
        shares = estimate.shares["recording"]
        assert set(shares) == {"r-02", "r-05"}
        assert shares["r-02"] / (shares["r-02"] + shares["r-05"]) == pytest.approx(0.7, abs=0.05)
        assert 0.9 < sum(shares.values()) <= 1 + 1e-9
        assert sum(shares.values()) == pytest.approx(estimate.details["explained"])
        assert estimate.details["optimal"]
        assert set(estimate.shares) == {"recording"}


def test_each_row_of_a_latent_counts_alike() -> None:
    """If this fails, one loud segment of a track decides who is paid for all of it."""
    known = rows(12)
    item = features_of_latents(np.stack([known[1], known[1], known[1], 9 * known[7]]), "a" * 64)
    shares = attribute_latents(catalogue(), item).shares["recording"]
    assert shares["r-01"] == pytest.approx(0.75, abs=0.02)
    assert shares["r-07"] == pytest.approx(0.25, abs=0.02)


def test_what_no_recording_explains_is_unattributed() -> None:
    """If this fails, a stranger's latent is paid to whoever is nearest."""
    stranger = features_of_latents(rows(1, seed=99), "a" * 64)
    estimate = attribute_latents(catalogue(), stranger)
    assert sum(estimate.shares["recording"].values()) < 0.5
    silent = features_of_latents(np.zeros((1, WIDTH), np.float32), "b" * 64)
    assert sum(attribute_latents(catalogue(), silent).shares["recording"].values()) == 0


def test_latents_of_another_model_are_refused() -> None:
    """If this fails, latents of different models are compared number by number."""
    with pytest.raises(InputError, match="another model"):
        attribute_latents(catalogue(), features_of_latents(np.ones((1, 3), np.float32), "a" * 64))
    with pytest.raises(InputError, match="no latents"):
        attribute_latents(Catalogue([]), features_of_latents(rows(1), "a" * 64))
