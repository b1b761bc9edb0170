"""A benchmark world: a catalogue of invented pieces, and tracks that borrow from it by known weights.

A world is made from a seed: styles (each a kind of band, groove and taste in harmony), and distinct
pieces in them. A track borrows from one to five pieces in one way, its *kind*; what it took from
whom is its truth, per aspect. Worlds of different seeds share no style, so that what is fitted on
one can be judged on another.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np

from attribution.lab import compose
from attribution.lab.compose import Notes, Rng, Score
from attribution.lab.render import SAMPLE_RATE, Pcm, Sound, invent_sound, level_to, render, vary_sound

Kind = Literal["verbatim", "riff", "chords", "style", "aspect", "overlay", "free"]
KINDS: Final[tuple[Kind, ...]] = ("verbatim", "riff", "chords", "style", "aspect", "overlay", "free")
SECONDS: Final = 30.0
NOVEL: Final = 0.15
"""Share of a track that no source has any part in (verbatim, riff, chords, style)."""
LEAST: Final = 0.08
"""No true source has a smaller part than this in what was borrowed."""
ASPECT_WEIGHTS: Final = {"melody": 0.35, "progression": 0.25, "timbre": 0.25, "drums": 0.15}
"""What a part borrowed is worth, by convention: nature gives no exchange rate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """A kind of music: what its bands sound like before each makes it its own."""

    id: str
    sound: Sound
    groove: compose.Groove
    modes: tuple[int, int]
    tempo: float
    density: float
    sevenths: float


@dataclass(frozen=True, slots=True, kw_only=True)
class InventedPiece:
    """One recording of one composition."""

    id: str
    style: str
    score: Score
    sound: Sound
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """Who really has what part, per aspect (shares of the whole track; the rest is nobody's)."""

    recording: Mapping[str, float]
    composition: Mapping[str, float]
    style: Mapping[str, float]
    groups: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A generated track: its sound, its notes by the second, and the truth about it."""

    id: str
    kind: Kind
    pcm: Pcm
    notes: Notes  # beats are seconds here
    truth: Truth


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Styles and a catalogue."""

    seed: int
    styles: Mapping[str, Style]
    pieces: tuple[InventedPiece, ...]


def make_world(seed: int, *, pieces: int = 500, styles: int = 20) -> World:
    """The world of this seed; the same seed gives the same bytes."""
    kinds = {
        style.id: style
        for style in (invent_style(np.random.default_rng((seed, 1, k)), f"w{seed}-s{k:02d}") for k in range(styles))
    }
    names = list(kinds)
    recordings = tuple(
        invent_piece(
            np.random.default_rng((seed, 2, k)), kinds[names[k % styles]], f"w{seed}-r{k:04d}", seed=seed * 100_003 + k
        )
        for k in range(pieces)
    )
    return World(seed=seed, styles=kinds, pieces=recordings)


def invent_style(rng: Rng, name: str) -> Style:
    """A style nobody has heard."""
    return Style(
        id=name,
        sound=invent_sound(rng),
        groove=compose.compose_groove(rng),
        modes=(int(rng.integers(len(compose.MODES))), int(rng.integers(len(compose.MODES)))),
        tempo=float(rng.uniform(76, 150)),
        density=float(rng.uniform(0.35, 0.9)),
        sevenths=float(rng.choice([0.0, 0.2, 0.7])),
    )


def invent_piece(rng: Rng, style: Style, name: str, *, seed: int) -> InventedPiece:
    """A new composition in a style, played by a band of its own."""
    mode = compose.MODES[style.modes[int(rng.integers(2))]]
    score = Score(
        key=int(rng.integers(12)),
        tune=compose.compose_tune(rng, mode, density=style.density),
        progression=compose.compose_progression(rng, mode, sevenths=style.sevenths),
        groove=compose.vary_groove(rng, style.groove, flips=int(rng.integers(2, 6))),
        tempo=style.tempo * float(rng.uniform(0.88, 1.12)),
    )
    return InventedPiece(id=name, style=style.id, score=score, sound=vary_sound(rng, style.sound, 0.35), seed=seed)


def perform(piece: InventedPiece, seconds: float = SECONDS) -> Pcm:
    """The piece as a recording."""
    return render(
        compose.play(piece.score, seconds), piece.sound, piece.score.tempo, seconds, np.random.default_rng(piece.seed)
    )


def notes_in_seconds(score: Score, seconds: float, *, start_beat: float = 0.0) -> Notes:
    """The score's notes with times in seconds."""
    notes: Notes = compose.play(score, seconds, start_beat=start_beat).copy()
    notes["beat"] *= 60.0 / score.tempo
    notes["length"] *= 60.0 / score.tempo
    return notes


