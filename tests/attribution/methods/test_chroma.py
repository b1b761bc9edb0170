"""The baseline method: average harmony in the best of twelve keys."""

from __future__ import annotations

from math import exp

import numpy as np
import pytest

from attribution.hearing.features import features_of_latents, features_of_line
from attribution.hearing.melody import BREAK, EMPTY, line_of
from attribution.index.catalogue import Catalogue, CatalogueEntry
from attribution.methods.chroma import Chroma, profile
from tests.attribution.tunes import SECONDS, line, rhythm, tune


def shares(entries: dict[str, int], seed: int, shift: int) -> dict[str, float]:
    catalogue = Catalogue(
        [
            CatalogueEntry(
                id=name, features=features_of_line(line(tune(number), rhythm(number)), SECONDS, f"{number:064x}")
            )
            for name, number in entries.items()
        ]
    )
    method = Chroma()
    method.fit(catalogue)
    item = features_of_line(line(tune(seed), rhythm(seed), shift=shift), SECONDS, "a" * 64)
    return dict(method.attribute(item).shares["recording"])


@pytest.mark.parametrize("shift", [0, 1, 6, 11])
def test_the_same_harmony_in_another_key_is_found(shift: int) -> None:
    """If this fails, the baseline that others quote is worse than what they quote."""
    found = shares({f"r-{n}": n for n in range(8)}, seed=3, shift=shift)
    assert max(found, key=found.__getitem__) == "r-3"
    assert len(found) == 5
    assert found["r-3"] > 0.3
    assert sum(found.values()) < 1


def test_a_share_is_its_part_of_all_likenesses_and_of_the_unknown() -> None:
    """If this fails, the baseline's shares are not the ones that its sharpness gives."""
    found = shares({"same": 3}, seed=3, shift=0)
    assert found == {"same": pytest.approx(1 / (1 + exp(40 * (0.9 - 1))))}


def test_a_profile_weighs_pitch_classes_by_time_and_leaves_breaks_out() -> None:
    """If this fails, short notes count as long ones, or the pause between two voices is a pitch."""
    notes = line_of((0.0, 1.0, 4.0, 5.0), (1.0, 3.0, 1.0, 1.0), (60, 67, BREAK, 72))
    seconds = np.array([2.0, 0, 0, 0, 0, 0, 0, 3.0, 0, 0, 0, 0])
    centred = seconds - seconds.mean()
    found = profile(features_of_line(notes, 6.0, "a" * 64))
    assert found == pytest.approx(centred / np.linalg.norm(centred))
    assert not profile(features_of_line(EMPTY, 6.0, "a" * 64)).any()


def test_nothing_is_said_of_an_item_without_notes_or_of_an_empty_catalogue() -> None:
    """If this fails, an item that cannot be compared is attributed."""
    method = Chroma()
    method.fit(Catalogue([]))
    assert not method.attribute(features_of_line(line(tune(1), rhythm(1)), SECONDS, "a" * 64)).shares
    assert not method.attribute(features_of_line(EMPTY, SECONDS, "b" * 64)).shares


def test_latents_are_compared_by_their_mean() -> None:
    """If this fails, the baseline compares latents of different width, or by their length."""
    rows = {"x": [[2.0, 0.0, 0.0]], "y": [[0.0, 1.0, 0.0]], "z": [[0.0, 0.0, 5.0]]}
    catalogue = Catalogue(
        [
            CatalogueEntry(id=name, features=features_of_latents(np.array(row, np.float32), f"{n:064x}"))
            for n, (name, row) in enumerate(rows.items())
        ]
    )
    method = Chroma()
    method.fit(catalogue)
    item = features_of_latents(np.array([[0.0, 7.0, 1.0], [0.0, 7.0, -1.0]], np.float32), "a" * 64)
    found = dict(method.attribute(item).shares["recording"])
    assert max(found, key=found.__getitem__) == "y"
    assert found["y"] == pytest.approx(1 / (1 + exp(-4.0) + 2 * exp(-40.0)), rel=1e-4)
    wide = features_of_latents(np.ones((1, 4), np.float32), "b" * 64)
    assert not method.attribute(wide).shares
