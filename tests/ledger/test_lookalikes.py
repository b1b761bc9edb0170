from __future__ import annotations

import pytest

from ledger.lookalikes import skeleton


@pytest.mark.parametrize("double", ["Acme", "ACME", "\u0430cme", "\u0410CME", "\uff41cme", "ac\u200bme", "\u03b1cme"])
def test_a_double_has_the_skeleton_of_its_model(double: str) -> None:
    """If this fails, one platform counts as two because a letter looks like another."""
    assert skeleton(double, fold=True) == skeleton("acme", fold=True)


@pytest.mark.parametrize("other", ["acme-eu", "acne", "l-1", "0"])
def test_what_looks_different_is_different(other: str) -> None:
    """If this fails, honest sources are refused because of one that they do not resemble."""
    assert skeleton(other, fold=True) not in {skeleton(name, fold=True) for name in ("acme", "I-1", "O")}


def test_case_counts_where_it_is_asked_to() -> None:
    """If this fails, ids that differ only in case are taken for one another in a catalogue."""
    assert skeleton("REC-1", fold=False) != skeleton("rec-1", fold=False)
    assert skeleton("r\u0435c-1", fold=False) == skeleton("rec-1", fold=False)
