"""Decide who may dispute a line of a published run, from the run and the registry.

The command checks it before a dispute is entered, and the book checks it again for every dispute in the log, because an
operator may write one with another program.
"""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from functools import cache, partial
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from ledger.errors import InputError, SettleError, StateError, TransientError, VerificationError
from ledger.log.append import Log
from ledger.registry.model import RIGHTS
from payouts.life.book import Entitlement
from payouts.life.line_disputes import LineDispute
from payouts.life.records import Run
from service.settlement.stored import Stored, load

if TYPE_CHECKING:
    from service.workspace import Workspace

_ANSWERS: MutableMapping[Log, dict[tuple[int, LineDispute], str | None]] = WeakKeyDictionary()
"""What was found of each entry of a log: it follows from what stands before it, and that never changes."""


def check_entitled(
    ws: Workspace, stored: Stored, *, claimant: str, subject: str, against: str, size: int | None = None
) -> None:
    """Check that a claimant has a line in the run, or a registered share in the disputed subject."""
    lines = {line.party for line in stored.outcome.lines}
    entitled = lines | stored.accounts.keys()
    subjects = {row.track for row in stored.usage} if subject else set()
    if subject and (subject not in subjects or claimant not in entitled):
        # Read the whole registry from its leaves: a share could be deleted from the index.
        view = ws.registry.view(size)
        subjects |= view.all_recordings.keys() | view.works.keys()
        entitled |= {share.party for right in RIGHTS for share in view.shares_of.get((subject, right), ())}
    if claimant not in entitled:
        raise StateError(
            f"{claimant} has no line in run {stored.record.run[:16]} and no share in {subject or 'it'}: only somebody "
            "entitled opens a dispute; an ownership claim comes first: settle registry dispute open"
        )
    if against and against not in lines:
        raise InputError(f"{against} has no line in run {stored.record.run[:16]} that could be disputed")
    if subject and subject not in subjects:
        raise InputError(f"{subject!r} is neither a track of run {stored.record.run[:16]} nor a recording or work")


def entitlement(ws: Workspace) -> Entitlement:
    """Do the same check for a dispute in the log, from the log's content at its index."""
    answers = _ANSWERS.setdefault(ws.log, {})
    stored_of = cache(partial(load, ws.log))  # a run is read once, however many disputes its lines have

    def check(index: int, opened: LineDispute, run: Run) -> None:
        if (index, opened) not in answers:
            answers[index, opened] = _refusal(ws, index, opened, partial(stored_of, run))
        if refusal := answers[index, opened]:
            raise VerificationError(refusal)

    return check


def _refusal(ws: Workspace, index: int, opened: LineDispute, read_run: Callable[[], Stored]) -> str | None:
    try:
        check_entitled(
            ws,
            read_run(),
            claimant=opened.claimant,
            subject=opened.subject,
            against=opened.against,
            size=index,
        )
    except TransientError:
        raise  # a busy database says nothing of the dispute, and the answer is remembered
    except SettleError as problem:
        return str(problem)
    return None
