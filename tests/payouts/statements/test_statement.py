"""Statements as values: whose money, from where, why it waits; every figure beside the account it was taken from."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.types import AspectVector, Influence, InfluenceVector
from payouts.accounts.account import Account, Correction, account
from payouts.accounts.clauses import Advance, Agreed, Clause, PaidIn, Rate, Reserve, Withholding
from payouts.accounts.deductions import Balance, Stages
from payouts.compute import Line, compute
from payouts.division.breakdown import Piece, break_down
from payouts.protocols import HoldMatch
from payouts.statements.statement import (
    ADVICE,
    Background,
    Deducted,
    Earning,
    PoolStatement,
    Settled,
    Streams,
    Waiting,
    earnings_of,
    pool_statement,
    statement,
    waiting_of,
)
from payouts.statements.text import account_cents
from tests.payouts.worlds import digest, inputs, plays, sole, vector

RUN = "f" * 64
FIGURES = ("opening", "earned", "adjustments", "deductions", "held", "suspense", "net", "carried")


def piece(track: str = "t", source: str = "a", micros: int = 1, **more: Any) -> Piece:
    given: dict[str, Any] = {"aspect": "recording", "basis": "declared", "via": "", "weight": 1} | more
    return Piece(track=track, source=source, micros=micros, **given)


def line(state: str = "held", micros: int = 5, **more: Any) -> Line:
    given = {"group": "g", "party": "ann", "reason": "fraud", "ref": "", "weight": 1} | more
    return Line(state=state, micros=micros, **given)  # type: ignore[arg-type]


def earning(micros: int, **more: Any) -> Earning:
    given: dict[str, Any] = {
        "track": "t",
        "track_title": "T",
        "source": "a",
        "source_title": "A",
        "aspect": "recording",
        "basis": "declared",
        "via": "",
        "ppm": 1,
        "low_ppm": 1,
        "high_ppm": 1,
        "units": 1,
    }
    return Earning(micros=micros, **(given | more))


def booked(**more: Any) -> Account:
    """Ann opens with 3, earns 100 and gets 7, of which 10 % is kept, half recouped and 15 % withheld."""
    clauses: tuple[Clause, ...] = (
        Reserve(party="ann", ppm=100_000, months=3),
        Advance(party="ann", pool="default", currency="EUR", micros=1_000_000_000, ppm=500_000),
        Withholding(party="ann", ppm=152_500, territory="US"),
        PaidIn(party="ann", currency="JPY"),
        Rate(currency="EUR", to="JPY", rate="161.07", date="2026-06-30"),
    )
    agreed = tuple(Agreed.of(period="2026-06", note=f"note {n}", clause=one) for n, one in enumerate(clauses))
    before = (
        Balance(kind="reserve", term="gone", micros=40, due="2026-08"),
        Balance(kind="reserve", term="gone", micros=50, due="2026-06"),
    )
    correction = Correction(id="c", kind="adjustment", party="ann", micros=7_000_000, run="r", reason="late")
    given: dict[str, Any] = {
        "party": "ann",
        "currency": "EUR",
        "minimum": 0,
        "opening": 3_000_000,
        "earned": 100_000_000,
        "corrections": (correction,),
        "stages": Stages(period="2026-06", agreed=agreed, before={"ann": before}),
    }
    return account(**(given | more))


def stated(found: Account | None, **more: Any) -> PoolStatement:
    earned = 0 if found is None else found.earned
    given: dict[str, Any] = {
        "run": RUN,
        "pool": "default",
        "sequence": 2,
        "state": "published",
        "currency": "EUR",
        "minimum": 50,
        "rule": {"name": "pro-rata", "version": "1", "params": {"tau": 4}},
        "account": found,
        "earnings": [earning(earned)] if earned else [],
        "streams": (Streams(source="acme", platform="unsigned", count=3),),
        "waiting": (),
        "payment": Settled(state="paid", route="file", reference="REF"),
    }
    return pool_statement(**(given | more))


WAITS = (
    Waiting(state="held", subject="t", title="", reason="fraud", ref="h", micros=20, advice=ADVICE["fraud"]),
    Waiting(
        state="suspense", subject="x", title="X", reason="no-vector", ref="", micros=300, advice=ADVICE["no-vector"]
    ),
    Waiting(state="held", subject="u", title="", reason="tax", ref="i", micros=1, advice=ADVICE["tax"]),
)


def test_a_pools_figures_are_the_accounts() -> None:
    """If this fails, a holder reads another balance, deduction or payment than the run committed to."""
    found = booked()
    one = stated(found, waiting=WAITS)
    assert (one.opening_micros, one.earned_micros, one.adjustments_micros) == (3_000_000, 100_000_000, 7_000_000)
    assert (one.deductions_micros, one.net_micros, one.carried_micros) == (found.deducted, found.payable, found.carried)
    assert one.opening_micros + one.earned_micros + one.adjustments_micros + one.deductions_micros == (
        one.net_micros + one.carried_micros
    )
    assert (one.held_micros, one.suspense_micros, one.minimum_micros) == (21, 300, 50)
    assert (one.run, one.pool, one.sequence, one.state, one.currency) == (RUN, "default", 2, "published", "EUR")
    assert (one.rule, one.params) == ("pro-rata 1", {"tau": 4})
    assert (one.adjustments, one.converted) == (found.corrections, found.converted)
    assert one.converted is not None
    assert one.converted.currency == "JPY"
    assert (one.waiting, one.earnings) == (WAITS, (earning(100_000_000),))
    assert one.streams == (Streams(source="acme", platform="unsigned", count=3),)
    assert one.payment == Settled(state="paid", route="file", reference="REF", reason="")


def test_every_deduction_says_its_terms_and_its_contract() -> None:
    """If this fails, money is taken and the statement names other terms, another rate or no contract for it."""
    found = booked()
    terms = {one.note: one.id for one in found.deductions.agreed}
    assert stated(found).deductions == (
        Deducted(
            kind="reserve",
            term=terms["note 0"],
            terms="10 % kept for 3 months",
            note="note 0",
            due="2026-09",
            micros=-10_700_000,
        ),
        Deducted(kind="released", term="gone", terms="", note="", due="2026-06", micros=50),
        Deducted(
            kind="recouped",
            term=terms["note 1"],
            terms="advance of 1000.00 EUR, recouped at 50 %",
            note="note 1",
            due="",
            micros=-48_150_025,
        ),
        Deducted(
            kind="tax", term=terms["note 2"], terms="15.25 % withheld for US", note="note 2", due="", micros=-7_340_000
        ),
    )


def test_money_beside_the_account_shows_before_and_after() -> None:
    """If this fails, a reserve or an unrecouped advance is missing from the statement, or shown at another amount."""
    rows = [
        (one.kind, one.terms, one.note, one.due, one.opening_micros, one.closing_micros)
        for one in stated(booked()).beside
    ]
    assert rows == [
        ("reserve", "", "", "2026-08", 40, 40),
        ("reserve", "", "", "2026-06", 50, 0),
        ("advance", "advance of 1000.00 EUR, recouped at 50 %", "note 1", "", 1_000_000_000, 951_849_975),
        ("reserve", "10 % kept for 3 months", "note 0", "2026-09", 0, 10_700_000),
    ]


def test_an_advance_that_is_paid_back_is_told_no_more() -> None:
    """If this fails, statements list debts of nothing for ever."""
    advance = Agreed.of(
        period="2026-06", note="", clause=Advance(party="ann", pool="default", currency="EUR", micros=5, ppm=1_000_000)
    )
    before = {"ann": (Balance(kind="advance", term=advance.id, micros=0),)}
    found = booked(stages=Stages(period="2026-06", agreed=(advance,), before=before))
    assert stated(found).beside == ()


def test_one_month_is_one_month() -> None:
    """If this fails, a reserve is said to be kept for other than its time."""
    month = Agreed.of(period="2026-06", note="", clause=Reserve(party="ann", ppm=1_000, months=1))
    (told,) = stated(booked(stages=Stages(period="2026-06", agreed=(month,)))).deductions
    assert told.terms == "0.1 % kept for 1 month"


def test_a_party_without_an_account_is_told_zeros() -> None:
    """If this fails, whoever earned nothing gets no statement, or somebody's figures."""
    one = stated(None)
    assert {name: getattr(one, f"{name}_micros") for name in FIGURES} == dict.fromkeys(FIGURES, 0)
    assert (one.adjustments, one.deductions, one.beside, one.converted) == ((), (), (), None)


