"""The run document: what it is named by, and that its tables and figures are read as they were written."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ledger.errors import VerificationError
from ledger.proofs import canon, tree
from payouts.accounts.account import accounts
from payouts.accounts.clauses import Agreed, Rate
from payouts.allocate import Cutoff
from payouts.compute import Inputs, compute
from payouts.document import Document, Given, draw_up, read_outcome
from payouts.protocols import HoldMatch
from payouts.rules.pro_rata import ProRata
from payouts.rules.shapley_capped import ShapleyCapped
from payouts.tables import (
    SealedTable,
    read_group,
    read_line,
    read_usage,
    rows_of,
    usage_payload,
)
from tests.payouts.worlds import inputs, plays, sole, vector

HOLDS = (
    HoldMatch(id="h2", reason="fraud", party="p-b"),
    HoldMatch(id="h1", reason="legal", subject="a", track="t", source="acme"),
)
RATE = Agreed.of(period="2026-06", note="ECB", clause=Rate(currency="EUR", to="JPY", rate="161.07", date="2026-06-30"))


def pool(**more: Any) -> Inputs:
    """Two tracks, one of them without a vector, under a hold, with money kept back and nobody's."""
    view = sole("a", "b").own("c", ("p-x", 500_000), state="short")
    given: dict[str, Any] = {"holds": HOLDS, "micros": 1_000_003, "reserve_ppm": 10_000} | more
    usage = [plays("t", 7), plays("u", 2, vector=None, gross=5, at="2026-06-04T00:00:00Z")]
    return inputs(view, usage, [vector("t", {"a": 400_000, "b": 300_000, "c": 200_000})], **given)


def given_for(made: Inputs, **more: Any) -> Given:
    fields: dict[str, Any] = {
        "period_root": made.period_root,
        "registry_size": 7,
        "sequence": 2,
        "terms": made.terms,
        "rule": made.rule,
        "holds": made.holds,
        "follows": "e" * 64,
        "entries": ("c2", "c1"),
        "minimum": 5,
    }
    return Given(**(fields | more))


def drawn(made: Inputs) -> Document:
    outcome = compute(made)
    booked = accounts(currency="EUR", minimum=5, opening={}, earned=outcome.allocated_by_party(), corrections=())
    return draw_up(given_for(made), made.usage, outcome, booked)


def test_the_inputs_say_all_a_run_depends_on() -> None:
    """If this fails, a run cannot be computed again from what its document says it was given."""
    made = pool()
    given = given_for(made, carried=11, agreed=("t2", "t1"), fx=(RATE,))
    assert given.payload() == {
        "period_root": made.period_root.hex(),
        "registry_size": 7,
        "sequence": 2,
        "terms": made.terms.payload(),
        "rule": made.rule.payload(),
        "holds": [
            {"id": "h1", "reason": "legal", "party": None, "subject": "a", "track": "t", "source": "acme"},
            {"id": "h2", "reason": "fraud", "party": "p-b", "subject": None, "track": None, "source": None},
        ],
        "follows": "e" * 64,
        "entries": ["c1", "c2"],
        "minimum_micros": "5",
        "carried_micros": "11",
        "fx": [RATE.payload()],
        "agreed": ["t1", "t2"],
    }
    plain = given_for(made).payload()
    assert plain["fx"] is None
    assert "agreed" not in plain


