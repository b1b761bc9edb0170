"""The argument and the result of a route's function, independent of HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from ledger.errors import InputError

if TYPE_CHECKING:
    from service.web.held import ServerState

HTML: Final = "text/html"
IMMUTABLE: Final = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """The caller: the party of an access key or a session, with the roles that both the party and the key have.

    `key`: the id of the access key or session. Of a session, `form_token` is what its forms must bring back.
    """

    key: str
    party: str
    roles: frozenset[str]
    session: str | None = None
    form_token: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request, after its guards: path and query parameters, and the body where the route takes one."""

    held: ServerState
    principal: Principal | None
    params: Mapping[str, str]
    query: Mapping[str, str]
    media: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    form: Mapping[str, str] = field(default_factory=dict)

    @property
    def caller(self) -> Principal:
        """The principal of a route that is not for anybody."""
        if self.principal is None:
            raise RuntimeError("this route is open to anybody: it has no caller")
        return self.principal

    def field(self, name: str) -> str:
        """A field of the form, without blanks around it, that must not be empty."""
        if not (value := self.form.get(name, "").strip()):
            raise InputError(f"the form needs {name}")
        return value

    def required(self, name: str) -> str:
        """Return a required query parameter."""
        if not (value := self.query.get(name, "")):
            raise InputError(f"the query needs {name}=...")
        return value

    def number(self, name: str, *, default: int | None = None) -> int:
        """Return a query parameter that is a whole number."""
        value = self.query.get(name)
        if value is None and default is not None:
            return default
        if value is None or not value.isascii() or not value.isdecimal() or len(value) > 15:
            raise InputError(f"the query needs {name}=N, a whole number; got {value!r}")
        return int(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """An answer that is not JSON."""

    data: bytes
    media: str
    cache: str = "no-store"
    filename: str | None = None
    policy: str | None = None
    """The content security policy of a page; without one nothing in the answer may load or run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Redirect:
    """An answer that sends the browser to another page here, after a form."""

    path: str
    cookie: str | None = None
