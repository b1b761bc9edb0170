"""Produced recordings: the music of Debian packages, damaged, retuned, sped up, mixed; and copies at the index's door.

    python -m tests.bench.bench_recordings [--split score] [--queries 60] [--folder DIR] [--rows NAME ...]

Packages are fetched with apt when it runs, none of their sound is in the repository. They are split in three: what is
fitted is fitted on `fit`, chosen on `choose`, scored on `score`. Half of each package's tracks are the catalogue; the
others are strangers, by the catalogue's own people; those of one package in each split are by other people. Whatever
was heard and answered stays in the folder, and a run that was cut off goes on from there.
Needs the Debian packages sox and, for the column of a public fingerprinter, libchromaprint-tools.
"""

from __future__ import annotations

import argparse
import json
import pickle
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
import pytest
import torch

from attribution.hearing.features import Features
from attribution.index.copies import Entrant, decide, pairs_alike
from attribution.judge import judge
from attribution.methods.byname import method
from attribution.methods.protocol import Method
from ledger.types import ASPECTS, MILLION
from tests.bench.pastiche import in_the_manner_of
from tests.bench.recordings import answers, peer
from tests.bench.recordings.answers import Answer
from tests.bench.recordings.collection import INDEXED, ROWS, STRANGERS, Query, Recordings, heard, level, random_of
from tests.bench.recordings.operations import COPIES, OPERATIONS, plain
from tests.bench.recordings.packages import SPLITS

PASS: Final = 10
"""Queries of each row that are asked before the tables are printed and the next are asked."""


def answer(collection: Recordings, chosen: Method, query: Query, number: int) -> Answer:
    begun = time.process_time()
    vector, estimate = judge(chosen, collection.catalogue, heard(query.pcm), track="t")
    seconds = time.process_time() - begun
    groups: dict[str, int] = {}
    for name, share in estimate.shares["style"].items():
        group = collection.tracks[name].style
        groups[group] = groups.get(group, 0) + round(share * MILLION)
    named = {collection.tracks[source.id].style for source in (*vector.recording.sources, *vector.composition.sources)}
    asked = bool(collection.words) and query.aspect == "recording"
    return Answer(
        number=number,
        truth=query.truth,
        aspect=query.aspect,
        own=query.own,
        aspects={aspect: answers.stated(vector.aspect(aspect)) for aspect in ASPECTS},
        manner=in_the_manner_of(groups, named) if "style" in estimate.above_chance else None,
        peer=list(peer.named(peer.fingerprint(query.pcm), collection.words)) if asked else None,
        seconds=round(seconds, 3),
    )


def ask(collection: Recordings, chosen: Method, row: str, count: int, folder: Path, *, only_kept: bool) -> list[Answer]:
    """The answers of a row: those that are kept, and those that are missing."""
    path = folder / f"{row.replace(' ', '_').replace('%', '')}.jsonl"
    kept = answers.read(path)
    for number in range(len(kept), 0 if only_kept else count):
        query = ROWS[row](collection, number, random_of(row, number))
        if query is None:
            break
        answers.keep(path, answer(collection, chosen, query, number))
    return [kept_answer for kept_answer in answers.read(path)[:count] if kept_answer.truth or kept_answer.own]


