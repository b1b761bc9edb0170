"""Go's own transparency-log packages read an exported log: signature, tiles, entries, proofs, cosignatures.

The program is the one that the how-to shows; the packages are those vendored in the Go toolchain.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from ledger.log.export import export
from ledger.proofs import cosign, note
from ledger.proofs.note import COSIGNATURE, Note, Vkey
from tests.ledger.logs import KEY, ORIGIN, event, log_in
from tests.ledger.world import seeded
from tests.support import ROOT

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(shutil.which("go") is None, reason="needs a Go toolchain"),
]
VKEY = str(Vkey(ORIGIN, KEY.public))
SIZE = 66_100
"""Three levels of tiles, partial ones on each."""


def go(*words: str | Path, cwd: Path, cache: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"GOFLAGS": "-mod=mod", "GOPROXY": "off", "GOCACHE": str(cache), "GO111MODULE": "on"}
    return subprocess.run(["go", *words], cwd=cwd, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def verifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The how-to's program, built offline against the toolchain's own copy of golang.org/x/mod."""
    folder = tmp_path_factory.mktemp("go")
    root = subprocess.run(["go", "env", "GOROOT"], capture_output=True, text=True, check=True).stdout.strip()
    vendored = Path(root) / "src" / "cmd" / "vendor" / "golang.org" / "x" / "mod" / "sumdb"
    if not vendored.is_dir():
        pytest.skip("this Go toolchain comes without its sources")
    shutil.copytree(ROOT / "docs" / "verify-with-go", folder / "verify")
    for package in ("note", "tlog"):
        shutil.copytree(vendored / package, folder / "mod" / "sumdb" / package)
    old = folder / "mod" / "sumdb" / "note" / "note.go"
    old.write_text(old.read_text().replace('"golang.org/x/crypto/ed25519"', '"crypto/ed25519"'))
    (folder / "mod" / "go.mod").write_text("module golang.org/x/mod\n\ngo 1.19\n")
    with (folder / "verify" / "go.mod").open("a") as file:
        file.write("\nreplace golang.org/x/mod => ../mod\n")
    built = go("build", "-o", folder / "verify-settle", ".", cwd=folder / "verify", cache=folder / "cache")
    assert built.returncode == 0, built.stderr
    return folder / "verify-settle"


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("log")
    log = log_in(folder)
    for start in range(0, SIZE, 9_443):
        log.append([event(f"e-{n}") for n in range(start, min(start + 9_443, SIZE))])
    export(log, folder / "static")
    log.close()
    return folder / "static"


def run(verifier: Path, *words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([verifier, *words], capture_output=True, text=True, check=False)


def test_entries_are_proven(verifier: Path, exported: Path) -> None:
    """If this fails, nobody can verify us without our own program."""
    indexes = [0, 1, 255, 256, 65_535, 65_536, SIZE - 1, SIZE]
    done = run(verifier, exported, VKEY, *map(str, indexes))
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("entry ") == len(indexes)
    assert '"event_id":"e-65535"' in done.stdout


def test_a_changed_entry_and_a_changed_tile_are_refused(verifier: Path, exported: Path, tmp_path: Path) -> None:
    """If this fails, the test above proves nothing."""
    for path in ("tile/entries/000", "tile/0/000", "tile/1/000"):
        shutil.copytree(exported, tmp_path / "changed")
        data = bytearray((tmp_path / "changed" / path).read_bytes())
        data[42] ^= 1  # inside entry 0, and inside the hash beside it on its path
        (tmp_path / "changed" / path).write_bytes(data)
        assert run(verifier, tmp_path / "changed", VKEY, "0").returncode == 1, path
        shutil.rmtree(tmp_path / "changed")
    assert run(verifier, exported, str(Vkey(ORIGIN, seeded("other").public)), "0").returncode == 1


def test_cosignatures_are_verified(verifier: Path, exported: Path, tmp_path: Path) -> None:
    """If this fails, our witnesses' signatures are worth nothing to others."""
    shutil.copytree(exported, tmp_path / "static")
    signed = note.parse((exported / "checkpoint").read_bytes())
    keys = {name: seeded(name) for name in ("w1", "w2", "w3")}
    lines = [cosign.sign(signed.text, name, keys[name], 1_780_000_000) for name in ("w1", "w3")]
    (tmp_path / "static" / "checkpoint").write_bytes(Note(signed.text, (*signed.signatures, *lines)).encode())
    words = [word for name, key in keys.items() for word in ("-witness", str(Vkey(name, key.public, COSIGNATURE)))]
    assert run(verifier, "-need", "2", *words, tmp_path / "static", VKEY, "0").returncode == 0
    short = run(verifier, "-need", "3", *words, tmp_path / "static", VKEY, "0")
    assert "2 witnesses cosigned, 3 needed" in short.stderr
