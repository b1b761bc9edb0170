"""D1, D2, D3, D4: whose recording a sound is, and who may say what a track is made of."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from scipy.signal import resample_poly

from tests.attacks.victim import ORIGIN, Victim

RATE = 16_000
Wave = np.ndarray[Any, np.dtype[np.float64]]


def song(seed: int, seconds: int = 24) -> Wave:
    """A tune of plucked notes over long ones, with a beat: the same for a seed."""
    random = np.random.default_rng(seed)
    wave, steps, scale = np.zeros(RATE * seconds), seconds * 4, (0, 2, 4, 5, 7, 9, 11)
    root = int(random.integers(45, 55))
    for n in range(0, steps, 4):
        low = 440 * 2 ** ((root - 69) / 12) * 2 ** (scale[n // 4 % 7] / 12)
        wave[n * RATE // 4 : (n + 4) * RATE // 4] += 0.2 * np.sin(2 * np.pi * low * np.arange(RATE) / RATE)
    for n in range(steps):
        key = root + 12 + scale[int(random.integers(0, 7))] + 12 * int(random.integers(0, 2))
        time = np.arange(RATE // 4) / RATE
        for harmonic, loud in ((1, 0.3), (2, 0.15), (3, 0.08)):
            tone = np.sin(2 * np.pi * 440 * 2 ** ((key - 69) / 12) * harmonic * time)
            wave[n * RATE // 4 : n * RATE // 4 + len(time)] += loud * np.exp(-3 * time) * tone
        hit = 0.15 * random.standard_normal(800) * np.exp(-np.arange(800) / 200)
        wave[n * RATE // 4 : n * RATE // 4 + 800] += hit
    return wave


def faster(wave: Wave, percent: int) -> Wave:
    out: Wave = resample_poly(wave, 100, 100 + percent)
    return out


def save(path: Path, wave: Wave) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, (0.7 * wave / np.abs(wave).max()).astype("float32"), RATE)
    return path


def document(audio: dict[str, str], owners: dict[str, str]) -> dict[str, Any]:
    """Recordings with their sounds, each owned by somebody; unnamed ones are Mal's."""
    share = {"right": "master", "ppm": 1_000_000, "state": "confirmed"}
    return {
        "parties": [{"id": party, "kind": "person"} for party in ("p-ann", "p-mal")],
        "recordings": [{"id": name, "title": name, "audio": path} for name, path in audio.items()],
        "shares": [{"subject": name, "party": owners.get(name, "p-mal"), **share} for name in audio],
    }


@pytest.fixture
def label(tmp_path: Path) -> Victim:
    """A workspace with nothing in it."""
    victim = Victim(tmp_path / "label" / "home")
    victim.home.mkdir(parents=True)
    victim.do("init", "--no-passphrase", "--origin", ORIGIN)
    return victim


