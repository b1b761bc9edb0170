"""What a party permits: a matrix of its recordings and works by use, its grants, and a try of any question."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ledger.errors import SettleError
from ledger.registry.decide import Question
from ledger.registry.model import USES, WORLD
from ledger.registry.rows import day
from ledger.types import format_time
from service.registry import deciding
from service.web.call import Call, Content
from service.web.guard.problems import RefusedError
from service.web.pages.drawing import page, text

if TYPE_CHECKING:
    from ledger.registry.view import View
    from service.workspace import Workspace

SUBJECTS_MAX: Final = 200
"""Rows of the matrix; whoever has more asks about one below it."""
ASKED_MAX: Final = 20
"""Recordings or works in one question."""


def matrix(call: Call) -> Content:
    """`GET /holders/{party}/permissions`: the matrix, and what would be decided for the question in the query."""
    party = call.params["party"]
    with call.held.standing.folded() as ws:
        view, now = ws.registry.view(), format_time(ws.clock())
        subjects = _subjects(view, party)
        rows = [(subject, _title(view, subject), _decided(view, subject, now)) for subject in subjects[:SUBJECTS_MAX]]
        grants = [
            (grant, day(grant.start) if grant.start else "", day(grant.end) if grant.end != "~" else "")
            for grant in view.grants_by(party)
        ]
        answers = _asked(ws, call)
    return page(
        call,
        "permissions.html",
        title=text("permissions.title"),
        party=party,
        uses=USES,
        rows=rows,
        more=max(0, len(subjects) - SUBJECTS_MAX),
        grants=grants,
        query={name: call.query.get(name, "") for name in ("subject", "use", "territory", "licensee", "model", "at")},
        answers=answers,
    )


def _subjects(view: View, party: str) -> list[str]:
    """Everything that the party has a share in."""
    return sorted({line.subject for lines in view.shares_of.values() for line in lines if line.party == party})


def _title(view: View, subject: str) -> str:
    record = view.all_recordings.get(subject) or view.works.get(subject)
    return (record.title if record is not None else None) or subject


def _decided(view: View, subject: str, now: str) -> list[str]:
    """What holds for each use now, everywhere, for a licensee who names no licence of their own."""
    questions = (Question(subject=subject, use=use, territory=WORLD, at=now) for use in USES)
    return [view.answer(question).decision for question in questions]


def _asked(ws: Workspace, call: Call) -> list[tuple[str, Any, str]]:
    """The question of the query for each of its subjects: the decision, or why there is none."""
    subjects = call.query.get("subject", "").replace(",", " ").split()
    if len(subjects) > ASKED_MAX:
        raise RefusedError(400, "input", f"{len(subjects)} recordings or works in one question, at most {ASKED_MAX}")
    answers: list[tuple[str, Any, str]] = []
    for subject in subjects:
        try:
            decided = deciding.decide(
                ws,
                subject,
                call.query.get("use", ""),
                at=call.query.get("at") or None,
                known_at=None,
                territory=call.query.get("territory") or WORLD,
                licensee=call.query.get("licensee") or None,
                model=call.query.get("model") or None,
            )
        except SettleError as problem:
            answers.append((subject, None, str(problem)))
        else:
            answers.append((subject, decided, ""))
    return answers
