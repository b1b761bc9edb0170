"""Find a run or proposal by its id, by the beginning of its id, or by its period; find a pool's run in force."""

from __future__ import annotations

from ledger.errors import InputError, StateError
from ledger.types import Digest, Period
from payouts.life.book import Book
from payouts.life.records import Run


def find(book: Book, subject: str) -> str:
    """Return the full id of a run or proposal, found by its beginning or by its period.

    A period (`2026-06`, `2026-06/pool`) means its published run, else its approved one, else its only one; if several
    fit, the error lists them.
    """
    names = book.proposal_ids()
    if subject in names:
        return subject
    matches = [name for name in names if len(subject) >= 8 and name.startswith(subject)] or _of_period(book, subject)
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise InputError(f"{subject!r} could be any of {', '.join(name[:16] for name in matches)}; name one")
    _check_run(book, subject)
    raise InputError(
        f"{subject!r} is not a run, release, adjustment, reversal, restatement, terms or payment; "
        "see: settle period show PERIOD, settle hold list, settle terms list"
    )


def _check_run(book: Book, subject: str) -> None:
    """Return the error for a month without a run: the next step."""
    period, _, pool = subject.partition("/")
    try:
        Period.parse(period)
    except InputError:
        return
    if book.close(period) is None:
        raise StateError(f"{period} is open: settle period close {period}")
    named = f" --pool-name {pool}" if pool else ""
    raise StateError(f"{subject} has no run yet: settle run --period {period} --pool AMOUNT --currency CODE{named}")


def _of_period(book: Book, subject: str) -> list[str]:
    period, _, pool = subject.partition("/")
    runs = [run.run for run in book.runs.values() if run.period == period and pool in ("", run.pool)]
    for states in (("published", "paying"), ("approved",), ("calculated",)):
        if matching := [run for run in runs if book.state_of(run) in states]:
            return matching
    return runs


def find_run(book: Book, run_id: str) -> Run:
    """Return the run with this id or beginning of an id."""
    proposal = book.proposal(find(book, run_id))
    if not isinstance(proposal, Run):
        raise InputError(f"{run_id!r} is not a run; see: settle period show PERIOD")
    return proposal


def find_paid(book: Book, name: str) -> Digest:
    """Return the run or instalment of this id, or of the beginning of one: whatever payments are answered under."""
    instalments = book.mandates.instalments
    matches = [known for known in instalments if known == name or (len(name) >= 8 and known.startswith(name))]
    return matches[0] if len(matches) == 1 else find_run(book, name).run


def runs_of(book: Book, period: str) -> list[Run]:
    """Return the run in force for each pool of a period: the published one, else the approved, else the newest."""
    chosen: dict[str, Run] = {}
    rank = {"reversed": 0, "calculated": 1, "approved": 2, "published": 3, "paying": 3}
    for run in book.runs.values():
        if run.period == period:
            earlier = chosen.get(run.pool)
            if earlier is None or rank[book.state_of(run.run)] >= rank[book.state_of(earlier.run)]:
                chosen[run.pool] = run
    return [chosen[pool] for pool in sorted(chosen)]
