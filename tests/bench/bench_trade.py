"""Copies found by their sound, and files of the trade at size: `pytest -m bench -s tests/bench/bench_trade.py`.

Copies: invented tracks of one world under the damages of `make bench-recordings`, and two excerpts. Strangers: tracks
of the same world, which borrow from the same recordings, and tracks of another world.
"""

from __future__ import annotations

import json
import resource
import time
from pathlib import Path

import numpy as np
import pytest

from attribution.hearing.audio import SAMPLE_RATE, Pcm
from attribution.hearing.constellation import Constellation, constellation
from attribution.hearing.spectra import spectra
from attribution.index.recognition import candidates, recognised
from attribution.lab import synth
from service.trade.cwr import works
from tests.bench.recordings.operations import OPERATIONS, Operation, coded
from tests.cli.support import settle_json
from tests.service.trade.cwr_files import ALIKE, DIFFERENT, cwr, work
from tests.service.trade.dsr_files import head, line

pytestmark = pytest.mark.bench

TRACKS = 24
STRANGERS = 100
WORKS = 100_000
ROWS = 1_000_000
MODEL = {
    "parties": [{"id": "p-lab", "kind": "model-operator", "name": "The Lab"}],
    "models": [{"id": "mdl", "version": "1", "operator": "p-lab"}],
}
EXCERPTS: dict[str, Operation] = {
    "10 s of it": lambda pcm, _: pcm[10 * SAMPLE_RATE : 20 * SAMPLE_RATE],
    "15 s of it as MP3": lambda pcm, _: coded(pcm[7 * SAMPLE_RATE : 22 * SAMPLE_RATE], "mp3"),
}


def peaks(pcm: Pcm) -> Constellation:
    return constellation(spectra(pcm).tones)


def tracks(seed: int, count: int) -> list[Pcm]:
    world = synth.make_world(seed, pieces=40, styles=6)
    return [synth.make_track(world, synth.KINDS[n % len(synth.KINDS)], n).pcm for n in range(count)]


def test_copies_are_found_and_strangers_are_not() -> None:
    """If this fails, the rates of docs/benchmarks.md do not hold."""
    world = tracks(901, TRACKS + STRANGERS)
    items = {f"track-{n}": peaks(pcm) for n, pcm in enumerate(world[:TRACKS])}
    rng = np.random.default_rng(5)
    missed, wrong = 0, 0
    for name, damage in (OPERATIONS | EXCERPTS).items():
        answers = [recognised(candidates(peaks(damage(pcm, rng)), items)) for pcm in world[:TRACKS]]
        right = sum(answer is not None and answer.id == f"track-{n}" for n, answer in enumerate(answers))
        missed += TRACKS - right
        print(f"{name}: {right} of {TRACKS}")
    for name, strangers in (("the same world", world[TRACKS:]), ("another world", tracks(902, STRANGERS))):
        named = sum(recognised(candidates(peaks(pcm), items)) is not None for pcm in strangers)
        wrong += named
        print(f"strangers of {name}: {named} of {STRANGERS} named")
    assert missed <= 0.02 * TRACKS * len(OPERATIONS | EXCERPTS)
    assert wrong <= 0.01 * 2 * STRANGERS


def test_a_hundred_thousand_works_are_registered_from_a_cwr_file(tmp_path: Path) -> None:
    """If this fails, a society's catalogue takes more than a minute of one processor."""
    path = tmp_path / "works.v21"
    path.write_bytes(cwr(*(work(f"W{n:07}", f"SONG {n}", (ALIKE, DIFFERENT)[n % 2]) for n in range(WORKS))))
    began = time.process_time()
    with path.open("rb") as file:
        rows = sum(1 for _ in works.read(file, "x", lambda *_: None, "performing", works.CwrReading()))
    print(f"read: {rows:,} rows in {time.process_time() - began:.1f} CPU s")
    settle_json("init", "--no-passphrase", home=tmp_path / "home")
    began = time.process_time()
    done = settle_json("registry", "import", path, "--right", "performing", home=tmp_path / "home")
    seconds = time.process_time() - began
    print(f"registered: {done['accepted']:,} rows in {seconds:.1f} CPU s")
    assert seconds <= 60


def test_a_sales_report_is_taken_in_flat_memory(tmp_path: Path) -> None:
    """If this fails, a month of a large platform does not fit, or takes the night."""
    home, path = tmp_path / "home", tmp_path / "DSR_million.tsv"
    with path.open("w", encoding="utf-8") as out:
        out.write(head(profile="BasicAudioProfileSRB") + "\n")
        model = ("", "", "SubscriptionModel", "OnDemandStream")
        out.write(line("SY02.02", 1, *model, "SE", "Premium", ROWS, "", "EUR", "4.2", width=22) + "\n")
        for n in range(ROWS):
            cells = ("SR02", 1, f"R{n % 5000}", f"SEA0126{n % 5000:05}", "Title", *[""] * 27, f"T{n}", "true", 1, "")
            out.write(line(*cells) + "\n")
        out.write(line("SRFO", ROWS + 3, 1, "") + "\n")
    settle_json("init", "--no-passphrase", home=home)
    (tmp_path / "model.json").write_text(json.dumps(MODEL))
    rows = [f"trk-{n},T,mdl,1,SEA0126{n:05}" for n in range(5000)]
    (tmp_path / "tracks.csv").write_text("\n".join(["id,title,model,version,isrc", *rows]) + "\n")
    settle_json("registry", "import", tmp_path / "model.json", tmp_path / "tracks.csv", home=home)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.process_time()
    done = settle_json("ingest", path, home=home)
    seconds = time.process_time() - began
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10
    print(f"{done['read']:,} rows in {seconds:.0f} CPU s, {ROWS / seconds:,.0f} a second; memory grew by {grown} MiB")
    assert grown < 300
