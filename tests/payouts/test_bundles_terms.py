"""Bundles of runs with terms: what was kept, recouped, taxed and converted is made again from the terms alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from ledger.proofs import canon
from ledger.proofs.verify import Report, verify_bundle
from payouts.accounts.account import accounts
from payouts.accounts.clauses import Advance, Agreed, Clause, PaidIn, Rate, Reserve, Withholding
from payouts.accounts.deductions import Balance, Stages
from payouts.accounts.payment import intent_payload
from payouts.compute import Inputs, compute
from payouts.document import Given, draw_up
from tests.payouts.proven import KINDS, Month, Values, rename, unchanged
from tests.payouts.worlds import inputs, plays, sole, vector

CLAUSES: tuple[Clause, ...] = (
    Reserve(party="p-a", ppm=100_000, months=3),
    Advance(party="p-a", pool="default", currency="EUR", micros=90_000_000, ppm=500_000),
    Withholding(party="p-a", ppm=150_000, territory="US"),
    PaidIn(party="p-a", currency="JPY"),
    Withholding(party="p-b", ppm=300_000, territory="SE"),
)
AGREED = tuple(Agreed.of(period="2026-06", note=f"contract {n}", clause=one) for n, one in enumerate(CLAUSES))
RATE = Agreed.of(period="2026-06", note="ECB", clause=Rate(currency="EUR", to="JPY", rate="161.07", date="2026-06-30"))
BEFORE = {"p-a": (Balance(kind="reserve", term="earlier", micros=5_000_000, due="2026-06"),)}


class Termed(Month):
    """A month of two payees under terms; `stages` are what the operator computes by, not what it must."""

    stages = Stages(period="2026-06", agreed=(*AGREED, RATE), before=BEFORE)

    def _made(self, root: bytes) -> Values:
        pool = inputs(
            sole("a", "b"), [plays("t", 7)], [vector("t", {"a": 600_000, "b": 400_000})], root=root, micros=100_000_003
        )
        outcome = compute(pool)
        booked = accounts(
            currency="EUR",
            minimum=0,
            opening={},
            earned=outcome.allocated_by_party(),
            corrections=(),
            stages=self.stages,
        )
        given = self._given(root, pool)
        document = draw_up(given, pool.usage, outcome, booked)
        tables = {name: table.rows() for name, table in document.tables.items()}
        salts = {row["party"]: row.get("salt") for row in tables["accounts"]}
        tables["intents"] = [intent_payload(one, "file", salts[one.party]) for one in booked if one.payable]
        return {"run": document.payload, "tables": tables}

    def _given(self, root: bytes, pool: Inputs) -> Given:
        given = Given(
            period_root=root,
            registry_size=1,
            sequence=1,
            terms=pool.terms,
            rule=pool.rule,
            holds=(),
            follows="f" * 64,
            entries=(),
            minimum=0,
            carried=3,
            agreed=tuple(one.id for one in AGREED),
            fx=(RATE,),
            v=self.v,
        )
        return replace(given, terms=replace(pool.terms, micros=100_000_000))


def termed(falsify: Callable[[Values], None] = unchanged) -> Termed:
    return Termed(falsify=falsify)


def examined(data: bytes) -> Report:
    return verify_bundle(data, termed().trust(), kinds=KINDS)


def refused(data: bytes) -> str:
    report = examined(data)
    assert not report.ok
    return report.steps[-1].detail


@cache
def honest() -> Termed:
    return termed()


def test_an_honest_run_under_terms() -> None:
    """If this fails, an operator cannot prove an honest deduction, or the report says other figures than were taken."""
    for data in (honest().run(), *(honest().statement(party) for party in ("p-a", "p-b"))):
        report = examined(data)
        assert report.ok, report.steps[-1]
    ann = examined(honest().statement("p-a")).steps[-1].detail
    assert ann.startswith("opening 0, earned 60000002, ")
    entries = account_of(honest().tables, "p-a")["deductions"]["entries"]
    assert [one["kind"] for one in entries] == ["reserve", "released", "advance", "recouped", "tax"]
    assert ", ".join(f"{one['kind']} {one['micros']}" for one in entries) in ann


class CurrencyAlone(Termed):
    """Bob is paid in another currency, and nothing else is agreed with anybody."""

    term = Agreed.of(period="2026-06", note="contract", clause=PaidIn(party="p-b", currency="JPY"))
    stages = Stages(period="2026-06", agreed=(term, RATE))

    def _given(self, root: bytes, pool: Inputs) -> Given:
        return replace(super()._given(root, pool), agreed=(self.term.id,))


@pytest.mark.parametrize("v", [1, 2])
def test_an_honest_run_with_a_currency_alone(v: int) -> None:
    """If this fails (finding A), a month in which somebody is merely paid in another currency is called forged."""
    month = CurrencyAlone(v=v)
    for data in (month.run(), month.statement("p-a"), month.statement("p-b")):
        report = examined(data)
        assert report.ok, report.steps[-1]
    remarks = examined(month.statement("p-b")).unchecked
    unshown = any(remark.startswith("the terms by which p-b is paid in another currency") for remark in remarks)
    assert unshown is (v == 1)
    other = CurrencyAlone(lambda made: account_of(made["tables"], "p-b")["converted"].update(micros="1"), v=v)
    assert "accounts, row" in refused(other.run())


def test_terms_cannot_be_left_out_of_an_account() -> None:
    """If this fails, an operator who was given terms pays as if there were none, and proves it right."""

    def forget(made: Values) -> None:
        account_of(made["tables"], "p-b")["deductions"]["agreed"].clear()

    assert "the run was given them, and no account shows them" in refused(Termed(forget).run())


def account_of(tables: Values, party: str) -> Values:
    (found,) = [row for row in tables["accounts"] if row["party"] == party]
    return found  # type: ignore[no-any-return]  # a row of JSON


def intent_of(tables: Values, party: str) -> Values:
    (found,) = [row for row in tables["intents"] if row["party"] == party]
    return found  # type: ignore[no-any-return]  # a row of JSON


def more_tax(made: Values) -> None:
    """The operator takes a coin more tax, and pays a coin less."""
    one = account_of(made["tables"], "p-b")
    tax = one["deductions"]["entries"][0]
    tax["micros"] = str(int(tax["micros"]) - 10_000)
    one["payable"] = str(int(one["payable"]) - 10_000)
    intent_of(made["tables"], "p-b")["micros"] = one["payable"]


def unheard_of_terms(made: Values) -> None:
    """The operator taxes by terms that two people never agreed on."""
    harsher = Agreed.of(
        period="2026-06", note="contract 4", clause=Withholding(party="p-b", ppm=999_999, territory="SE")
    )
    remake(made, "p-b", Stages(period="2026-06", agreed=(harsher,)))


def anothers_terms(made: Values) -> None:
    """The operator adds terms of one party to the account of another."""
    account_of(made["tables"], "p-b")["deductions"]["agreed"].append(AGREED[0].payload())


def remake(made: Values, party: str, stages: Stages) -> None:
    old = account_of(made["tables"], party)
    (new,) = accounts(
        currency="EUR", minimum=0, opening={}, earned={party: int(old["earned"])}, corrections=(), stages=stages
    )
    taken = {name: old[name] for name in ("lines", "salt")}
    for table, row in (
        ("accounts", new.payload(every_term=True) | taken),
        ("intents", intent_payload(new, "file", old["salt"])),
    ):
        rows = [one for one in made["tables"][table] if one["party"] != party]
        made["tables"][table] = sorted([*rows, row], key=lambda one: str(one["party"]))


def anothers_rate(made: Values) -> None:
    """The operator converts at a better rate, and keeps the difference."""
    worse = Agreed.of(
        period="2026-06", note="ECB", clause=Rate(currency="EUR", to="JPY", rate="150.00", date="2026-06-30")
    )
    mine = tuple(one for one in AGREED if one.party == "p-a")
    remake(made, "p-a", Stages(period="2026-06", agreed=(*mine, worse), before=BEFORE))


def another_period(made: Values) -> None:
    """The operator keeps a reserve past its months, by reckoning in an earlier month."""
    mine = tuple(one for one in AGREED if one.party == "p-a")
    remake(made, "p-a", Stages(period="2026-05", agreed=(*mine, RATE), before=BEFORE))


def changed(**fields: Any) -> Callable[[Values], None]:
    return lambda made: intent_of(made["tables"], "p-a")["sent"].update(fields)


FALSE: dict[str, tuple[Callable[[Values], None], str, str]] = {
    "more tax": (more_tax, "p-b", "accounts, row"),
    "terms nobody agreed on": (unheard_of_terms, "p-b", "not among those the run was given"),
    "another's terms": (anothers_terms, "p-b", "not among those the run was given"),
    "another rate": (anothers_rate, "p-a", "accounts, row"),
    "another period": (another_period, "p-a", "accounts, row"),
    "sent another amount": (changed(micros="1"), "p-a", "intents, row"),
    "sent in another currency": (changed(currency="USD"), "p-a", "intents, row"),
    "sent unconverted": (lambda made: intent_of(made["tables"], "p-a").pop("sent"), "p-a", "intents, row"),
    "converted for no reason": (
        lambda made: intent_of(made["tables"], "p-b").update(sent={"currency": "JPY", "micros": "1"}),
        "p-b",
        "intents, row",
    ),
    "a balance forgotten": (
        lambda made: account_of(made["tables"], "p-a")["deductions"]["before"].clear(),
        "p-a",
        "accounts, row",
    ),
}


@pytest.mark.parametrize("false", FALSE)
def test_a_false_deduction_is_found_out(false: str) -> None:
    """If this fails, an operator who takes, keeps or converts other than agreed can prove it right."""
    falsify, party, said = FALSE[false]
    month = termed(falsify)
    assert said in refused(month.run())
    assert said in refused(month.statement(party))


def test_what_was_carried_into_the_pool_is_part_of_it() -> None:
    """If this fails, money carried from the run before can be left out of what is divided."""

    def forget(made: Values) -> None:
        made["run"]["inputs"]["carried_micros"] = "0"
        rename(made)

    assert "its terms, 7 units and 0 carried come to 100000000" in refused(termed(forget).run())


def test_one_account_and_one_payment_a_party() -> None:
    """If this fails, a holder is shown one of two accounts, and the other takes the money."""
    document = json.loads(honest().statement("p-a"))
    other = json.loads(honest().statement("p-b"))
    for field in ("account", "intent"):
        for rows in (document[field] * 2, other[field], document[field] + other[field]):
            assert not examined(canon.encode(document | {field: rows})).ok
    assert not examined(canon.encode(document | {"account": [], "intent": []})).ok
    assert not examined(canon.encode(document | {"intent": []})).ok
    assert not examined(canon.encode(document | {"party": "p-b"})).ok
