"""What is named is above what chance gives: in tunes by how varied they are, in a catalogue by its own recordings."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from attribution.hearing import melody
from attribution.hearing.features import features_of_line
from attribution.hearing.melody import MelodyLine
from attribution.index.alignments import LandmarkAlignment
from attribution.index.catalogue import Catalogue, CatalogueEntry
from attribution.index.limits import Chance
from attribution.index.tunes import TuneIndex, variety
from attribution.methods.aligned import ExplainedSound
from attribution.methods.byname import method
from attribution.methods.chance import PROBES, TUNE_RATE, chance_in, limit, margins, probes
from tests.attribution.tunes import line, rhythm, tune

RATE = TUNE_RATE


@pytest.fixture(scope="module")
def lines() -> list[MelodyLine]:
    return [line(tune(seed), rhythm(seed)) for seed in range(20)]


@pytest.fixture(scope="module")
def written(lines: list[MelodyLine]) -> Catalogue:
    return Catalogue(
        [
            CatalogueEntry(id=f"t-{number:02d}", features=features_of_line(one, 24.0, f"{number:064x}"))
            for number, one in enumerate(lines)
        ]
    )


@pytest.mark.parametrize(("shift", "stretch"), [(5, 1.0), (-7, 0.5), (3, 2.0)])
def test_another_key_and_tempo_leave_the_strength(lines: list[MelodyLine], shift: int, stretch: float) -> None:
    """If this fails, a cover is weaker evidence than the same tune in its own key and tempo."""
    index = TuneIndex(lines)
    own, cover = (
        index.align(line(tune(3), rhythm(3), shift=shift * k, stretch=stretch if k else 1.0))[0] for k in (0, 1)
    )
    assert cover.row == own.row == 3
    assert cover.strength == own.strength


def test_a_shuffled_tune_is_not_claimed(written: Catalogue) -> None:
    """If this fails, having the notes of a tune in any order counts as having the tune."""
    chosen = method("hybrid")
    chosen.fit(written)
    own = features_of_line(line(tune(3), rhythm(3)), 24.0, "a" * 64)
    assert list(chosen.attribute(own).shares["composition"]) == ["t-03"]
    order = np.random.default_rng(1).permutation(60)
    shuffled = features_of_line(line(tune(3)[order], rhythm(3)[order]), 24.0, "b" * 64)
    assert chosen.attribute(shuffled).shares["composition"] == {}


def test_a_commonplace_is_nobodys(lines: list[MelodyLine]) -> None:
    """If this fails, who uses the pattern that everybody uses is told to have taken it from somebody."""
    pattern, beats = np.tile([48, 55, 53, 57], 10), np.full(40, 0.5)
    pieces = [line(np.concatenate([tune(seed), pattern]), np.concatenate([rhythm(seed), beats])) for seed in range(20)]
    everybody = Catalogue(
        [
            CatalogueEntry(id=f"t-{number:02d}", features=features_of_line(one, 44.0, f"{number:064x}"))
            for number, one in enumerate(pieces)
        ]
    )
    chosen = method("hybrid")
    chosen.fit(everybody)
    stranger = line(np.concatenate([tune(99), pattern]), np.concatenate([rhythm(99), beats]))
    assert everybody.tunes.align(stranger)[0].score > 150
    item = features_of_line(stranger, 44.0, "c" * 64)
    assert chosen.attribute(item).shares["composition"] == {}
    assert chance_in(everybody).tunes["notes"] > Chance().tune("notes")


def test_what_goes_round_has_little_variety() -> None:
    """If this fails, a bass that repeats four notes for a minute is as strong evidence as a melody."""
    assert variety(tune(1)) > 0.8
    assert variety(np.tile([48, 55, 53, 57], 12)) < 0.1
    assert variety(np.array([60, 62])) == 0.0


def test_the_limit_is_passed_as_often_as_it_says() -> None:
    """If this fails, false attributions are not what the limit promises."""
    rng = np.random.default_rng(0)
    passed = np.mean(
        [
            np.mean(rng.gumbel(50, 8, size=500) > limit(rng.gumbel(50, 8, size=64).tolist(), RATE, 36))
            for _ in range(200)
        ]
    )
    assert 0.5 * RATE < passed < 2.5 * RATE


def test_a_sample_gives_the_limit_of_ten_times_as_many() -> None:
    """If this fails, the limits of a large catalogue are measured among few, and strangers are named in it."""
    rng = np.random.default_rng(5)
    passed = []
    for _ in range(40):
        best = rng.exponential(6.0, size=(128, 200)).max(axis=1).tolist()
        strangers = rng.exponential(6.0, size=(500, 2_000)).max(axis=1)
        passed.append(float(np.mean(strangers > limit(best, RATE, 5.0, times=10.0))))
    assert RATE / 2.5 < np.mean(passed) < 2.5 * RATE


def test_a_few_versions_of_one_tune_do_not_move_the_limit() -> None:
    """If this fails, registering a tune in two versions makes covers of every other tune unprovable."""
    best = np.random.default_rng(0).gumbel(50, 8, size=64).tolist()
    assert limit([*best[:60], 700.0, 700.0, 650.0, 650.0], RATE, 36) < 1.2 * limit(best, RATE, 36)


def test_many_medleys_do_not_silence_a_catalogue() -> None:
    """If this fails, a few uploads by one holder make every other holder's part of every track unattributed."""
    best = np.random.default_rng(0).gumbel(50, 8, size=64).tolist()
    assert limit([*best[:40], *[700.0] * 24], RATE, 36) < 2.5 * float(np.median(best))


