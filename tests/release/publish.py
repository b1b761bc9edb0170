"""Builds what a release consists of: `python -m tests.release.publish [--out dist]`.

Wheel and source archive are built from the files of one commit, twice, in two folders, and must be the same bytes.
Beside them stand the list of what they need (CycloneDX), and the SHA-256 of every file that somebody may check.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, PathDistribution, distribution
from pathlib import Path
from typing import Any, Final
from uuid import NAMESPACE_URL, uuid5
from zipfile import Path as ZipPath

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support import ROOT

NAME: Final = "settle-engine"
EXTRAS: Final = ("payouts", "attribution", "chain", "service", "provenance", "encoders", "postgres", "spark")
INSIDE: Final = (
    "service/web/static/verify.html",
    "attribution/weights/encoders.safetensors",
    "attribution/weights/calibration.json",
)
"""Files in the wheel that people receive on their own, and compare by digest."""


def publish(commit: str, out: Path) -> list[Path]:
    """Write the release of a commit into a folder; return the files, the list of digests last."""
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        first, second = (Build.of(commit, Path(scratch) / name) for name in ("a", "longer-name"))
        for name in ("wheel", "archive"):
            if getattr(first, name).read_bytes() != getattr(second, name).read_bytes():
                raise SystemExit(f"the {name} is not reproducible: two builds of {commit} differ")
        files = [Path(shutil.copy(path, out)) for path in (first.wheel, first.archive)]
        digests_inside = {name: _sha256(first.source / name) for name in INSIDE}
    bill = out / f"{NAME}.cdx.json"
    bill.write_text(json.dumps(bill_of_materials(files[0], commit), indent=1, sort_keys=True) + "\n")
    digests = {path.name: _sha256(path) for path in (*files, bill)} | digests_inside
    sums = out / "SHA256SUMS"
    sums.write_text("".join(f"{digest}  {name}\n" for name, digest in digests.items()))
    return [*files, bill, sums]


@dataclass(frozen=True)
class Build:
    """Wheel and source archive of one commit, and the exported files that they were built from."""

    source: Path
    wheel: Path
    archive: Path

    @classmethod
    def of(cls, commit: str, folder: Path) -> Build:
        """Build from an export of the commit, so that nothing uncommitted gets in."""
        source, dist = folder / "source", folder / "dist"
        source.mkdir(parents=True)
        export = subprocess.run(["git", "archive", commit], cwd=ROOT, check=True, capture_output=True).stdout
        subprocess.run(["tar", "-x", "-C", str(source)], input=export, check=True)
        build(source, dist, commit, "wheel", "sdist")
        (wheel,), (archive,) = dist.glob("*.whl"), dist.glob("*.tar.gz")
        return cls(source, wheel, archive)


def build(source: Path, dist: Path, commit: str, *targets: str) -> None:
    """Build the targets from a folder; every time in them is that of the commit."""
    environment = {**os.environ, "SOURCE_DATE_EPOCH": git("show", "-s", "--format=%ct", commit)}
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(dist), *(f"-t{target}" for target in targets)]
    subprocess.run(command, cwd=source, env=environment, check=True, capture_output=True)


def bill_of_materials(wheel: Path, commit: str) -> dict[str, Any]:
    """Describe the wheel and every distribution that it needs with all extras, in CycloneDX 1.6.

    Versions and licences are those of the distributions in this environment, with which the tests run.
    """
    root = _metadata_of(wheel)
    edges = _edges(root)
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid5(NAMESPACE_URL, f'{NAME}/{commit}')}",
        "version": 1,
        "metadata": {"component": {**_component(root), "type": "application"}},
        "components": [_component(distribution(name)) for name in sorted(edges) if name != NAME],
        "dependencies": [
            {
                "ref": _purl(root if name == NAME else distribution(name)),
                "dependsOn": [_purl(distribution(child)) for child in sorted(children)],
            }
            for name, children in sorted(edges.items())
        ],
    }


def _metadata_of(wheel: Path) -> Distribution:
    (folder,) = (path for path in ZipPath(wheel).iterdir() if path.name.endswith(".dist-info"))
    return PathDistribution(folder)


def _edges(root: Distribution) -> dict[str, set[str]]:
    """What each distribution requires directly, from the wheel down; an extra that somebody asks for counts."""
    edges: dict[str, set[str]] = {}
    waiting = [(root, frozenset(EXTRAS))]
    visited: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        package, extras = waiting.pop()
        name = canonicalize_name(package.name)
        if (name, extras) in visited:
            continue
        visited.add((name, extras))
        children = edges.setdefault(name, set())
        for requirement in _required(package, extras):
            children.add(canonicalize_name(requirement.name))
            waiting.append((distribution(requirement.name), frozenset(requirement.extras)))
    return edges


def _required(package: Distribution, extras: frozenset[str]) -> Iterator[Requirement]:
    for line in package.requires or []:
        requirement = Requirement(line)
        if requirement.marker and not any(requirement.marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            continue
        with suppress(PackageNotFoundError):  # of another platform
            distribution(requirement.name)
            yield requirement


def _component(package: Distribution) -> dict[str, Any]:
    return {
        "type": "library",
        "name": canonicalize_name(package.name),
        "version": _version(package),
        "bom-ref": _purl(package),
        "purl": _purl(package),
        "licenses": [{"license": {"name": licence_of(package)}}],
    }


def licence_of(package: Distribution) -> str:
    """The licence that a distribution states: its expression, else its classifiers, else its first line on it."""
    metadata = package.metadata
    if expression := metadata.get_all("License-Expression"):
        return str(expression[0])
    classifiers = [line.split(" :: ")[-1] for line in metadata.get_all("Classifier") or [] if line[:7] == "License"]
    named = [name for name in classifiers if name != "OSI Approved"]
    return "; ".join(named) or str(*(metadata.get_all("License") or ["not stated"])).strip().splitlines()[0]


def _purl(package: Distribution) -> str:
    return f"pkg:pypi/{canonicalize_name(package.name)}@{_version(package)}"


def _version(package: Distribution) -> str:
    """The version without a local part: torch's CPU build is `2.13.0+cpu`, and no package index has it by that name."""
    return package.version.partition("+")[0]


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def git(*words: str) -> str:
    return subprocess.run(["git", *words], cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--commit", default="HEAD")
    parser.add_argument("--out", type=Path, default=Path("dist"))
    asked = parser.parse_args()
    print(*publish(git("rev-parse", asked.commit), asked.out), sep="\n")
