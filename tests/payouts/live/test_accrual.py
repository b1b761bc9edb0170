"""Accrual of generated pools: the month's own weights, the least amounts, and refusals where streams do not add up."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ledger.types import MILLION
from payouts.compute import Inputs, compute
from payouts.division.kernel import BILLION, UNATTRIBUTED
from payouts.errors import TermsError
from payouts.live.accrual import OPEN, accrue, parts, why_not_linear
from payouts.rules.base import Rule
from payouts.rules.pro_rata import ProRata
from payouts.rules.shapley_capped import ShapleyCapped
from payouts.rules.thresholded import Thresholded
from payouts.rules.training import Training
from payouts.rules.user_centric import UserCentric
from tests.payouts.strategies import pools
from tests.payouts.worlds import ROOT, inputs, plays, sole, vector

LINEAR: st.SearchStrategy[Rule] = st.just(ProRata()) | st.builds(ShapleyCapped, tau=st.integers(1, MILLION))


@st.composite
def priced(draw: st.DrawFn) -> Inputs:
    """A pool whose streams are valued one by one."""
    pool = draw(pools(LINEAR))
    price = draw(st.integers(1, 50) | st.integers(1, 10**7))
    terms = replace(pool.terms, micros=None, price_micros=price, weight="units", reserve_ppm=0, unattributed="return")
    return replace(pool, terms=terms)


@settings(max_examples=40)
@given(priced())
def test_the_weights_are_the_months(pool: Inputs) -> None:
    """If this fails, the accrual divides streams in another way than the month's run, and promises other money."""
    accrual, outcome = accrue(pool), compute(pool)
    assert accrual.lines == outcome.lines or pool.period_root == OPEN
    weights = {(line.group, line.party, line.state, line.reason, line.ref): line.weight for line in accrual.lines}
    assert weights == {
        (line.group, line.party, line.state, line.reason, line.ref): line.weight for line in outcome.lines
    }
    assert accrual.pool == outcome.pool


@settings(max_examples=40)
@given(priced())
def test_an_open_month_shows_the_least_that_its_streams_come_to(pool: Inputs) -> None:
    """If this fails, the accrual shows money that a rounding takes back, or lags by more than ties decide."""
    so_far, month = accrue(replace(pool, period_root=OPEN)), compute(pool)
    paid = {(line.group, line.party, line.state, line.reason, line.ref): line for line in month.lines}
    for line in so_far.lines:
        settled = paid.get((line.group, line.party, line.state, line.reason, line.ref))
        through_groups = settled is None or settled.weight != line.weight  # the root decides ties of style groups too
        if not through_groups:
            assert settled is not None
            assert 0 <= settled.micros - line.micros <= 4, line
    alone = [line for line in so_far.lines if [other.group for other in so_far.lines].count(line.group) == 1]
    for line in alone:
        settled = paid.get((line.group, line.party, line.state, line.reason, line.ref))
        if settled is not None and settled.weight == line.weight:
            assert settled.micros - line.micros in (0, 1)
    assert so_far.undecided >= 0
    assert so_far.pool == sum(line.micros for line in so_far.lines) + so_far.unattributed + so_far.undecided


@settings(max_examples=40)
@given(priced())
def test_parts_add_up_to_the_weights(pool: Inputs) -> None:
    """If this fails, what a party is shown by track, source and territory is not what it earned."""
    assume(pool.terms.fallback == "suspense" and dict(pool.terms.aspects).get("style") is None)
    accrual = accrue(pool)
    by_party: Counter[tuple[str, str]] = Counter()
    for line in accrual.lines:
        by_party[line.party, line.state] += line.weight
    taken_apart: Counter[tuple[str, str]] = Counter()
    for part in parts(pool):
        taken_apart[part.party, part.state] += part.weight
        assert part.micros == part.weight * (pool.terms.price_micros or 0) // BILLION
    assert taken_apart == +by_party
    assert UNATTRIBUTED not in {part.party for part in parts(pool)}


@settings(max_examples=30)
@given(priced(), st.data())
def test_streams_are_worth_the_same_in_any_order(pool: Inputs, data: st.DataObject) -> None:
    """If this fails, what a stream earns depends on the streams beside it, and nothing can be said before the end."""
    assume(pool.terms.fallback == "suspense" and dict(pool.terms.aspects).get("style") is None)
    cut = data.draw(st.integers(0, len(pool.usage)))
    first, second = (accrue(replace(pool, usage=rows)) for rows in (pool.usage[:cut], pool.usage[cut:]))
    whole: Counter[tuple[str, ...]] = Counter()
    for line in (*first.lines, *second.lines):
        whole[line.group, line.party, line.state, line.reason, line.ref] += line.weight
    assert whole == {
        (line.group, line.party, line.state, line.reason, line.ref): line.weight for line in accrue(pool).lines
    }


@pytest.mark.parametrize(
    ("terms", "rule", "reason"),
    [
        ({"micros": 10**6}, ProRata(), "amount"),
        ({"price_micros": 4000, "weight": "gross"}, ProRata(), "gross"),
        ({"price_micros": 4000, "reserve_ppm": 1}, ProRata(), "reserve"),
        ({"price_micros": 4000, "unattributed": "carry"}, ProRata(), "month before"),
        ({"price_micros": 4000}, ShapleyCapped(kappa=300_000), "caps"),
        ({"price_micros": 4000}, Thresholded(min_streams=2), "all streams"),
        ({"price_micros": 4000}, UserCentric(anonymous="together"), "all streams"),
        ({"price_micros": 4000}, Training(model="mdl", model_version="1"), "whatever was played"),
    ],
)
def test_what_is_not_linear_is_refused_with_its_reason(terms: dict[str, Any], rule: Rule, reason: str) -> None:
    """If this fails, a pool whose streams depend on each other shows earnings that its month does not pay."""
    pool = inputs(sole("rec-1"), [plays("trk-1", 3)], [vector("trk-1", {"rec-1": MILLION})], rule=rule, **terms)
    assert reason in (why_not_linear(pool.terms, pool.rule) or "")
    with pytest.raises(TermsError):
        accrue(pool)
    with pytest.raises(TermsError):
        parts(pool)


def test_a_stream_of_a_third_of_a_cent() -> None:
    """If this fails, three streams of 0.003333 are not shown as 0.009999 to the one who owns all of them."""
    pool = inputs(
        sole("rec-1"), [plays("trk-1", 3)], [vector("trk-1", {"rec-1": 500_000})], price_micros=3333, root=OPEN
    )
    accrual = accrue(pool)
    assert accrual.earned_by_party() == {"p-rec-1": 4999}
    assert (accrual.pool, accrual.unattributed, accrual.undecided) == (9999, 4999, 1)
    assert (accrual.micros("allocated"), accrual.micros("held")) == (4999, 0)
    assert accrue(replace(pool, period_root=ROOT)).pool == 9999
