"""Draw a page: one environment, one style, one catalogue of texts, and a policy under which nothing else loads."""

from __future__ import annotations

import base64
import hashlib
import json
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ledger import shown
from service.web.call import HTML, Call, Content
from service.web.guard.forms import TOKEN
from service.web.pages import menu

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES: Final = Path(__file__).with_name("templates")
TEXTS: Final = Path(__file__).with_name("texts.toml")


def text(name: str, /, **values: object) -> str:
    """A text of the catalogue, `section.name`; its values are put in as they are, and escaped where it is shown."""
    section, _, key = name.partition(".")
    return str(_catalogue()[section][key]).format(**values)


def word(section: str, value: str) -> str:
    """A word that the program uses, such as a state, as the catalogue says it; one it does not know stands as it is."""
    return str(_catalogue()[section].get(value.replace(" ", "_"), value))


def page(call: Call | None, template: str, *, title: str, scripts: tuple[str, ...] = (), **values: Any) -> Content:
    """A page from its template. `scripts`: files of `static/pages`, the only ones that may run in it."""
    from markupsafe import Markup

    principal = None if call is None else call.principal
    style = _style()
    html = (
        _environment()
        .get_template(template)
        .render(
            style=Markup(style),  # noqa: S704  our own file
            title=title,
            scripts=scripts,
            principal=principal,
            menu=menu.entries(principal),
            **values,
        )
    )
    return Content(
        data=html.encode(),
        media=f"{HTML}; charset=utf-8",
        cache="no-cache" if principal is None else "no-store",
        policy=_policy(style, scripts),
    )


def refusal(problem: Mapping[str, Any]) -> Content:
    """A problem as a page: what is wrong, and where to go from there."""
    return page(None, "problem.html", title=problem["title"], problem=problem)


def _policy(style: str, scripts: tuple[str, ...]) -> str:
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    run = "script-src 'self'; connect-src 'self'; " if scripts else ""
    return (
        f"default-src 'none'; {run}style-src 'sha256-{digest}'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    )


@cache
def _style() -> str:
    return (TEMPLATES / "pages.css").read_text(encoding="utf-8")


@cache
def _catalogue() -> dict[str, dict[str, str]]:
    return tomllib.loads(TEXTS.read_text(encoding="utf-8"))


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(t=text, word=word, token=TOKEN)
    environment.filters.update(cents=shown.cents, money=shown.money, percent=shown.percent, pretty=_pretty)
    return environment


def _pretty(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)