def test_earnings_that_are_not_the_account_are_never_stated() -> None:
    """If this fails, a statement is signed whose lines do not add up to what is paid."""
    for earnings in ([earning(99_999_999)], [], [earning(100_000_000), earning(1)]):
        with pytest.raises(AssertionError, match=RUN):
            stated(booked(), earnings=earnings)
    with pytest.raises(AssertionError):
        stated(None, earnings=[earning(1)])
    with pytest.raises(TypeError):
        stated(booked(), rule={"name": "pro-rata", "version": "1", "params": "tau"})


def test_a_statement_sums_its_pools() -> None:
    """If this fails, the figures at the top are not those of the runs below."""
    first, second = stated(booked(), waiting=WAITS), stated(booked(stages=None), pool="other", waiting=WAITS[:1])
    whole = statement(party="ann", name="Ann", period="2026-06", demo=True, pools=[first, second])
    for name in FIGURES:
        figure = f"{name}_micros"
        assert getattr(whole, figure) == getattr(first, figure) + getattr(second, figure), name
    assert (whole.party, whole.name, whole.period, whole.demo, whole.nil) == ("ann", "Ann", "2026-06", True, False)
    assert (whole.currency, whole.pools) == ("EUR", (first, second))


def test_currencies_are_not_added_up() -> None:
    """If this fails, euros and yen stand summed at the top of a statement."""
    pools = [stated(booked(stages=None)), stated(booked(stages=None), currency="JPY")]
    whole = statement(party="ann", name="Ann", period="2026-06", demo=False, pools=pools)
    assert whole.currency == ""
    assert {getattr(whole, f"{name}_micros") for name in FIGURES} == {0}
    assert not whole.nil
    assert statement(party="ann", name="Ann", period="2026-06", demo=False, pools=[]).currency == ""


