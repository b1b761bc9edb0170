"""Statements and reports as people meet them: the same words everywhere, parts that add up, pages that fit."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from cli.statements import statement_text
from payouts.statements.statement import Earning, Statement, Waiting
from payouts.statements.text import FIGURES, about, as_html, influence
from service.attribution.report_html import as_html as report_page
from service.settlement import simulating
from service.settlement.simulation_page import as_html as simulation_page
from service.statements import statements
from tests.cli.support import settle
from tests.service.month import Month, published

LONG = "recording-with-an-id-that-somebody-made-very-long-0123456789"


@pytest.fixture
def told(june: Month) -> Statement:
    """Ann's June, with an estimate, a title, and money that waits."""
    published(june)
    found = statements.state(june.ws, "ann", "2026-06")
    (pool,) = found.pools
    estimated = replace(
        pool.earnings[0],
        source=LONG,
        source_title="Blue",
        basis="estimated",
        ppm=396_379,
        low_ppm=195_258,
        high_ppm=597_401,
    )
    waiting = Waiting(
        state="suspense",
        subject="master:rec-4",
        title="Green",
        reason="shares-short",
        ref="",
        micros=30_000_000,
        advice="confirm your share",
    )
    return replace(found, pools=(replace(pool, earnings=(estimated,), waiting=(waiting,)),))


def test_the_same_figure_has_the_same_name_everywhere(told: Statement) -> None:
    """If this fails, a holder who has the page and an operator at the terminal speak of different money."""
    page, text = as_html(told), statement_text(told)
    for name in ("opening", "earned", "net", "carried"):
        assert f">{FIGURES[name]}" in page
        assert re.search(rf"^  {FIGURES[name]} +[\d.,]+ EUR$", text, re.MULTILINE)
    assert "Earned" not in page + text


def test_a_statement_says_how_much_how_surely_and_of_what(told: Statement) -> None:
    """If this fails, a holder reads an interval and not the share that pays, or of money in suspense not what it is."""
    for shown in (as_html(told), statement_text(told)):
        assert "(19.52 to 59.75)" in shown
        assert "Green (rec-4), master right" in shown
        assert "settle verify ann-2026-06.bundle --trust trust.json" in shown
    (one,) = told.pools[0].earnings
    exactly = replace(one, ppm=174_600, low_ppm=174_600, high_ppm=174_600)
    assert influence(exactly) == "17.46 %"
    assert influence(replace(one, ppm=None)) == "19.52 to 59.75 %"
    assert influence(replace(one, ppm=None, low_ppm=None, high_ppm=None)) == "-"
    (waiting,) = told.pools[0].waiting
    assert about(replace(waiting, subject="track:trk-3", title="")) == "track trk-3"
    assert about(replace(waiting, state="held", subject="", title="")) == "-"


def test_what_a_holder_reads_is_what_the_run_paid_by(june: Month) -> None:
    """If this fails, a statement shows another share than the vector that the money went by."""
    published(june)
    earnings: tuple[Earning, ...] = statements.state(june.ws, "bob", "2026-06").pools[0].earnings
    assert [(one.source, one.ppm, one.low_ppm, one.high_ppm) for one in earnings] == [
        ("rec-2", 200_000, 200_000, 200_000)
    ]


def aspect(name: str, *ppms: int) -> dict[str, Any]:
    return {
        "aspect": name,
        "meaning": "",
        "further": 0,
        "further_ppm": 0,
        "unattributed": 1_000_000 - sum(ppms),
        "sources": [
            {
                "id": f"rec-{n}",
                "title": f"Title {n}",
                "artist": f"Artist {n}",
                "ppm": ppm,
                "low": 0,
                "high": 1_000_000,
                "basis": "estimated",
                "permitted": None,
            }
            for n, ppm in enumerate(ppms)
        ],
    }


