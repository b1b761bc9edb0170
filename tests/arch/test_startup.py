"""The command starts fast: heavy libraries are imported by the commands that need them."""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys

from tests.support import ROOT

HEAVY = (
    "torch",
    "faiss",
    "web3",
    "duckdb",
    "ibis",
    "pyarrow",
    "pyspark",
    "sqlmodel",
    "sqlalchemy",
    "numpy",
    "scipy",
    "jinja2",
    "reportlab",
)


def test_help_imports_nothing_heavy() -> None:
    """If this fails, every command pays for a library that only some need."""
    code = f"import sys; from cli.main import build; build(); print([m for m in {HEAVY!r} if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_help_starts_within_twice_the_framework() -> None:
    """If this fails, the command tree costs more than the framework it is built on."""

    def spent() -> float:
        """CPU seconds of all children so far: the same however busy the machine is."""
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime

    def median_seconds(code: str) -> float:
        times = []
        for _ in range(7):
            start = spent()
            subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True)
            times.append(spent() - start)
        return statistics.median(times)

    floor = median_seconds("import typer, rich.console")
    ours = median_seconds("from cli.main import run; run(['--help'])")
    assert ours <= 2 * floor, f"--help {ours:.3f} s, typer and rich alone {floor:.3f} s"
