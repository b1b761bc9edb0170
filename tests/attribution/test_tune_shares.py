"""A composition's share is the part of a track's time in which its tune runs."""

from __future__ import annotations

import numpy as np
import pytest

from attribution.hearing import symbolic
from attribution.hearing.features import Features, features_of_line
from attribution.hearing.melody import MelodyLine
from attribution.index.catalogue import Catalogue, CatalogueEntry
from attribution.methods.byname import method
from tests.attribution.tunes import SECONDS, Note, line, notes, rhythm, tune

COUNT = 20


@pytest.fixture(scope="module")
def written() -> Catalogue:
    return Catalogue(
        [
            CatalogueEntry(
                id=f"t-{seed:02d}", features=features_of_line(line(tune(seed), rhythm(seed)), SECONDS, f"{seed:064x}")
            )
            for seed in range(COUNT)
        ]
    )


def shares(catalogue: Catalogue, one: MelodyLine) -> dict[str, float]:
    chosen = method("hybrid")
    chosen.fit(catalogue)
    item: Features = features_of_line(one, float((one.onsets + one.lengths).max()), "a" * 64)
    return dict(chosen.attribute(item).shares["composition"])


def bass(seconds: float) -> list[Note]:
    """A pattern that is nobody's, of as many notes as a tune."""
    onsets = np.arange(0, seconds, 0.4)
    return [(float(onset), 0.4, (36, 43)[number % 2]) for number, onset in enumerate(onsets)]


def test_an_accompaniment_takes_nothing_from_the_tune(written: Catalogue) -> None:
    """If this fails, the same tune is worth half as much in a file that also writes down the bass."""
    lead = notes(tune(3), rhythm(3))
    alone, accompanied = (
        shares(written, symbolic.join(voices))["t-03"] for voices in ([lead], [lead, bass(lead[-1][0])])
    )
    assert alone > 0.9
    assert accompanied == pytest.approx(alone, abs=0.03)


def test_tunes_one_after_the_other_have_their_time(written: Catalogue) -> None:
    """If this fails, a tune with many short notes takes the time of one with few long ones."""
    quick, slow = notes(tune(3), rhythm(3), stretch=0.5), notes(tune(5), rhythm(5), stretch=1.0)
    turn = quick[-1][0] + quick[-1][1]
    whole = turn + slow[-1][0] + slow[-1][1]
    found = shares(written, symbolic.join([quick + [(onset + turn, long, pitch) for onset, long, pitch in slow]]))
    assert found["t-03"] == pytest.approx(turn / whole, abs=0.05)
    assert found["t-05"] == pytest.approx(1 - turn / whole, abs=0.05)


def test_tunes_at_the_same_time_share_it(written: Catalogue) -> None:
    """If this fails, a quodlibet pays one of its tunes alone, or more than there is."""
    both = [notes(tune(3), rhythm(3)), notes(tune(5), rhythm(5))]
    ends = [voice[-1][0] + voice[-1][1] for voice in both]
    found = shares(written, symbolic.join(both))
    together = min(ends) / max(ends)
    assert found["t-03"] + found["t-05"] == pytest.approx(1.0, abs=0.05)
    assert min(found.values()) == pytest.approx(together / 2, abs=0.05)
