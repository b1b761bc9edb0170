"""The encoders, on spectra whose answer is known beforehand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from attribution.hearing.encoders import handmade
from attribution.hearing.encoders.handmade import MAKERS, HandMade, chroma, fold, log_mel, patch, timbre
from attribution.hearing.encoders.style import LAGS, StyleEncoder, repeats
from attribution.hearing.features import encoders
from attribution.hearing.spectra import BANDS, HOP, SEMITONES, WINDOW, Floats, Spectra
from attribution.weights.load import Constants

FRAMES = WINDOW + 2 * HOP


def picture(seed: int = 1, frames: int = FRAMES) -> Spectra:
    """Invented power: bursts every 16 frames over noise."""
    rng = np.random.default_rng(seed)
    mel = rng.uniform(0.01, 1.0, (frames, BANDS)).astype(np.float32)
    mel[::16] *= 50
    semitones = rng.uniform(0.0, 1.0, (frames // 2, SEMITONES)).astype(np.float32)
    empty = np.zeros((frames, 1), np.float32)
    return Spectra(seconds=frames * 0.032, mel=mel, semitones=semitones, bins=empty, tones=empty)


def test_every_encoder_gives_one_unit_row_a_segment_and_nothing_for_silence() -> None:
    """If this fails, a silent stretch is evidence for somebody, or long rows count more than short ones."""
    sound = picture()
    mel = sound.mel.copy()
    mel[2 * HOP :] = 0.0  # the last window is silent
    quiet = replace(sound, mel=mel, semitones=np.where(np.arange(FRAMES // 2)[:, None] < HOP, sound.semitones, 0))
    for encoder in encoders():
        rows = encoder.encode(quiet)
        assert rows.shape == (3, encoder.dim)
        assert np.linalg.norm(rows[:2], axis=1) == pytest.approx([1, 1], abs=1e-5)
        assert not rows[2].any()
        assert encoder.encode(picture(frames=WINDOW - 1)).shape == (0, encoder.dim)


@pytest.mark.parametrize("name", MAKERS)
def test_dimensions_are_centred_and_scaled_by_the_constants(name: str) -> None:
    """If this fails, an encoder's rows do not mean what the weights were measured for."""
    make, size = MAKERS[name]
    sound = picture()
    raw = make(sound)
    assert raw.shape == (3, size)
    constants = Constants(mean=raw[0] - 1.0, scale=np.full(size, 2.0, np.float32))
    encoder = HandMade(name=name, constants=constants)
    assert encoder.encode(sound)[0] == pytest.approx(np.full(size, size**-0.5), abs=1e-4)
    assert encoder.encode(sound)[1] == pytest.approx(
        (raw[1] - raw[0] + 1) / np.linalg.norm(raw[1] - raw[0] + 1), abs=1e-4
    )
    other = HandMade(name=name, constants=Constants(mean=constants.mean, scale=constants.scale * 2))
    assert encoder.digest != other.digest != HandMade(name=name, constants=constants, version="2").digest


def test_loudness_changes_no_row_of_sound_and_timbre() -> None:
    """If this fails, a quiet copy of a recording is another recording."""
    sound = picture()
    loud = replace(sound, mel=sound.mel * 8)
    assert log_mel(sound).mean(axis=(1, 2)) == pytest.approx(np.zeros(3), abs=1e-5)
    assert patch(loud) == pytest.approx(patch(sound), abs=1e-3)
    assert timbre(loud) == pytest.approx(timbre(sound), abs=1e-3)