def draw_weights(rng: Rng, count: int) -> tuple[float, ...]:
    """Random parts of one whole, none below LEAST."""
    parts = rng.dirichlet(np.full(count, 1.5))
    return tuple(float(LEAST + (1 - LEAST * count) * part) for part in parts)


def make_track(world: World, kind: Kind, number: int, *, salt: int = 0, seconds: float = SECONDS) -> Made:
    """The `number`-th track of a kind; `salt` separates the fit, calibration and test splits."""
    rng = np.random.default_rng((world.seed, 3, salt, KINDS.index(kind), number))
    name = f"w{world.seed}-{kind}-{salt}-{number:04d}"
    if kind == "free":
        return _free(world, rng, name, seconds)
    count = int(rng.integers(2, 5)) if kind == "aspect" else int(rng.integers(1, 6))
    sources = [world.pieces[int(k)] for k in rng.choice(len(world.pieces), size=count, replace=False)]
    if kind == "aspect":
        return _aspects(world, rng, name, sources, seconds)
    if kind == "overlay":
        return _overlay(rng, name, sources, draw_weights(rng, count), seconds)
    weights = draw_weights(rng, count)
    return _sections(world, rng, name=name, kind=kind, sources=sources, weights=weights, seconds=seconds)


def _host(world: World, rng: Rng) -> InventedPiece:
    """A new piece in one of the world's styles: what a generator wraps borrowed notes in."""
    style = list(world.styles.values())[int(rng.integers(len(world.styles)))]
    return invent_piece(rng, style, "host", seed=int(rng.integers(2**31)))


def _stranger(rng: Rng) -> InventedPiece:
    """A new piece in a style that no catalogue has."""
    return invent_piece(rng, invent_style(rng, "strange"), "stranger", seed=int(rng.integers(2**31)))


def _sections(
    world: World,
    rng: Rng,
    *,
    name: str,
    kind: Kind,
    sources: list[InventedPiece],
    weights: tuple[float, ...],
    seconds: float,
) -> Made:
    """Sources one after another, as long as their weight, with one stretch that is nobody's."""
    host = _host(world, rng)
    stretch = float(rng.uniform(0.8, 1.25))
    parts: list[tuple[InventedPiece, float]] = [
        (_borrow(kind, host, source, stretch, rng), (1 - NOVEL) * weight * seconds)
        for source, weight in zip(sources, weights, strict=True)
    ]
    parts.append((host if kind in ("riff", "chords") else _stranger(rng), NOVEL * seconds))
    order = rng.permutation(len(parts))
    pcm, notes, now = [], [], 0.0
    for section in order:
        piece, length = parts[int(section)]
        source = sources[int(section)] if section < len(sources) else None
        # What is borrowed lies inside the half minute that the catalogue holds.
        if kind == "verbatim" and source is not None:
            start = float(rng.uniform(0, max(SECONDS - length, 0.0)))
            first = int(start * SAMPLE_RATE)
            pcm.append(perform(piece)[first : first + int(length * SAMPLE_RATE)])
            notes_heard = _within(notes_in_seconds(piece.score, SECONDS), start, length)
        else:
            span = SECONDS * source.score.tempo - length * piece.score.tempo if source is not None else 0.0
            beat = float(np.floor(rng.uniform(0, max(span, 0.0)) / 60))
            played = compose.play(piece.score, length, start_beat=beat)
            pcm.append(render(played, piece.sound, piece.score.tempo, length, rng))
            notes_heard = notes_in_seconds(piece.score, length, start_beat=beat)
        notes_heard["beat"] += now
        notes.append(notes_heard)
        now += length
    shares = {source.id: (1 - NOVEL) * weight for source, weight in zip(sources, weights, strict=True)}
    return Made(
        id=name,
        kind=kind,
        pcm=_noisy(np.concatenate(pcm), rng),
        notes=np.concatenate(notes),
        truth=_truth_of(kind, shares, sources, host),
    )


def _borrow(kind: Kind, host: InventedPiece, source: InventedPiece, stretch: float, rng: Rng) -> InventedPiece:
    """The host with what this kind takes from the source."""
    if kind == "verbatim":
        return source
    if kind == "riff":
        score = replace(host.score, tune=source.score.tune, tempo=source.score.tempo * stretch)
        return replace(host, score=score)
    if kind == "chords":
        score = replace(host.score, progression=source.score.progression, tempo=source.score.tempo * stretch)
        return replace(host, score=score)
    new = _host_score(rng, source, host)
    return replace(
        source,
        score=replace(new, groove=source.score.groove, tempo=source.score.tempo * float(rng.uniform(0.95, 1.05))),
    )


def _host_score(rng: Rng, source: InventedPiece, host: InventedPiece) -> Score:
    """New notes for a borrowed sound, different in every section."""
    mode = compose.MODES[int(rng.integers(len(compose.MODES)))]
    tune = compose.compose_tune(rng, mode, density=0.6)
    return replace(source.score, key=int(rng.integers(12)), tune=tune, progression=host.score.progression)