def test_a_nil_statement_is_one_with_nothing_in_it() -> None:
    """If this fails, somebody with money held or carried is told that there was nothing, or the reverse."""
    nothing = stated(None)
    told = [
        {"held_micros": 1},
        {"suspense_micros": 1},
        {"carried_micros": 1},
        {"opening_micros": -1},
        {"net_micros": 1},
        {"adjustments_micros": 1},
        {"deductions_micros": -1},
        {"earned_micros": 1},
        {"waiting": WAITS[:1]},
        {"earnings": (earning(0),)},
        {"adjustments": booked().corrections},
        {"deductions": stated(booked()).deductions},
        {"beside": stated(booked()).beside},
    ]
    for changed in told:
        pools = [nothing, replace(nothing, **changed)]  # type: ignore[arg-type]
        assert not statement(party="a", name="A", period="2026-06", demo=False, pools=pools).nil, changed
    assert statement(party="a", name="A", period="2026-06", demo=False, pools=[nothing]).nil


def estimated(track: str, low: int, high: int, *, basis: str = "estimated") -> InfluenceVector:
    source = Influence(id="a", ppm=500_000, basis=basis, low=low, high=high)  # type: ignore[arg-type]
    aspect = AspectVector(sources=(source,), unattributed=500_000)
    return replace(vector(track), recording=aspect, composition=aspect)


