"""The wheel is the product: it verifies on the light core alone, and with its extras it plays the whole demo."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.demo.played import EVENTS, Played, assert_same_month
from tests.release.installed import Installed, build_wheel, install
from tests.release.keep import RELEASES
from tests.support import ROOT

pytestmark = pytest.mark.slow

ROOMS = ("attribution", "ledger", "payouts", "contracts", "service", "cli")
HEAVY = (
    "torch",
    "faiss",
    "web3",
    "duckdb",
    "ibis",
    "pyarrow",
    "numpy",
    "jinja2",
    "reportlab",
    "psycopg",
    "apscheduler",
)
NEWEST = max(RELEASES.iterdir())


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="module")
def light(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    return install(wheel, tmp_path_factory.mktemp("light") / "venv", extras=False)


@pytest.fixture(scope="module")
def full(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    return install(wheel, tmp_path_factory.mktemp("full") / "venv", extras=True)


@pytest.mark.parametrize("kind", ["light", "full"])
def test_nothing_of_the_checkout_is_imported(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """If this fails, the tests below pass with code that the wheel does not carry."""
    installed: Installed = request.getfixturevalue(kind)
    files_of = ", ".join(f"{room}.__file__" for room in ROOMS)
    code = f"import json, sys, {', '.join(ROOMS)}; print(json.dumps([sys.path, {files_of}]))"
    path, *files = json.loads(installed.python(code, cwd=tmp_path))
    assert all(Path(file).is_relative_to(installed.packages) for file in files), files
    assert str(ROOT) not in path
    assert not any(
        Path(place) != ROOT / ".venv" and (Path(place) / "pyproject.toml").exists() for place in path if place
    )


def test_the_light_core_has_no_heavy_library(light: Installed, tmp_path: Path) -> None:
    """If this fails, the tests below do not show that verifying needs the light core only."""
    code = f"import importlib.util as u; print([n for n in {HEAVY!r} if u.find_spec(n)])"
    assert light.python(code, cwd=tmp_path).strip() == "[]"


def test_the_light_core_verifies(light: Installed, tmp_path: Path) -> None:
    """If this fails, an auditor needs more than `pip install settle-engine` to check a proof."""
    for bundle in sorted([*(NEWEST / "bundles").glob("*.bundle"), *(NEWEST / "period").glob("*.bundle")]):
        done = light.run("--json", "verify", bundle, "--trust", NEWEST / "trust.json", cwd=tmp_path)
        if bundle.name.startswith("claim"):
            assert (done.returncode, "settle-engine[chain]" in done.stderr) == (4, True), done.stderr
            continue
        assert done.returncode == 0, (bundle.name, done.stdout, done.stderr)
        assert json.loads(done.stdout)["ok"]
        forged = tmp_path / "forged.bundle"
        forged.write_bytes(bundle.read_bytes().replace(b'"v":1', b'"v":2', 1))
        assert light.run("verify", forged, "--trust", NEWEST / "trust.json", cwd=tmp_path).returncode == 3


def test_the_light_core_computes_a_period_again(light: Installed, tmp_path: Path) -> None:
    """If this fails, recomputing what was paid needs the operator's installation."""
    done = light.run("--json", "period", "recompute", NEWEST / "period", "--trust", NEWEST / "trust.json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["ok"]


def test_the_wheel_plays_the_demo(full: Installed, played: Played, tmp_path: Path) -> None:
    """If this fails, something that the product needs at run time is in the checkout and not in the wheel."""
    done = full.run("--json", "demo", "--dir", "month", "--events", str(EVENTS), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert_same_month(told, played.told)
