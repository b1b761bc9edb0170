"""The table of the portal's pages and forms; `service.web.routes` joins it to that of the API.

A page is guarded as a route of the API is. A form is a POST of form fields, and is answered with another page.
"""

from __future__ import annotations

from typing import Final

from service.access.keys import ROLES
from service.web.call import HTML
from service.web.guard.allowed import ANYBODY
from service.web.guard.forms import FORM
from service.web.pages import holder, signing_in
from service.web.route import Route

_ANYBODY: Final = frozenset({ANYBODY})
_EVERYBODY: Final = frozenset(ROLES)
"""Whoever is signed in."""
_HOLDER: Final = frozenset({"holder", "auditor", "operator"})
_FORM: Final = (FORM,)

PORTAL: Final[tuple[Route, ...]] = (
    Route(
        method="GET",
        path="/sign-in",
        who=_ANYBODY,
        answers=HTML,
        summary="The page that a sign-in link opens.",
        function=signing_in.form,
    ),
    Route(
        method="POST",
        path="/sign-in",
        who=_ANYBODY,
        takes=_FORM,
        answers=HTML,
        summary="Exchange a link's code for a session.",
        function=signing_in.sign_in,
    ),
    Route(
        method="GET",
        path="/home",
        who=_EVERYBODY,
        answers=HTML,
        summary="Where a signed-in person begins.",
        function=signing_in.home,
    ),
    Route(
        method="GET",
        path="/sessions",
        who=_EVERYBODY,
        answers=HTML,
        summary="Where one is signed in.",
        function=signing_in.listed,
    ),
    Route(
        method="POST",
        path="/sessions/end",
        who=_EVERYBODY,
        takes=_FORM,
        answers=HTML,
        summary="Sign out of this or another browser.",
        function=signing_in.sign_out,
    ),
    Route(
        method="GET",
        path="/holders/{party}",
        who=_HOLDER,
        rule="party",
        answers=HTML,
        summary="A holder's months, newest first.",
        function=holder.overview,
    ),
    Route(
        method="GET",
        path="/holders/{party}/held",
        who=_HOLDER,
        rule="party",
        answers=HTML,
        summary="A holder's money that is held, and why.",
        function=holder.waiting,
    ),
    Route(
        method="GET",
        path="/holders/{party}/statements/{period}",
        who=_HOLDER,
        rule="party",
        answers=HTML,
        summary="A holder's statement of one month.",
        function=holder.statement,
    ),
)
