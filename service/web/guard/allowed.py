"""Decide who may use a route. Routes name a rule from here; no route decides itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from service.web.guard.problems import NotFoundError, RefusedError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from service.access.roles import Roles
    from service.web.call import Principal
    from service.web.route import Route

ANYBODY: Final = "anybody"
"""In a route's `who`: no access key is asked for."""

_READS_ALL: Final = frozenset({"operator", "auditor"})

ObjectCheck = Callable[["Principal", "Roles", "Mapping[str, str]", frozenset[str]], bool]
"""Whether a principal may see or change the object that the path names, in one of the roles that the route is for."""


def _any(_: Principal, __: Roles, ___: Mapping[str, str], ____: frozenset[str]) -> bool:
    return True


def _source(principal: Principal, roles: Roles, params: Mapping[str, str], acting: frozenset[str]) -> bool:
    """Allow a platform its own sources, and allow readers of everything if the route is for them."""
    return bool(acting & _READS_ALL) or roles.speaks_for(principal.party, params["source"])


def _holder(principal: Principal, roles: Roles, params: Mapping[str, str], acting: frozenset[str]) -> bool:
    return bool(acting & _READS_ALL) or roles.sees_statements_of(principal.party, params["party"])


def _payee(principal: Principal, _: Roles, params: Mapping[str, str], acting: frozenset[str]) -> bool:
    """Allow a party itself, not its group: where its money goes, and what is said in its name."""
    return "operator" in acting or principal.party == params["payee"]


def _licensee(principal: Principal, _: Roles, params: Mapping[str, str], acting: frozenset[str]) -> bool:
    """Allow a licensee only its own receipts, and the operator all (finding C2)."""
    return "operator" in acting or principal.party == params["licensee"]


RULES: Final[dict[str, ObjectCheck]] = {
    "none": _any,
    "source": _source,
    "party": _holder,
    "payee": _payee,
    "licensee": _licensee,
}


def check(route: Route, principal: Principal | None, roles: Callable[[], Roles], params: Mapping[str, str]) -> None:
    """Refuse unless the principal may use this route for this object.

    An object of another party gives the same answer as a missing one.
    """
    if ANYBODY in route.who:
        return
    if principal is None:
        raise RefusedError(401, "key", "send an access key: Authorization: Bearer settle_...")
    acting = principal.roles & route.who
    if not acting:
        raise RefusedError(
            403,
            "role",
            f"this access key acts as {', '.join(sorted(principal.roles)) or 'nothing'}; needed is "
            f"{' or '.join(sorted(route.who))}",
        )
    if not RULES[route.rule](principal, roles(), params, acting):
        raise NotFoundError(f"{route.rule} {params.get(route.rule, '')!r}")
