"""An operator who signs wrong figures with the right keys: what each check finds, and who can find it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from payouts.compute import Outcome, compute
from payouts.protocols import HoldMatch
from service.bundles import verify_bundle
from service.settlement import life, runs
from service.settlement.step import read_book
from service.settlement.stored import load
from service.statements import recomputing, statements
from service.statements.proving import run_bundle
from tests.service.month import Month, published

Tamper = Callable[[Outcome], Outcome]


def shifted(outcome: Outcome, giver: str, taker: str, *, micros: int = 0, weight: int = 0) -> Outcome:
    """Money or weight moved from one party's line to another's, groups and all."""
    change = {giver: -1, taker: 1}
    lines = tuple(
        replace(
            line,
            micros=line.micros + change.get(line.party, 0) * micros,
            weight=line.weight + change.get(line.party, 0) * weight,
        )
        for line in outcome.lines
    )
    sums = {group.group: [0, 0] for group in outcome.groups}
    for line in lines:
        sums[line.group][0] += line.micros
        sums[line.group][1] += line.weight
    groups = tuple(replace(group, micros=sums[group.group][0], weight=sums[group.group][1]) for group in outcome.groups)
    return replace(outcome, lines=lines, groups=groups)


def skim(outcome: Outcome) -> Outcome:
    return shifted(outcome, "ann", "bob", micros=1)


def skim_within_a_group(outcome: Outcome) -> Outcome:
    return shifted(outcome, "cy", "dee", micros=1)


def skim_to_unattributed(outcome: Outcome) -> Outcome:
    less = shifted(outcome, "ann", "nobody", micros=1)
    return replace(less, allocated=outcome.allocated - 1, unattributed=outcome.unattributed + 1)


def keep_in_reserve(outcome: Outcome) -> Outcome:
    return replace(outcome, unattributed=outcome.unattributed - 5, reserve=outcome.reserve + 5)


def weigh_falsely(outcome: Outcome) -> Outcome:
    """Weights and amounts moved together: every sum is right, and only the streams say otherwise."""
    return shifted(outcome, "ann", "bob", micros=60_000_000, weight=600_000_000)


def cheat(june: Month, patch: pytest.MonkeyPatch, tamper: Tamper) -> None:
    """Publish June with the outcome tampered with before it was signed."""
    with patch.context() as inside:
        inside.setattr(runs, "compute", lambda inputs: tamper(compute(inputs)))
        published(june)


@pytest.mark.parametrize(
    ("tamper", "victim", "step"),
    [
        (skim, "ann", "each owner group's amount follows from its weight"),
        (skim_within_a_group, "cy", "the party's lines follow from the group's amount"),
        (skim_to_unattributed, "ann", "the pool's level follows from the run's terms and rule"),
    ],
)
def test_the_victim_sees_it_alone(
    june: Month, monkeypatch: pytest.MonkeyPatch, tamper: Tamper, victim: str, step: str
) -> None:
    """If this fails, a holder's own bundle verifies although the holder got less than the weight is owed."""
    cheat(june, monkeypatch, tamper)
    report = verify_bundle(statements.prove(june.ws, victim, "2026-06"), june.ws.trust)
    assert (report.ok, report.steps[-1].name) == (False, step)


@pytest.mark.parametrize("tamper", [skim, skim_within_a_group, skim_to_unattributed, keep_in_reserve])
def test_the_whole_run_shows_it(june: Month, monkeypatch: pytest.MonkeyPatch, tamper: Tamper) -> None:
    """If this fails, a run whose sums were bent verifies when every row is shown."""
    cheat(june, monkeypatch, tamper)
    book = read_book(june.ws)
    stored = load(june.ws.log, next(iter(book.runs.values())))
    assert not verify_bundle(run_bundle(june.ws.log, june.ws.trust.policy, book, stored), june.ws.trust).ok


@pytest.mark.parametrize("tamper", [skim, skim_within_a_group, skim_to_unattributed, keep_in_reserve, weigh_falsely])
def test_an_outsider_who_computes_again_sees_everything(
    june: Month, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tamper: Tamper
) -> None:
    """If this fails, some wrong figure survives a recomputation from the log."""
    cheat(june, monkeypatch, tamper)
    recomputing.export(june.ws, "2026-06", tmp_path / "out")
    again = recomputing.recompute(tmp_path / "out", june.ws.trust)
    assert not again.ok


def test_a_hold_that_nobody_opened_is_seen(june: Month, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """If this fails, an operator can keep somebody's money by a hold that is in no ledger."""
    invented = (HoldMatch(id="hold-invented", reason="fraud", party="ann"),)
    with monkeypatch.context() as inside:
        inside.setattr(runs, "holds_of", lambda _: invented)
        published(june)
    assert statements.state(june.ws, "ann", "2026-06").held_micros == 360_000_000
    recomputing.export(june.ws, "2026-06", tmp_path / "out")
    assert not recomputing.recompute(tmp_path / "out", june.ws.trust).ok


def test_an_honest_run_stands_all_of_this(june: Month, tmp_path: Path) -> None:
    """If this fails, the checks above refuse everything and prove nothing."""
    life.close(june.ws, "2026-06")
    run = published(june)
    book = read_book(june.ws)
    assert verify_bundle(statements.prove(june.ws, "ann", "2026-06"), june.ws.trust).ok
    whole = run_bundle(june.ws.log, june.ws.trust.policy, book, load(june.ws.log, book.runs[run]))
    assert verify_bundle(whole, june.ws.trust).ok
    recomputing.export(june.ws, "2026-06", tmp_path / "out")
    assert recomputing.recompute(tmp_path / "out", june.ws.trust).ok