def test_a_line_is_earned_with_its_interval_and_units() -> None:
    """If this fails, a statement names another track, another interval or another number of streams for the money."""
    wide, narrow = estimated("t", 100, 900), estimated("t", 200, 950)
    usage = [plays("t", 3, vector="w"), plays("t", 4, vector="n"), plays("u", 9), plays("v", 1, vector=None)]
    vectors = {"w": wide, "n": narrow, digest("u"): vector("u")}
    behind = Background.of(usage, vectors, lambda name: name.upper())
    assert (behind.units, set(behind.influences)) == ({"t": 7, "u": 9, "v": 1}, {"t", "u"})
    found = earnings_of(
        [
            piece("u", "b", 5),
            piece("t", "a", 9, basis="estimated", aspect="composition"),
            piece("", "a", 5, via="style:x"),
        ],
        behind,
    )
    assert found == (
        Earning(
            track="t",
            track_title="T",
            source="a",
            source_title="A",
            aspect="composition",
            basis="estimated",
            via="",
            ppm=500_000,
            low_ppm=100,
            high_ppm=950,
            units=7,
            micros=9,
        ),
        Earning(
            track="",
            track_title="",
            source="a",
            source_title="A",
            aspect="recording",
            basis="declared",
            via="style:x",
            ppm=None,
            low_ppm=None,
            high_ppm=None,
            units=0,
            micros=5,
        ),
        Earning(
            track="u",
            track_title="U",
            source="b",
            source_title="B",
            aspect="recording",
            basis="declared",
            via="",
            ppm=None,
            low_ppm=None,
            high_ppm=None,
            units=9,
            micros=5,
        ),
    )


def test_an_interval_is_of_the_same_source_aspect_and_basis() -> None:
    """If this fails, a declared share is shown with the uncertainty of an estimate, or of another source."""
    behind = Background.of([plays("t", 1, vector="w")], {"w": estimated("t", 100, 900)}, str)

    def interval(**more: Any) -> tuple[int | None, int | None]:
        (one,) = earnings_of([piece("t", **({"basis": "estimated"} | more))], behind)
        return one.low_ppm, one.high_ppm

    assert interval() == interval(aspect="composition") == (100, 900)
    assert interval(basis="declared") == interval(source="b") == interval(aspect="style") == (None, None)


def test_earnings_are_in_one_order() -> None:
    """If this fails, the same statement is made of other bytes each time."""
    pieces = [
        piece("u", "a", 1),
        piece("t", "b", 1),
        piece("t", "a", 1, aspect="style"),
        piece("t", "a", 1, via="v"),
        piece("t", "a", 1, basis="estimated"),
        piece("t", "a", 1),
        piece("z", "z", 2),
    ]
    ordered = [
        (one.micros, one.track, one.source, one.aspect, one.basis, one.via)
        for one in earnings_of(pieces, Background({}, {}, str))
    ]
    assert ordered == sorted(ordered, key=lambda row: (-row[0], *row[1:]))
    assert ordered[0][0] == 2


def test_what_waits_says_why_and_by_what_it_is_released() -> None:
    """If this fails, money is held and nobody can tell for what, or which name two people release it by."""
    lines = [
        (line("allocated", 50, reason=""), [piece()]),
        (line("held", 0, reason="legal"), [piece()]),
        (line("held", 5, ref="h-1"), [piece("t2"), piece("t1"), piece("t1", "b")]),
        (line("held", 7, reason="permission"), [piece("", "a", via="style:x")]),
        (line("suspense", 6, group="?master:rec-9", party="", reason="shares-short"), [piece("t1")]),
        (line("suspense", 1, group="?work:x", party="", reason="a plug-in's own"), [piece("t1")]),
    ]
    assert waiting_of(RUN, lines, str.upper) == (
        Waiting(
            state="held",
            subject="style:x",
            title="",
            reason="permission",
            ref=f"{RUN}/ann/permission",
            micros=7,
            advice=ADVICE["permission"],
        ),
        Waiting(
            state="suspense",
            subject="master:rec-9",
            title="REC-9",
            reason="shares-short",
            ref="",
            micros=6,
            advice=ADVICE["shares-short"],
        ),
        Waiting(state="held", subject="t1, t2", title="", reason="fraud", ref="h-1", micros=5, advice=ADVICE["fraud"]),
        Waiting(
            state="suspense",
            subject="work:x",
            title="X",
            reason="a plug-in's own",
            ref="",
            micros=1,
            advice="ask the operator",
        ),
    )