def _truth_of(kind: Kind, shares: dict[str, float], sources: list[InventedPiece], host: InventedPiece) -> Truth:
    groups: dict[str, float] = {}
    for source in sources:
        groups[source.style] = groups.get(source.style, 0.0) + shares[source.id]
    if kind in ("riff", "chords"):
        return Truth(recording={}, composition=shares, style={}, groups={host.style: 1.0})
    if kind == "style":
        return Truth(recording={}, composition={}, style=shares, groups=groups)
    return Truth(recording=shares, composition=shares, style=shares, groups=groups)


def _aspects(world: World, rng: Rng, name: str, sources: list[InventedPiece], seconds: float) -> Made:
    """Melody, progression, timbre and drums, each from one of the sources."""
    host = _host(world, rng)
    names = list(ASPECT_WEIGHTS)
    giver = {part: sources[k % len(sources)] for k, part in enumerate(rng.permutation(names).tolist())}
    score = Score(
        key=int(rng.integers(12)),
        tune=giver["melody"].score.tune,
        progression=giver["progression"].score.progression,
        groove=giver["drums"].score.groove,
        tempo=giver["drums"].score.tempo * float(rng.uniform(0.95, 1.05)),
    )
    timbre = giver["timbre"].sound
    sound = replace(timbre, kit=giver["drums"].sound.kit)
    piece = replace(host, score=score, sound=sound)
    pcm = render(compose.play(score, seconds), sound, score.tempo, seconds, rng)
    composition = _pool([(giver[part].id, ASPECT_WEIGHTS[part]) for part in ("melody", "progression")])
    style = _pool([(giver[part].id, ASPECT_WEIGHTS[part]) for part in ("timbre", "drums")])
    by_id = {source.id: source.style for source in sources}
    groups = _pool([(by_id[source], share) for source, share in style.items()])
    truth = Truth(recording={}, composition=composition, style=style, groups=groups)
    return Made(id=name, kind="aspect", pcm=_noisy(pcm, rng), notes=notes_in_seconds(piece.score, seconds), truth=truth)


def _pool(parts: list[tuple[str, float]]) -> dict[str, float]:
    """Shares by name, of one."""
    whole = sum(share for _, share in parts)
    pooled: dict[str, float] = {}
    for name, share in parts:
        pooled[name] = pooled.get(name, 0.0) + share / whole
    return pooled


def _overlay(rng: Rng, name: str, sources: list[InventedPiece], weights: tuple[float, ...], seconds: float) -> Made:
    """Whole recordings played at once, each at its share of the power, from a random point round."""
    total = int(seconds * SAMPLE_RATE)
    mixed = np.zeros(total, dtype=np.float64)
    for source, weight in zip(sources, weights, strict=True):
        wave = np.roll(perform(source), -int(rng.integers(int(SECONDS * SAMPLE_RATE))))[:total]
        mixed += np.sqrt(weight) * level_to(wave, 0.1)
    shares = {source.id: weight for source, weight in zip(sources, weights, strict=True)}
    silent = np.zeros(0, dtype=compose.NOTE)
    truth = _truth_of("overlay", shares, sources, sources[0])
    return Made(id=name, kind="overlay", pcm=_noisy(level_to(mixed, 0.1), rng), notes=silent, truth=truth)


def _free(world: World, rng: Rng, name: str, seconds: float) -> Made:
    """Nobody's: every other one in a style of the catalogue, so that its style group alone has a part."""
    is_known_band = bool(rng.integers(2))
    piece = _host(world, rng) if is_known_band else _stranger(rng)
    truth = Truth(recording={}, composition={}, style={}, groups={piece.style: 1.0} if is_known_band else {})
    return Made(
        id=name,
        kind="free",
        pcm=_noisy(perform(piece, seconds), rng),
        notes=notes_in_seconds(piece.score, seconds),
        truth=truth,
    )


def _noisy(pcm: Pcm, rng: Rng) -> Pcm:
    """As it comes out of a codec: 25 dB above noise."""
    power = float(np.sqrt(np.mean(np.square(pcm, dtype=np.float64))))
    return np.asarray(
        pcm + rng.standard_normal(len(pcm)).astype(np.float32) * power * 10 ** (-25 / 20), dtype=np.float32
    )


def _within(notes: Notes, start: float, length: float) -> Notes:
    """The notes that sound in a stretch, clipped to it, with times counted from its start."""
    ends = np.minimum(notes["beat"] + notes["length"], start + length)
    begins = np.maximum(notes["beat"], start)
    inside: Notes = notes[(ends - begins) > 0.05].copy()
    inside["beat"] = np.maximum(inside["beat"], start) - start
    inside["length"] = (ends - begins)[(ends - begins) > 0.05]
    return inside
