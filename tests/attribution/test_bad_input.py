"""What people hand in: silence, scraps, damage and programmes. A clear error, or an honest "unattributed"."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from attribution.hearing.audio import clip_of, decode
from attribution.hearing.features import Features, features_of_clip, features_of_latents, features_of_line, read
from attribution.hearing.latents import read_latents
from attribution.index.catalogue import Catalogue, CatalogueEntry
from attribution.judge import judge
from attribution.lab import synth
from attribution.lab.compose import line_of_notes
from attribution.methods.byname import NAMES, method
from attribution.methods.calibration import shipped
from ledger.errors import InputError
from ledger.types import ASPECTS, MILLION, InfluenceVector

RATE = 16_000


def attributed(catalogue: Catalogue, path: Path, name: str = "hybrid") -> InfluenceVector:
    chosen = method(name)
    chosen.fit(catalogue)
    return judge(chosen, catalogue, read(path), track="t")[0]


def write(path: Path, samples: npt.NDArray[np.float64] | npt.NDArray[np.float32], rate: int = RATE) -> Path:
    soundfile.write(path, samples, rate)
    return path


@pytest.mark.parametrize("name", NAMES)
def test_silence_is_nobodys(catalogue: Catalogue, tmp_path: Path, name: str) -> None:
    """If this fails, a silent track pays someone."""
    vector = attributed(catalogue, write(tmp_path / "s.wav", np.zeros(8 * RATE)), name)
    assert [vector.aspect(aspect).unattributed for aspect in ASPECTS] == [MILLION] * 3


@pytest.mark.parametrize("seconds", [0.01, 1.0, 3.9])
def test_a_scrap_is_not_guessed_at(catalogue: Catalogue, world: synth.World, tmp_path: Path, seconds: float) -> None:
    """If this fails, a second of sound gets a wrong recording or style, or a crash."""
    vector = attributed(
        catalogue, write(tmp_path / "s.wav", synth.perform(world.pieces[0], 12.0)[: int(seconds * RATE)])
    )
    assert {source.id for source in vector.style.sources} <= {f"style:{world.pieces[0].style}"}
    for source in (*vector.recording.sources, *vector.composition.sources):
        assert source.id == world.pieces[0].id


def test_noise_is_nobodys_recording(catalogue: Catalogue, tmp_path: Path) -> None:
    """If this fails, white noise has a sound recording or a tune in it."""
    noise = np.random.default_rng(1).standard_normal(12 * RATE) * 0.1
    vector = attributed(catalogue, write(tmp_path / "n.wav", noise))
    assert vector.recording.unattributed == MILLION


def test_clipping_is_told_and_survived(catalogue: Catalogue, world: synth.World, tmp_path: Path) -> None:
    """If this fails, a loud master cannot be attributed, or nobody learns that it was clipped."""
    loud = np.clip(synth.perform(world.pieces[1], 12.0) * 12, -1, 1)
    path = write(tmp_path / "c.wav", loud)
    assert any("clipped" in remark for remark in read(path).remarks)
    recording = attributed(catalogue, path).recording
    assert [source.id for source in recording.sources] in ([world.pieces[1].id], [])


@pytest.mark.parametrize(("rate", "channels"), [(8_000, 1), (22_050, 2), (44_100, 1), (48_000, 6)])
def test_rates_and_channels_are_all_one(
    catalogue: Catalogue, world: synth.World, tmp_path: Path, rate: int, channels: int
) -> None:
    """If this fails, the same sound in another file format is another sound."""
    import soxr

    pcm = soxr.resample(synth.perform(world.pieces[2], 12.0), RATE, rate)
    path = write(tmp_path / "r.wav", np.repeat(pcm[:, None], channels, axis=1), rate)
    clip = decode(path)
    assert (clip.source_rate, clip.channels) == (rate, channels)
    assert abs(clip.seconds - 12.0) < 0.05
    if rate > 8_000:
        best = max(attributed(catalogue, path).recording.sources, key=lambda source: source.ppm)
        assert best.id == world.pieces[2].id


@pytest.mark.parametrize("form", ["flac", "ogg", "mp3"])
def test_compressed_formats_are_read(world: synth.World, tmp_path: Path, form: str) -> None:
    """If this fails, a format that we promise to read is not read."""
    path = tmp_path / f"a.{form}"
    soundfile.write(path, synth.perform(world.pieces[0], 6.0), RATE)
    assert abs(decode(path).seconds - 6.0) < 0.2


@pytest.mark.parametrize(
    "body", [b"", b"RIFF", b"not sound at all", b"\x00" * 4_096, b"OggS" + b"\xff" * 200, b"fLaC\x00\x00"]
)
@pytest.mark.parametrize("suffix", [".wav", ".mp3", ".flac", ".mid", ".npy", ".safetensors", ".parquet"])
def test_damaged_files_are_refused(tmp_path: Path, body: bytes, suffix: str) -> None:
    """If this fails, a damaged file crashes the command or becomes a track."""
    path = tmp_path / f"bad{suffix}"
    path.write_bytes(body)
    with pytest.raises(InputError, match=r"bad\.") as refused:
        read(path)
    assert "read ()" not in str(refused.value), "a reason is given"


def test_a_truncated_file_is_refused_or_short(world: synth.World, tmp_path: Path) -> None:
    """If this fails, half a download crashes the command or is taken for the whole."""
    whole = tmp_path / "w.flac"
    soundfile.write(whole, synth.perform(world.pieces[0], 6.0), RATE)
    body = whole.read_bytes()
    for part in (20, 200, len(body) // 2, len(body) - 10):
        path = tmp_path / "t.flac"
        path.write_bytes(body[:part])
        try:
            clip = decode(path)
        except InputError:
            continue
        assert clip.seconds <= 6.01


def test_a_three_hour_programme_is_refused_before_it_is_read(tmp_path: Path) -> None:
    """If this fails, a three-hour file eats the memory: as 32-bit samples it would take 86 MB at this rate alone."""
    path = tmp_path / "long.wav"
    with soundfile.SoundFile(path, "w", samplerate=2_000, channels=1, subtype="PCM_U8", format="WAV") as stream:
        for _ in range(3 * 60):
            stream.write(np.zeros(2_000 * 60, dtype=np.float32))
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match="180 minutes long, at most 20; cut it into its pieces"):
            decode(path)
        assert tracemalloc.get_traced_memory()[1] < 4_000_000
    finally:
        tracemalloc.stop()


def test_the_longest_that_is_read_is_read_in_blocks(tmp_path: Path) -> None:
    """If this fails, six channels at a high rate take six times the memory of what is kept of them."""
    path, seconds = tmp_path / "long.flac", 60
    with soundfile.SoundFile(path, "w", samplerate=48_000, channels=6, format="FLAC") as stream:
        for _ in range(seconds):
            stream.write(np.zeros((48_000, 6), dtype=np.float32))
    tracemalloc.start()
    try:
        kept = decode(path).pcm.nbytes
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert kept == seconds * RATE * 4
    assert peak < 2 * kept + 12_000_000, "the whole file as it lies there is 69 MB"


def test_samples_that_are_not_numbers_are_refused(tmp_path: Path) -> None:
    """If this fails, NaNs spread into a signed vector."""
    samples = np.zeros(RATE, dtype=np.float32)
    samples[100] = np.nan
    path = tmp_path / "nan.wav"
    soundfile.write(path, samples, RATE, subtype="FLOAT")
    with pytest.raises(InputError, match="not numbers"):
        decode(path)


@pytest.mark.parametrize(
    "value",
    [
        np.array([1.0, np.nan]),
        np.array([np.inf, 1.0]),
        np.zeros((2, 2, 2)),
        np.zeros(0),
        np.array(["a"]),
        np.array(1.0),
    ],
)
def test_latents_that_cannot_be_are_refused(tmp_path: Path, value: npt.NDArray[np.generic]) -> None:
    """If this fails, impossible latents end in a crash or a vector."""
    path = tmp_path / "l.npy"
    np.save(path, value)
    with pytest.raises(InputError, match="latent"):
        read_latents(path)


def test_pickled_latents_are_never_loaded(tmp_path: Path) -> None:
    """If this fails, a latent file can run code."""
    path = tmp_path / "p.npy"
    np.save(path, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(InputError):
        read_latents(path)


def test_latents_of_another_width_are_refused() -> None:
    """If this fails, latents of two models are compared."""
    rows = np.eye(4, dtype=np.float32)
    catalogue = Catalogue(
        [CatalogueEntry(id=f"r{k}", features=features_of_latents(rows[k : k + 1], f"{k}" * 64)) for k in range(4)]
    )
    chosen = method("ivd", shipped())
    chosen.fit(catalogue)
    with pytest.raises(InputError, match="wide"):
        chosen.attribute(features_of_latents(np.ones((1, 5), np.float32), "a" * 64))


@pytest.mark.parametrize("method_name", NAMES)
@pytest.mark.parametrize("held", ["sound", "notes", "latents"])
@pytest.mark.parametrize("given", ["sound", "notes", "latents"])
def test_every_form_meets_every_catalogue(world: synth.World, held: str, given: str, method_name: str) -> None:
    """If this fails, MIDI against a catalogue of latents, or the like, ends in a crash or in a guess."""

    def item(form: str, number: int) -> Features:
        if form == "sound":
            return features_of_clip(clip_of(synth.perform(world.pieces[number], 6.0)))
        if form == "notes":
            score = world.pieces[number].score
            return features_of_line(line_of_notes(synth.notes_in_seconds(score, 12.0)), 12.0, f"{number:064x}")
        return features_of_latents(np.eye(8, dtype=np.float32)[number : number + 1], f"{number:064x}")

    catalogue = Catalogue([CatalogueEntry(id=f"r{k}", style="s", features=item(held, k)) for k in range(3)])
    chosen = method(method_name)
    chosen.fit(catalogue)
    if given == "latents" and held != "latents" and method_name != "chroma":
        with pytest.raises(InputError, match="contains no latents"):
            judge(chosen, catalogue, item(given, 0), track="t")
        return
    vector, _ = judge(chosen, catalogue, item(given, 0), track="t")
    named = {one.id for one in (*vector.recording.sources, *vector.composition.sources)}
    assert named <= {"r0"}, "nobody else's"
    if held != given and "latents" in (held, given):
        assert not named


def test_latents_without_direction_are_nobodys() -> None:
    """If this fails, a latent of zeros divides by zero or is somebody's."""
    rows = np.eye(4, dtype=np.float32)
    catalogue = Catalogue(
        [CatalogueEntry(id=f"r{k}", features=features_of_latents(rows[k : k + 1], f"{k:064x}")) for k in range(4)]
    )
    chosen = method("ivd")
    chosen.fit(catalogue)
    vector, _ = judge(chosen, catalogue, features_of_latents(np.zeros((1, 4), np.float32), "f" * 64), track="t")
    assert vector.recording.unattributed == MILLION


def test_a_score_without_notes_is_nobodys(catalogue: Catalogue, tmp_path: Path) -> None:
    """If this fails, an empty MIDI file has a composer."""
    import mido

    path = tmp_path / "empty.mid"
    song = mido.MidiFile()
    song.tracks.append(mido.MidiTrack([mido.MetaMessage("end_of_track", time=0)]))
    song.save(path)
    vector = attributed(catalogue, path)
    assert [vector.aspect(aspect).unattributed for aspect in ASPECTS] == [MILLION] * 3


def test_what_the_decoder_says_names_the_file(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """If this fails, of a thousand files nobody knows which one the decoder complains about."""
    whole = tmp_path / "whole.mp3"
    soundfile.write(whole, np.random.default_rng(0).standard_normal(8 * RATE) * 0.1, RATE, format="MP3")
    body = whole.read_bytes()
    damaged = tmp_path / "damaged.mp3"
    damaged.write_bytes(body[:4000] + bytes(600) + body[5000:])
    decode(damaged)
    complaints = capfd.readouterr().err.splitlines()
    assert complaints
    assert all(line.startswith(f"{damaged}: ") for line in complaints)