@pytest.mark.parametrize(("tracks", "said"), [(1, "t0"), (3, "t0, t1, t2"), (4, "t0, t1, t2 and 1 more")])
def test_many_tracks_are_counted_not_listed(tracks: int, said: str) -> None:
    """If this fails, a hold on a whole catalogue fills the page, or leaves tracks out without a word."""
    (one,) = waiting_of(RUN, [(line(), [piece(f"t{n}") for n in range(tracks)])], str.upper)
    assert one.subject == said


def test_what_waits_is_in_one_order() -> None:
    """If this fails, the same money in waiting makes other bytes each time."""
    lines = [
        (line(state, 1, ref=ref, reason=reason, group=f"?{track}"), [piece(track)])
        for state in ("suspense", "held")
        for track in "ut"
        for reason in ("tax", "legal")
        for ref in "ba"
    ]
    found = [(one.state, one.subject, one.reason, one.ref) for one in waiting_of(RUN, lines, str.upper)]
    assert found == sorted(found)


def test_a_run_is_stated_to_the_last_micro() -> None:
    """If this fails, what the statements say was earned, held and in suspense is not what the run divided."""
    view = sole("a", "b").own("c", ("p-x", 500_000), state="short")
    pool = inputs(
        view,
        [plays("t", 7), plays("u", 3)],
        [vector("t", {"a": 400_000, "b": 300_000, "c": 200_000}), vector("u", {"b": 1_000_000})],
        holds=[HoldMatch(id="h", reason="fraud", track="u")],
        micros=1_000_003,
    )
    outcome = compute(pool)
    behind = Background.of(pool.usage, pool.vectors, str)
    earned: list[Earning] = []
    waiting: list[Waiting] = []
    for one, pieces in break_down(pool, outcome):
        earned += earnings_of(pieces, behind) if one.state == "allocated" else ()
        waiting += waiting_of(RUN, [(one, pieces)], str)
    assert sum(one.micros for one in earned) == outcome.allocated
    assert {(one.state, one.subject, one.reason) for one in waiting} == {
        ("held", "u", "fraud"),
        ("suspense", "master:c", "shares-short"),
    }
    assert sum(one.micros for one in waiting) == outcome.held + outcome.suspense
    assert {(one.track, one.source, one.low_ppm, one.high_ppm, one.units) for one in earned} == {
        ("t", "a", 0, 1_000_000, 7),
        ("t", "b", 0, 1_000_000, 7),
    }


@given(st.lists(st.integers(-(10**9), 10**9), min_size=2, max_size=8), st.integers(0, 9_999))
def test_the_rows_of_an_account_add_up_as_they_are_shown(micros: list[int], carried: int) -> None:
    """If this fails, a holder adds up the printed rows of a statement and comes to another amount than is paid."""
    opening, earned, *rows = micros
    deductions = [Deducted(kind="tax", term="t", terms="", note="", due="", micros=amount) for amount in rows]
    account = replace(
        stated(None),
        opening_micros=opening,
        earned_micros=earned,
        adjustments=(),
        deductions=tuple(deductions),
        net_micros=sum(micros) - carried,
        carried_micros=carried,
    )
    shown = account_cents(account)
    above = [shown.opening, shown.earned, *shown.adjustments, *shown.deductions]
    assert sum(map(in_cents, above)) == in_cents(shown.net) + in_cents(shown.carried)
    assert all(abs(in_cents(text) * 10_000 - exact) < 10_000 for text, exact in zip(above, micros, strict=True))


def in_cents(text: str) -> int:
    return int(text.replace(",", "").replace(".", ""))
