"""Produced recordings: the music of Debian packages, damaged, retuned, sped up, mixed; and copies at the index's door.

    python -m tests.bench.bench_recordings [--split score] [--queries 60] [--folder DIR] [--keep FILE]

Packages are fetched with apt when it runs, none of their sound is in the repository. They are split in three: what is
fitted is fitted on `fit`, chosen on `choose`, scored on `score`. Half of each package's tracks are the catalogue; the
others are strangers, by the catalogue's own people; those of one package in each split are by other people.
Needs the Debian packages sox and, for the column of a public fingerprinter, libchromaprint-tools.
"""

from __future__ import annotations

import argparse
import pickle
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import pytest
import torch

from attribution.hearing.audio import SAMPLE_RATE, Pcm, clip_of
from attribution.hearing.features import Features, features_of_clip
from attribution.index.catalogue import Catalogue, CatalogueEntry
from attribution.index.copies import Entrant, sort_out
from attribution.judge import judge
from attribution.lab import evaluate
from attribution.methods.byname import method
from ledger.types import MILLION, AspectVector
from tests.bench.recordings import peer
from tests.bench.recordings.operations import COPIES, OPERATIONS, plain
from tests.bench.recordings.packages import SPLITS, ProducedTrack, distinct, guitar_of, sound, tracks_of

INDEXED: Final = slice(10 * SAMPLE_RATE, 70 * SAMPLE_RATE)
"""What the catalogue holds of each recording: a minute."""
EXCERPT, WHOLE = 12, 30
AWAY: Final = ("fillets-ng-data", "frozen-bubble-data", "planetblupi-music-ogg")
"""Packages of whose people nothing is in the catalogue."""
LATER: Final = slice(85 * SAMPLE_RATE, 115 * SAMPLE_RATE)
ENOUGH: Final = 60
"""A row of fewer queries is indicative."""


@dataclass(slots=True)
class Row:
    """A row of the table: hits, shares over true shares, stated intervals that hold, what the peer named."""

    hits: list[float] = field(default_factory=list)
    ratios: list[float] = field(default_factory=list)
    held: list[float] = field(default_factory=list)
    peer: list[float] = field(default_factory=list)


class Recordings:
    """A split's catalogue and strangers."""

    def __init__(self, split: str, folder: Path) -> None:
        tracks = tracks_of(split, folder)
        sounds = [sound(track) for track in tracks]
        places, self.duplicates = distinct(tracks, sounds)
        self.sounds = {tracks[place].id: sounds[place] for place in places}
        self.tracks = {tracks[place].id: tracks[place] for place in places}
        long = [name for name in self.sounds if len(self.sounds[name]) >= INDEXED.stop]
        # Every second track of a package, and all songs that come in stems.
        self.inside = [
            name
            for number, name in enumerate(long)
            if (number % 2 == 0 or self._stems(name)) and not name.startswith(AWAY)
        ]
        self.outside = [name for name in self.sounds if name not in set(self.inside)]
        self.outside = [name for name in self.outside if len(self.sounds[name]) > 20 * SAMPLE_RATE]
        entries = [
            CatalogueEntry(id=name, style=self.tracks[name].style, features=heard(self.sounds[name][INDEXED]))
            for name in self.inside
        ]
        self.catalogue = Catalogue(entries)
        self.styles = {self.tracks[name].style for name in self.inside}
        self.words = {name: peer.fingerprint(self.sounds[name][INDEXED]) for name in self.inside if peer.there()}

    def _stems(self, name: str) -> bool:
        return self.tracks[name].path.name == "song.ogg"

    @property
    def stems(self) -> list[ProducedTrack]:
        return [self.tracks[name] for name in self.inside if self._stems(name)]


def heard(pcm: Pcm) -> Features:
    return features_of_clip(clip_of(plain(pcm)))