def test_with_nobody_to_compare_with_the_usual_is_asked_for() -> None:
    """If this fails, the only recording of a catalogue is named for whatever faintly resembles it."""
    assert limit([], RATE, 36) == limit([0.0], RATE, 36) == 36
    assert limit([0.0] * 9 + [500.0] * 3, RATE, 36) == 36


def test_the_probes_are_capped_and_always_the_same() -> None:
    """If this fails, indexing takes longer with the square of the catalogue, or two indexes of it differ."""
    names = [f"r-{number:04d}" for number in range(1000)]
    assert probes(names, PROBES) == probes(names[::-1], PROBES)
    assert len(set(probes(names, PROBES))) == PROBES
    assert probes(names[:3], PROBES) == names[:3]


def test_what_everybody_shares_does_not_stand_out() -> None:
    """If this fails, a track by a catalogue's band is taken for each of that band's recordings."""
    mark = LandmarkAlignment(row=0, offset=0, votes=9, frames=np.zeros(0, np.int64), surprise=25.0)
    part = ExplainedSound(share=0.05, spread=1.0, begin=0.0, end=30.0)
    assert max(margins([mark] * 8, [part] * 8)) < 15
    alone = [mark, *[replace(mark, row=row, surprise=3.0) for row in range(1, 8)]]
    assert margins(alone, [replace(part, share=0.5)])[0] > 50


def test_limits_are_the_same_measured_twice(written: Catalogue) -> None:
    """If this fails, an index made again attributes otherwise."""
    again = Catalogue(list(written.recordings)[::-1])
    assert chance_in(written) == chance_in(again) != Chance()


def test_a_weak_fundamental_is_heard() -> None:
    """If this fails, an instrument with strong harmonics is transcribed an octave high."""
    bins = np.full((60, 513), 1e-6, np.float32)
    for number, pitch in enumerate((67, 71, 74)):
        hertz = 440 * 2 ** ((pitch - 69) / 12)
        for harmonic, power in enumerate((0.2, 1.0, 0.8, 0.4), start=1):
            bins[20 * number : 20 * number + 20, round(harmonic * hertz * 512 / 8000)] += power
    assert melody.heard(bins).pitches.tolist() == [67, 71, 74]