REPORT: dict[str, Any] = {
    "track": "trk-1",
    "title": None,
    "digest": "0" * 64,
    "index": 1,
    "recorded_at": "2026-06-03T11:05:00Z",
    "assigned": True,
    "method": "hybrid",
    "version": "1",
    "error": None,
    "catalogue_root": "0" * 64,
    "catalogue_size": 3,
    "model": None,
    "model_version": None,
    "matches": [],
    "length_ms": None,
    "notes": [],
    "other_vectors": [],
    "aspects": [aspect("recording", 420_104, 182_850, 172_550), aspect("composition"), aspect("style")],
    "by_artist": [
        {"name": f"Artist {n}", "aspect": "recording", "ppm": ppm} for n, ppm in enumerate((420_104, 182_850, 172_550))
    ],
    "by_holder": [{"name": LONG, "title": "Ann", "aspect": "recording", "ppm": 775_504}],
}


def test_the_parts_of_a_report_add_up() -> None:
    """If this fails, somebody who adds up the shares of a royalty report does not come to a hundred."""
    page = report_page(REPORT)
    (headline,) = re.findall(r"<dd>([^<]*Artist 0[^<]*)</dd>", page)
    assert sum(int(one) for one in re.findall(r"(\d+)\u00a0%", headline)) == 100
    for heading in ("<h2>Recording</h2>", "<h2>By artist</h2>", "<h2>By holder</h2>"):
        section = page.split(heading)[1].split("</section>")[0]
        shares = re.findall(r'<td[^>]*class="n"[^>]*>(\d+\.\d\d) %</td>', section)
        whole = Decimal(200 if heading == "<h2>By artist</h2>" else 300 if heading == "<h2>By holder</h2>" else 100)
        assert sum(map(Decimal, shares)) == whole, "each column is a whole"


@pytest.mark.browser
def test_pages_fit_a_telephone(told: Statement, june: Month, tmp_path: Path) -> None:
    """If this fails, a holder must push a page from side to side to read it, or does not see an amount."""
    wanted = simulating.contenders(
        "pro-rata,shapley-capped:tau=600000:kappa=250000", period="2026-06", pool="1000.00", currency="EUR", params={}
    )
    compared = simulating.run(june.ws, wanted, draws=1, attack_units=10)
    pages = {"statement": as_html(told), "report": report_page(REPORT), "rules": simulation_page(compared)}
    frames = []
    for name, page in pages.items():
        (tmp_path / f"{name}.html").write_text(page, encoding="utf-8")
        frames.append(f'<iframe title="{name}" src="{name}.html" style="width:390px"></iframe>')
    measure = """<script>onload = () => document.title = [...document.querySelectorAll("iframe")].map(one => {
      const page = one.contentDocument.documentElement;
      const cells = [...page.querySelectorAll("td, th")], width = page.clientWidth;
      const cut = cells.filter(cell => cell.getBoundingClientRect().right > width);
      return one.title + " " + (page.scrollWidth - page.clientWidth) + (one.title == "rules" ? "" : " " + cut.length)
    }).join(", ")</script>"""
    (tmp_path / "all.html").write_text(f"<!doctype html><title></title>{''.join(frames)}{measure}", encoding="utf-8")
    chromium = shutil.which("chromium")
    assert chromium is not None
    done = subprocess.run(
        [
            chromium,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--allow-file-access-from-files",
            f"--user-data-dir={tmp_path / 'profile'}",
            "--dump-dom",
            (tmp_path / "all.html").as_uri(),
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    (title,) = re.findall(r"<title>(.*)</title>", done.stdout)
    assert title == "statement 0 0, report 0 0, rules 0"


def test_a_terminal_shows_money_and_not_micro_units(june: Month) -> None:
    """If this fails, finance reads millionths when it publishes and pays, or not what was sent."""
    run = published(june)
    for words in (("period", "show", "2026-06"), ("publish", run), ("pay", run)):
        said = settle(*words, home=june.home)
        assert said.code == 0, said.err
        assert "micros" not in said.out
        assert " EUR" in said.out
    again = settle("pay", run, home=june.home)
    assert "this call: nothing new to hand over" in again.out
    assert "this call: 4 payments, 630.000000 EUR, handed over now" in said.out
    assert "so far:    4 payments, 630.000000 EUR, in 1 batch" in again.out
