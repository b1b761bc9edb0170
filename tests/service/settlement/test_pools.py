"""An event counts in at most one pool: what may be published beside another pool of the same month, and what not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ledger.errors import ConflictError
from payouts.rules.base import Rule
from payouts.rules.pro_rata import ProRata
from payouts.rules.training import Training
from service.settlement import holds, life, paying, pools
from service.settlement.step import read_book
from service.settlement.stored import load
from service.statements import recomputing
from tests.service.month import Month, asked, published


def beside(made: Month, params: dict[str, str], *, name: str = "second", rule: str = "pro-rata") -> life.RunResult:
    amount = None if "price" in params else "100.00"
    return life.run(made.ws, asked(name=name, pool=amount, rule=rule, params=params))


@pytest.mark.parametrize(
    "params", [{}, {"territories": "NO"}, {"sources": "acme", "products": "free"}, {"price": "0.01"}]
)
def test_a_pool_that_takes_what_a_published_one_takes_is_refused(june: Month, params: dict[str, str]) -> None:
    """If this fails, one stream is paid for out of two pools."""
    published(june)
    size = june.ws.log.head().size
    with pytest.raises(ConflictError, match="pool default counts"):
        beside(june, params)
    assert june.ws.log.head().size == size


def test_pools_calculated_side_by_side_are_not_both_published(june: Month) -> None:
    """If this fails, two pools calculated before either was published share their streams after all."""
    life.close(june.ws, "2026-06")
    first = life.run(june.ws, asked(name="first", params={"territories": "SE|NO"})).run
    second = beside(june, {"territories": "SE"}).run
    for run in (first, second):
        life.approve(june.ws, run, "approver")
    life.publish(june.ws, first)
    with pytest.raises(ConflictError, match=r"territories=NO\|SE"):
        life.publish(june.ws, second)
    assert life.publish(june.ws, first).already
    assert life.run(june.ws, asked(name="first", params={"territories": "SE|NO"})).already


def test_pools_that_share_nothing_stand_beside_each_other(june: Month) -> None:
    """If this fails, a subscription pool and an advertising pool of one month cannot both be published."""
    life.close(june.ws, "2026-06")
    for name, params in (("ads", {"products": "free"}), ("paid", {"products": "premium|family", "territories": "SE"})):
        run = beside(june, params, name=name).run
        life.approve(june.ws, run, "approver")
        life.publish(june.ws, run)
    assert not pools.overlapping(june.ws.log, read_book(june.ws), "2026-06")


def test_a_training_pool_of_a_given_amount_takes_no_streams(june: Month) -> None:
    """If this fails, a licence cannot pay its training set beside what is paid for streams."""
    published(june)
    assert beside(june, {"model": "mdl"}, rule="training").state == "calculated"
    with pytest.raises(ConflictError):
        beside(june, {"model": "mdl", "price": "0.01"}, rule="training")


@pytest.mark.parametrize(
    ("first", "rule", "said"), [({"model": "mdl"}, Training, None), ({}, ProRata, "pool first counts")]
)
def test_a_published_pool_is_read_without_its_rule(
    june: Month, monkeypatch: pytest.MonkeyPatch, first: dict[str, str], rule: type[Rule], said: str | None
) -> None:
    """If this fails, a new version of one pool's rule stops every other pool of its month."""
    life.close(june.ws, "2026-06")
    run = beside(june, first, name="first", rule=rule.name).run
    life.approve(june.ws, run, "approver")
    life.publish(june.ws, run)
    monkeypatch.setattr(rule, "version", "later")
    if said is None:
        assert beside(june, {}).state == "calculated"
        return
    with pytest.raises(ConflictError, match=said):
        beside(june, {})


def test_a_dry_run_may_look_at_anything(june: Month) -> None:
    """If this fails, nobody can try out other terms on a month that is published."""
    published(june)
    assert life.run(june.ws, asked(name="second", params={"territories": "SE"}), dry_run=True).pool_micros


