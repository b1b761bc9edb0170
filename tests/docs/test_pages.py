"""What documents point to is there, and what must be in them is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs import decisions
from tests.support import ROOT

PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
GLOSSARY = ROOT / "docs" / "glossary.md"

LINK = re.compile(r"\]\((?P<target>[^()\s]+)\)")
SPOKEN = re.compile(r"`((?:attribution|ledger|payouts|contracts|service|cli|tests|docs)/[\w./*-]+)`")
TERM = re.compile(r"^\| \*\*(?P<terms>.+?)\*\* \|", re.MULTILINE)

WORDS = """
track recording work party group share grant dispute training conditioning influence-vector aspect unattributed
assignment landmark style-group event duplicate conflict quarantine listener leaf root chain seal segment origin
checkpoint receipt bundle anchor witness home-log role period close period-root pool rule tau kappa run dry-run demo
allocated held suspense reserve hold adjustment statement journal posting claim micros ppm
"""
"""The words of the design: whoever meets one can look it up."""


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def anchors(page: Path) -> set[str]:
    """The headings of a page, as a link names them."""
    headings = re.findall(r"(?m)^#+ (.+)$", page.read_text(encoding="utf-8"))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_somewhere(page: Path) -> None:
    """If this fails, a reader who follows a link inside the repository finds nothing, or the wrong place."""
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        if "://" in target:
            continue
        path, _, heading = target.partition("#")
        found = page.parent / path if path else page
        assert found.exists(), f"{name(page)} links to {target}"
        assert not heading or heading in anchors(found), f"{name(page)} links to {target}: no such heading"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_files_spoken_of_exist(page: Path) -> None:
    """If this fails, a document sends a reader to a file or folder that has moved or gone."""
    for spoken in SPOKEN.findall(page.read_text(encoding="utf-8")):
        path = re.sub(r"\b[A-Z]+\b", "*", spoken.rstrip("/"))
        assert any(ROOT.glob(path)) or (ROOT / f"{path}.py").exists(), f"{name(page)} speaks of {spoken}"


def terms() -> list[str]:
    """Every word that the glossary explains, as `source` for `source (of events)`."""
    listed = ", ".join(TERM.findall(GLOSSARY.read_text(encoding="utf-8")))
    return [re.sub(r" \(.*?\)", "", term) for term in listed.split(", ")]


def test_the_glossary_has_the_words_of_the_design() -> None:
    """If this fails, a word on which a page rests is explained nowhere."""
    assert not {word.replace("-", " ") for word in WORDS.split()} - set(terms())


def test_the_glossary_explains_only_what_is_said() -> None:
    """If this fails, the glossary keeps a word that no other page uses: the word was changed, or the thing has gone."""
    said = "\n".join(page.read_text(encoding="utf-8").lower() for page in PAGES if page != GLOSSARY)
    unused = [term for term in terms() if not re.search(rf"\b{re.escape(term.lower())}", said)]
    assert not unused


def test_decision_records_are_listed() -> None:
    """If this fails, a decision cannot be found from the list, or a gap in the numbers is unexplained; make docs."""
    assert decisions.PAGE.read_text(encoding="utf-8") == decisions.page()
