"""`settle index`: what is new is read, what cannot be read fails alone, and a kill costs one recording at most."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
import safetensors.numpy
import soundfile

from attribution.lab import synth
from ledger.errors import InputError
from service.registry import audio_roots
from service.workspace import Workspace
from tests.service.sounding import Sounding, sounding
from tests.support import ROOT

SETTLE = [sys.executable, "-c", "from cli.main import main; main()"]
WORLD = synth.make_world(79, pieces=10, styles=5)


@pytest.fixture
def made(tmp_path: Path) -> Sounding:
    return sounding(tmp_path / "home")


def latents(count: int, width: int = 16) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    rows = np.random.default_rng(3).standard_normal((count, width)).astype(np.float32)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def test_only_what_is_new_is_read_and_the_root_is_that_of_one_go(made: Sounding, tmp_path: Path) -> None:
    """If this fails, adding a recording reads the whole catalogue again, or its index is another than a fresh one."""
    made.add(made.perform(WORLD.pieces[:3]))
    first = made.settle("index")
    made.add(made.perform(WORLD.pieces[3:5]))
    second = made.settle("index")
    assert (first["added"], second["added"], second["recordings"]) == (3, 2, 5)
    assert first["root"] != second["root"]
    other = sounding(tmp_path / "other")
    other.add(other.perform(WORLD.pieces[:5]))
    assert other.settle("index")["root"] == second["root"]


def test_bad_files_fail_alone_and_say_why(made: Sounding) -> None:
    """If this fails, one damaged file keeps a catalogue from being indexed, or is indexed as something."""
    good = made.perform(WORLD.pieces[:2])
    (made.label / "cut.flac").write_bytes(b"fLaC\x00\x00")
    (made.label / "words.wav").write_text("not sound", encoding="utf-8")
    np.save(made.label / "nan.npy", np.array([1.0, np.nan], np.float32))
    np.save(made.label / "first.npy", latents(1)[0])
    np.save(made.label / "wide.npy", np.ones(17, np.float32))
    bad = {"cut": "cut.flac", "words": "words.wav", "nan": "nan.npy", "gone": "gone.wav", "wide": "wide.npy"}
    made.add(good | {"first": "first.npy"} | bad)
    found = made.settle("index")
    assert {one["id"] for one in found["failed"]} == set(bad)
    assert found["recordings"] == 3
    reasons = {one["id"]: one["reason"] for one in found["failed"]}
    assert "17 wide" in reasons["wide"]
    assert "first" in reasons["wide"]
    assert "not finite numbers" in reasons["nan"]


@pytest.mark.parametrize("suffix", [".parquet", ".safetensors"])
def test_one_file_may_hold_every_recordings_latents(made: Sounding, suffix: str) -> None:
    """If this fails, a model's operator must write a file a recording, or gets another recording's latents."""
    rows, names = latents(6), [f"rec-{k}" for k in range(6)]
    place, tracks = made.label / f"catalogue{suffix}", made.home / f"made{suffix}"
    mixed = {"trk-a": 0.7 * rows[1] + 0.3 * rows[4], "trk-b": rows[2]}
    if suffix == ".parquet":
        for path, table in ((place, dict(zip(names, rows, strict=True))), (tracks, mixed)):
            pyarrow.parquet.write_table(
                pa.table({"id": list(table), "latent": [row.tolist() for row in table.values()]}), path
            )
    else:
        safetensors.numpy.save_file(dict(zip(names, rows, strict=True)), place)
        safetensors.numpy.save_file(mixed, tracks)
    made.add(dict.fromkeys(names, place.name))
    assert made.settle("index")["added"] == 6
    assert made.settle("index")["added"] == 0
    answers = {one["track"]: one["vector"]["recording"]["sources"] for one in made.settle("attribute", tracks)}
    assert [one["id"] for one in answers["trk-b"]] == ["rec-2"]
    assert {one["id"] for one in answers["trk-a"]} == {"rec-1", "rec-4"}


def test_a_copy_waits_outside_until_its_dispute_is_decided(made: Sounding) -> None:
    """If this fails, a copy earns, its owner is not told why it does not, or calling the earlier one the squatter
    holds nobody's money."""
    piece = WORLD.pieces[0]
    made.add(made.perform(WORLD.pieces[:2]))
    sound = synth.perform(piece, 6.0)
    noise = np.random.default_rng(1).standard_normal(len(sound)).astype(np.float32) * 0.002
    made.add({"later": made.write("later.wav", sound + noise)}, owners={"later": "p-true"})
    [out] = made.settle("index")["kept_out"]
    assert (out["id"], out["like"]) == ("later", piece.id)
    made.settle("registry", "dispute", "open", piece.id, "--claimant", "p-true", "--reason", "mine, and older")
    decided = made.settle("registry", "decide", piece.id, "--use", "train")
    assert any("disputed" in reason for reason in decided["reasons"]), "what it earns is held"
    [dispute] = made.settle("registry", "dispute", "list")
    made.settle("registry", "dispute", "resolve", dispute["id"], "--resplit", "p-true=1000000", "--right", "master")
    [out] = made.settle("index")["kept_out"]
    assert "same group" in out["reason"], "one owner, one cluster, credited once through the earlier recording"


