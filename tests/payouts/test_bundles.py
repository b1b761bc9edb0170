"""Bundles about money: honest ones pass, and an operator who signs a false figure is found out, whichever it is."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from ledger.proofs import canon, leaf
from payouts import verdict
from tests.ledger.world import ORIGIN, World, rotation, seeded
from tests.payouts.proven import AT_TIME, Month, Values, accepted, examined, honest, refused, rename


@pytest.mark.parametrize("v", [1, 2])
def test_an_honest_run_and_every_partys_statement(v: int) -> None:
    """If this fails, an honest operator cannot prove what it paid, or the report says other figures than were paid."""
    run = accepted(honest(v).run())
    assert [step.name for step in run.steps[6:]] == [
        "the bundle has the fields of its kind",
        "the period was closed",
        "the run is in the log, with a document signed by the operator",
        "another person approved it, with another key",
        "it was published",
        "the tables are the ones committed to",
        "the pool is divided by largest remainder",
        "every group is divided among its lines",
        "the five parts sum to the pool",
        "every account adds up, and pays what was published",
        *(["every row has its salt, so that no neighbour can guess it"] if v == 2 else []),
    ]
    details = [step.detail for step in run.steps]
    assert details[11:] == [
        f"5 groups, 6 lines, {v + 3} accounts, 4 intents",
        details[12],
        "6 lines",
        details[14],
        f"{v + 3} accounts, 4 payments",
        *([""] if v == 2 else []),
    ]
    assert details[12].startswith("1000003 micros over weight 7000000000, level ")
    assert details[14].endswith(" = 1000003")
    assert sum(map(int, details[14].partition(" = ")[0].split(" + "))) == 1_000_003
    for party, said in {
        "p-a": "opening 7000, earned 297000, payable 300000, carried 4000 micros",
        "p-c": "nothing is shown of what p-c is paid" if v == 1 else "opening 0, earned 0, payable 0, carried 0 micros",
        "p-nobody": "nothing is shown of what p-nobody is paid",
    }.items():
        report = accepted(honest(v).statement(party))
        shown = party == "p-a" or (party == "p-c" and v == 2)
        assert [step.name for step in report.steps[11:]] == [
            "the pool's level follows from the run's terms and rule",
            "each owner group's amount follows from its weight",
            "the party's lines follow from the group's amount",
            "the account adds up" if shown else "no account is in the bundle",
        ]
        assert report.steps[-1].detail == said
        assert any(remark.startswith("how the weights follow") for remark in report.unchecked)
        assert any(remark.startswith("whether the run was reversed later") for remark in report.unchecked)
        beyond = f"whether the run has a second account of {party}" if v == 2 else f"whether {party} has money held in"
        assert any(remark.startswith(beyond) for remark in report.unchecked) is shown
        assert any(remark.startswith(f"whether {party} has an account") for remark in report.unchecked) is not shown


def test_a_verdict_says_what_was_proved_of_whom_and_how_much() -> None:
    """If this fails, a person reads OK and must search the steps for what it is about."""
    run = accepted(honest().run()).proved
    assert run[0].startswith("the published run of 2026-06, pool default, divides 1.000003 EUR: ")
    assert run[1].startswith("it pays 4 parties ")
    assert run[2] == verdict.UNSIGNED_SHARE
    earned, remark = accepted(honest().statement("p-a")).proved
    assert earned == (
        "in the published run of 2026-06, pool default, p-a earned 0.297000 EUR, is paid 0.300000 EUR and carries "
        "0.004000 EUR"
    )
    assert remark == run[2]
    assert " EUR of it waits" in accepted(honest().statement("p-c")).proved[0]
    assert accepted(honest().statement("p-nobody")).proved[0].startswith("p-nobody: this bundle shows no money in the")
    assert not examined(b"{}").proved


def test_a_bundle_that_hides_a_partys_money_claims_nothing_of_it() -> None:
    """If this fails, an operator strips a holder's bundle of its money, and it verifies as if there were none."""
    document = json.loads(honest().statement("p-a"))
    bare = document | {name: [] for name in ("groups", "lines", "account", "intent")}
    report = accepted(canon.encode(bare))
    assert report.steps[-1].detail == "nothing is shown of what p-a is paid"
    assert report.steps[-2].detail.startswith("0 lines of p-a in the bundle")
    (remark,) = [one for one in report.unchecked if one.startswith("whether p-a ")]
    assert remark.startswith("whether p-a has an account, lines or a payment in this run beyond what is shown")
    assert "has money allocated" in refused(canon.encode(document | {"account": [], "intent": []}))
    paid = canon.encode(bare | {"intent": document["intent"]})
    assert refused(paid) == "p-a: a payment is published, and the account it is from is not in the bundle"