def register(victim: Victim, folder: Path, rows: dict[str, Any], *words: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "registry.json"
    path.write_text(json.dumps(rows))
    victim.do("registry", "import", path, *words)


def shares(victim: Victim, wave: Wave, aspect: str = "recording") -> dict[str, int]:
    """To which recordings a track of this sound is attributed."""
    answer = victim.do("attribute", save(victim.home.parent / "trk-y.wav", wave))
    track = answer[0] if isinstance(answer, list) else answer.get("tracks", [answer])[0]
    return {source["id"]: source["ppm"] for source in track["vector"][aspect]["sources"]}


@pytest.mark.slow
def test_d1_a_later_folder_shadows_no_earlier_sound(label: Victim, tmp_path: Path) -> None:
    """If this fails, the folder imported last replaces the sound of all recordings of the same file name."""
    for name, seed in (("01", 1), ("02", 2)):
        save(tmp_path / "label-files" / "audio" / f"{name}.wav", song(seed))
    owners = {"rec-1": "p-ann", "rec-2": "p-ann"}
    register(label, tmp_path / "label-files", document({"rec-1": "audio/01.wav", "rec-2": "audio/02.wav"}, owners))
    label.do("registry", "enrol", "p-mal")
    save(tmp_path / "mal" / "audio" / "01.wav", song(77))
    save(tmp_path / "mal" / "audio" / "mine.wav", song(1))
    rows = {"recordings": [{"id": "rec-m", "title": "Mine", "audio": "audio/mine.wav"}]}
    register(label, tmp_path / "mal", rows, "--as", "p-mal")
    label.do("index")
    catalogue = json.loads((label.home / "index" / "catalogue.json").read_text())["recordings"]
    assert [row["path"] for row in catalogue if row["id"] == "rec-1" and "label-files" not in row["path"]] == []
    assert not shares(label, song(1)).get("rec-m", 0)


@pytest.mark.slow
def test_d3_the_order_of_ids_in_one_import_makes_nobody_first(label: Victim, tmp_path: Path) -> None:
    """If this fails, a verbatim copy whose id sorts first takes the original's shares, and the original is shut out."""
    audio = {}
    for name, seed in (("rec-copy", 1), ("rec-orig", 1), ("rec-other", 9)):
        save(tmp_path / "all" / "audio" / f"{name}.wav", song(seed))
        audio[name] = f"audio/{name}.wav"
    register(label, tmp_path / "all", document(audio, {"rec-orig": "p-ann", "rec-other": "p-ann"}))
    label.do("index")
    assert shares(label, song(1)).get("rec-copy", 0) == 0


@pytest.mark.slow
def test_d3_a_contested_pair_waits_for_what_it_has_in_common(label: Victim, tmp_path: Path) -> None:
    """If this fails, whoever registers half of Ann's song as their own stops all that the song earns, or is paid."""
    audio = {}
    for name, wave in (("rec-orig", song(1)), ("rec-half", song(1)[: 12 * RATE])):
        save(tmp_path / name / "audio" / f"{name}.wav", wave)
        audio[name] = f"audio/{name}.wav"
        rows = document({name: audio[name]}, {"rec-orig": "p-ann"})
        register(label, tmp_path / name, rows if name == "rec-orig" else {k: rows[k] for k in ("recordings", "shares")})
        label.now += timedelta(seconds=1)
    label.do("index")
    words = ("--claimant", "p-mal", "--reason", "mine", "--like", "rec-half")
    opened = label.do("registry", "dispute", "open", "rec-orig", *words)["registered"][0]
    assert 450_000 <= opened["ppm"] <= 600_000
    assert opened["like_ppm"] == 1_000_000


def variants(victim: Victim, folder: Path) -> dict[str, Wave]:
    """Ann's song, registered first, and what Mal made of it, registered later."""
    original = song(1)
    made = {"rec-speed12": faster(original, 12), "rec-loop": np.tile(original[: 4 * RATE], 6)}
    owners = {"rec-orig": "p-ann", "rec-other": "p-ann"}
    for name, seed in (("rec-orig", 1), ("rec-other", 9)):
        save(folder / "first" / "audio" / f"{name}.wav", song(seed))
    register(victim, folder / "first", document({name: f"audio/{name}.wav" for name in owners}, owners))
    for name, wave in made.items():
        save(folder / "mal" / "audio" / f"{name}.wav", wave)
    rows = document({name: f"audio/{name}.wav" for name in made}, {})
    del rows["parties"]
    register(victim, folder / "mal", rows)
    victim.do("index")
    return made


@pytest.mark.slow
def test_d3b_an_altered_copy_does_not_enter_the_index(label: Victim, tmp_path: Path) -> None:
    """If this fails, what a holder made of somebody else's recording is searched beside it, and earns."""
    made = variants(label, tmp_path)
    catalogue = json.loads((label.home / "index" / "catalogue.json").read_text())["recordings"]
    assert not [row["id"] for row in catalogue if row["id"] in made and not row.get("kept_out")]


@pytest.mark.slow
def test_d4_an_altered_copy_takes_no_share(label: Victim, tmp_path: Path) -> None:
    """If this fails, a track made of Ann's song a little faster pays whoever registered her song a little faster."""
    made = variants(label, tmp_path)
    for aspect in ("recording", "composition"):
        assert not set(shares(label, made["rec-speed12"], aspect)) & set(made)


def test_d2_a_handler_of_a_signed_file_declares_no_vector(victim: Victim) -> None:
    """If this fails, whoever carries a signed file adds who is paid for its streams, and it still verifies."""
    rows = {
        "parties": [{"id": "p-acme", "kind": "platform"}],
        "tracks": [{"id": "trk-new", "title": "new", "model": "mdl-1", "version": "1"}],
    }
    victim.do("registry", "import", victim.write("more.json", rows))
    key = victim.home.parent / "acme.key"
    public = victim.do("batch", "key", key, "--no-passphrase")["public"]
    victim.do("source", "set", "acme", "--party", "p-acme", "--signed", "--public", public)
    row = {
        "source": "acme",
        "event_id": "s-1",
        "track": "trk-new",
        "occurred_at": "2026-06-20T11:05:00Z",
        "territory": "SE",
        "units": 1000,
    }
    path = victim.write("b.ndjson", row)
    victim.do("batch", "sign", path, "--source", "acme", "--key", key)
    victim.write(
        "b.ndjson", row | {"vector": {"sources": [{"recording": "rec-2", "ppm": 1_000_000, "use": "condition"}]}}
    )
    victim.settle("ingest", path, "--batch", f"{path}.batch")
    lines = {line["holder"]: line["micros"] for line in victim.calculate()["lines"]}
    assert lines.get("p-bob", 0) <= 200_000_000