@pytest.mark.slow
def test_a_killed_index_goes_on_where_it_stopped(made: Sounding, tmp_path: Path) -> None:
    """If this fails, who loses a machine in the middle of a large catalogue starts from nothing, or has half a file."""
    made.add(made.perform(WORLD.pieces))
    whole = sounding(tmp_path / "whole")
    whole.add(whole.perform(WORLD.pieces))
    expected = whole.settle("index")
    features = made.home / "index" / "features"
    process = subprocess.Popen([*SETTLE, "--home", str(made.home), "index"], cwd=ROOT, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 120
        while len(list(features.rglob("*.safetensors.zlib"))) < 3:
            assert time.monotonic() < deadline, "nothing was indexed"
            assert process.poll() is None, "it ended before it could be killed"
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
    finally:
        process.kill()
        process.wait()
    before = len(list(features.rglob("*.safetensors.zlib")))
    assert before < len(WORLD.pieces)
    assert not (made.home / "index" / "catalogue.json").exists()
    again = made.settle("index")
    assert again["added"] == len(WORLD.pieces) - before
    assert again["root"] == expected["root"]


@pytest.mark.slow
def test_a_terminal_shows_how_far_it_is(made: Sounding) -> None:
    """If this fails, who indexes a large catalogue at a terminal cannot tell work from a hang; or a pipe gets a bar."""
    made.add(made.perform(WORLD.pieces[:3]))
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [*SETTLE, "--home", str(made.home), "--json", "index"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=follower,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "100"},
    )
    os.close(follower)
    shown = b""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        ready, _, _ = select.select([leader], [], [], 1)
        if ready:
            try:
                shown += os.read(leader, 65_536)
            except OSError:
                break
    out, _ = process.communicate(timeout=60)
    os.close(leader)
    assert process.returncode == 0
    assert b"Indexing" in shown
    assert b"3/3" in shown
    assert out.lstrip().startswith(b"{"), "the bar stays off standard output"
    quiet = subprocess.run([*SETTLE, "--home", str(made.home), "index"], cwd=ROOT, capture_output=True, check=True)
    assert quiet.stderr == b""


@pytest.mark.parametrize("audio", ["../outside.wav", "/etc/hostname"])
def test_no_file_outside_the_imported_folders_is_looked_for(made: Sounding, audio: str) -> None:
    """If this fails, a recording that an older release registered has any file of this host read as sound."""
    with pytest.raises(InputError, match=r"without \.\."):
        audio_roots.find(Workspace.open(made.home), "rec-1", audio)


def test_a_later_documents_folder_does_not_replace_earlier_sound(made: Sounding) -> None:
    """If this fails, who hands in a file of the same name puts noise in the place of another's recording (D1)."""
    made.add({"first": made.write("01.wav", synth.perform(WORLD.pieces[0], 6.0))})
    other = made.home / "other"
    other.mkdir()
    noise = np.random.default_rng(1).standard_normal(96_000).astype(np.float32) * 0.1
    soundfile.write(other / "01.wav", noise, 16_000)
    (other / "registry.json").write_text(
        json.dumps({"recordings": [{"id": "mine", "title": "Mine", "audio": "01.wav"}]})
    )
    made.settle("registry", "import", other / "registry.json")
    workspace = Workspace.open(made.home)
    assert audio_roots.find(workspace, "first", "01.wav") == (made.label / "01.wav").resolve()
    assert audio_roots.find(workspace, "mine", "01.wav") == (other / "01.wav").resolve()


def test_what_cannot_stand_for_its_sound_is_refused_with_the_reason(made: Sounding) -> None:
    """If this fails, silence, a fragment or half a file is indexed and nobody is told."""
    sound = synth.perform(WORLD.pieces[0], 6.0)
    files = {
        "whole": made.write("whole.wav", sound),
        "silent": made.write("silent.wav", np.zeros(96_000, np.float32)),
        "short": made.write("short.wav", sound[:32_000]),
    }
    soundfile.write(made.label / "cut.ogg", sound, 16_000)
    body = (made.label / "cut.ogg").read_bytes()
    (made.label / "cut.ogg").write_bytes(body[: len(body) * 2 // 3])
    (made.label / "words.mp3").write_text("this is no music at all\n" * 20)
    made.add(files | {"cut": "cut.ogg", "words": "words.mp3"})
    found = made.settle("index")
    reasons = {one["id"]: one["reason"] for one in found["failed"]}
    assert found["recordings"] == 1
    assert "silence" in reasons["silent"]
    assert "shorter than one window" in reasons["short"]
    assert "truncated" in reasons["cut"]
    assert "holds text" in reasons["words"]
