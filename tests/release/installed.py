"""The wheel installed outside the repository, in environments of their own, without asking any package index."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, distribution
from pathlib import Path

from tests.support import ROOT

HERE = Path(sysconfig.get_path("purelib"))
"""Where the distributions lie that this very test runs with."""


def build_wheel(folder: Path) -> Path:
    """The wheel of this checkout, by the back end that a release is built with."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (wheel,) = folder.glob("*.whl")
    return wheel


@dataclass(frozen=True)
class Installed:
    """A virtual environment with the wheel in it."""

    folder: Path

    @property
    def packages(self) -> Path:
        (found,) = (self.folder / "lib").glob("python*/site-packages")
        return found

    def run(self, *words: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
        """`settle ...` as a user of that environment would run it, far from the repository."""
        return self._call([self.folder / "bin" / "settle", *words], cwd)

    def python(self, code: str, *, cwd: Path) -> str:
        done = self._call([self.folder / "bin" / "python", "-c", code], cwd)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def _call(self, words: list[str | Path], cwd: Path) -> subprocess.CompletedProcess[str]:
        environment = {"PATH": os.defpath, "HOME": str(cwd), "LANG": "C.UTF-8"}
        return subprocess.run(
            [str(word) for word in words], cwd=cwd, env=environment, capture_output=True, text=True, check=False
        )


def install(wheel: Path, folder: Path, *, extras: bool) -> Installed:
    """A fresh environment. Without extras it gets what the wheel says it needs and nothing else.

    The distributions are linked from the environment of the tests. With extras all of that environment may be
    seen, but for the checkout: a `.pth` file adds a folder to the path, and the `.pth` files in that folder, an
    editable installation's among them, are not read.
    """
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    made = Installed(folder)
    if extras:
        (made.packages / "libraries.pth").write_text(f"{HERE}\n")
    else:
        for needed in _needed(wheel):
            _link(needed, made.packages)
    subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "--python",
            str(folder / "bin" / "python"),
            "install",
            "--quiet",
            "--no-deps",
            "--no-index",
            "--disable-pip-version-check",
            str(wheel),
        ],
        check=True,
        capture_output=True,
    )
    return made


def _needed(wheel: Path) -> Iterator[Distribution]:
    """What the wheel requires without extras, and what that requires."""
    from packaging.requirements import Requirement

    waiting, seen = list(_requirements_of(wheel)), set[str]()
    while waiting:
        wanted = Requirement(waiting.pop())
        if wanted.name in seen or (wanted.marker and not wanted.marker.evaluate({"extra": ""})):
            continue
        seen.add(wanted.name)
        found = distribution(wanted.name)
        yield found
        waiting += found.requires or []


def _requirements_of(wheel: Path) -> list[str]:
    from zipfile import ZipFile

    with ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return re.findall(r"(?m)^Requires-Dist: (.*)$", archive.read(name).decode())


def _link(found: Distribution, packages: Path) -> None:
    tops = {Path(file).parts[0] for file in found.files or [] if ".." not in file.parts}
    for top in sorted(tops - {"__pycache__"}):
        if not (packages / top).exists():
            (packages / top).symlink_to(HERE / top)
