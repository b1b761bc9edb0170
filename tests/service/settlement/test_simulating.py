"""Rules side by side over a real log, which stays as it was."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from ledger.errors import InputError
from service.settlement import life, simulating
from tests.service.month import month

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
    page = found.html()
    svg = ElementTree.fromstring(page[page.index("<svg") : page.index("</svg>") + 6])  # noqa: S314  our own page
    assert len(svg.findall("{http://www.w3.org/2000/svg}polyline")) == 2


def test_unknown_terms_and_rules_are_refused() -> None:
    """If this fails, a simulation compares something else than what was asked for."""
    with pytest.raises(InputError, match="pool term"):
        simulating.contenders("pro-rata", params={"tau": "1"}, **POOL)
    with pytest.raises(InputError, match="not installed"):
        simulating.contenders("pro-rata,novel", params={}, **POOL)
