"""The portal's pages: what they show to whom, and that every text stands in the catalogue."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from typing import Any

import pytest

from service.web.pages import charts, drawing
from tests.service.month import JULY_OVER, Month, july, published
from tests.service.web.portal import Person, signed_in
from tests.service.web.serving import client, served_month
from tests.support import ROOT

PAGES = ROOT / "service" / "web" / "pages"


@pytest.fixture(scope="module")
def settled(tmp_path_factory: pytest.TempPathFactory) -> Month:
    """June and July, published."""
    month = served_month(tmp_path_factory.mktemp("portal") / "home")
    published(month)
    july(month)
    return month


@pytest.fixture(scope="module")
def web(settled: Month) -> Iterator[Any]:
    settled.now = JULY_OVER
    with client(settled) as opened:
        yield opened


@pytest.fixture(scope="module")
def bob(web: Any, settled: Month) -> Person:
    return signed_in(web, settled, "bob")


def test_every_text_stands_in_the_catalogue_and_is_shown_somewhere() -> None:
    """If this fails, a page breaks on a text that is missing, or a translator translates what nobody sees."""
    catalogue = tomllib.loads(drawing.TEXTS.read_text(encoding="utf-8"))
    sources = "".join(path.read_text(encoding="utf-8") for path in (*PAGES.rglob("*.html"), *PAGES.rglob("*.py")))
    named = set(re.findall(r'(?:\bt|text)\(\s*"([a-z_]+\.[a-z0-9_]+)"', sources))
    named |= set(re.findall(r'text="([a-z_]+\.[a-z0-9_]+)"', sources))
    words = set(re.findall(r'word\(\s*"([a-z_]+)"', sources))
    prefixes = tuple(re.findall(r'\bt\(\s*"([a-z_]+\.[a-z_]+)" ~', sources))
    texts = {f"{section}.{key}" for section, keys in catalogue.items() for key in keys}
    assert not {name for name in named if not name.endswith("_")} - texts
    unused = {name for name in texts - named if not name.startswith(prefixes) and name.partition(".")[0] not in words}
    assert not unused


def test_a_holder_reads_what_they_earned_and_why(bob: Person) -> None:
    """If this fails, a holder does not see the months, the sources or the files of their money."""
    overview = bob.get("/holders/bob").text
    assert overview.count("120.00") >= 2
    assert "240.00 EUR" in overview
    assert 'href="/holders/bob/statements/2026-07"' in overview
    stated = bob.get("/holders/bob/statements/2026-07").text
    assert "rec-2" in stated
    for form in ("html", "pdf", "csv", "json", "bundle"):
        link = re.search(rf'href="(/v1/statements/bob/2026-07\?form={form}[^"]*)"', stated)
        assert link is not None
        assert bob.get(link[1].replace("&amp;", "&")).status_code == 200


def test_a_holder_reads_what_is_held_and_what_releases_it(web: Any, settled: Month) -> None:
    """If this fails, held money is hidden from the person whom it belongs to, or without a way to get it."""
    page = signed_in(web, settled, "operator").get("/holders/ann/held")
    assert page.status_code == 200
    assert "Nothing is held." in page.text


def test_bars_stay_inside_their_chart() -> None:
    """If this fails, a chart of many, negative or no amounts is drawn outside its frame or divides by nothing."""
    for values in ([], [0], [-5, 3], [10**15] * 60, list(range(40))):
        drawn = charts.bars([(str(n), value) for n, value in enumerate(values)])
        assert len(drawn) <= charts.BARS_MAX
        for bar in drawn:
            assert 0 <= bar.y <= bar.y + bar.height <= charts.HEIGHT
            assert 0 <= bar.x <= bar.x + bar.width <= charts.WIDTH


def test_a_page_that_is_not_for_the_reader_looks_as_if_it_were_not_there(bob: Person) -> None:
    """If this fails, one holder opens another's pages, or learns that they exist."""
    for party in ("ann", "dee", "never"):
        assert bob.get(f"/holders/{party}").status_code == 404


def test_what_people_wrote_is_text_in_a_page() -> None:
    """If this fails, a template was added that shows texts without escaping them."""
    for path in PAGES.rglob("*.html"):
        assert not re.search(r"\|\s*safe|autoescape false|\son[a-z]+=|<script>|style=", path.read_text()), path.name
