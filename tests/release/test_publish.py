"""A release: the same bytes from the same commit, the list of the libraries it needs, and digests to compare."""

from __future__ import annotations

import json
import subprocess
import tarfile
import tomllib
from hashlib import sha256
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.release.publish import EXTRAS, INSIDE, build, publish
from tests.support import ROOT

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("release")
    publish("HEAD", out)
    return out


def test_every_digest_is_that_of_the_file(release: Path) -> None:
    """If this fails, whoever compares a downloaded verify.html or wheel with SHA256SUMS is told that it was changed."""
    lines = [line.partition("  ") for line in (release / "SHA256SUMS").read_text().splitlines()]
    digests = {name: digest for digest, _, name in lines}
    for name, digest in digests.items():
        content = _committed(name) if name in INSIDE else (release / name).read_bytes()
        assert sha256(content).hexdigest() == digest, name
    assert set(INSIDE) < set(digests)
    assert {path.name for path in release.iterdir()} - {"SHA256SUMS"} == set(digests) - set(INSIDE)


def _committed(name: str) -> bytes:
    return subprocess.run(["git", "show", f"HEAD:{name}"], cwd=ROOT, check=True, capture_output=True).stdout


def test_the_source_archive_builds_the_same_wheel(release: Path, tmp_path: Path) -> None:
    """If this fails, whoever builds from the published sources gets another program than the published wheel."""
    (archive,), (wheel,) = release.glob("*.tar.gz"), release.glob("*.whl")
    with tarfile.open(archive) as sources:
        sources.extractall(tmp_path, filter="data")
    (source,) = tmp_path.iterdir()
    build(source, tmp_path / "dist", "HEAD", "wheel")
    assert (tmp_path / "dist" / wheel.name).read_bytes() == wheel.read_bytes()


def test_the_list_of_parts_names_what_the_project_requires(release: Path) -> None:
    """If this fails, a security team that reads the list misses a library, or one under a licence that may not ship."""
    bill = json.loads((release / "settle-engine.cdx.json").read_text())
    parts = {part["name"]: part for part in bill["components"]}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["optional-dependencies"]["all"] == [f"settle-engine[{','.join(EXTRAS)}]"]
    lines = [*project["dependencies"], *(line for extra in EXTRAS for line in project["optional-dependencies"][extra])]
    assert {canonicalize_name(Requirement(line).name) for line in lines} <= set(parts)
    licences = {name: part["licenses"][0]["license"]["name"] for name, part in parts.items()}
    assert not [name for name, licence in licences.items() if licence == "not stated"]
    assert not [
        name
        for name, licence in licences.items()
        if ("GPL" in licence or "General Public" in licence) and not ("LGPL" in licence or "Lesser" in licence)
    ]
    refs = {part["bom-ref"] for part in bill["components"]} | {bill["metadata"]["component"]["bom-ref"]}
    assert {ref for edge in bill["dependencies"] for ref in (edge["ref"], *edge["dependsOn"])} == refs
