"""Rules side by side over a real log, which stays as it was."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest
from PIL import Image

from ledger.errors import InputError
from ledger.shown import cents
from payouts.simulation import lorenz
from service.settlement import life, simulating
from service.settlement.simulation_page import as_html
from tests.cli.support import settle, settle_json
from tests.service.month import Month, month

POOL = {"period": "2026-06", "pool": "1000.00", "currency": "EUR"}


def test_a_comparison_changes_nothing_and_says_who_gains(tmp_path: Path) -> None:
    """If this fails, asking what another rule would pay writes to the log or compares unlike things."""
    june = month(tmp_path / "home")
    life.close(june.ws, "2026-06")
    size = june.ws.log.head().size
    wanted = simulating.contenders("pro-rata, shapley-capped:tau=500000:kappa=300000", params={}, **POOL)
    found = simulating.run(june.ws, wanted, draws=2, attack_units=100)
    assert june.ws.log.head().size == size
    plain, capped = found.rules
    assert (plain.rule, capped.rule) == ("pro-rata", "shapley-capped:tau=500000:kappa=300000")
    assert plain.against_first.changes == ()
    assert capped.params == {"tau": 500_000, "kappa": 300_000}
    assert max(capped.amounts.values()) <= 300_000_000
    assert dict(capped.against_first.changes)["ann"] < 0
    assert plain.attack is not None
    assert plain.attack.track == "trk-2"  # trk-3 has no vector, and so nothing to gain


def test_unknown_terms_and_rules_are_refused() -> None:
    """If this fails, a simulation compares something else than what was asked for."""
    with pytest.raises(InputError, match="pool term"):
        simulating.contenders("pro-rata", params={"tau": "1"}, **POOL)
    with pytest.raises(InputError, match="not installed"):
        simulating.contenders("pro-rata,novel", params={}, **POOL)


def test_the_page_stands_alone_and_says_what_the_figures_say(june: Month) -> None:
    """If this fails, a page that finance hands on shows other money than was calculated, or loads from elsewhere."""
    life.close(june.ws, "2026-06")
    wanted = simulating.contenders("pro-rata,shapley-capped:tau=500000:kappa=300000", params={}, **POOL)
    found = simulating.run(june.ws, wanted, draws=2, attack_units=100)
    page = as_html(found)
    svg = ElementTree.fromstring(page[page.index("<svg") : page.index("</svg>") + 6])  # noqa: S314  our own page
    assert len(svg.findall("{http://www.w3.org/2000/svg}polyline")) == 2
    plain, capped = found.rules
    for micros in (plain.allocated_micros, capped.allocated_micros, *plain.amounts.values(), *capped.amounts.values()):
        assert cents(micros) in page
    for party, by in capped.against_first.changes:
        assert f"<td>{party}</td>" in page
        assert cents(by) in page
    assert "If somebody makes up streams" in page
    assert "http" not in page.replace("http-equiv", "").replace("http://www.w3.org/2000/svg", "")
    quiet = as_html(simulating.run(june.ws, wanted))
    assert "made-up" not in quiet
    assert "If attribution is wrong" not in quiet


def test_the_curves_are_drawn_where_they_are_asked_for(june: Month, tmp_path: Path) -> None:
    """If this fails, a plot is empty, of another picture than its twin, or hides one rule behind another."""
    life.close(june.ws, "2026-06")
    words = ("simulate", "--period", "2026-06", "--pool", "1000.00", "--currency", "EUR")
    both = ("--rules", "pro-rata,thresholded", "--plot", tmp_path / "l.svg", "--plot", tmp_path / "l.png")
    answer = settle_json(*words, *both, home=june.home)
    assert [one["rule"] for one in answer["rules"]] == ["pro-rata", "thresholded"]
    svg = ElementTree.parse(tmp_path / "l.svg").getroot()  # noqa: S314  our own drawing
    assert "thresholded (the curve of pro-rata)" in [text.text for text in svg.iter("{http://www.w3.org/2000/svg}text")]
    with Image.open(tmp_path / "l.png") as picture:
        _, _, width, height = svg.get("viewBox", "").split()
        assert picture.size == (2 * int(width), 2 * int(height))
        colours = {colour for _, colour in picture.getcolors(1 << 20) or []}
    assert {tuple(bytes.fromhex(lorenz.colour(n)[1:])) for n in (0, 1)} <= colours
    assert settle(*words, "--plot", tmp_path / "l.gif", home=june.home).code == 2
