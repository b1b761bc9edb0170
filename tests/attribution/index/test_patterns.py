"""A recording is recognised in another key, tempo and colour, in a loop, and where only half of it is used."""

from __future__ import annotations

import numpy as np
import pytest
import soxr

from attribution.hearing.audio import SAMPLE_RATE, Pcm
from attribution.hearing.constellation import NONE, Constellation, constellation
from attribution.hearing.spectra import spectra
from attribution.index.alignments import coverage
from attribution.index.patterns import PatternIndex
from attribution.lab import synth
from attribution.lab.synth import perform

SECONDS = 24.0


def stars(pcm: Pcm) -> Constellation:
    return constellation(spectra(np.ascontiguousarray(pcm, dtype=np.float32)).tones)


@pytest.fixture(scope="module")
def sounds(world: synth.World) -> list[Pcm]:
    return [perform(piece, SECONDS) for piece in world.pieces[:4]]


@pytest.fixture(scope="module")
def index(sounds: list[Pcm]) -> PatternIndex:
    return PatternIndex([stars(pcm) for pcm in sounds])


@pytest.mark.parametrize("factor", [0.88, 1.0, 1.03, 1.12])
def test_a_recording_is_found_at_another_speed(index: PatternIndex, sounds: list[Pcm], factor: float) -> None:
    """If this fails, playing a recording faster takes it out of the vector."""
    line = index.align(stars(soxr.resample(sounds[1], SAMPLE_RATE * factor, SAMPLE_RATE)))[0]
    assert line.row == 1
    assert line.strength > 14
    assert line.tempo == pytest.approx(factor, abs=0.01)
    assert line.shift == pytest.approx(-36 * np.log2(factor), abs=0.6)


def test_a_filter_moves_no_peak(index: PatternIndex, sounds: list[Pcm]) -> None:
    """If this fails, a low-pass filter takes a recording out of the vector."""
    spectrum = np.fft.rfft(sounds[2])
    spectrum[int(1_500 * SECONDS) :] = 0
    line = index.align(stars(np.fft.irfft(spectrum).astype(np.float32)))[0]
    assert (line.row, line.tempo) == (2, 1.0)
    assert line.strength > 14


def test_each_turn_of_a_loop_is_found(index: PatternIndex, sounds: list[Pcm]) -> None:
    """If this fails, a loop of four seconds of a recording counts as four seconds of it."""
    loop = stars(np.tile(sounds[0][6 * SAMPLE_RATE : 10 * SAMPLE_RATE], 5))
    line = index.align(loop)[0]
    assert line.row == 0
    assert coverage(line, loop, stars(sounds[0])) > 0.8


def test_strangers_run_along_nothing(index: PatternIndex, world: synth.World) -> None:
    """If this fails, a piece that shares no recording is taken for a copy."""
    assert all(
        line.strength < 14 for piece in world.pieces[4:6] for line in index.align(stars(perform(piece, SECONDS)))
    )


def test_silence_and_an_empty_index_give_nothing(index: PatternIndex, sounds: list[Pcm]) -> None:
    """If this fails, a silent clip ends in an exception, or in somebody's name."""
    assert index.align(NONE) == []
    assert index.align(stars(np.zeros(SAMPLE_RATE, np.float32))) == []
    assert PatternIndex([]).align(stars(sounds[0])) == []
