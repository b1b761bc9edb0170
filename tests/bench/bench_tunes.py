"""Real tunes, real instruments: traditional tunes, played by FluidSynth; nothing was fitted on them.

    python -m tests.bench.bench_tunes [--catalogue 150] [--tracks 60] [--skip 550]

Needs the extra `bench` (music21, read where it is installed, never copied), and the Debian packages
fluidsynth and fluid-soundfont-gm. The collection is Ryan's Mammoth Collection (1883; the music is in
the public domain). Every tune gets chords by bar and a bass, so that the pieces are arrangements. The
collection prints many tunes twice, under other names and with their strains swapped: of tunes that
share SAME successive intervals only the first is taken, so that a stranger is one.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import mido
import numpy as np
import pytest

from attribution.assemble import claim
from attribution.hearing.audio import clip_of, decode
from attribution.hearing.features import Features, features_of_clip, features_of_line
from attribution.hearing.symbolic import read_midi
from attribution.index.catalogue import Catalogue, CatalogueEntry
from attribution.lab import evaluate
from attribution.lab.render import Pcm, level_to
from attribution.methods.byname import method
from attribution.methods.calibration import shipped
from attribution.methods.protocol import Method
from ledger.types import Aspect

SOUNDFONT: Final = Path("/usr/share/sounds/sf2/FluidR3_GM.sf2")
SECONDS: Final = 30.0
BEATS: Final = 76.0
"""Half a minute at the fastest tempo; the rest of a tune is never heard."""
CATALOGUE_BANDS: Final = ((40, 24, 32), (73, 0, 33), (21, 25, 43), (22, 46, 32))
COVER_BANDS: Final = ((56, 4, 38), (65, 26, 35), (11, 48, 36))
OTHER_BANDS: Final = ((71, 7, 34), (68, 19, 39), (59, 27, 37))
"""General MIDI programs (lead, chords, bass): covers share none with the catalogue, nor do strangers by other bands."""
SAME: Final = 16
"""Successive intervals that make two tunes one: about two bars, note for note."""

Tune = list[tuple[float, float, int]]


def read_tunes(count: int) -> tuple[list[tuple[str, Tune]], int]:
    """Melodies by name (beat, length, pitch), long enough to be recognised, and how many were known already."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        music21: Any = pytest.importorskip("music21")
        folder = Path(music21.__file__).parent / "corpus" / "ryansMammoth"
        found: list[tuple[str, Tune]] = []
        seen: set[tuple[int, ...]] = set()
        again = 0
        for path in sorted(folder.glob("*.abc")):
            try:
                notes = music21.converter.parse(path).flatten().notes
                # Grace notes have no length; one that never ends would keep the player going for ever.
                tune = [
                    (float(one.offset), float(one.quarterLength), int(one.pitch.midi))
                    for one in notes
                    if one.isNote and one.quarterLength > 0
                ]
            except Exception:  # noqa: BLE001, S112  a tune that music21 cannot read is left out
                continue
            if len(tune) < 60:
                continue
            steps = np.diff([pitch for _, _, pitch in tune])
            runs = {tuple(run.tolist()) for run in np.lib.stride_tricks.sliding_window_view(steps, SAME)}
            if runs & seen:
                again += 1
                continue
            seen |= runs
            found.append((path.stem, tune))
            if len(found) == count:
                break
    return found, again