@pytest.mark.parametrize(
    ("order", "said"),
    [
        (("run", "close", "approve", "publish"), "the run is leaf 1 of the log, and the close it rests on is leaf 2"),
        (("close", "approve", "run", "publish"), "the approve is leaf 2 of the log, and the run it rests on is leaf 3"),
        (
            ("close", "run", "publish", "approve"),
            "the publish is leaf 3 of the log, and the approve it rests on is leaf 4",
        ),
    ],
)
def test_acts_stand_in_the_log_in_their_order(order: tuple[str, ...], said: str) -> None:
    """If this fails, what the log's own rules void, an approval after the publication, passes in a bundle."""
    assert said in refused(Month(order=order).statement("p-a"))
    assert said in refused(Month(order=order).run())


def test_a_bundle_says_that_another_run_may_have_been_published_first() -> None:
    """If this fails, two bundles for one month, pool and sequence pass, and neither says that there may be another."""
    for data in (honest().run(), honest().statement("p-a")):
        assert any(
            remark.startswith("whether another run of 2026-06, pool default, sequence 1, was published before this one")
            for remark in accepted(data).unchecked
        )


def test_a_statement_of_0_1_shows_nobody_outside_the_owner_group() -> None:
    """If this fails, a holder's bundle shows strangers' money, or hides a line that its own is divided beside."""
    document = json.loads(honest(1).statement("p-d"))
    assert {item["row"]["party"] for item in document["lines"]} == {"p-d", "p-e"}
    assert [item["row"]["group"] for item in document["groups"]] == ["g"]
    assert [item["row"]["party"] for item in document["account"]] == ["p-d"]


def test_a_statement_shows_nobody_else() -> None:
    """If this fails, a holder's bundle shows the money of another member of its owner group."""
    data = honest().statement("p-d")
    document = json.loads(data)
    assert [one["party"] for one in document["lines"]] == ["p-d"]
    assert [item["row"]["group"] for item in document["groups"]] == ["g"]
    assert [item["row"]["party"] for item in document["account"]] == ["p-d"]
    assert [item["row"]["party"] for item in document["intent"]] == ["p-d"]
    assert not {one for one in ("p-a", "p-b", "p-e", "p-x") if f'"{one}"'.encode() in data}


def test_a_neighbours_row_cannot_be_guessed_from_its_hash() -> None:
    """If this fails, the hashes in a holder's proof tell it what its neighbours are paid, by trying amounts."""
    month = honest()
    for table in ("groups", "accounts", "intents"):
        salts = [row["salt"] for row in month.tables[table]]
        assert len(set(salts)) == len(salts)
        assert all(len(salt) == 32 for salt in salts)
    shown = honest().statement("p-a").decode()
    others = [row["salt"] for row in month.tables["accounts"] if row["party"] != "p-a"]
    assert not [salt for salt in others if salt in shown]


def test_a_statement_shows_every_line_of_its_party() -> None:
    """If this fails, an operator leaves a holder's held money out of the bundle, and it verifies."""
    document = json.loads(honest().statement("p-c"))
    assert [one["state"] for one in document["lines"]] == ["held"]
    hidden = canon.encode(document | {"lines": [], "groups": []})
    assert refused(hidden).endswith(
        "the account commits 1 lines, and the bundle shows others: it must show all of them"
    )
    bare = canon.encode(document | {"account": []})
    assert refused(bare) == "p-c has lines, and the account that commits them is not in the bundle"
    of_another = document | {name: json.loads(honest().statement("p-a"))[name] for name in ("lines", "groups")}
    assert "not p-c's" in refused(canon.encode(of_another))


def row(made: Values, table: str, name: str, value: str) -> Values:
    (found,) = [one for one in made["tables"][table] if one[name] == value]
    return found  # type: ignore[no-any-return]  # a row of JSON