def test_an_outsider_sees_pools_that_overlap(june: Month, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, an operator whose program skips the check pays a stream twice, and recomputing says ok."""
    published(june)
    monkeypatch.setattr(life, "check_apart", lambda *_: None)
    run = beside(june, {"territories": "SE"}).run
    life.approve(june.ws, run, "approver")
    life.publish(june.ws, run)
    recomputing.export(june.ws, "2026-06", tmp_path / "out")
    again = recomputing.recompute(tmp_path / "out", june.ws.trust)
    assert all(one.ok for one in again.runs)
    assert again.overlapping == (("default", "second"),)
    assert not again.ok


def paid_and_reversed(made: Month) -> str:
    """June's plain pool paid, then reversed by two people; the run's id."""
    run = published(made)
    paying.pay(made.ws, run, "file")
    life.approve(made.ws, holds.reverse(made.ws, run, reason="wrong pool").id, "approver")
    return run


RENAMED = ({"name": "second"}, {"currency": "USD"}, {"name": "second", "params": {"territories": "SE"}})


@pytest.mark.parametrize("changed", RENAMED)
def test_a_month_paid_and_reversed_is_not_paid_again_under_another_name(june: Month, changed: dict[str, Any]) -> None:
    """If this fails, whoever reverses a paid month hands the whole of it out once more, and books nothing back."""
    paid_and_reversed(june)
    size = june.ws.log.head().size
    with pytest.raises(ConflictError, match="run it again as pool default in EUR"):
        life.run(june.ws, asked(**changed))
    assert june.ws.log.head().size == size


def test_a_run_made_before_the_reversal_is_not_published_after_it(june: Month) -> None:
    """If this fails, a second pool that lay ready pays the month again as soon as the first is reversed."""
    life.close(june.ws, "2026-06")
    ready = beside(june, {}).run
    life.approve(june.ws, ready, "approver")
    paid_and_reversed(june)
    with pytest.raises(ConflictError, match="not booked back"):
        life.publish(june.ws, ready)


def test_what_a_reversed_run_paid_is_booked_back_and_frees_nothing_else(june: Month) -> None:
    """If this fails, the right way to run a reversed month again is refused, or it forgets what was paid."""
    before = paid_and_reversed(june)
    again = life.run(june.ws, asked()).run
    life.approve(june.ws, again, "approver")
    assert life.publish(june.ws, again).payable_micros == 0
    assert f"reversal@{before}" in load(june.ws.log, read_book(june.ws).runs[again]).entries
    assert not pools.overlapping(june.ws.log, read_book(june.ws), "2026-06")
    with pytest.raises(ConflictError, match="pool default counts"):
        beside(june, {})


def test_a_reversed_run_that_paid_nobody_may_be_replaced_by_another_pool(june: Month) -> None:
    """If this fails, a month published in the wrong currency and never paid can never be put right."""
    life.approve(june.ws, holds.reverse(june.ws, published(june), reason="wrong currency").id, "approver")
    assert life.run(june.ws, asked(name="second", currency="USD")).state == "calculated"


@pytest.mark.parametrize("changed", RENAMED)
def test_an_outsider_sees_a_month_paid_again_under_another_name(
    june: Month, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: dict[str, Any]
) -> None:
    """If this fails, an operator whose program skips the check pays a month twice, and recomputing says ok."""
    paid_and_reversed(june)
    monkeypatch.setattr(life, "check_apart", lambda *_: None)
    run = life.run(june.ws, asked(**changed)).run
    life.approve(june.ws, run, "approver")
    life.publish(june.ws, run)
    recomputing.export(june.ws, "2026-06", tmp_path / "out")
    again = recomputing.recompute(tmp_path / "out", june.ws.trust)
    assert all(one.ok for one in again.runs)
    assert again.overlapping == (("default", changed.get("name", "default")),)
    assert not again.ok
