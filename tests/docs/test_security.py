"""The page about attacks says what is tested: every test that it names exists, and plays its finding."""

from __future__ import annotations

import re
from pathlib import Path

from tests.support import ROOT

PAGE = ROOT / "docs" / "security.md"
ATTACKS = ROOT / "tests" / "attacks"
FINDING = re.compile(r"\b(?:[A-Z][0-9]{1,2}|[AB])\b")


def table(heading: str) -> list[list[str]]:
    """The rows of the table under a heading, cell by cell."""
    part = PAGE.read_text(encoding="utf-8").partition(f"## {heading}\n")[2].partition("\n## ")[0]
    rows = [line.strip("|").split("|") for line in part.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in rows[2:]]


def place(name: str) -> Path:
    return ROOT / name if name.startswith("tests/") else ATTACKS / name


def attacked(finding: str) -> list[Path]:
    """The files of attacks with a test that is named after a finding."""
    named = re.compile(rf"^def test_{finding.lower()}_", re.MULTILINE)
    return [path for path in ATTACKS.rglob("test_*.py") if named.search(path.read_text(encoding="utf-8"))]


def test_every_named_test_exists_and_plays_its_finding() -> None:
    """If this fails, a reader is told that a test shows an attack refused, and there is none."""
    rows = table("Refused")
    assert len(rows) > 20
    for row in rows:
        assert len(row) == 5, row
        names = re.findall(r"`([^`]+)`", row[4])
        assert names, row
        assert [name for name in names if not place(name).exists()] == []
        findings = [one for brackets in re.findall(r"\(([^)]*)\)", row[2]) for one in FINDING.findall(brackets)]
        mine = [place(name) for name in names if not name.startswith("tests/") and "/" not in name]
        for finding in findings if mine else []:
            assert set(attacked(finding)) & set(mine), f"{finding}: no test of {names} is named after it"


def test_every_open_finding_has_a_test_that_fails() -> None:
    """If this fails, a weakness is called open and nothing will say when it is closed, or open again."""
    for row in table("Open"):
        for finding in FINDING.findall(row[0]):
            assert attacked(finding), f"{finding} has no test in tests/attacks"