@pytest.mark.parametrize(
    "changed",
    [
        {"period_root": bytes(32)},
        {"registry_size": 8},
        {"sequence": 3},
        {"rule": ShapleyCapped()},
        {"holds": ()},
        {"follows": None},
        {"entries": ()},
        {"minimum": 6},
        {"carried": 1},
        {"agreed": ("t",)},
        {"fx": (RATE,)},
        {"v": 1},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_another_input_is_another_run(changed: dict[str, Any]) -> None:
    """If this fails, two runs that were given different things have one name, and one passes for the other."""
    given = given_for(pool())
    assert replace(given, **changed).key != given.key
    assert replace(given, holds=tuple(reversed(HOLDS)), entries=("c1", "c2")).key == given.key


def test_a_document_holds_the_result_and_the_roots_of_its_tables() -> None:
    """If this fails, what is signed says another sum than was computed, or commits to other rows than are stored."""
    made = pool()
    outcome, document = compute(made), drawn(made)
    assert document.payload["v"] == 2
    assert document.payload["run"] == document.run == given_for(made).key
    assert document.payload["inputs"] == given_for(made).payload()
    for name in ("pool", "allocated", "unattributed", "held", "suspense", "reserve", "units", "weight"):
        assert document.payload["result"][name] == str(getattr(outcome, name)), name
    assert document.payload["tables"] == {name: table.payload() for name, table in document.tables.items()}
    assert list(document.tables) == ["usage", "groups", "lines", "accounts"]
    assert [table.count for table in document.tables.values()] == [
        2,
        len(outcome.groups),
        len(outcome.lines),
        len(outcome.allocated_by_party()),
    ]
    assert document.blobs == [table.data for table in document.tables.values()]
    assert canon.decode_object(canon.encode(document.payload), "document") == document.payload


@pytest.mark.parametrize(
    "made",
    [pool(), pool(rule=ShapleyCapped(kappa=300_000)), pool(unattributed="carry"), pool(micros=1)],
    ids=["plain", "capped", "carried", "one micro"],
)
def test_a_document_is_read_as_it_was_written(made: Inputs) -> None:
    """If this fails, statements and explanations are made from other figures than were signed."""
    outcome, document = compute(made), drawn(made)
    read = read_outcome(document.payload, lambda name: document.tables[name].rows())
    assert read == outcome
    assert tuple(map(read_usage, document.tables["usage"].rows())) == tuple(made.usage)


def test_a_cut_off_is_read_back_to_the_bit() -> None:
    """If this fails, who got a leftover micro cannot be proven from the document."""
    made = pool()
    outcome = replace(compute(made), cutoff=Cutoff(12, b"\x01" * 32))
    document = draw_up(given_for(made), made.usage, outcome, [])
    assert document.payload["result"]["cutoff"] == {"remainder": "12", "tie": "01" * 32}
    assert read_outcome(document.payload, lambda name: document.tables[name].rows()).cutoff == outcome.cutoff
    none = draw_up(given_for(made), made.usage, replace(outcome, cutoff=None), [])
    assert none.payload["result"]["cutoff"] is None
    assert read_outcome(none.payload, lambda name: none.tables[name].rows()).cutoff is None


def test_sums_past_any_machine_integer_survive() -> None:
    """If this fails, a large sum is written as a number that readers of JSON round."""
    row = plays("t", 10**25, gross=10**24, count=10**23, product=None, listener="l")
    written = usage_payload(row)
    assert (written["units"], written["gross"], written["count"]) == (str(10**25), str(10**24), str(10**23))
    assert read_usage(written) == row
    assert usage_payload(plays("t", 1))["gross"] is None
    line = {"group": "g", "party": "p", "state": "held", "reason": "r", "ref": "h", "weight": "9" * 30, "micros": "8"}
    assert (read_line(line).weight, read_line(line).micros) == (int("9" * 30), 8)
    group = read_group({"group": "g", "weight": "9" * 30, "micros": "8"})
    assert (group.group, group.weight, group.micros) == ("g", int("9" * 30), 8)


def test_a_table_is_committed_row_by_row() -> None:
    """If this fails, one row cannot be proven without the others, or another row passes for it."""
    rows = [{"b": 1, "a": "x"}, {"a": "y", "b": 2}]
    table = SealedTable.of(rows)
    assert table.data == b'{"a":"x","b":1}\n{"a":"y","b":2}\n'
    assert rows_of(table.data) == [canon.encode(row) for row in rows]
    assert table.root == tree.root_of([tree.leaf_hash(canon.encode(row)) for row in rows])
    assert table.payload() == {"rows": 2, "root": table.root.hex(), "sha256": canon.digest(table.data)}
    assert table.rows() == rows
    assert rows_of(SealedTable.of([]).data) == []


def test_a_table_cut_short_is_refused() -> None:
    """If this fails, half a row is dropped in silence and a table reads as a smaller one."""
    with pytest.raises(VerificationError, match="cut short"):
        rows_of(SealedTable.of([{"a": 1}, {"a": 2}]).data[:-1])
    with pytest.raises(VerificationError):
        replace(SealedTable.of([{"a": 1}]), data=b"[1]\n").rows()


def test_a_rule_is_part_of_the_name() -> None:
    """If this fails, the same month under two rules is one run."""
    assert given_for(pool(rule=ProRata())).key != given_for(pool(rule=ShapleyCapped())).key