def level(pcm: Pcm) -> Pcm:
    return plain(pcm * (0.1 / (float(np.sqrt(np.mean(np.square(pcm, dtype=np.float64)))) + 1e-9)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A track with its true shares of recordings, or of compositions alone."""

    row: str
    pcm: Pcm
    truth: Mapping[str, float]
    aspect: str = "recording"


def queries(made: Recordings, count: int) -> Iterator[Query]:
    rng = np.random.default_rng(19)

    def part(name: str, seconds: int) -> Pcm:
        begin = INDEXED.start + int(rng.integers(INDEXED.stop - INDEXED.start - seconds * SAMPLE_RATE))
        return level(made.sounds[name][begin : begin + seconds * SAMPLE_RATE])

    def stranger(seconds: int) -> Pcm:
        pcm = made.sounds[made.outside[int(rng.integers(len(made.outside)))]]
        begin = int(rng.integers(max(1, len(pcm) - seconds * SAMPLE_RATE)))
        return level(pcm[begin : begin + seconds * SAMPLE_RATE])

    for number in range(count):
        for row, operation in OPERATIONS.items():
            name = made.inside[int(rng.integers(len(made.inside)))]
            pcm = np.concatenate([part(name, EXCERPT), stranger(WHOLE - EXCERPT)])
            yield Query(row=row, pcm=plain(operation(pcm, rng)), truth={name: EXCERPT * SAMPLE_RATE / len(pcm)})
        for voices in (2, 3):
            names = [made.inside[int(k)] for k in rng.choice(len(made.inside), size=voices, replace=False)]
            mixed = np.sum([part(name, WHOLE) for name in names], axis=0)
            yield Query(row=f"overlay of {voices}", pcm=plain(mixed), truth=dict.fromkeys(names, 1 / voices))
        later = [name for name in made.inside if len(made.sounds[name]) >= LATER.stop]
        if later:
            name = later[number % len(later)]
            yield Query(row="another minute", pcm=made.sounds[name][LATER], truth={name: 1.0}, aspect="composition")
        for track in made.stems[number : number + 1]:
            pcm = guitar_of(track)[INDEXED][: WHOLE * SAMPLE_RATE]
            if float(np.abs(pcm).max()) > 1e-3:
                yield Query(row="guitar alone", pcm=pcm, truth={track.id: 1.0})


def score(made: Recordings, count: int) -> tuple[dict[str, Row], list[float]]:
    chosen = method("hybrid")
    chosen.fit(made.catalogue)
    rows: dict[str, Row] = {}
    spent = []
    for query in queries(made, count):
        begun = time.process_time()
        vector = judge(chosen, made.catalogue, heard(query.pcm), track="t")[0]
        spent.append(time.process_time() - begun)
        said: AspectVector = vector.aspect(query.aspect)  # type: ignore[arg-type]
        claimed = {source.id: source.ppm / MILLION for source in said.sources}
        row = rows.setdefault(query.row, Row())
        row.hits.append(evaluate.top_hits(claimed, query.truth))
        row.ratios.append(sum(claimed.get(name, 0.0) for name in query.truth) / sum(query.truth.values()))
        stated = {source.id: (source.low / MILLION, source.high / MILLION) for source in said.sources}
        for name in {*stated, *query.truth}:
            low, high = stated.get(name, (1.0, 0.0))
            row.held.append(float(low - 1e-6 <= query.truth.get(name, 0.0) <= high + 1e-6))
        if made.words and query.aspect == "recording":
            row.peer.append(evaluate.top_hits(peer.named(peer.fingerprint(query.pcm), made.words), query.truth))
    return rows, spent


def strangers(made: Recordings, count: int) -> dict[str, list[float]]:
    """Excerpts of the tracks outside: who is named, which style groups."""
    chosen = method("hybrid")
    chosen.fit(made.catalogue)
    rates: dict[str, list[float]] = {}
    for number in range(count):
        name = made.outside[number % len(made.outside)]
        pcm, turn = made.sounds[name], number // len(made.outside)
        begin = min(turn * 35 * SAMPLE_RATE, max(0, len(pcm) - WHOLE * SAMPLE_RATE))
        vector = judge(chosen, made.catalogue, heard(pcm[begin : begin + WHOLE * SAMPLE_RATE]), track="t")[0]
        style = made.tracks[name].style
        groups = {source.id.removeprefix("style:") for source in vector.style.sources}
        by_name = bool(vector.recording.sources or vector.composition.sources)
        rates.setdefault("somebody named", []).append(float(by_name))
        rates.setdefault("a style group that is not theirs", []).append(float(bool(groups - {style})))
        if style in made.styles:
            rates.setdefault("their own style group (target .50)", []).append(float(style in groups))
        if made.words:
            words = peer.fingerprint(pcm[begin : begin + WHOLE * SAMPLE_RATE])
            rates.setdefault("somebody named by Chromaprint", []).append(float(bool(peer.named(words, made.words))))
    return rates


def copies(made: Recordings, count: int) -> dict[str, list[float]]:
    """Reworked copies of recordings, by another group: are they kept out of the index, whichever comes first?"""
    rng = np.random.default_rng(7)
    honest = {name: made.catalogue.features(made.catalogue.row[name]) for name in made.inside}
    verdicts = sort_out([_entrant(name, name) for name in honest], honest.__getitem__)
    rates = {"honest recordings kept out": [float(one.kept_out is not None) for one in verdicts.values()]}
    names = made.inside[:count]
    for how in (*COPIES, "half and half"):
        fakes: dict[str, Features] = {}
        for place, name in enumerate(names):
            pcm = plain(made.sounds[name][INDEXED])
            if how == "half and half":
                other = made.sounds[made.outside[place % len(made.outside)]][: len(pcm) // 2]
                fakes[f"copy of {name}"] = heard(np.concatenate([level(pcm[: len(pcm) // 2]), level(other)]))
            else:
                fakes[f"copy of {name}"] = heard(COPIES[how](pcm, rng))
        every = honest | fakes
        for first, order in (("copy later", [*honest, *fakes]), ("copy first", [*fakes, *honest])):
            verdicts = sort_out([_entrant(name, name) for name in order], every.__getitem__)
            judged = [fake if first == "copy later" else fake.removeprefix("copy of ") for fake in fakes]
            kept = [verdicts[name].kept_out for name in judged]
            rates[f"{how}, {first}"] = [float(reason is not None) for reason in kept]
    return rates


def _entrant(name: str, group: str) -> Entrant:
    return Entrant(id=name, groups=frozenset({group}), confirmed=False)


def table(rows: Mapping[str, Row]) -> None:
    columns = (
        "query",
        "n",
        "top-3 of what is claimed (95 %)",
        "share over true share",
        "intervals hold",
        "Chromaprint",
    )
    print(f"| {' | '.join(columns)} |")
    print("|---|---|---|---|---|---|")
    for name, row in rows.items():
        remark = "" if len(row.hits) >= ENOUGH else ", indicative"
        beside = f"{np.mean(row.peer):.2f}" if row.peer else ""
        print(
            f"| {name}{remark} | {len(row.hits)} | {evaluate.bootstrap(row.hits)} | {evaluate.bootstrap(row.ratios)} |"
            f" {np.mean(row.held):.2f} | {beside} |"
        )
    every = [value for row in rows.values() for value in row.held]
    print(f"\nStated 90 % intervals hold, missed sources counted: {evaluate.bootstrap(every)} of {len(every)}\n")


def rates(found: Mapping[str, list[float]], title: str) -> None:
    print(f"| {title} | n | rate (95 %) |\n|---|---|---|")
    for name, values in found.items():
        print(f"| {name} | {len(values)} | {evaluate.bootstrap(values)} |")
    print(flush=True)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--split", choices=sorted(SPLITS), default="score")
    parser.add_argument("--queries", type=int, default=60, help="of each row")
    parser.add_argument("--copies", type=int, default=20)
    parser.add_argument("--folder", type=Path, default=Path("/var/tmp/settle-recordings"))
    parser.add_argument("--keep", type=Path, help="keep what was decoded and heard for the next run")
    options = parser.parse_args(argv)
    if shutil.which("sox") is None:
        pytest.skip("needs the Debian package sox")
    torch.set_num_threads(1)
    if options.keep and options.keep.is_file():
        made: Recordings = pickle.loads(options.keep.read_bytes())  # noqa: S301  written by this program
    else:
        made = Recordings(options.split, options.folder)
        if options.keep:
            options.keep.write_bytes(pickle.dumps(made))
    print(f"{len(made.inside)} recordings in the catalogue, {len(made.outside)} tracks outside; one piece twice:")
    print("; ".join(" = ".join(pair) for pair in made.duplicates) or "none", end="\n\n", flush=True)
    rows, spent = score(made, options.queries)
    table(rows)
    print(f"CPU s a query, features and method: {np.mean(spent):.2f}\n")
    rates(strangers(made, max(len(made.outside), options.queries)), "tracks of which nothing is indexed")
    rates(copies(made, options.copies), "copies by another group, kept out of the index")


if __name__ == "__main__":
    main()
