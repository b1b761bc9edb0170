"""From a folder of recordings to a signed vector, a report and an evidence bundle, by the command line."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from attribution import judge
from attribution.lab import synth
from service.attribution.queue import ATTENDED, FOLDER, WAITING_MAX, QueueWorker, is_attended
from service.attribution.report_html import headline
from service.attribution.report_pdf import as_pdf
from service.workspace import Workspace
from tests.cli.support import settle, settle_json
from tests.service.sounding import Sounding, sounding
from tests.support import ROOT

PIECES = 8


@pytest.fixture(scope="module")
def world() -> synth.World:
    return synth.make_world(78, pieces=PIECES, styles=4)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, world: synth.World) -> Sounding:
    """A workspace whose registry names eight invented recordings, indexed, with one track attributed."""
    made = sounding(tmp_path_factory.mktemp("attribution") / "home")
    files = made.perform(world.pieces, 12.0)
    for style in sorted({piece.style for piece in world.pieces}):
        mine = {piece.id: files[piece.id] for piece in world.pieces if piece.style == style}
        made.add(mine, style=style)
    mixed = np.concatenate(
        [synth.perform(world.pieces[0], 12.0)[:96_000], synth.perform(world.pieces[5], 12.0)[:64_000]]
    )
    soundfile.write(made.home / "made.wav", mixed, 16_000)
    made.settle("index")
    made.settle("attribute", made.home / "made.wav")
    return made


@pytest.fixture(scope="module")
def home(made: Sounding) -> Path:
    return made.home


@pytest.fixture(scope="module")
def case(made: Sounding, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The evidence bundle of the track."""
    place = tmp_path_factory.mktemp("evidence") / "case"
    assert made.settle("evidence", "made", "--out", place)["rerun_same"]
    return place


def test_a_running_server_attributes_what_the_command_names(made: Sounding) -> None:
    """If this fails, the command loads the catalogue beside a server that has it, or answers otherwise than alone."""
    (alone,) = made.settle("attribute", made.home / "made.wav")
    assert not is_attended(made.home)
    worker = QueueWorker(made.home, lambda: Workspace.open(made.home))
    worker.start()
    try:
        assert is_attended(made.home)
        (answer,) = made.settle("attribute", made.home / "made.wav")
        broken = made.home / "broken.wav"
        broken.write_bytes(b"RIFF no sound")
        failed = settle("attribute", broken, "--track", "made", home=made.home)
    finally:
        worker.stop()
    assert (made.home / "queue" / "failed" / "made.wav.reason.txt").is_file()
    assert answer | {"seconds": 0} == alone | {"seconds": 0}
    assert failed.code == 2
    assert not is_attended(made.home)


def test_a_full_queue_is_not_used(made: Sounding) -> None:
    """If this fails, the command fails beside a server whose queue is full, after some of its files were queued."""
    queue = made.home / FOLDER
    shutil.rmtree(queue, ignore_errors=True)
    queue.mkdir()
    for number in range(WAITING_MAX):
        (queue / f"other-{number}.wav").touch()
    with (made.home / ATTENDED).open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        (answer,) = made.settle("attribute", made.home / "made.wav")
    assert answer["track"] == "made"
    assert len(list(queue.iterdir())) == WAITING_MAX
    shutil.rmtree(queue)


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
    first, second = world.pieces[0].id, world.pieces[5].id
    assert recording["sources"][0]["title"] == f"Title of {first}"
    assert {row["name"] for row in found["by_artist"]} >= {f"Artist of p-{first}", f"Artist of p-{second}"}
    holders = {row["name"]: row["title"] for row in found["by_holder"] if row["aspect"] == "recording"}
    assert holders == {f"p-{name}": f"Name of p-{name}" for name in (first, second)}
    match = next(one for one in found["matches"] if one["source"] == first and one["aspect"] == "recording")
    assert match["title"] == f"Title of {first}"
    begin, end = match["track_ms"]
    assert begin < 1_000
    assert 5_000 < end < 7_000
    assert match["source_ms"] < 1_000
    assert settle("report", "made", "--format", "html", "--out", tmp_path / "r.html", home=home).code == 0
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert f"Title of {world.pieces[0].id}" in page
    assert headline(found, "recording") in page.replace("\u00a0", " ")
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


