"""docs/dependencies.md, pyproject.toml and what the code imports name the same libraries."""

from __future__ import annotations

import ast
import importlib.metadata
import re
import sys
import tomllib
from collections.abc import Iterator
from functools import cache

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.arch.test_tidy import PACKAGES, sources
from tests.support import ROOT

PAGE = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
HANDED_ON = "## Imported, and brought by another"
NAME = r"[a-z][a-z0-9-]*"


def declared() -> set[str]:
    """Every library of pyproject.toml, in all its lists."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lists = [project["dependencies"], *project["optional-dependencies"].values()]
    found: set[str] = {canonicalize_name(Requirement(text).name) for texts in lists for text in texts}
    return found - {canonicalize_name(project["name"])}


def rows(text: str, column: int) -> Iterator[str]:
    """A column of the tables in a text, without headings."""
    for table in re.findall(r"(?m)^\|.*\|\n\|[-|]+\|\n((?:^\|.*\|\n)+)", text):
        for line in table.splitlines():
            yield re.sub(r"\(.*?\)", "", line.strip("|").split("|")[column]).strip()


def explained() -> set[str]:
    """The libraries that have a line of their own on the page."""
    own, _, _ = PAGE.partition(HANDED_ON)
    extras = own[own.index("## Extras") : own.index("## Development only")]
    cells = [*rows(own.replace(extras, ""), 0), *rows(extras, 1)]
    return {name for cell in cells for name in re.findall(NAME, cell)}


def handed_on() -> dict[str, str]:
    """Library -> the declared one that brings it, where the code imports it although nothing declares it."""
    _, _, brought = PAGE.partition(HANDED_ON)
    pairs = zip(rows(brought, 0), rows(brought, 1), strict=True)
    return {name: by for names, by in pairs for name in re.findall(NAME, names)}


@cache
def imported() -> set[str]:
    """The distributions that anything here imports, tests included."""
    modules = {
        name.partition(".")[0]
        for path in sources(*PACKAGES, "tests")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    foreign = modules - set(sys.stdlib_module_names) - {*PACKAGES, "tests"}
    provided = importlib.metadata.packages_distributions()
    # A library of an extra that is not installed here (bench) is taken to be named like its module.
    return {canonicalize_name(provided.get(module, [module])[0]) for module in foreign}


def brings(name: str, wanted: str) -> bool:
    """Whether installing one library installs the other, at whatever remove; its extras included."""
    seen, ahead = set(), [name]
    while ahead:
        one = ahead.pop()
        if one == wanted:
            return True
        if one not in seen:
            seen.add(one)
            try:
                needs = importlib.metadata.requires(one) or []
            except importlib.metadata.PackageNotFoundError:
                continue
            ahead += [canonicalize_name(Requirement(text).name) for text in needs]
    return False


def test_every_declared_library_is_explained() -> None:
    """If this fails, a dependency came in without a word on what it does for us, or its line outlived it."""
    assert declared() - explained() == set(), "has no line in docs/dependencies.md"
    assert explained() - declared() == set(), (
        "has a line in docs/dependencies.md and stands in no list of pyproject.toml"
    )


def test_nothing_is_imported_that_is_not_declared() -> None:
    """If this fails, an import works only as long as some other library happens to bring it."""
    assert imported() - declared() == handed_on().keys()
    for name, by in handed_on().items():
        assert by in declared(), f"{name} is said to come with {by}, which is not declared"
        assert brings(by, name), f"{name} is said to come with {by}, which does not need it"
