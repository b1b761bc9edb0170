"""A row of the table of routes: who may use a route and how its object is checked stand beside its function."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from service.web.call import Call

Rule = Literal["none", "source", "party", "payee", "licensee"]
"""How the object that a path names is checked; see `service.web.guard.allowed`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One route: method, path, permitted roles, the rule for its object, its input and its output."""

    method: Literal["GET", "POST"]
    path: str
    who: frozenset[str]
    rule: Rule = "none"
    takes: tuple[str, ...] = ()
    body_max: int | None = None
    """Bytes of a body, as sent and decompressed; None: what the server's limits allow, for events and sound."""
    query: tuple[str, ...] = ()
    answers: str = "application/json"
    summary: str
    function: Callable[[Call], Any]
    body_example: object = None
    example: object = None