def test_evidence_alone_reruns_to_the_same_bytes(made: Sounding, case: Path) -> None:
    """If this fails, a third party with the bundle and nothing else cannot get the numbers that were signed."""
    away = made.home.rename(made.home.with_name("away"))
    try:
        alone = subprocess.run(
            [sys.executable, "-m", "attribution.judge", "."],
            cwd=case,
            capture_output=True,
            text=True,
            check=False,
            env={"PATH": "", "PYTHONPATH": str(ROOT)},
        )
    finally:
        away.rename(made.home)
    assert alone.returncode == 0, alone.stderr
    assert json.loads(alone.stdout)["same_bytes"]
    assert judge.rerun(case, made.home / "made.wav")["same_bytes"], "from the sound itself"
    listed = {path.name for path in case.iterdir()}
    assert listed >= {
        "README.md",
        "case.json",
        "inputs.json",
        "environment.json",
        "errors.json",
        "second_opinions.json",
        "counterfactual.json",
        "unrelated.json",
        "excluded.json",
        "disputes.json",
        "custody.json",
        "inclusion.json",
        "review.md",
        "vector.bundle",
        "SHA256SUMS",
    }
    assert str(made.home) not in "".join(path.read_text(encoding="utf-8") for path in case.glob("*.json"))
    verified = settle_json("verify", case / "vector.bundle", "--trust", made.home / "trust.json")
    assert verified["ok"]


def test_evidence_shows_what_speaks_against_the_answer(case: Path) -> None:
    """If this fails, the bundle keeps only what favours the answer."""

    def read(name: str) -> Any:
        return json.loads((case / name).read_text(encoding="utf-8"))

    opinions, without = read("second_opinions.json"), read("counterfactual.json")
    assert set(opinions) == {"chroma", "fingerprint", "ivd", "hybrid"}
    assert opinions["hybrid"]["agreement_ppm"] == dict.fromkeys(("recording", "composition", "style"), 1_000_000)
    for one in without:
        assert one["without"] not in {source["id"] for source in one["vector"]["recording"]["sources"]}
    strangers = read("unrelated.json")
    assert strangers["largest_ppm"]["recording"] < strangers["claimed_ppm"]["recording"]
    assert read("errors.json")["calibration_sha256"] == read("parameters.json")["calibration_sha256"]


def test_a_rerun_elsewhere_may_differ_by_the_tolerance_and_no_more(case: Path, tmp_path: Path) -> None:
    """If this fails, another processor's last digit refutes an honest bundle, or a false one passes."""
    case = shutil.copytree(case, tmp_path / "case")
    expected = json.loads((case / "expected.json").read_text(encoding="utf-8"))
    (case / "expected.json").write_text(json.dumps(expected | {"payload_sha256": "0" * 64}), encoding="utf-8")
    answer = judge.rerun(case)
    assert (answer["ok"], answer["same_bytes"], answer["furthest_ppm"]) == (True, False, 0)
    manifest = case / "index" / "catalogue.json"
    catalogue = json.loads(manifest.read_text(encoding="utf-8"))
    catalogue["recordings"] = catalogue["recordings"][1:]
    manifest.write_text(json.dumps(catalogue), encoding="utf-8")
    assert judge.main([str(case)]) == 3, "a source was taken out of the catalogue"
    other = tmp_path / "other.wav"
    soundfile.write(other, np.zeros(16_000), 16_000)
    assert judge.main([str(case), str(other)]) == 3, "another file is not the item"


def test_a_report_prints_names_in_any_script(made: Sounding) -> None:
    """If this fails, a name outside Latin-1 breaks the PDF, or the same report gives other bytes each time."""
    found = made.settle("report", "made")
    found["title"] = "Příběh <b>Ω</b> 夜 & Øre"
    found["notes"] = ["A hub, a pastiche: " + "ř" * 400]
    assert as_pdf(found) == as_pdf(found)
    assert as_pdf(found).startswith(b"%PDF")


