"""The same track, catalogue and version give the same bytes: run after run, on one thread or two."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.support import ROOT

SCRIPT = """
import hashlib, sys
import torch
torch.set_num_threads(int(sys.argv[1]))
from attribution.lab import synth
from attribution.hearing.audio import clip_of
from attribution.index.catalogue import Catalogue, CatalogueEntry
from attribution.hearing.features import features_of_clip
from attribution.judge import judge
from attribution.methods.byname import NAMES, method
from ledger.proofs import canon, vector
world = synth.make_world(5, pieces=10, styles=2)
catalogue = Catalogue([
    CatalogueEntry(id=piece.id, style=piece.style, features=features_of_clip(clip_of(synth.perform(piece, 10.0))))
    for piece in world.pieces
])
seen = hashlib.sha256(catalogue.root.encode())
for kind in ("verbatim", "overlay", "style"):
    item = features_of_clip(clip_of(synth.make_track(world, kind, 1).pcm))
    for name, rows in sorted(item.segments.items()):
        seen.update(rows.tobytes())
    for name in NAMES:
        chosen = method(name)
        chosen.fit(catalogue)
        seen.update(canon.encode(vector.payload(judge(chosen, catalogue, item, track="t")[0])))
print(seen.hexdigest())
"""


@pytest.mark.slow
def test_vectors_are_the_same_bytes_on_one_thread_and_two() -> None:
    """If this fails, an auditor's rerun on the same machine gets another digest."""
    answers = set()
    for threads in ("1", "2", "1"):
        environment = {
            **os.environ,
            "OMP_NUM_THREADS": threads,
            "OPENBLAS_NUM_THREADS": threads,
            "MKL_NUM_THREADS": threads,
        }
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, threads],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        answers.add(done.stdout.strip())
    assert len(answers) == 1
