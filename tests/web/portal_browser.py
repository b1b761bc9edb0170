"""The portal in real Chromium: a served month, and people in browser profiles of their own."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from service.access import sessions
from tests.service.month import Month
from tests.service.web.serving import Served, served_month, serving


@dataclass
class Portal:
    """A running server, its month, and a browser. `problems`: what no page may do, collected from all of them."""

    june: Month
    served: Served
    browser: Any
    problems: list[str] = field(default_factory=list)
    contexts: list[Any] = field(default_factory=list)

    @property
    def origin(self) -> str:
        return f"http://{self.served.host}:{self.served.port}"

    def profile(self, **options: Any) -> Any:
        """A page in a browser profile of its own, whose requests and errors are watched."""
        context = self.browser.new_context(**options)
        self.contexts.append(context)
        page = context.new_page()
        page.on("request", self._watch)
        page.on("pageerror", lambda problem: self.problems.append(f"error: {problem}"))
        page.on("dialog", lambda dialog: self.problems.append(f"dialog: {dialog.message}"))
        return page

    def sign_in(self, page: Any, party: str, *scopes: str) -> None:
        """Open a link as its receiver does."""
        page.goto(self.link(party, *scopes))
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url("**/home")

    def link(self, party: str, *scopes: str) -> str:
        """A link by the operator's own command, on the operator's clock."""
        self.june.now = datetime.now(UTC).replace(microsecond=0)
        return sessions.make_link(self.june.ws, party, base=self.origin, scopes=scopes).url

    def _watch(self, request: Any) -> None:
        if not request.url.startswith(self.origin):
            self.problems.append(f"request: {request.url}")


@contextmanager
def portal(folder: Path, prepare: Callable[[Month], None] = lambda _: None) -> Iterator[Portal]:
    """June in a server's log, prepared further, and Chromium. Leaving checks that no page did what it must not."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium")
    assert chromium, "no chromium here; on Debian, install the package of that name"
    june = served_month(folder / "home")
    prepare(june)
    with serving(folder / "home") as served, sync_playwright() as driver:
        opened = Portal(june, served, driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"]))
        yield opened
        assert opened.problems == []
        opened.browser.close()