def write_midi(path: Path, tune: Tune, band: tuple[int, int, int], *, shift: int = 0, bpm: float = 120.0) -> Path:
    """The tune with a chord and a bass note a bar: whichever of I, IV, V, vi holds most of its notes."""
    song = mido.MidiFile(ticks_per_beat=480)
    turn = np.ceil((tune[-1][0] + tune[-1][1]) / 4) * 4
    tune = [(beat + k * turn, long, pitch) for k in range(int(BEATS // turn) + 1) for beat, long, pitch in tune]
    tune = [note for note in tune if note[0] < BEATS]
    events: list[tuple[float, float, int, int, int]] = [
        (beat, beat + long, 0, pitch + shift, 100) for beat, long, pitch in tune
    ]
    key = tune[-1][2] % 12
    for bar in range(int(tune[-1][0] // 4) + 1):
        heard = [pitch % 12 for beat, _, pitch in tune if bar * 4 <= beat < bar * 4 + 4]
        root = max(
            (0, 5, 7, 9),
            key=lambda degree: (sum((pitch - key - degree) % 12 in (0, 3, 4, 7) for pitch in heard), -degree),
        )
        third = 3 if root == 9 else 4
        chord = [52 + (key + root + tone + shift - 4) % 12 for tone in (0, third, 7)]
        events += [(float(bar * 4), bar * 4 + 3.5, 1, pitch, 60) for pitch in chord]
        events.append((float(bar * 4), bar * 4 + 3.8, 2, 36 + (key + root + shift) % 12, 80))
    track = mido.MidiTrack()
    song.tracks.append(track)
    track.append(mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(bpm)))
    for channel, program in enumerate(band):
        track.append(mido.Message("program_change", channel=channel, program=program))
    messages = [(begin, 1, channel, pitch, level) for begin, _, channel, pitch, level in events]
    messages += [(end, 0, channel, pitch, 0) for _, end, channel, pitch, _ in events]
    now = 0
    for beat, on, channel, pitch, level in sorted(messages, key=lambda one: (one[0], one[1], one[2], one[3])):
        tick = round(beat * 480)
        track.append(
            mido.Message(
                "note_on" if on else "note_off",
                channel=channel,
                note=int(np.clip(pitch, 0, 127)),
                velocity=level,
                time=tick - now,
            )
        )
        now = tick
    song.save(path)
    return path


def play(midi: Path) -> Pcm:
    """Half a minute of it through the soundfont."""
    wave = midi.with_suffix(".wav")
    subprocess.run(
        ["fluidsynth", "-ni", "-q", "-R", "0", "-C", "0", "-g", "0.6", "-r", "22050", "-F", wave, SOUNDFONT, midi],
        check=True,
        capture_output=True,
        timeout=60,
    )
    pcm = decode(wave).pcm[: int(SECONDS * 16_000)]
    wave.unlink()
    return level_to(pcm, 0.1)


def heard(pcm: Pcm) -> Features:
    return features_of_clip(clip_of(pcm))


def read(midi: Path) -> Features:
    return features_of_line(*read_midi(midi), midi.name)


def fitted(tunes: Sequence[tuple[str, Tune]], place: Path) -> tuple[dict[str, Pcm], Method, Method]:
    """The catalogue played, and the method fitted to its sound and to its notes."""
    sounds: dict[str, Pcm] = {}
    written: dict[str, Features] = {}
    for number, (name, tune) in enumerate(tunes):
        midi = write_midi(place / f"{number}.mid", tune, CATALOGUE_BANDS[number % 4], bpm=100 + 10 * (number % 4))
        sounds[name] = play(midi)
        written[name] = read(midi)
    by_sound = method("hybrid")
    by_sound.fit(Catalogue([CatalogueEntry(id=name, features=heard(pcm)) for name, pcm in sounds.items()]))
    by_note = method("hybrid")
    by_note.fit(Catalogue([CatalogueEntry(id=name, features=kept) for name, kept in written.items()]))
    return sounds, by_sound, by_note


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A track to be judged, by sound or by note, and whose it is (nobody's when `truth` is empty)."""

    kind: str
    item: Features
    aspect: Aspect
    truth: tuple[str, ...] = ()


def questions(
    inside: Sequence[tuple[str, Tune]], count: int, sounds: dict[str, Pcm], place: Path
) -> Iterator[Question]:
    """`count` times one track of every kind made from tunes of the catalogue."""
    rng = np.random.default_rng(0)
    lookup, names = dict(inside), list(sounds)
    for number in range(count):
        one, two, three = (names[int(k)] for k in rng.choice(len(names), size=3, replace=False))
        cuts = np.concatenate([sounds[name][160_000:400_000] for name in (one, two)])
        yield Question(kind="verbatim excerpts", item=heard(cuts), aspect="recording", truth=(one, two))
        levels = zip((one, two, three), (0.8, 0.6, 0.5), strict=True)
        mixed = sum(level * np.resize(sounds[name], 480_000) for name, level in levels)
        mix = heard(np.asarray(mixed, dtype=np.float32))
        yield Question(kind="overlay of three", item=mix, aspect="recording", truth=(one, two, three))
        band, shift, bpm = COVER_BANDS[number % 3], int(rng.integers(-5, 6)), float(rng.uniform(90, 150))
        cover = write_midi(place / "cover.mid", lookup[one], band, shift=shift, bpm=bpm)
        yield Question(kind="cover, from sound", item=heard(play(cover)), aspect="composition", truth=(one,))
        yield Question(kind="cover, from MIDI", item=read(cover), aspect="composition", truth=(one,))
        halves = [note for note in lookup[one] if note[0] < 32]
        halves += [(beat + 32, long, pitch) for beat, long, pitch in lookup[two] if beat < 32]
        medley = write_midi(place / "medley.mid", halves, band, shift=shift)
        yield Question(kind="verbatim excerpts, from MIDI", item=read(medley), aspect="composition", truth=(one, two))


def strangers(tunes: Sequence[tuple[str, Tune]], bands: Sequence[tuple[int, int, int]], place: Path) -> list[Question]:
    """Tunes that are not in the catalogue, in sound and in notes, for every aspect that could be claimed."""
    found = []
    for number, (_, tune) in enumerate(tunes):
        midi = write_midi(place / "stranger.mid", tune, bands[number % len(bands)])
        item = heard(play(midi))
        found.append(Question(kind="sound: a recording", item=item, aspect="recording"))
        found.append(Question(kind="sound: a tune", item=item, aspect="composition"))
        found.append(Question(kind="MIDI: a tune", item=read(midi), aspect="composition"))
    return found


def claimed(question: Question, by: Method) -> dict[str, float]:
    """What the shipped method claims at the shipped thresholds."""
    estimate = by.attribute(question.item)
    limited = question.aspect in estimate.above_chance
    return claim(
        estimate.shares.get(question.aspect, {}), shipped().threshold(by.name, question.aspect, above_chance=limited)
    )


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--catalogue", type=int, default=150)
    parser.add_argument("--tracks", type=int, default=60)
    parser.add_argument("--skip", type=int, default=550, help="the tunes before this one served development")
    options = parser.parse_args(argv)
    if shutil.which("fluidsynth") is None or not SOUNDFONT.is_file():
        pytest.skip("needs the Debian packages fluidsynth and fluid-soundfont-gm")
    tunes, again = read_tunes(options.skip + options.catalogue + 2 * options.tracks)
    tunes = tunes[options.skip :]
    inside, others = tunes[: options.catalogue], tunes[options.catalogue :]
    rows: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        sounds, by_sound, by_note = fitted(inside, place)

        def by(question: Question) -> Method:
            return by_note if question.item.form == "notes" else by_sound

        # Nothing is fitted on strangers: the limits come from the catalogue's own recordings.
        for who, theirs, bands in (
            ("the catalogue's bands", others[: options.tracks], CATALOGUE_BANDS),
            ("other bands", others[options.tracks :], OTHER_BANDS),
        ):
            for one in strangers(theirs, bands, place):
                rows.setdefault(f"false naming, {who}, {one.kind}", []).append(float(bool(claimed(one, by(one)))))
        for one in questions(inside, options.tracks, sounds, place):
            found, truth = claimed(one, by(one)), dict.fromkeys(one.truth, 1.0)
            rows.setdefault(one.kind, []).append(evaluate.top_hits(found, truth))
            rows.setdefault(f"{one.kind}: somebody else named", []).append(float(bool(found.keys() - truth.keys())))
    print(f"{len(inside)} tunes in the catalogue; {again} passed over as a tune known already\n")
    print("| tracks | top-3 of what is claimed, or rate of false naming (95 % CI) | n |\n|---|---|---|")
    for kind, each in rows.items():
        print(f"| {kind} | {evaluate.bootstrap(each)} | {len(each)} |")


@pytest.mark.bench
def test_the_quick_tune_benchmark_runs() -> None:
    """If this fails, the tables of real tunes can no longer be made."""
    main(["--skip", "0", "--catalogue", "12", "--tracks", "3"])


if __name__ == "__main__":
    main()
