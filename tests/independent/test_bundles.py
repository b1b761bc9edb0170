"""Somebody who read docs/formats.md and nothing else builds bundles that verify, and checks ours."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.independent.building import base64_of, canonical, leaf_hash, root_from
from tests.independent.further import Further
from tests.independent.settled import Settled
from tests.independent.signing import Key, holds

ROOT = Path(__file__).resolve().parents[2]


def verify(folder: Path, *names: str) -> tuple[int, str]:
    """What `settle verify` says of these files."""
    words = ["verify", *(str(folder / name) for name in names), "--trust", str(folder / "trust.json")]
    run = "import sys; from cli.main import main; main(sys.argv[1:])"
    done = subprocess.run([sys.executable, "-c", run, *words], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_bundles_built_from_the_formats_alone_verify() -> None:
    """If this fails, docs/formats.md does not say what a program must do to prove an honest month to an auditor."""
    month = Settled()
    with TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "trust.json").write_bytes(canonical(month.trust()))
        for name, data in month.bundles().items():
            (folder / name).write_bytes(data)
        code, said = verify(folder, *month.bundles())
        assert code == 0, said
        run = json.loads((folder / "run.bundle").read_bytes())
        run["accounts"][0]["earned"] = str(int(run["accounts"][0]["earned"]) + 1)
        (folder / "false.bundle").write_bytes(canonical(run))
        assert verify(folder, "false.bundle")[0] == 3


def test_every_other_kind_built_from_the_formats_alone_verifies() -> None:
    """If this fails, docs/formats.md does not say how a signed event, a training list or a claim is proved."""
    others = Further()
    with TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "trust.json").write_bytes(canonical(others.trust()))
        for name, data in others.bundles().items():
            (folder / name).write_bytes(data)
        code, said = verify(folder, *others.bundles())
        assert code == 0, said
        assert "rec-5 is in the list" in said
        assert "rec-x is not in the list" in said
        changed = json.loads((folder / "p-ann.bundle").read_bytes())
        changed["claim"]["leaf"][4] = "1200001"
        (folder / "false.bundle").write_bytes(canonical(changed))
        assert verify(folder, "false.bundle")[0] == 3


def test_a_bundle_of_each_kind_is_built_here() -> None:
    """If this fails, there is a kind of bundle that nobody has built from docs/formats.md."""
    data = [*Settled().bundles().values(), *Further().bundles().values()]
    built = {json.loads(bundle)["kind"] for bundle in data if bundle.startswith(b"{")}
    assert built == {"event", "vector", "entry", "run", "statement", "membership", "claim"}
    listed = (ROOT / "docs" / "formats.md").read_text().partition("The kinds of other packages (")[2].partition(")")[0]
    assert set(re.findall(r"`([a-z]+)`", listed)) == built - {"event", "vector", "entry"}


def test_signatures_are_those_of_the_standard() -> None:
    """If this fails, the independent checker accepts or makes other signatures than RFC 8032 (its test 2)."""
    key = Key(bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb"))
    assert key.public.hex() == "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
    signature = key.sign(b"\x72")
    assert signature.hex().startswith("92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da")
    assert holds(key.public, b"\x72", signature)
    assert not holds(key.public, b"\x73", signature)


def test_bundles_of_a_release_are_checked_by_the_formats_alone() -> None:
    """If this fails, what the product writes is not what docs/formats.md says, and others cannot check it."""
    for path in sorted((ROOT / "tests" / "golden").rglob("*.bundle")):
        document = json.loads(path.read_bytes())
        assert canonical(document) == path.read_bytes(), path
        text, _, signature = document["checkpoint"].partition("\n\n")
        root = text.split("\n")[2]
        size = int(text.split("\n")[1])
        assert signature.startswith("\u2014 ")
        for name in ("event", "evidence", "assign", "entry", "close", "run", "publish", "model", "post"):
            placed = document.get(name)
            if not isinstance(placed, dict) or "leaf" not in placed:
                continue
            steps = [bytes.fromhex(one) for one in placed["proof"]]
            found = root_from(placed["index"], size, leaf_hash(canonical(placed["leaf"])), steps)
            assert base64_of(found) == root, (path, name)
