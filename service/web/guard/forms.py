"""Refuse acts that another site makes a signed-in browser send (cross-site request forgery).

A cookie comes with every request that a browser sends here, whoever caused it. So an act must come from a page of
this origin, which browsers say in headers that scripts cannot set, and bring back the token of the session's forms.
Cookies count for pages and for reading; the routes of the API that change something take access keys alone.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, urlsplit

from service.web.guard.problems import RefusedError

if TYPE_CHECKING:
    from service.web.call import Principal
    from service.web.route import Route

FORM: Final = "application/x-www-form-urlencoded"
COOKIE: Final = "__Host-settle_session"
"""Browsers take a cookie of such a name only over TLS and from this very host: none of its subdomains can plant one."""
TOKEN: Final = "form_token"  # noqa: S105  the name of a field
FIELDS_MAX: Final = 200
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
"""What no text has: databases refuse some of them, and terminals obey others. Tabs and ends of lines may stand."""


def cookie_of(lines: Sequence[str]) -> str:
    """The secret of the session in a request's cookie headers; empty if there is none."""
    cookies = (pair.strip().partition("=") for line in lines for pair in line.split(";"))
    values = [value for name, _, value in cookies if name == COOKIE]
    if len(values) > 1:
        raise RefusedError(400, "input", f"the cookie {COOKIE} stands twice; delete this site's cookies")
    return values[0] if values else ""


def set_cookie(secret: str, seconds: int) -> str:
    """HttpOnly: no script reads it. Secure: browsers send it over TLS, or to this machine itself."""
    return f"{COOKIE}={secret}; Path=/; Max-Age={seconds}; HttpOnly; Secure; SameSite=Strict"


def takes_cookies(route: Route) -> bool:
    return not route.takes or route.takes == (FORM,)


def read_form(media: str, body: bytes) -> dict[str, str]:
    """The fields of a form; a field that stands twice is refused, and so is one that is no text."""
    if media.partition(";")[0].strip().lower() != FORM:
        raise RefusedError(415, "media", f"content-type {media!r:.80}: expected {FORM}")
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, errors="strict", max_num_fields=FIELDS_MAX)
    except (UnicodeDecodeError, ValueError) as problem:
        raise RefusedError(400, "input", f"the form cannot be read: {problem}") from None
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise RefusedError(400, "input", "a field of the form stands in it twice")
    for name, value in pairs:
        if _CONTROL.search(name) or _CONTROL.search(value):
            raise RefusedError(400, "input", f"{name!r:.80}: contains a character that is no text")
    return fields


def check_own_page(headers: Mapping[str, str], principal: Principal | None, fields: Mapping[str, str]) -> None:
    """Refuse a form that a page of another origin sent, or that does not bring the session's token."""
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is not None and site != "same-origin":
        raise _foreign(f"Sec-Fetch-Site: {site}")
    if origin is not None and urlsplit(origin).netloc != headers.get("host"):
        raise _foreign(f"Origin: {origin:.80}")
    if principal is None or principal.session is None:
        return
    if site is None and origin is None:  # every browser that is still kept up sends one of them with a form
        raise _foreign("neither Origin nor Sec-Fetch-Site")
    if not hmac.compare_digest(fields.get(TOKEN, "").encode(), principal.form_token.encode()):
        raise RefusedError(403, "form-token", "this page is older than your session; open it again, and send it then")


def _foreign(seen: str) -> RefusedError:
    return RefusedError(403, "cross-site", f"a form counts only from a page of this service; this one came with {seen}")
