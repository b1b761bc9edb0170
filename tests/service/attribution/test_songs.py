"""Songs that carry their proof, judged by the C2PA library's own reader, and copies of them found by their sound."""

from __future__ import annotations

import hashlib
import http.server
import io
import json
import shutil
import threading
from pathlib import Path
from typing import Any

import c2pa
import numpy as np
import pytest
import soundfile
import soxr
from cryptography.hazmat.primitives.serialization import Encoding

from attribution.lab import synth
from ledger.errors import InputError
from service.attribution import songs
from service.trade import provenance
from tests.cli.support import settle
from tests.service.attribution.song_authority import Authority, m4a
from tests.service.sounding import RATE, Sounding, sounding

SECONDS = 12.0


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture(scope="module")
def sung(tmp_path_factory: pytest.TempPathFactory) -> Sounding:
    """A workspace with three indexed recordings and one track that borrows from two of them."""
    world = synth.make_world(79, pieces=4, styles=2)
    made = sounding(tmp_path_factory.mktemp("songs") / "home")
    files = made.perform(world.pieces[:3], SECONDS)
    made.add({piece.id: files[piece.id] for piece in (world.pieces[0], world.pieces[2])})
    without_grant = {"id": world.pieces[1].id, "title": "Nobody permitted anything", "audio": files[world.pieces[1].id]}
    (made.label / "registry-2.json").write_text(json.dumps({"recordings": [without_grant]}), encoding="utf-8")
    made.settle("registry", "import", made.label / "registry-2.json")
    parts = [
        synth.perform(piece, SECONDS)[start : start + 6 * RATE]
        for piece, start in zip(world.pieces[:2], (0, RATE), strict=True)
    ]
    soundfile.write(made.home / "song.wav", np.concatenate(parts), RATE)
    soundfile.write(made.home / "stranger.wav", synth.perform(world.pieces[3], SECONDS), RATE)
    made.settle("index")
    made.settle("attribute", made.home / "song.wav")
    return made


