"""A browser that is signed in to the portal, without a browser: cookies and forms over Starlette's client."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from service.access import sessions
from tests.service.month import Month

OWN_PAGE = {"sec-fetch-site": "same-origin", "content-type": "application/x-www-form-urlencoded"}


@dataclass(slots=True)
class Person:
    """One person's session: reads pages, and sends forms as their browser would."""

    web: Any
    cookie: str

    def get(self, path: str) -> Any:
        return self.web.get(path, headers={"cookie": self.cookie}, follow_redirects=False)

    def post(self, path: str, *, page: str = "/sessions", **fields: str) -> Any:
        """Send a form with the token that a page of this session holds."""
        token = re.search(r'name="form_token" value="([0-9a-f]{64})"', self.get(page).text)
        assert token is not None, f"{page} has no form"
        headers = OWN_PAGE | {"cookie": self.cookie}
        return self.web.post(path, data=fields | {"form_token": token[1]}, headers=headers, follow_redirects=False)


def code_for(june: Month, party: str, *scopes: str) -> str:
    return sessions.make_link(june.ws, party, base="http://testserver", scopes=scopes).url.partition("#")[2]


def enter(web: Any, code: str, **headers: str) -> Any:
    return web.post("/sign-in", data={"code": code}, headers=OWN_PAGE | headers, follow_redirects=False)


def signed_in(web: Any, june: Month, party: str, *scopes: str) -> Person:
    answer = enter(web, code_for(june, party, *scopes))
    assert answer.status_code == 303, answer.text
    return Person(web, answer.headers["set-cookie"].partition(";")[0])