def add(place: Values, name: str, more: int = 1) -> None:
    place[name] = str(int(place[name]) + more)


def shift_a_line(made: Values) -> None:
    add(row(made, "lines", "party", "p-d"), "micros", 1)
    add(row(made, "lines", "party", "p-e"), "micros", -1)


def shift_a_group(made: Values) -> None:
    for table in ("groups", "lines"):
        add(row(made, table, "group", "p-a"), "micros", 1)
        add(row(made, table, "group", "p-b"), "micros", -1)


def shift_weight(made: Values) -> None:
    for table in ("groups", "lines"):
        add(row(made, table, "group", "p-a"), "weight", 1)
        add(row(made, table, "group", "p-b"), "weight", -1)


FALSE_SUMS: dict[str, tuple[Callable[[Values], None], str]] = {
    "a line more, another less": (shift_a_line, "lines, row"),
    "a group more, another less": (shift_a_group, "groups, row"),
    "weight moved": (shift_weight, "groups, row|the run says cutoff"),
    "a group twice": (lambda made: made["tables"]["groups"].append(made["tables"]["groups"][0]), "groups: "),
    "a line without its group": (
        lambda made: made["tables"]["lines"].append({**made["tables"]["lines"][0], "group": "zz"}),
        "groups, row",
    ),
    "weight in a line": (
        lambda made: add(row(made, "lines", "party", "p-a"), "weight"),
        "groups, row",
    ),
    "the weight of all": (lambda made: add(made["run"]["result"], "weight"), "the run says weight"),
    "the weight of nobody": (
        lambda made: add(made["run"]["result"], "weight_unattributed"),
        "groups, row|the run says",
    ),
    "the pool": (
        lambda made: add(made["run"]["result"], "pool"),
        "the pool is 1000004 micros, its terms, 7 units and 0 carried come to 1000003",
    ),
    "the level": (lambda made: add(made["run"]["result"]["level"], "numerator"), "the run says level"),
    "the cap": (lambda made: add(made["run"]["result"]["level"], "cap"), "the run says level"),
    "the cut-off": (
        lambda made: made["run"]["result"].update(cutoff={"remainder": "1", "tie": "00" * 32}),
        "the run says cutoff",
    ),
    "unattributed": (lambda made: add(made["run"]["result"], "unattributed"), "the run says unattributed"),
    "the reserve": (lambda made: add(made["run"]["result"], "reserve"), "the run says reserve"),
    "allocated": (lambda made: add(made["run"]["result"], "allocated"), "the run says allocated"),
    "held": (lambda made: add(made["run"]["result"], "held"), "the run says held"),
    "in suspense": (lambda made: add(made["run"]["result"], "suspense"), "the run says suspense"),
    "earned": (lambda made: add(row(made, "accounts", "party", "p-a"), "earned"), "p-a has earned"),
    "opening": (lambda made: add(row(made, "accounts", "party", "p-a"), "opening"), "p-a has carried"),
    "carried": (lambda made: add(row(made, "accounts", "party", "p-a"), "carried"), "p-a has carried"),
    "a correction": (
        lambda made: add(row(made, "accounts", "party", "p-b")["corrections"][0], "micros"),
        "p-b has carried",
    ),
    "a payment": (lambda made: add(row(made, "intents", "party", "p-a"), "micros"), "p-a has micros"),
    "a payment dropped": (lambda made: made["tables"]["intents"].pop(0), "p-a: a payment is published without"),
    "a payment to a stranger": (
        lambda made: made["tables"]["intents"].append({"party": "p-z", "micros": "1", "route": "file"}),
        "p-z: a payment is published without an account",
    ),
    "an account dropped": (
        lambda made: made["tables"]["accounts"].remove(row(made, "accounts", "party", "p-d")),
        "accounts, row",
    ),
}


@pytest.mark.parametrize("false", FALSE_SUMS)
def test_an_operator_who_signs_a_false_figure_is_found_out(false: str) -> None:
    """If this fails, whoever runs the log can move a micro-unit in a published run and prove it right."""
    falsify, said = FALSE_SUMS[false]
    detail = refused(Month(falsify).run())
    assert any(part in detail for part in said.split("|")), detail