def test_a_picture_of_one_wave_is_one_number_of_the_patch() -> None:
    """If this fails, the picture of a sound is not described by its slow waves over time and frequency."""
    wave = np.cos(np.pi * (np.arange(32) + 0.5) * 3 / 32)[:, None] * np.cos(np.pi * (np.arange(24) + 0.5) * 2 / 24)
    power = np.exp(np.repeat(np.repeat(wave, 4, axis=0), 2, axis=1)).astype(np.float32)
    numbers = patch(replace(picture(frames=WINDOW), mel=power))[0]
    assert int(np.abs(numbers).argmax()) == 3 * 12 + 2 - 1  # the constant wave (0, 0) is left out
    assert abs(numbers[37]) == pytest.approx((32 / 2 * 24 / 2) ** 0.5, rel=1e-3)
    assert np.abs(np.delete(numbers, 37)).max() < 0.01


def test_segments_follow_each_other_by_a_quarter_of_a_window() -> None:
    """If this fails, a stretch of a track is compared under another time than its own."""
    sound = picture()
    later = replace(sound, mel=sound.mel[HOP:], semitones=sound.semitones[HOP // 2 :])
    for name, (make, _) in MAKERS.items():
        assert make(later) == pytest.approx(make(sound)[1:], abs=1e-3), name


def test_timbre_tells_how_often_onsets_come() -> None:
    """If this fails, the groove of a track is read across its bands and not along its time."""
    power = np.full((WINDOW, BANDS), 1e-3, np.float32)
    power[::16] = 10.0
    lags = timbre(replace(picture(frames=WINDOW), mel=power))[0, 2 * BANDS :].reshape(2, 30)
    assert [int(row.argmax()) for row in lags] == [(16 - 4) // 2] * 2


@pytest.mark.parametrize("semitones", [1, 5, 11])
def test_harmony_is_blind_to_the_key(semitones: int) -> None:
    """If this fails, a cover in another key has another harmony."""
    sound = picture()
    assert sound.semitones.shape[1] % 12 == 0
    pitched = sound.semitones.reshape(-1, SEMITONES // 12, 12)
    other = replace(sound, semitones=np.roll(pitched, semitones, axis=2).reshape(-1, SEMITONES))
    assert not np.allclose(fold(other.semitones), fold(sound.semitones))
    assert chroma(other) == pytest.approx(chroma(sound), abs=1e-3)


def test_folding_adds_the_octaves_of_a_pitch_class() -> None:
    """If this fails, the same note an octave higher is another note, or loud moments drown soft ones."""
    power = np.zeros((2, SEMITONES), np.float32)
    power[0, [0, 12, 7]] = [1.0, 1.0, 4.0]
    power[1, 0] = 1e4
    folded = fold(power)
    assert folded.tolist() == [[1.0, *[0.0] * 6, 1.0, *[0.0] * 4], [1.0, *[0.0] * 11]]


def test_rhythm_shows_at_the_lag_at_which_onsets_repeat() -> None:
    """If this fails, two grooves of different tempo have one timbre."""
    onset = np.full((1, WINDOW - 1), 0.2, np.float32)
    onset[0, ::16] = 0.3
    lags = handmade._repeats(onset)
    assert lags.shape == (1, 30)
    assert int(lags[0].argmax()) == (16 - 4) // 2
    assert lags[0, 6] == pytest.approx(7 / 8, abs=0.08)


def test_the_style_network_hears_how_maps_repeat() -> None:
    """If this fails, the groove of a band is missing from its style."""
    import torch

    track = torch.zeros(1, 2, 64)
    track[0, 0, ::8] = 1.0
    track[0, 1, ::3] = 1.0
    answer = repeats(track)
    assert answer.shape == (1, 2, LAGS)
    assert [int(lag) + 1 for lag in answer[0].argmax(dim=1)] == [8, 3]


def test_style_is_the_same_whatever_else_is_in_the_clip() -> None:
    """If this fails, a stretch of music has another style when more music follows it."""
    encoder = StyleEncoder()
    whole = picture()
    first: Floats = encoder.encode(replace(whole, mel=whole.mel[:WINDOW]))
    assert encoder.encode(whole)[:1] == pytest.approx(first, abs=1e-5)
    assert encoder.digest == StyleEncoder().digest
