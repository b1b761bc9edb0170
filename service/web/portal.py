"""The table of the portal's pages and forms; `service.web.routes` joins it to that of the API.

A page is guarded as a route of the API is. A form is a POST of form fields, and is answered with another page.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from service.access.keys import ROLES
from service.web.call import HTML, Call
from service.web.guard.allowed import ANYBODY
from service.web.guard.forms import FORM
from service.web.pages import (
    account,
    auditing,
    disputes,
    finance,
    holder,
    month_acts,
    operations,
    permissions,
    proposing,
    signing_in,
    sources,
    training,
)
from service.web.route import Route, Rule

_ANYBODY: Final = frozenset({ANYBODY})
_EVERYBODY: Final = frozenset(ROLES)
"""Whoever is signed in."""
_HOLDER: Final = frozenset({"holder", "auditor", "operator"})
_PAYEE: Final = frozenset({"holder", "operator"})
"""Not auditors: they do not see where money goes, nor act for a party."""
_BOOKS: Final = frozenset({"operator", "approver", "auditor"})
_OPERATOR: Final = frozenset({"operator"})
_AUDIT: Final = frozenset({"auditor", "operator"})
_PLATFORM: Final = frozenset({"platform"})
_SENDERS: Final = frozenset({"platform", "operator"})
_APPROVER: Final = frozenset({"approver"})

Function = Callable[[Call], Any]

SIGN_IN_MAX: Final = 1 << 10
"""Bytes of the form that anybody may send."""
FORM_MAX: Final = 1 << 16
EVENTS_FORM_MAX: Final = 1 << 20
"""Bytes of the form in which a platform pastes events; a longer file goes to the API."""


def _page(
    path: str,
    who: frozenset[str],
    function: Function,
    summary: str,
    *,
    rule: Rule = "none",
    query: tuple[str, ...] = (),
) -> Route:
    return Route(
        method="GET", path=path, who=who, rule=rule, query=query, answers=HTML, summary=summary, function=function
    )


def _form(
    path: str,
    who: frozenset[str],
    function: Function,
    summary: str,
    *,
    rule: Rule = "none",
    body_max: int = FORM_MAX,
) -> Route:
    return Route(
        method="POST",
        path=path,
        who=who,
        rule=rule,
        takes=(FORM,),
        body_max=body_max,
        answers=HTML,
        summary=summary,
        function=function,
    )


_QUESTION: Final = ("subject", "use", "territory", "licensee", "model", "at")
PORTAL: Final[tuple[Route, ...]] = (
    _page("/", _ANYBODY, signing_in.entrance, "Leads a browser to the sign-in page and the public pages."),
    _page("/sign-in", _ANYBODY, signing_in.form, "The page that a sign-in link opens."),
    _form("/sign-in", _ANYBODY, signing_in.sign_in, "Exchange a link's code for a session.", body_max=SIGN_IN_MAX),
    _page("/home", _EVERYBODY, signing_in.home, "Where a signed-in person begins."),
    _page("/sessions", _EVERYBODY, signing_in.listed, "Where one is signed in."),
    _form("/sessions/end", _EVERYBODY, signing_in.sign_out, "Sign out of this or another browser."),
    _page("/holders/{party}", _HOLDER, holder.overview, "A holder's months, newest first.", rule="party"),
    _page("/holders/{party}/held", _HOLDER, holder.waiting, "A holder's money that is held, and why.", rule="party"),
    _page(
        "/holders/{party}/statements/{period}",
        _HOLDER,
        holder.statement,
        "A holder's statement of one month.",
        rule="party",
    ),
    _page(
        "/holders/{party}/permissions",
        _HOLDER,
        permissions.matrix,
        "What a party permits, and what would be decided.",
        rule="party",
        query=_QUESTION,
    ),
    _page("/holders/{party}/training", _HOLDER, training.of_party, "Training sets with its recordings.", rule="party"),
    _page("/holders/{party}/disputes", _HOLDER, disputes.of_party, "A party's disputes, with deadlines.", rule="party"),
    _page(
        "/holders/{party}/disputes/{dispute}",
        _HOLDER,
        disputes.single,
        "One dispute of a party, with all that was said.",
        rule="party",
    ),
    _form("/disputes/{payee}", _PAYEE, disputes.open_dispute, "Contest a published month.", rule="payee"),
    _form("/disputes/{payee}/{dispute}", _PAYEE, disputes.answer, "Answer a dispute.", rule="payee"),
    _page("/payees/{payee}", _PAYEE, account.accounts, "Where a party's money goes.", rule="payee"),
    _form("/payees/{payee}", _PAYEE, account.propose, "Propose another account.", rule="payee"),
    _page("/recordings/{recording}", _ANYBODY, training.recording, "Training sets and tracks of one recording."),
    _page("/periods", _BOOKS, finance.all_periods, "All months, newest first.", query=("month",)),
    _page("/periods/{period}", _BOOKS, finance.period, "A month: what is odd, its runs and their five parts."),
    _form("/periods/{period}/close", _OPERATOR, month_acts.close, "Close a month."),
    _form("/periods/{period}/run", _OPERATOR, month_acts.calculate, "Calculate a pool of a month."),
    _form("/runs/{run}/publish", _OPERATOR, month_acts.publish, "Publish an approved run."),
    _form("/runs/{run}/pay", _OPERATOR, month_acts.pay, "Hand a published run's payments over."),
    _page("/sources", _PLATFORM, sources.listed, "The caller's sources."),
    _page("/sources/{source}", _SENDERS, sources.source, "A source's rows in quarantine.", rule="source"),
    _form("/sources/{source}", _PLATFORM, sources.hand_in, "Hand in events.", rule="source", body_max=EVENTS_FORM_MAX),
    _page("/proposals", _BOOKS, proposing.listed, "What waits for a second person."),
    _page("/proposals/{proposal}", _BOOKS, proposing.one_proposal, "One proposal and what it changes."),
    _form("/proposals/{proposal}", _APPROVER, proposing.approve, "Append an approval that the browser signed."),
    Route(
        method="GET",
        path="/proposals/{proposal}/leaf",
        who=_APPROVER,
        query=("key!",),
        summary="The exact bytes that an approver's key is to sign.",
        function=proposing.leaf,
    ),
    Route(
        method="GET",
        path="/proposals/{proposal}/document",
        who=_BOOKS,
        summary="What an approval names by its digest.",
        function=proposing.document,
    ),
    Route(
        method="GET",
        path="/proposals/{proposal}/accounts",
        who=_BOOKS,
        answers="application/x-ndjson",
        summary="A run's table of accounts, which its document names by digest.",
        function=proposing.accounts,
    ),
    _page("/browser-key", _ANYBODY, proposing.browser_key, "Make an approver's key in this browser."),
    _page("/held", _BOOKS, finance.all_held, "All money that is held or in suspense.", query=("period",)),
    _page("/payments", _BOOKS, finance.payments, "Payments.", query=("run", "party", "state", "reference")),
    _page("/disputes", _BOOKS, disputes.all_of_them, "All disputes, the overdue ones first."),
    _page("/quarantine", _OPERATOR, operations.quarantined, "Rows that were not taken, grouped by reason."),
    _form("/quarantine/replay", _OPERATOR, operations.replay, "Try rows in quarantine again."),
    _form("/quarantine/discard", _OPERATOR, operations.discard, "Discard rows in quarantine."),
    _page("/restatements", _BOOKS, auditing.restatements, "Corrections of published months."),
    _page("/audit", _AUDIT, auditing.audit, "Witnesses, entries without effect, downloads, acts of administration."),
    Route(
        method="GET",
        path="/runs/{run}/bundle",
        who=_BOOKS,
        summary="The bundle with every row of a published run.",
        function=auditing.bundle,
    ),
    _page("/methods", _ANYBODY, auditing.methods, "Methods of attribution and their measured errors."),
    _page("/status", _BOOKS, operations.status, "What waits for somebody, the log, the jobs."),
)
