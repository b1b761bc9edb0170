"""What a second person sees before they sign, and that a run which does not come out the same is not signed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ledger.errors import VerificationError
from payouts import compute
from service.settlement import holds, life, proposals, runs
from service.status import status
from tests.service.month import Month, asked, month, published


@pytest.fixture
def june(tmp_path: Path) -> Month:
    return month(tmp_path / "home")


def test_what_waits_is_listed_with_amount_party_reason_and_effect(june: Month) -> None:
    """If this fails, a second person signs an amount, a party or a reason that nothing showed them."""
    run = published(june)
    made = holds.adjust(
        june.ws, "bob", period="2026-07", amount="99999.00", currency="EUR", reason="a mistake", line=run
    )
    (shown,) = proposals.waiting(june.ws)
    assert (shown.id, shown.party, shown.micros, shown.currency) == (made.id, "bob", 99_999_000_000, "EUR")
    assert (shown.reason, shown.approved) == ("a mistake", False)
    assert "2026-07" in shown.changes
    assert any("1 proposal" in line for line in status(june.ws).waiting)
    life.approve(june.ws, made.id, "approver")
    assert not proposals.waiting(june.ws)


def test_a_run_that_does_not_come_out_the_same_is_not_signed(june: Month, monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, a second person signs figures that do not follow from the log."""
    life.close(june.ws, "2026-06")
    honest = compute.compute

    def skewed(inputs: Any) -> Any:
        return honest(
            compute.Inputs(
                terms=inputs.terms,
                rule=inputs.rule,
                period_root=inputs.period_root,
                usage=inputs.usage[:-1],
                vectors=inputs.vectors,
                view=inputs.view,
                holds=inputs.holds,
                carried=inputs.carried,
            )
        )

    with monkeypatch.context() as operator:
        operator.setattr(runs, "compute", skewed)
        run = life.run(june.ws, asked()).run
    with pytest.raises(VerificationError, match="does not come out the same"):
        life.approve(june.ws, run, "approver")