def copies(collection: Recordings, how: str, count: int) -> dict[str, list[bool]]:
    """Reworked copies of recordings, by another group: are they kept out of the index, whichever comes first?"""
    names = collection.inside[:count]
    honest = {name: collection.catalogue.features(collection.catalogue.row[name]) for name in names}
    fakes: dict[str, Features] = {}
    for place, name in enumerate(names):
        pcm = plain(collection.sounds[name][INDEXED])
        if how == "half and half":
            other = collection.sounds[collection.outside[place % len(collection.outside)]][: len(pcm) // 2]
            pcm = np.concatenate([level(pcm[: len(pcm) // 2]), level(other)])
        else:
            pcm = COPIES[how](pcm, random_of(how, place))
        fakes[f"copy of {name}"] = heard(pcm)
    every = honest | fakes
    alike = pairs_alike([_entrant(name) for name in every], every.__getitem__)
    later = decide([_entrant(name) for name in [*honest, *fakes]], alike)
    first = decide([_entrant(name) for name in [*fakes, *honest]], alike)
    return {
        f"{how}, copy later": [later[name].kept_out is not None for name in fakes],
        f"{how}, copy first": [first[name].kept_out is not None for name in honest],
    }


def honest_kept_out(collection: Recordings) -> list[bool]:
    """Of all distinct recordings of the collection, each its own group's, those that would be kept out."""
    indexed = {name: collection.catalogue.features(collection.catalogue.row[name]) for name in collection.inside}
    other = {name: heard(collection.sounds[name][INDEXED]) for name in collection.outside}
    every = indexed | {name: features for name, features in other.items() if features.count}
    entrants = [_entrant(name) for name in every]
    return [
        verdict.kept_out is not None for verdict in decide(entrants, pairs_alike(entrants, every.__getitem__)).values()
    ]


def _entrant(name: str) -> Entrant:
    return Entrant(id=name, groups=frozenset({name}), confirmed=False)


def opened(split: str, folder: Path) -> Recordings:
    """The split's recordings as they were heard before, or heard now."""
    path = folder / f"{split}.pickle"
    if path.is_file():
        kept: Recordings = pickle.loads(path.read_bytes())  # noqa: S301  written by this program
        return kept
    collection = Recordings(split, folder)
    path.write_bytes(pickle.dumps(collection))
    return collection


def kept_rates(path: Path, measure: Callable[[], dict[str, list[bool]]]) -> dict[str, list[bool]]:
    """Rates that are in the file, or measured now and put there."""
    if path.is_file():
        kept: dict[str, list[bool]] = json.loads(path.read_bytes())
        return kept
    rates = measure()
    path.write_text(json.dumps(rates))
    return rates


def print_tables(rows: Mapping[str, list[Answer]], styles: frozenset[str]) -> None:
    print(answers.HEAD)
    for row, row_answers in rows.items():
        if row_answers and row != STRANGERS:
            print(answers.row_of(row, row_answers))
    damaged = [answer for row in rows if row in OPERATIONS or row.startswith("overlay") for answer in rows[row]]
    if damaged:
        print(f"\n{answers.intervals(damaged)}")
    found = answers.of_strangers(rows.get(STRANGERS, []), styles)
    print(f"\n{answers.rates('tracks of which nothing is indexed', found)}\n", flush=True)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--split", choices=sorted(SPLITS), default="score")
    parser.add_argument("--queries", type=int, default=60, help=f"of each row, {PASS} at a time; strangers three times")
    parser.add_argument("--kept", action="store_true", help="print what was answered before, and ask nothing")
    parser.add_argument("--rows", nargs="*", default=list(ROWS), choices=list(ROWS), metavar="ROW")
    parser.add_argument("--copies", type=int, default=60, help="of each kind; 0: none")
    # Heard recordings are read back by pickle, which runs what it reads: the folder is nobody else's to write to.
    parser.add_argument("--folder", type=Path, default=Path.home() / ".cache" / "settle-recordings")
    options = parser.parse_args(argv)
    if shutil.which("sox") is None:
        pytest.skip("needs the Debian package sox")
    torch.set_num_threads(1)
    collection = opened(options.split, options.folder)
    folder = options.folder / f"answers-{options.split}"
    folder.mkdir(exist_ok=True)
    print(f"{len(collection.inside)} recordings in the catalogue, {len(collection.outside)} tracks outside; twice:")
    print("; ".join(" = ".join(pair) for pair in collection.duplicates) or "none", end="\n\n")
    chosen = method("hybrid")
    chosen.fit(collection.catalogue)
    for count in (*(() if options.kept else range(PASS, options.queries, PASS)), options.queries):
        begun = time.monotonic()
        rows: dict[str, list[Answer]] = {}
        for row in options.rows:
            rows[row] = ask(
                collection, chosen, row, count * (3 if row == STRANGERS else 1), folder, only_kept=options.kept
            )
            print(f"{row}: {len(rows[row])} queries, {time.monotonic() - begun:.0f} s", file=sys.stderr, flush=True)
        print_tables(rows, frozenset(collection.styles))
    if options.kept:
        return
    if options.copies:
        found = kept_rates(folder / "honest.json", lambda: {"honest recordings": honest_kept_out(collection)})
        for how in (*COPIES, "half and half"):
            path = folder / f"copies-{how.replace(' ', '_').replace('%', '')}.json"
            found |= kept_rates(path, partial(copies, collection, how, options.copies))
        print(answers.rates("kept out of the index, copies by another group", found))


if __name__ == "__main__":
    main()