OWN_FIGURES = {
    "a line more, another less": ("p-d", "p-d: a line of"),
    "a group more, another less": ("p-a", "is owed"),
    "weight in a line": ("p-a", "p-a's lines weigh more than the group"),
    "earned": ("p-a", "p-a has earned"),
    "carried": ("p-a", "p-a has carried"),
    "a correction": ("p-b", "p-b has carried"),
    "a payment": ("p-a", "p-a has micros"),
    "a payment dropped": ("p-a", "p-a: a payment is published without"),
    "an account dropped": ("p-d", "has money allocated and no account"),
}


@pytest.mark.parametrize("false", OWN_FIGURES)
def test_a_holder_finds_a_false_figure_of_its_own_alone(false: str) -> None:
    """If this fails, a holder needs everybody's rows to see that its own were falsified."""
    party, said = OWN_FIGURES[false]
    assert said in refused(Month(FALSE_SUMS[false][0]).statement(party))


def of_another_close(made: Values) -> None:
    made["run"]["inputs"]["period_root"] = "00" * 32
    rename(made)


def of_another_registry(made: Values) -> None:
    made["run"]["inputs"]["registry_size"] = 2
    rename(made)


def of_another_period(made: Values) -> None:
    made["run"]["inputs"]["terms"]["period"] = "2026-05"
    rename(made)


@pytest.mark.parametrize(
    ("falsify", "said"),
    [
        (of_another_close, "the run is over period root"),
        (of_another_period, "the run is over period root"),
        (of_another_registry, "saw a registry of 2 entries"),
        (lambda made: made["run"].update(run="ab" * 32), "the log says abab"),
        (lambda made: made["run"]["inputs"].update(sequence=2), "the document's inputs make run"),
        (lambda made: made.update(approved="ab" * 32), "the approval is of something else"),
        (lambda made: made.update(published={"run": "ab" * 32}), "the publication is of another run"),
        (lambda made: made.update(published={"document": "ab" * 32}), "the publication is of another run"),
    ],
)
def test_acts_that_do_not_belong_together(falsify: Callable[[Values], None], said: str) -> None:
    """If this fails, a run over other streams, other shares or another document passes for the approved one."""
    assert said in refused(Month(falsify).run())


def test_who_may_approve() -> None:
    """If this fails, one person alone moves money, with one key or under two names."""
    operator = World().operator_key
    assert "expected a key of role approver" in refused(Month(approver=operator).run())
    assert "said to be by operator" in refused(Month(approved_by="operator").run())
    assert "said to be by dan" in refused(Month(approved_by="dan").run())
    assert "expected a key of role approver" in refused(Month(approver=seeded("stranger")).run())
    document = json.loads(honest().run())
    none: tuple[Any, ...] = ([], None, {})
    for approvals in none:
        assert "nobody's approval" in refused(canon.encode(document | {"approvals": approvals}))
    assert "is a run leaf, expected approve" in refused(canon.encode(document | {"approvals": [document["run"]]}))


def test_acts_are_judged_by_the_keys_of_their_own_time() -> None:
    """If this fails, rotating the operator's key undoes every run it ever published."""
    month = Month()
    index = rotation(month.world, "operator", month.world.operator_key, seeded("operator 2"))
    accepted(month.run(index))
    accepted(month.statement("p-a", index))
    early = World()
    early.append(leaf.log(AT_TIME, origin=ORIGIN))
    before = rotation(early, "operator", early.operator_key, seeded("operator 2"), until=2)
    assert "expected a key of role operator" in refused(Month(world=early).run(before)) or "no operator key" in refused(
        Month(world=early).run(before)
    )


@pytest.mark.parametrize("wrong", [None, -1, "1", {}])
def test_every_value_replaced(wrong: Any) -> None:
    """If this fails, a bundle with one wrong value crashes the verifier, or passes."""
    data = honest().statement("p-a")
    for path in paths(json.loads(data)):
        document = json.loads(data)
        place = document
        for key in path[:-1]:
            place = place[key]
        if place[path[-1]] == wrong and type(place[path[-1]]) is type(wrong):
            continue
        place[path[-1]] = copy.copy(wrong)
        assert not examined(canon.encode(document)).ok, path


def paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every value inside a document but the whole."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [found for key, item in items for found in ((*path, key), *paths(item, (*path, key)))]
