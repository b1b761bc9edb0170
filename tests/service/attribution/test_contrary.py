"""Evidence against an attribution, on vectors and catalogues that can be counted by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from attribution.hearing.features import Features, features_of_latents
from attribution.index.catalogue import Catalogue, CatalogueEntry
from attribution.judge import judge
from attribution.methods.byname import NAMES, method
from ledger.types import MILLION, AspectVector, Influence, InfluenceVector
from service.attribution.contrary import STRANGERS, agreement, counterfactuals, second_opinions, unrelated

WIDTH = 48


def vector(parts: dict[str, int]) -> AspectVector:
    sources = tuple(Influence(id=name, ppm=ppm, basis="estimated", low=0, high=MILLION) for name, ppm in parts.items())
    return AspectVector(sources=sources, unattributed=MILLION - sum(parts.values()))


def row(number: int) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    return np.random.default_rng(number).standard_normal(WIDTH).astype(np.float32)


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    entries = [
        CatalogueEntry(id=f"r-{n}", features=features_of_latents(row(n)[None, :], f"{n:064x}")) for n in range(8)
    ]
    return Catalogue(entries)


@pytest.fixture(scope="module")
def item() -> Features:
    return features_of_latents((0.6 * row(2) + 0.4 * row(5))[None, :], "a" * 64)


@pytest.fixture(scope="module")
def signed(catalogue: Catalogue, item: Features) -> InfluenceVector:
    chosen = method("ivd")
    chosen.fit(catalogue)
    return judge(chosen, catalogue, item, track="trk-1", model=("mdl", "1"))[0]


def test_agreement_is_what_both_vectors_give_to_the_same() -> None:
    """If this fails, two methods that name different people seem to agree."""
    one = vector({"a": 500_000, "b": 200_000})
    assert agreement(one, one) == MILLION
    assert agreement(one, vector({"a": 300_000, "c": 700_000})) == 300_000
    assert agreement(one, vector({"a": 600_000})) == 500_000 + 300_000
    assert agreement(one, vector({"c": 1_000_000})) == 0


def test_every_method_is_asked_and_compared(catalogue: Catalogue, item: Features, signed: InfluenceVector) -> None:
    """If this fails, the evidence hides a method that disagrees."""
    opinions = second_opinions(catalogue, item, signed)
    assert set(opinions) == set(NAMES)
    assert opinions["ivd"]["agreement_ppm"] == {"recording": MILLION, "composition": MILLION, "style": MILLION}
    assert opinions["chroma"]["agreement_ppm"]["recording"] < MILLION


def test_the_largest_sources_are_left_out_one_by_one(
    catalogue: Catalogue, item: Features, signed: InfluenceVector
) -> None:
    """If this fails, nobody sees who would be named if a source were not in the catalogue."""
    named = [source.id for source in sorted(signed.recording.sources, key=lambda source: -source.ppm)]
    assert named[:2] == ["r-2", "r-5"]
    results = counterfactuals(catalogue, item, signed)
    assert [result["without"] for result in results][:2] == ["r-2", "r-5"]
    for result in results:
        sources = result["vector"]["recording"]["sources"]
        assert result["without"] not in {source["id"] for source in sources}
        assert result["agreement_ppm"] < MILLION
    assert len(catalogue) == 8


def test_what_strangers_get_stands_beside_what_is_claimed(
    catalogue: Catalogue, item: Features, signed: InfluenceVector
) -> None:
    """If this fails, a share that chance gives to anybody looks like evidence."""
    result = unrelated(catalogue, item, signed)
    assert result["strangers"] == STRANGERS
    assert result["claimed_ppm"]["recording"] == max(source.ppm for source in signed.recording.sources)
    assert result["largest_ppm"]["recording"] < result["claimed_ppm"]["recording"]
    nobody = replace(signed, recording=AspectVector(sources=(), unattributed=MILLION))
    assert unrelated(catalogue, item, nobody)["claimed_ppm"]["recording"] == 0
