"""From a folder of recordings to a signed vector, a report and an evidence bundle, by the command line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from attribution import synth
from tests.cli.support import settle, settle_json
from tests.support import ROOT

PIECES = 8


@pytest.fixture(scope="module")
def world() -> synth.World:
    return synth.make_world(78, pieces=PIECES, styles=4)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, world: synth.World) -> Path:
    """A workspace whose registry names eight invented recordings, indexed, with one track attributed."""
    home = tmp_path_factory.mktemp("attribution")
    folder = home / "label"
    (folder / "audio").mkdir(parents=True)
    for piece in world.pieces:
        soundfile.write(folder / "audio" / f"{piece.id}.wav", synth.perform(piece, 12.0), 16_000)
    document = {
        "parties": [{"id": f"p-{k}", "name": f"Player {k}", "kind": "person"} for k in range(PIECES)],
        "recordings": [
            {"id": piece.id, "title": f"Tune {k}", "artist": f"Player {k}", "audio": f"audio/{piece.id}.wav",
             "style": piece.style}
            for k, piece in enumerate(world.pieces)
        ],
        "shares": [
            {"subject": piece.id, "party": f"p-{k}", "right": "master", "ppm": 1_000_000, "territory": "WORLD",
             "from": "2020-01-01", "state": "confirmed"}
            for k, piece in enumerate(world.pieces)
        ],
    }  # fmt: skip
    (folder / "registry.json").write_text(json.dumps(document), encoding="utf-8")
    settle_json("init", "--no-passphrase", home=home)
    settle_json("registry", "import", folder / "registry.json", home=home)
    mixed = np.concatenate(
        [synth.perform(world.pieces[0], 12.0)[:96_000], synth.perform(world.pieces[5], 12.0)[:64_000]]
    )
    soundfile.write(home / "made.wav", mixed, 16_000)
    settle_json("index", home=home)
    settle_json("attribute", home / "made.wav", home=home)
    return home


def test_index_is_resumable_and_says_what_it_holds(home: Path, world: synth.World) -> None:
    """If this fails, indexing again reads everything again, or the root depends on when it was made."""
    again = settle_json("index", home=home)
    assert (again["recordings"], again["clusters"], again["added"], again["failed"]) == (PIECES, PIECES, 0, [])
    assert again["root"] == settle_json("index", home=home)["root"]


def test_a_spliced_track_is_attributed_to_its_two_sources(home: Path, world: synth.World) -> None:
    """If this fails, the whole way from a file to a signed vector does not find what is plainly there."""
    answer = settle_json("attribute", home / "made.wav", "--track", "again", "--no-assign", home=home)[0]
    recording = answer["vector"]["recording"]
    named = sorted(recording["sources"], key=lambda one: -one["ppm"])
    assert [one["id"] for one in named] == [world.pieces[0].id, world.pieces[5].id]
    assert sum(one["ppm"] for one in named) + recording["unattributed"] == 1_000_000
    assert abs(named[0]["ppm"] - 600_000) < 150_000
    assert all(one["low"] <= one["ppm"] <= one["high"] for one in named)


def test_the_report_names_titles_holders_and_what_is_unknown(home: Path, world: synth.World, tmp_path: Path) -> None:
    """If this fails, a rights holder cannot read who influenced a track, where, and what was permitted."""
    found = settle_json("report", "made", home=home)
    recording = next(one for one in found["aspects"] if one["aspect"] == "recording")
    assert recording["sources"][0]["title"] == "Tune 0"
    assert {row["name"] for row in found["by_artist"]} >= {"Player 0", "Player 5"}
    assert {row["name"] for row in found["by_holder"] if row["aspect"] == "recording"} >= {"p-0", "p-5"}
    assert any(match["source"] == world.pieces[0].id for match in found["matches"])
    assert settle("report", "made", "--format", "html", "--out", tmp_path / "r.html", home=home).code == 0
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "Tune 0" in page
    assert "<svg" in page
    assert "http" not in page.replace("http-equiv", "")
    assert settle("report", "made", "--format", "pdf", "--out", tmp_path / "r.pdf", home=home).code == 0
    assert (tmp_path / "r.pdf").read_bytes().startswith(b"%PDF")


def test_a_declared_vector_has_a_report_too(home: Path, tmp_path: Path) -> None:
    """If this fails, a declared vector cannot be read by the people it names."""
    path = tmp_path / "declared.json"
    path.write_text(
        json.dumps({"track": "said", "sources": [{"recording": "w78-r0000", "ppm": 500_000}]}), encoding="utf-8"
    )
    settle_json("attribute", "--declared", path, home=home)
    found = settle_json("report", "said", home=home)
    assert found["aspects"][0]["sources"][0]["permitted"]["use"] == "condition"
    assert found["aspects"][0]["unattributed"] == 500_000


def test_evidence_reruns_to_the_same_bytes_elsewhere(home: Path, tmp_path: Path) -> None:
    """If this fails, a third party with only the bundle cannot get the numbers that were signed."""
    answer = settle_json("evidence", "made", "--out", tmp_path / "case", home=home)
    assert answer["rerun_same"]
    done = subprocess.run(
        [sys.executable, "-m", "attribution.judge", str(tmp_path / "case")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["same_bytes"]
    for name in (
        "vector.json",
        "inclusion.json",
        "second_opinions.json",
        "environment.json",
        "custody.json",
        "README.md",
    ):
        assert (tmp_path / "case" / name).is_file()


def test_asking_for_what_is_not_there_is_refused_plainly(home: Path, tmp_path: Path) -> None:
    """If this fails, a typing error ends in a traceback or, worse, in a guess."""
    settle_json("report", "nobody", home=home, code=4)
    settle_json("attribute", tmp_path / "absent.wav", home=home, code=2)
    settle_json("attribute", home / "made.wav", "--method", "magic", home=home, code=2)
    settle_json("attribute", home=home, code=2)
