"""Runs of a form that no run has, signed, approved and published like any other: none of them passes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.payouts.proven import Month, Values, refused, rename
from tests.support import packages_after


def two_lines_under_one_heading(made: Values) -> None:
    """Money moves from one payee to another in lines that weigh nothing, under headings that are there already."""
    lines = made["tables"]["lines"]
    for party, micros in (("p-a", -500), ("p-b", 500)):
        place = next(n for n, line in enumerate(lines) if line["party"] == party)
        lines.insert(place, {**lines[place], "weight": "0", "micros": str(micros)})


def a_party_paid_twice(made: Values) -> None:
    intents = made["tables"]["intents"]
    intents.insert(1, {"party": intents[0]["party"], "micros": "5000000", "route": "file"})


def respelt(table: str, name: str, write: Callable[[str], Any]) -> Callable[[Values], None]:
    """One figure of a table in another spelling."""

    def falsify(made: Values) -> None:
        one = made["tables"][table][0]
        one[name] = write(one[name])

    return falsify


def widened(table: str) -> Callable[[Values], None]:
    def falsify(made: Values) -> None:
        made["tables"][table][0]["more"] = ""

    return falsify


def inputs_with(*place: str, **changed: Any) -> Callable[[Values], None]:
    """A run named after other inputs than it was computed from."""

    def falsify(made: Values) -> None:
        inside = made["run"]["inputs"]
        for name in place:
            inside = inside[name]
        inside.update(changed)
        rename(made)

    return falsify


def swapped(table: str) -> Callable[[Values], None]:
    def falsify(made: Values) -> None:
        made["tables"][table][:2] = reversed(made["tables"][table][:2])

    return falsify


SPELLINGS: dict[str, Callable[[str], Any]] = {
    "+": "+{}".format,
    "0": "0{}".format,
    "blank": " {}".format,
    "_": lambda text: f"{text[0]}_{text[1:]}",
    "number": int,
}
FORMS: dict[str, Callable[[Values], None]] = {
    "two lines under one heading": two_lines_under_one_heading,
    "a party paid twice": a_party_paid_twice,
    **{
        f"{name} of {table} as {spelling}": respelt(table, name, write)
        for table, name in (("lines", "weight"), ("groups", "micros"), ("accounts", "earned"), ("intents", "micros"))
        for spelling, write in SPELLINGS.items()
    },
    **{f"{table} out of order": swapped(table) for table in ("groups", "lines", "accounts", "intents")},
    **{f"{table} with a column more": widened(table) for table in ("groups", "lines", "accounts", "intents")},
    "a hold without its money held": inputs_with(holds=[]),
    "a sequence that is none": inputs_with(sequence=True),
    "money carried into a first run": inputs_with(follows=None),
    "a reserve below zero": inputs_with("terms", reserve_ppm=-1),
    "no cap where the rule says one": inputs_with("rule", "params", kappa=1_000_000),
    "an entry that nothing books": inputs_with(entries=["c", "d"]),
    "an entry as part of another": inputs_with(entries="c"),
    "a document with a field more": lambda made: made["run"].update(more=1),
    "a result with a field more": lambda made: made["run"]["result"].update(more="1"),
}
"""Forms that no run writes, and inputs that contradict the tables; each is signed, approved and published."""


@pytest.mark.parametrize("form", FORMS)
def test_a_run_of_another_form_is_refused(form: str) -> None:
    """If this fails, rows that a check passes over (repeated, respelt, unsorted) carry money or hide it."""
    assert refused(Month(FORMS[form]).run())


def test_a_checker_of_money_needs_few_libraries() -> None:
    """If this fails, an auditor of runs, statements and claims must trust and install more than the verifier."""
    few = {"ledger", "payouts", "cryptography", "_cffi_backend", "_openssl", "msgspec", "typing_extensions"}
    assert packages_after("import payouts.bundles, ledger.registry.membership") <= few
    assert packages_after("import contracts.claims") <= few | {"contracts", "sha3", "_pysha3"}  # keccak, as the chain


def test_a_line_in_a_state_that_no_line_has_is_refused() -> None:
    """If this fails (finding V13), one word in a table stops the verifier with a traceback instead of a refusal."""

    def falsify(made: Values) -> None:
        made["tables"]["lines"][0]["state"] = "owed"

    assert "a line is 'owed'" in refused(Month(falsify).run())