def test_a_folders_bad_files_fail_alone_and_a_repeated_step_adds_nothing(
    made: Sounding, tmp_path: Path, world: synth.World
) -> None:
    """If this fails, one damaged file loses a night's work, or running a folder again doubles the ledger."""
    folder = tmp_path / "night"
    folder.mkdir()
    for number in (1, 2):
        soundfile.write(folder / f"trk-{number}.flac", synth.perform(world.pieces[number], 8.0), 16_000)
    (folder / "trk-3.wav").write_bytes(b"RIFF")
    (folder / "trk-4.npy").write_bytes(b"junk")
    answer = settle("--json", "attribute", folder, home=made.home)
    assert answer.code == 2
    assert [one["track"] for one in answer.json] == ["trk-1", "trk-2"]
    assert "trk-3.wav" in answer.err
    assert "trk-4.npy" in answer.err
    size = made.settle("ledger", "head")["size"]
    again = settle("--json", "attribute", folder, home=made.home)
    assert [one["digest"] for one in again.json] == [one["digest"] for one in answer.json]
    assert made.settle("ledger", "head")["size"] == size


def test_canaries_are_asked_for_by_one_command(made: Sounding) -> None:
    """If this fails, an operator cannot tell how often recordings that were never used are named."""
    size = made.settle("ledger", "head")["size"]
    found = made.settle("canary", "--count", "3")
    assert found["ok"]
    assert (found["canaries"], found["false"]) == (3, [])
    assert [one["aspect"] for one in found["aspects"]] == ["recording", "composition", "style"]
    assert made.settle("ledger", "head")["size"] == size, "a check records nothing"
    planted = made.settle("canary", made.home / "made.wav", code=3)
    assert any(one["track"] == "made" for one in planted["false"]), "a canary that was used is found out"


def test_a_style_groups_part_is_paid_to_its_members_equally(made: Sounding, world: synth.World) -> None:
    """If this fails, a vector's style group is named in a report and paid to nobody."""
    styles = {piece.id: piece.style for piece in world.pieces}
    vector = made.settle("report", "made")
    [group] = [one["id"] for one in vector["aspects"][2]["sources"]][:1]
    event = {
        "source": "acme",
        "event_id": "e-1",
        "track": "made",
        "occurred_at": "2026-06-03T11:05:00Z",
        "territory": "SE",
        "product": "premium",
        "units": 1,
    }
    (made.home / "events.ndjson").write_text(json.dumps(event) + "\n", encoding="utf-8")
    made.settle("ingest", made.home / "events.ndjson")
    made.settle("period", "close", "2026-06")
    run = made.settle(
        "run",
        "--period",
        "2026-06",
        "--pool",
        "100.00",
        "--currency",
        "EUR",
        "--param",
        "aspects=style:1000000",
        "--dry-run",
    )
    held = {line["holder"]: line["micros"] for line in run["lines"]}
    members = {f"p-{name}" for name, style in styles.items() if f"style:{style}" == group}
    assert members <= set(held)
    assert len({held[name] for name in members}) == 1
    assert run["unattributed_micros"] == vector["aspects"][2]["unattributed"] * 100


@pytest.mark.slow
def test_the_command_signs_the_same_bytes_on_one_thread_and_two(made: Sounding) -> None:
    """If this fails, the vector in the ledger depends on how busy the machine was."""
    digests = set()
    for threads in ("1", "2", "1"):
        limits = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), threads)
        done = subprocess.run(
            [
                sys.executable,
                "-c",
                "from cli.main import main; main()",
                "--home",
                str(made.home),
                "--json",
                "attribute",
                str(made.home / "made.wav"),
                "--track",
                "twice",
                "--no-assign",
            ],
            cwd=ROOT,
            env=os.environ | limits,
            capture_output=True,
            text=True,
            check=True,
        )
        digests.add(json.loads(done.stdout)[0]["digest"])
    assert len(digests) == 1


def test_asking_for_what_is_not_there_is_refused_plainly(home: Path, tmp_path: Path) -> None:
    """If this fails, a typing error ends in a traceback or, worse, in a guess."""
    settle_json("report", "nobody", home=home, code=2)
    settle_json("attribute", tmp_path / "absent.wav", home=home, code=2)
    settle_json("attribute", home / "made.wav", "--method", "magic", home=home, code=2)
    settle_json("attribute", home=home, code=2)
