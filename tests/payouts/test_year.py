"""A year of random months reconciles: whatever is agreed, held, corrected, undone or sent back."""

from __future__ import annotations

from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as st

from payouts.accounts.account import Account, account
from payouts.accounts.clauses import Rate
from payouts.accounts.deductions import BESIDE
from payouts.money import MICROS, SCALES
from tests.payouts.years import ABROAD, CURRENCY, PARTIES, Year, year

years = st.integers(0, 2**32).map(year)


def test_a_hundred_years_have_everything_in_them() -> None:
    """If this fails, the laws below are not put to the test: something that can happen to money never does."""
    told = [year(seed) for seed in range(100)]
    everybody = [one for each in told for month in each.months for one in month.accounts]
    kinds = {entry.kind for one in everybody for entry in one.deductions.entries}
    assert kinds == {"advance", "reserve", "released", "recouped", "tax", "given-up"}
    corrections = {correction.kind for one in everybody for correction in one.corrections}
    assert corrections == {"adjustment", "release", "returned", "reversal"}
    assert {one.converted.currency for one in everybody if one.converted} == set(ABROAD)
    assert any(one.carried < 0 for one in everybody)
    assert any(one.carried > 0 and one.payable for one in everybody)


def moved(one: Account, *kinds: str) -> int:
    return sum(entry.micros for entry in one.deductions.entries if entry.kind in kinds)


@given(years)
def test_each_month_closes_on_what_it_opened_with_and_what_came_and_went(told: Year) -> None:
    """If this fails, a balance changes without an entry, or a month opens with another than the last closed with."""
    balance: dict[str, int] = dict.fromkeys(PARTIES, 0)
    for month in told.months:
        found = month.by_party
        for party in PARTIES:
            one = found.get(party)
            if one is None:
                assert balance[party] == 0
                continue
            assert one.opening == balance[party]
            allocated = sum(
                line.micros for line in month.outcome.lines if line.party == party and line.state == "allocated"
            )
            assert one.earned == allocated
            deducted = moved(one, "reserve", "released", "recouped", "tax")
            assert one.opening + one.earned + one.corrected + deducted == one.payable + one.carried
            balance[party] = one.carried


@given(years)
def test_nothing_beside_the_accounts_is_lost(told: Year) -> None:
    """If this fails, a reserve is not released whole and in time, or an advance is recouped too much or forgotten."""
    kept: dict[tuple[str, str, str], int] = defaultdict(int)
    owed: dict[tuple[str, str], int] = {}
    for month in told.months:
        for party, one in month.by_party.items():
            for entry in one.deductions.entries:
                if entry.kind in ("reserve", "released"):
                    assert (entry.kind == "reserve") == (entry.micros < 0)
                    kept[party, entry.term, entry.due] -= entry.micros
                elif entry.kind == "advance":
                    assert (party, entry.term) not in owed
                    owed[party, entry.term] = entry.micros
                elif entry.kind in ("recouped", "given-up"):
                    assert entry.micros < 0
                    owed[party, entry.term] += entry.micros
            after = {(party, b.term, b.due): b.micros for b in one.deductions.after if b.kind == "reserve"}
            assert after == {place: micros for place, micros in kept.items() if place[0] == party and micros}
            assert all(due > month.period for _, _, due in after)
            left = {b.term: b.micros for b in one.deductions.after if b.kind == "advance"}
            assert left == {term: owed[party, term] for term in left}
            assert all(micros >= 0 for micros in owed.values())
            assert all(not micros or term in left for (who, term), micros in owed.items() if who == party)


@given(years)
def test_no_deduction_makes_a_line_negative(told: Year) -> None:
    """If this fails, somebody is deducted into debt, paid while in debt, or paid below the minimum."""
    for month in told.months:
        for one in month.accounts:
            balance = one.opening + one.earned + one.corrected
            for entry in one.deductions.entries:
                if entry.kind not in BESIDE:
                    if entry.micros < 0:
                        assert balance + entry.micros >= 0
                    balance += entry.micros
            assert one.payable >= 0
            assert one.payable == 0 or balance >= max(1, month.minimum)
            if balance < 0:
                assert (one.payable, one.carried) == (0, balance)


@given(years)
def test_what_is_converted_is_worth_what_left_the_account(told: Year) -> None:
    """If this fails, the rate of the month is not the one used, or rounding takes a whole coin."""
    for month in told.months:
        rates = {one.clause.to: one for one in month.stages.agreed if isinstance(one.clause, Rate)}
        for one in month.accounts:
            if one.converted is None:
                continue
            rate = rates[one.converted.currency]
            assert isinstance(rate.clause, Rate)
            assert (one.converted.rate, one.converted.source) == (rate.clause.rate, rate.note)
            coin = MICROS // 10 ** SCALES[one.converted.currency]
            assert one.converted.micros % coin == 0
            assert one.converted.micros > 0
            assert 0 <= one.converted.rounding < coin
            assert one.converted.micros + one.converted.rounding == int(one.payable * rate.clause.value)


@given(years)
def test_at_the_end_of_the_year_every_micro_is_somewhere(told: Year) -> None:
    """If this fails, money was made or lost over the year."""
    months = told.months
    last = months[-1]
    everybody = [one for month in months for one in month.accounts]
    came = sum(one.earned for one in everybody)
    corrected = sum(correction.micros for one in everybody for correction in one.corrections)
    went = sum(one.payable for one in everybody)
    taxed = -sum(moved(one, "tax") for one in everybody)
    recouped = -sum(moved(one, "recouped") for one in everybody)
    kept = sum(one.deductions.left("reserve") for one in last.accounts)
    carried = sum(one.carried for one in last.accounts)
    assert came + corrected == went + taxed + recouped + kept + carried
    advanced = sum(moved(one, "advance") for one in everybody)
    given_up = -sum(moved(one, "given-up") for one in everybody)
    assert advanced == recouped + given_up + sum(one.deductions.left("advance") for one in last.accounts)
    booked = {correction.id for one in everybody for correction in one.corrections}
    assert all(
        f"reversal-{n}" in booked
        for n, month in enumerate(months[:-1])
        for gone in told.reversed
        if gone.period == month.period and gone.paid
    )


@given(years)
def test_every_account_can_be_made_again_from_its_own_row(told: Year) -> None:
    """If this fails, a holder cannot check the deductions on a statement without the books of everybody else."""
    for month in told.months:
        for one in month.accounts:
            read = Account.from_payload(one.payload(every_term=True))
            assert read == one
            again = account(
                party=read.party,
                currency=CURRENCY,
                minimum=month.minimum,
                opening=read.opening,
                earned=read.earned,
                corrections=read.corrections,
                stages=month.stages,
            )
            assert again == one