@pytest.fixture
def signing(sung: Sounding, authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sounding:
    for name, value in authority.settings(tmp_path / "keys", encrypted=True).items():
        monkeypatch.setenv(name, value)
    return sung


def read(data: bytes, media: str, authority: Authority | None = None) -> tuple[str, list[str]]:
    """What the library's reader says of a file: its state, and the codes of what fails."""
    settings: dict[str, Any] = {"verify": {"remote_manifest_fetch": False}}
    if authority is not None:
        settings["trust"] = {"user_anchors": authority.root.public_bytes(Encoding.PEM).decode()}
    context = c2pa.Context.from_dict(settings)
    with c2pa.Reader(media, io.BytesIO(data), context=context) as reader:
        results = (reader.get_validation_results() or {}).get("activeManifest", {})
        return str(reader.get_validation_state()), [item["code"] for item in results.get("failure", [])]


@pytest.mark.slow
def test_a_song_carries_what_the_log_says_and_its_bundle_verifies(
    signing: Sounding, authority: Authority, tmp_path: Path
) -> None:
    """If this fails, an exported song does not lead back to its vector, or its proof does not hold offline."""
    out = tmp_path / "out"
    answer = signing.settle("export", "song", "song", "--out", out, "--ai", "vocals", "--ai", "composition")
    vector = signing.settle("report", "song")["digest"]
    assert (answer["vector"], answer["manifest"], answer["matched_by"]) == (vector, "trusted", "digest")
    data = (out / "song.wav").read_bytes()
    assert read(data, "audio/wav", authority) == ("Trusted", [])
    assert read(data, "audio/wav")[0] == "Valid"
    before, after = soundfile.read(signing.home / "song.wav"), soundfile.read(out / "song.wav")
    assert np.array_equal(before[0], after[0])
    assert signing.settle("verify", out / "song.bundle", "--trust", signing.home / "trust.json")["ok"]
    described = json.loads((out / "song.json").read_text())
    assert described["ai_contributions"] == ["vocals", "composition"]
    assert described["file_sha256"] == hashlib.sha256(data).hexdigest()
    assert (out / "verify.html").is_file()
    found = signing.settle("find", out / "song.wav")
    assert (found["track"], found["by"], found["vector"]) == ("song", ["manifest", "sound"], vector)
    assert found["manifest"]["song"]["index"] == found["index"] == described["index"]
    assert found["receipt"].startswith("c2sp.org/tlog-proof@v1")
    assert described["uses"] == [{"use": "train", "decision": "deny"}], "nobody permitted the other"


def test_songs_of_several_tracks_have_files_of_their_own() -> None:
    """If this fails, exporting one song writes over the song, or the proof, of another."""
    tracks = ["a_b", "a/b", "a\\b", "a b", "A_b", ".a_b", "song", "...", ""]
    assert len({songs.file_name(track).lower() for track in tracks}) == len(tracks)
    assert songs.file_name("trk-1.2") == "trk-1.2"
    assert all(set(songs.file_name(track)).isdisjoint("/\\ ") for track in tracks)


@pytest.mark.parametrize(
    ("suffix", "media"), [("wav", "audio/wav"), ("mp3", "audio/mpeg"), ("flac", "audio/flac"), ("m4a", "audio/mp4")]
)
def test_what_is_changed_afterwards_is_seen_by_the_reader(
    authority: Authority, tmp_path: Path, suffix: str, media: str
) -> None:
    """If this fails, somebody can change the sound, the statement or the certificate of a song unnoticed."""
    body = io.BytesIO(m4a())
    if suffix != "m4a":
        body = io.BytesIO()
        noise = np.random.default_rng(3).standard_normal(RATE * 2) * 0.1
        soundfile.write(body, noise, RATE, format=suffix.upper())
    files = authority.settings(tmp_path)
    key, certificates = (Path(files[f"SETTLE_SONG_{kind}"]) for kind in ("KEY_FILE", "CERTIFICATES_FILE"))
    credential = provenance.Credential(
        algorithm="ed25519", key=key.read_bytes(), certificates=certificates.read_bytes()
    )
    song = {"v": 1, "track": "song", "vector": "ab" * 32, "log": "example.org/log", "index": 7}
    out = io.BytesIO()
    provenance.write(body, media, out, title="Song", song=song, credential=credential)
    data = out.getvalue()
    assert read(data, media, authority) == ("Trusted", [])

    def changed(at: int) -> tuple[str, list[str]]:
        copy = bytearray(data)
        copy[at] ^= 1
        return read(bytes(copy), media, authority)

    sound = data.index(body.getvalue()[-200:-100])
    state, codes = changed(sound)
    assert (state, codes) == ("Invalid", [f"assertion.{'bmffHash' if suffix == 'm4a' else 'dataHash'}.mismatch"])
    state, codes = changed(data.index(b"abababab"))
    assert (state, "assertion.hashedURI.mismatch" in codes) == ("Invalid", True)
    state, codes = changed(data.index(b"The Lab"))
    assert (state, "claimSignature.mismatch" in codes) == ("Invalid", True)
    changed_song = bytearray(data)
    changed_song[data.index(b"abababab")] ^= 1
    ours = provenance.read(io.BytesIO(bytes(changed_song)), media)
    assert ours is not None
    assert ours.state == "invalid"
    assert provenance.read(body, media) is None


@pytest.mark.slow
def test_a_copy_is_found_and_a_stranger_is_not(signing: Sounding, tmp_path: Path) -> None:
    """If this fails, a re-encoded or shortened song loses its vector, or somebody else's song is given one."""
    pcm = soundfile.read(signing.home / "song.wav", dtype="float32")[0]
    copies = {"short.mp3": pcm[RATE : 10 * RATE], "fast.flac": soxr.resample(pcm, RATE * 1.03, RATE)}
    for name, sound in copies.items():
        soundfile.write(tmp_path / name, sound, RATE)
        found = signing.settle("find", tmp_path / name)
        assert (found["track"], found["by"], found["manifest"]) == ("song", ["sound"], None)
    stranger = signing.settle("find", signing.home / "stranger.wav")
    assert (stranger["track"], stranger["recording"], stranger["receipt"]) == (None, None, None)
    piece = next(iter(sorted((signing.home / "label").glob("*.wav"))))
    source = signing.settle("find", piece)
    assert (source["track"], source["recording"]) == (None, piece.stem)


@pytest.mark.slow
def test_a_manifest_does_not_outweigh_what_is_heard(signing: Sounding, tmp_path: Path) -> None:
    """If this fails, whoever copies a manifest onto another sound is told that it is the track."""
    signing.settle("export", "song", "song", "--out", tmp_path / "out")
    with (tmp_path / "out" / "song.wav").open("rb") as file:
        song = provenance.read(file, "audio/wav")
    assert song is not None
    stranger = Authority("Somebody Else")
    files = stranger.settings(tmp_path / "other")
    credential = provenance.Credential(
        algorithm="ed25519",
        key=Path(files["SETTLE_SONG_KEY_FILE"]).read_bytes(),
        certificates=Path(files["SETTLE_SONG_CERTIFICATES_FILE"]).read_bytes(),
    )
    with (signing.home / "stranger.wav").open("rb") as file, (tmp_path / "forged.wav").open("w+b") as forged:
        provenance.write(file, "audio/wav", forged, title="x", song=song.song or {}, credential=credential)
    found = signing.settle("find", tmp_path / "forged.wav")
    assert (found["track"], found["manifest"]["state"]) == (None, "valid")


@pytest.mark.slow
def test_a_recording_outweighs_a_trusted_manifest_and_the_answer_says_so(
    signing: Sounding, authority: Authority, tmp_path: Path
) -> None:
    """If this fails, a recording with a track's manifest passes for the track, or nobody learns why it does not."""
    signing.settle("export", "song", "song", "--out", tmp_path / "out")
    with (tmp_path / "out" / "song.wav").open("rb") as file:
        song = provenance.read(file, "audio/wav")
    assert song is not None
    files = authority.settings(tmp_path / "plain")
    key, certificates = (Path(files[f"SETTLE_SONG_{kind}"]) for kind in ("KEY_FILE", "CERTIFICATES_FILE"))
    credential = provenance.Credential(
        algorithm="ed25519", key=key.read_bytes(), certificates=certificates.read_bytes()
    )
    piece = next(iter(sorted((signing.home / "label").glob("*.wav"))))
    with piece.open("rb") as file, (tmp_path / "named.wav").open("w+b") as named:
        provenance.write(file, "audio/wav", named, title="x", song=song.song or {}, credential=credential)
    answer = signing.settle("find", tmp_path / "named.wav")
    assert answer["manifest"]["state"] == "trusted"
    assert (answer["track"], answer["recording"], answer["by"]) == (None, piece.stem, ["sound"])
    assert any("its sound counts" in remark for remark in answer["remarks"])


@pytest.mark.slow
def test_an_index_of_another_version_finds_nothing_silently(signing: Sounding, tmp_path: Path) -> None:
    """If this fails, a copy is said to be of nothing, or of a track that only uses it, because nothing was compared."""
    home = tmp_path / "home"
    shutil.copytree(signing.home, home)
    piece = next(iter(sorted((home / "label").glob("*.wav"))))
    index = home / "index" / "catalogue.json"
    content = json.loads(index.read_text())
    index.write_text(json.dumps(content | {"features": "5-0123456789abcdef"}))
    refused = settle("find", piece, home=home)
    assert (refused.code, "settle index" in refused.err) == (4, True)
    index.write_text(json.dumps(content))
    remembered = json.loads((home / "index" / "tracks.json").read_text())
    for item in remembered.values():
        for file in (home / "index" / "features").rglob(f"{item['sha256']}-*"):
            file.unlink()
    answer = Sounding(home).settle("find", piece)
    assert (answer["recording"], answer["by"]) == (piece.stem, ["sound"])
    assert any("not compared, such as song" in remark for remark in answer["remarks"])


@pytest.mark.slow
def test_an_earlier_manifest_stays_in_the_song(signing: Sounding, authority: Authority, tmp_path: Path) -> None:
    """If this fails, exporting a song throws away what its generator said of it."""
    signing.settle("export", "song", "song", "--out", tmp_path / "first")
    again = tmp_path / "first" / "song.wav"
    answer = signing.settle("export", "song", "song", "--audio", again, "--out", tmp_path / "second")
    assert answer["matched_by"] == "fingerprint"
    data = (tmp_path / "second" / "song.wav").read_bytes()
    assert read(data, "audio/wav", authority) == ("Trusted", [])
    with c2pa.Reader("audio/wav", io.BytesIO(data)) as reader:
        assert len(json.loads(reader.json())["manifests"]) == 2


def test_reading_calls_nobody(authority: Authority, tmp_path: Path) -> None:
    """If this fails, a file that somebody hands in makes this host call an address of theirs."""
    asked: list[str] = []

    class Server(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, *_: object) -> None: ...

    with http.server.HTTPServer(("127.0.0.1", 0), Server) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        files = authority.settings(tmp_path)
        info = c2pa.C2paSignerInfo(
            b"ed25519",
            Path(files["SETTLE_SONG_CERTIFICATES_FILE"]).read_bytes(),
            Path(files["SETTLE_SONG_KEY_FILE"]).read_bytes(),
            None,
        )
        action = {"action": "c2pa.created", "digitalSourceType": provenance.GENERATED}
        builder = c2pa.Builder(
            {"format": "audio/wav", "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [action]}}]},
            c2pa.Context.from_dict({}),
        )
        builder.set_no_embed()
        builder.set_remote_url(f"http://127.0.0.1:{server.server_port}/manifest")
        sound, signed = io.BytesIO(), io.BytesIO()
        soundfile.write(sound, np.zeros(RATE), RATE, format="WAV")
        sound.seek(0)
        builder.sign(c2pa.Signer.from_info(info), "audio/wav", sound, signed)
        with pytest.raises(InputError, match="remote"):
            provenance.read(signed, "audio/wav")
        assert asked == []
        signed.seek(0)
        with pytest.raises(c2pa.C2paError):
            c2pa.Reader("audio/wav", signed)
        assert asked == ["/manifest"], "the file would not have called anybody: the test shows nothing"
        server.shutdown()


@pytest.mark.slow
def test_keys_that_do_not_fit_are_refused(
    signing: Sounding, authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If this fails, a song is signed by an expired or foreign certificate, or by a key that anybody can read."""

    def refused() -> str:
        answer = settle("export", "song", "song", "--out", tmp_path / "out", home=signing.home)
        assert answer.code != 0
        assert not list((tmp_path / "out").glob("*.wav"))
        return answer.err

    other = authority.settings(tmp_path / "other")
    with monkeypatch.context() as patch:
        patch.setenv("SETTLE_SONG_CERTIFICATES_FILE", other["SETTLE_SONG_CERTIFICATES_FILE"])
        assert "is not that of the key" in refused()
    with monkeypatch.context() as patch:
        for name, value in authority.settings(tmp_path / "old", days=-1).items():
            patch.setenv(name, value)
        patch.setenv("SETTLE_SONG_PASSWORD_FILE", "")
        assert "renew it" in refused()
        Path(other["SETTLE_SONG_KEY_FILE"]).chmod(0o644)
        patch.setenv("SETTLE_SONG_KEY_FILE", other["SETTLE_SONG_KEY_FILE"])
        assert "chmod 600" in refused()
        patch.setenv("SETTLE_SONG_KEY_FILE", "")
        assert "song.key_file is not set" in refused()


@pytest.mark.slow
def test_another_sound_is_not_exported_as_the_track(signing: Sounding, tmp_path: Path) -> None:
    """If this fails, any sound can be given a track's proof."""
    stranger = signing.home / "stranger.wav"
    answer = settle("export", "song", "song", "--audio", stranger, "--out", tmp_path / "out", home=signing.home)
    assert answer.code != 0
    assert "is not the sound of track" in answer.err
