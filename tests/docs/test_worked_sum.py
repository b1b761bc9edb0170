"""The sum in docs/howto-finance.md, from gross to paid, computed again: by hand from its words, and by the product."""

from __future__ import annotations

import re
from fractions import Fraction

import pytest

from ledger.types import MILLION
from payouts.accounts.account import Account, Correction, account
from payouts.accounts.clauses import Advance, Agreed, Clause, PaidIn, Rate, Reserve, Withholding
from payouts.accounts.deductions import Stages
from payouts.statements.text import FIGURES
from tests.support import ROOT

PAGE = (ROOT / "docs" / "howto-finance.md").read_text(encoding="utf-8")
STEPS = ("allocated (gross)", "adjustment", "reserve", "recouped", "tax", "to be paid", "carried", "paid")
JULY = "2026-07"


def column(person: int) -> dict[str, tuple[str, str]]:
    """Stage -> (how, amount) of one person in the page's table."""
    _, _, below = PAGE.partition("| stage | Ann | EUR | Bob | EUR |\n")
    table, _, _ = below.partition("\n\n")
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()[1:]]
    assert tuple(row[0] for row in rows) == STEPS
    return {row[0]: (row[1 + 2 * person], row[2 + 2 * person]) for row in rows}


def micros(text: str) -> int:
    """`-12.500000` or `264.37 EUR` in micro-units."""
    return int(Fraction(text.split(maxsplit=1)[0].replace(",", "")) * MILLION)


@pytest.mark.parametrize("person", [0, 1], ids=["Ann", "Bob"])
def test_every_step_follows_from_its_words(person: int) -> None:
    """If this fails, a reader with a pencil does not come to the figures that the page shows."""
    steps, left = column(person), 0
    for stage in STEPS[:5]:
        how, shown = steps[stage]
        if found := re.fullmatch(r"(\d+) % of ([\d,.]+)", how):
            part = Fraction(found[1]) / 100 * micros(found[2])
            assert abs(micros(shown)) == part
            assert stage == "allocated (gross)" or micros(found[2]) == left, f"{stage} is not taken of what is left"
        left += micros(shown)
    net, carried = micros(steps["to be paid"][1]), micros(steps["carried"][1])
    assert net + carried == left
    assert net == left // 10_000 * 10_000
    if product := re.fullmatch(r"([\d.]+) x ([\d.]+) = ([\d.]+)", steps["paid"][0]):
        assert micros(product[1]) == net
        assert Fraction(product[1]) * Fraction(product[2]) == Fraction(product[3])
        assert micros(steps["paid"][1]) == micros(product[3]) // 10_000 * 10_000
    else:
        assert micros(steps["paid"][1]) == net


def settled(party: str, earned: int, *clauses: Clause, corrections: tuple[Correction, ...] = ()) -> Account:
    agreed = tuple(Agreed.of(period=JULY, note="as on the page", clause=clause) for clause in clauses)
    return account(
        party=party,
        currency="EUR",
        minimum=0,
        opening=0,
        earned=earned,
        corrections=corrections,
        stages=Stages(period=JULY, agreed=agreed),
    )


def test_the_product_comes_to_the_same() -> None:
    """If this fails, the page tells finance another order, part or rounding than the product pays by."""
    wrong = Correction(id="c-1", kind="adjustment", party="p-ann", micros=-12_500_000, run="0" * 64)
    ann = settled(
        "p-ann",
        600_000_000,
        Reserve(party="p-ann", ppm=100_000, months=3),
        Advance(party="p-ann", pool="default", currency="EUR", micros=500_000_000, ppm=500_000),
        corrections=(wrong,),
    )
    bob = settled(
        "p-bob",
        200_000_000,
        Withholding(party="p-bob", ppm=150_000, territory="US"),
        PaidIn(party="p-bob", currency="USD"),
        Rate(currency="EUR", to="USD", rate="1.0861", date="2026-07-31"),
    )
    for person, found in enumerate((ann, bob)):
        shown = {stage: micros(amount) for stage, (_, amount) in column(person).items()}
        taken = {entry.kind: entry.micros for entry in found.deductions.entries}
        assert [taken.get(kind, 0) for kind in ("reserve", "recouped", "tax")] == [
            shown[stage] for stage in ("reserve", "recouped", "tax")
        ]
        assert (found.earned, found.corrected) == (shown["allocated (gross)"], shown["adjustment"])
        assert (found.payable, found.carried) == (shown["to be paid"], shown["carried"])
        assert (found.payable if found.converted is None else found.converted.micros) == shown["paid"]


def test_the_words_for_money_are_the_printed_ones() -> None:
    """If this fails, finance reads one word in the table of words and another on statements, or in the JSON."""
    for name, word in FIGURES.items():
        row = rf"\| {re.escape(word.lower().removeprefix('in '))} \| `{name}_micros`"
        assert re.search(row, PAGE), f"no row for {word} ({name}_micros)"
