"""Invented music as sound: a small band of synthetic instruments, fast enough for thousands of clips."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from attribution.lab.compose import BASS, CHORD, DRUM, HAT, KICK, LEAD, SNARE, Notes, Rng

SAMPLE_RATE: Final = 16_000
HARMONICS: Final = 16
_TABLE: Final = 2048

Pcm = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Timbre:
    """An instrument: its harmonics when struck and when held, and how it rises and falls (seconds)."""

    bright: npt.NDArray[np.float64]
    dull: npt.NDArray[np.float64]
    attack: float
    decay: float
    sustain: float
    vibrato: float
    breath: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Kit:
    """Three drums: pitch and decay of kick and snare body, colour and decay of the noises."""

    kick_hz: float
    kick_decay: float
    snare_hz: float
    snare_decay: float
    snare_noise: float
    hat_decay: float
    hat_colour: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Sound:
    """How a piece sounds whatever its notes: instruments, kit, and the mix."""

    lead: Timbre
    chord: Timbre
    bass: Timbre
    kit: Kit
    mix: tuple[float, float, float, float]  # lead, chord, bass, drums


def invent_timbre(rng: Rng) -> Timbre:
    """An instrument nobody has heard."""
    ranks = np.arange(1, HARMONICS + 1)
    slope = rng.uniform(0.6, 2.4)
    comb = np.where(ranks % 2 == 0, rng.choice([0.08, 0.5, 1.0]), 1.0)
    formant = 1 + rng.uniform(0, 3) * np.exp(-0.5 * ((ranks - rng.uniform(2, 10)) / rng.uniform(0.7, 2)) ** 2)
    dull = ranks**-slope * comb * formant * rng.uniform(0.5, 1.5, HARMONICS)
    bright = dull * ranks ** rng.uniform(0.1, 0.9)
    return Timbre(
        bright=bright / np.linalg.norm(bright),
        dull=dull / np.linalg.norm(dull),
        attack=float(np.exp(rng.uniform(np.log(0.004), np.log(0.09)))),
        decay=float(np.exp(rng.uniform(np.log(0.08), np.log(0.9)))),
        sustain=float(rng.choice([0.05, 0.3, 0.6, 0.85])),
        vibrato=float(rng.choice([0, 0, 0.004, 0.008])),
        breath=float(rng.choice([0, 0, 0.02, 0.06])),
    )


def vary_timbre(rng: Rng, timbre: Timbre, amount: float) -> Timbre:
    """The same kind of instrument, another maker."""
    wobble = np.exp(rng.normal(0, amount, HARMONICS))
    bright, dull = timbre.bright * wobble, timbre.dull * wobble
    return replace(
        timbre,
        bright=bright / np.linalg.norm(bright),
        dull=dull / np.linalg.norm(dull),
        attack=timbre.attack * float(np.exp(rng.normal(0, amount))),
        decay=timbre.decay * float(np.exp(rng.normal(0, amount))),
    )


def invent_kit(rng: Rng) -> Kit:
    return Kit(
        kick_hz=float(rng.uniform(40, 80)),
        kick_decay=float(rng.uniform(0.05, 0.25)),
        snare_hz=float(rng.uniform(140, 320)),
        snare_decay=float(rng.uniform(0.04, 0.2)),
        snare_noise=float(rng.uniform(0.3, 1.0)),
        hat_decay=float(rng.uniform(0.01, 0.09)),
        hat_colour=float(rng.uniform(0.2, 0.95)),
    )


def vary_kit(rng: Rng, kit: Kit, amount: float) -> Kit:
    values = {name: getattr(kit, name) * float(np.exp(rng.normal(0, amount))) for name in Kit.__dataclass_fields__}
    values["hat_colour"] = min(values["hat_colour"], 0.97)
    return Kit(**values)


def invent_sound(rng: Rng) -> Sound:
    mix = (
        float(rng.uniform(0.8, 1.2)),
        float(rng.uniform(0.3, 0.7)),
        float(rng.uniform(0.5, 0.9)),
        float(rng.uniform(0.3, 0.9)),
    )
    return Sound(
        lead=invent_timbre(rng), chord=invent_timbre(rng), bass=invent_timbre(rng), kit=invent_kit(rng), mix=mix
    )


def vary_sound(rng: Rng, sound: Sound, amount: float) -> Sound:
    """Another band in the same style."""
    return Sound(
        lead=vary_timbre(rng, sound.lead, amount),
        chord=vary_timbre(rng, sound.chord, amount),
        bass=vary_timbre(rng, sound.bass, amount),
        kit=vary_kit(rng, sound.kit, amount * 0.7),
        mix=tuple(level * float(np.exp(rng.normal(0, amount * 0.5))) for level in sound.mix),  # type: ignore[arg-type]
    )


def render(notes: Notes, sound: Sound, tempo: float, seconds: float, rng: Rng) -> Pcm:
    """The notes played by that band at that tempo; `rng` gives breath and drum noise."""
    total = int(seconds * SAMPLE_RATE)
    out = np.zeros(total + SAMPLE_RATE)
    noise = rng.standard_normal(SAMPLE_RATE)
    drums = _drum_samples(sound.kit, noise)
    struck: dict[tuple[int, int, int], npt.NDArray[np.float64]] = {}
    timbres = {LEAD: sound.lead, CHORD: sound.chord, BASS: sound.bass}
    for beat, length, pitch, level, voice in notes.tolist():
        at = int(beat * 60 / tempo * SAMPLE_RATE)
        gain = level * sound.mix[voice]
        if voice == DRUM:
            wave = drums[pitch]
        else:
            samples = int(min(length * 60 / tempo, 4.0) * SAMPLE_RATE) + 1
            size = 1 << max(11, samples.bit_length())
            key = (voice, pitch, size)
            if key not in struck:
                struck[key] = _strike(timbres[voice], pitch, size, noise)
            wave = struck[key][:samples].copy()
            fade = min(samples, 400)
            wave[-fade:] *= np.linspace(1, 0, fade)
            if voice == CHORD:
                gain *= 0.6
        end = min(at + len(wave), len(out))
        if end > at:
            out[at:end] += gain * wave[: end - at]
    return level_to(out[:total], 0.1)


def level_to(wave: npt.NDArray[np.float64] | Pcm, rms: float) -> Pcm:
    """The same sound at a given loudness; silence stays silence."""
    power = float(np.sqrt(np.mean(np.square(wave, dtype=np.float64)))) if len(wave) else 0.0
    return np.asarray(wave * (rms / power) if power > 0 else wave, dtype=np.float32)


def _strike(timbre: Timbre, pitch: int, size: int, noise: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    hertz = 440.0 * 2 ** ((pitch - 69) / 12)
    count = max(1, min(HARMONICS, int(7400 / hertz)))
    angles = 2 * np.pi * np.arange(_TABLE) / _TABLE
    waves = np.sin(np.outer(np.arange(1, count + 1), angles))
    seconds = np.arange(size) / SAMPLE_RATE
    phase = hertz * seconds
    if timbre.vibrato:
        phase = phase + timbre.vibrato * hertz / (2 * np.pi * 5.5) * np.sin(2 * np.pi * 5.5 * seconds)
    places = (phase * _TABLE).astype(np.int64) & (_TABLE - 1)
    fall = np.exp(-seconds / timbre.decay)
    rise = np.minimum(1.0, seconds / timbre.attack)
    body = (timbre.sustain + (1 - timbre.sustain) * fall) * (timbre.dull[:count] @ waves)[places]
    edge = 0.6 * fall * (timbre.bright[:count] @ waves)[places]
    wave: npt.NDArray[np.float64] = rise * (body + edge)
    if timbre.breath:
        wave += timbre.breath * rise * np.resize(noise, size)
    return wave


def _drum_samples(kit: Kit, noise: npt.NDArray[np.float64]) -> dict[int, npt.NDArray[np.float64]]:
    seconds = np.arange(int(0.35 * SAMPLE_RATE)) / SAMPLE_RATE
    hiss = noise[: len(seconds)]
    coloured = hiss - kit.hat_colour * np.concatenate(([0.0], hiss[:-1]))
    sweep = np.cumsum(kit.kick_hz * (1 + 3 * np.exp(-seconds / 0.02))) / SAMPLE_RATE
    samples: dict[int, npt.NDArray[np.float64]] = {
        KICK: 1.6 * np.sin(2 * np.pi * sweep) * np.exp(-seconds / kit.kick_decay),
        SNARE: (np.sin(2 * np.pi * kit.snare_hz * seconds) + kit.snare_noise * hiss)
        * np.exp(-seconds / kit.snare_decay),
        HAT: 0.5 * coloured * np.exp(-seconds / kit.hat_decay),
    }
    return samples
