"""Stages one by one: what each takes, of what, rounded how; and that without terms nothing is different."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.proofs import canon
from payouts.accounts.account import Account, Correction, account
from payouts.accounts.clauses import (
    Advance,
    Agreed,
    Clause,
    PaidIn,
    Rate,
    Reserve,
    Withholding,
    clause_payload,
    read_clause,
)
from payouts.accounts.deductions import Balance, Stages
from payouts.document import Given
from payouts.errors import TermsError
from payouts.protocols import HoldMatch
from payouts.rules.pro_rata import ProRata
from payouts.terms import Terms

ADVANCE = Advance(party="ann", pool="default", currency="EUR", micros=1_000_000_000, ppm=500_000)
RESERVE = Reserve(party="ann", ppm=100_000, months=3)
TAX = Withholding(party="ann", ppm=150_000, territory="US")
YEN = PaidIn(party="ann", currency="JPY")
RATE = Rate(currency="EUR", to="JPY", rate="161.07", date="2026-06-30")


def agreed(*clauses: Clause) -> tuple[Agreed, ...]:
    return tuple(Agreed.of(period="2026-06", note=f"n{n}", clause=clause) for n, clause in enumerate(clauses))


def booked(
    *clauses: Clause, earned: int = 100_000_000, opening: int = 0, before: tuple[Balance, ...] = (), **more: Any
) -> Account:
    stages = Stages(period="2026-06", agreed=agreed(*clauses), before={"ann": before})
    given_: dict[str, Any] = {"currency": "EUR", "minimum": 0, "corrections": ()} | more
    return account(party="ann", opening=opening, earned=earned, stages=stages, **given_)


def steps(one: Account) -> list[tuple[str, int]]:
    return [(entry.kind, entry.micros) for entry in one.deductions.entries]


def test_the_stages_come_in_their_order() -> None:
    """If this fails, tax is taken of what is recouped, or an advance is recouped from what is kept in reserve."""
    one = booked(TAX, ADVANCE, RESERVE, YEN, RATE)
    assert steps(one) == [
        ("reserve", -10_000_000),
        ("advance", 1_000_000_000),
        ("recouped", -45_000_000),
        ("tax", -6_750_000),
    ]
    assert (one.payable, one.carried) == (38_250_000, 0)
    assert one.converted is not None
    assert (one.converted.micros, one.converted.rounding) == (6_160_000_000, 927_500)
    assert [(left.kind, left.micros, left.due) for left in one.deductions.after] == [
        ("reserve", 10_000_000, "2026-09"),
        ("advance", 955_000_000, ""),
    ]


def test_what_went_through_the_stages_is_not_deducted_from_again() -> None:
    """If this fails, a carried balance or a payment that came back is taxed and recouped a second time."""
    carried = booked(TAX, earned=0, opening=50_000_000)
    assert steps(carried) == []
    back = Correction(id="r", kind="returned", party="ann", micros=85_000_000, run="r")
    assert steps(booked(TAX, earned=0, corrections=(back,))) == []
    undone = Correction(id="u", kind="reversal", party="ann", micros=-85_000_000, run="r")
    again = booked(TAX, corrections=(undone,))
    assert (steps(again), again.payable, again.carried) == ([("tax", -15_000_000)], 0, 0)
    late = Correction(id="l", kind="release", party="ann", micros=100_000_000, run="r")
    assert steps(booked(TAX, earned=0, corrections=(late,))) == [("tax", -15_000_000)]


def test_a_debt_is_carried_and_comes_first() -> None:
    """If this fails, somebody who owes is deducted into more debt, or is taxed on money that settles the debt."""
    assert steps(booked(TAX, RESERVE, earned=100, opening=-200)) == []
    half = booked(TAX, opening=-50_000_000)
    assert steps(half) == [("tax", -7_500_000)]
    assert half.payable == 42_500_000
    # 50 are owed and come first: 10 % of the other 50 is kept, and of the 45 left 15 % is taxed.
    both = booked(TAX, RESERVE, opening=-50_000_000)
    assert steps(both) == [("reserve", -5_000_000), ("tax", -6_750_000)]


def test_two_advances_take_of_the_same_money_the_older_first() -> None:
    """If this fails, two advances at half recoup three quarters, or more than there is."""
    two = (ADVANCE, Advance(party="ann", pool="default", currency="EUR", micros=70_000_000, ppm=800_000))
    assert [micros for kind, micros in steps(booked(*two)) if kind == "recouped"] == [-50_000_000, -50_000_000]
    lean = booked(*two, earned=1)
    assert [micros for kind, micros in steps(lean) if kind == "recouped"] == []


def test_an_advance_ends_at_nothing_owed() -> None:
    """If this fails, more is recouped than was paid, or an advance that is paid back is booked again."""
    (name,) = (one.id for one in agreed(ADVANCE))
    last = booked(ADVANCE, before=(Balance(kind="advance", term=name, micros=7),))
    assert steps(last) == [("recouped", -7)]
    assert steps(booked(ADVANCE, before=last.deductions.after)) == []


def test_tax_is_whole_coins_and_the_rest_is_the_payees() -> None:
    """If this fails, a tax office is owed parts of a cent, or is given more than the law says."""
    assert steps(booked(TAX, earned=10_066_600)) == [("tax", -1_500_000)]
    assert steps(booked(TAX, earned=66_600)) == []


def test_less_than_a_coin_abroad_is_carried() -> None:
    """If this fails, a balance is converted to nothing and lost."""
    cheap = Rate(currency="EUR", to="JPY", rate="0.000001", date="2026-06-30")
    one = booked(YEN, cheap)
    assert (one.payable, one.carried, one.converted) == (0, 100_000_000, None)


@pytest.mark.parametrize(
    ("kind", "changed"),
    [
        (ADVANCE, {"micros": "0"}),
        (ADVANCE, {"micros": "-1"}),
        (ADVANCE, {"micros": "01"}),
        (ADVANCE, {"micros": 5}),
        (ADVANCE, {"currency": "XAU"}),
        (ADVANCE, {"party": ""}),
        (RESERVE, {"ppm": 0}),
        (RESERVE, {"ppm": 1_000_001}),
        (RESERVE, {"ppm": True}),
        (RESERVE, {"months": 0}),
        (RESERVE, {"months": 121}),
        (TAX, {"territory": "se"}),
        (TAX, {"territory": "SWE"}),
        (YEN, {"currency": "yen"}),
        (RATE, {"rate": "0"}),
        (RATE, {"rate": "1/0"}),
        (RATE, {"rate": "-1"}),
        (RATE, {"rate": "1e3"}),
        (RATE, {"rate": "1,5"}),
        (RATE, {"rate": "1."}),
        (RATE, {"date": "2026-02-30"}),
        (RATE, {"date": "20260630"}),
        (RATE, {"to": "EUR"}),
        (TAX, {"kind": "levy"}),
        (TAX, {"surplus": 1}),
    ],
)
def test_terms_that_cannot_be_are_refused(kind: Clause, changed: dict[str, Any]) -> None:
    """If this fails, terms without a meaning, or with two, stand in the log and bear on money."""
    assert read_clause(clause_payload(kind)) == kind
    with pytest.raises(TermsError):
        read_clause(clause_payload(kind) | changed)


@given(st.text(max_size=60), st.sampled_from((ADVANCE, RESERVE, TAX, YEN, RATE)))
def test_the_id_of_terms_is_their_digest(note: str, clause: Clause) -> None:
    """If this fails, two different terms have one name, or one has two."""
    one = Agreed.of(period="2026-06", note=note, clause=clause)
    assert Agreed.from_payload(one.payload()) == one
    assert re.fullmatch(r"terms-[0-9a-f]{20}", one.id)
    for other in ({"note": note + "."}, {"period": "2026-07"}):
        with pytest.raises(TermsError, match="content makes"):
            Agreed.from_payload(one.payload() | other)


def test_without_terms_nothing_is_different() -> None:
    """If this fails, runs made before there were terms have other keys and other bytes than the same runs now."""
    run = Given(
        period_root=bytes(32),
        registry_size=7,
        sequence=1,
        rule=ProRata(),
        follows=None,
        entries=("b", "a"),
        minimum=5,
        terms=Terms(period="2026-06", currency="EUR", micros=10**9),
        holds=(HoldMatch(id="h", reason="fraud", party="bob"),),
        v=1,
    )
    assert run.key == "4c9566424a4e765f07a05cdc4d60884d6f5abfcd31a24e2c6c73e870812501a1"
    release = Correction(id="c", kind="release", party="ann", micros=2, run="r")
    one = account(
        party="ann",
        currency="EUR",
        minimum=0,
        opening=-3,
        earned=10,
        corrections=(release,),
        stages=Stages(period="2026-06"),
    )
    assert canon.encode(one.payload()) == (
        b'{"carried":"9","corrections":[{"id":"c","kind":"release","micros":"2","reason":"","run":"r"}],'
        b'"earned":"10","opening":"-3","party":"ann","payable":"0"}'
    )
