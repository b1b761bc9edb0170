"""Every command a document shows works as shown, and every command it speaks of exists."""

from __future__ import annotations

import os
import re
import shutil
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer.main
from typer.core import TyperCommand, TyperGroup

from cli.main import build
from tests.cli.support import settle
from tests.docs import help as help_page
from tests.docs.consoles import play, steps
from tests.support import ROOT

README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "docs").glob("*.md"))]
CONTINUES_THE_TOUR = {"howto-model-operator.md"}
"""Pages whose commands work in the folder `settle-demo` that the demo leaves behind."""
TRAINS = {"howto-influence.md"}
"""Pages whose commands train a model, each in a process of its own."""

SHOWN = [path for path in PAGES if any(steps(path.read_text(encoding="utf-8")))]
NOT_RUN = {
    "README.md": "installing torch from an index of the reader's choice",
    "howto-operate-the-service.md": "a server and a request to it; tests/service/web starts the real server",
    "methods.md": "commands on a study, which needs a model; tests/attribution/influence runs their functions",
    "howto-rights-holder.md": "the one command of a holder, which runs at the end of the page on the files made there",
    "howto-verify-us.md": "a Go program, which tests/conformance/test_go.py builds and runs",
}
"""Pages that may show shell commands which this test does not run, and what those are."""

INLINE = re.compile(r"(?<!`)`settle\s([^`\n]+(?:\n[^`\n]+)?)`(?!`)")
SHOWN_COMMAND = re.compile(r"(?<![\w/-])settle ((?:-|[a-z])[^\n;|]*)")
GLOBAL = {"--json", "--home", "--help", "--version"}


def environment(home: Path) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
    return kept | {"HOME": str(home), "SETTLE_PASSPHRASE": "only for this test"}


@pytest.mark.parametrize(
    "document",
    [pytest.param(path, marks=pytest.mark.slow if path.name in CONTINUES_THE_TOUR | TRAINS else ()) for path in SHOWN],
    ids=lambda path: path.name,
)
def test_the_commands_of_a_document_run(document: Path, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """If this fails, a reader who types what the document shows does not get what it promises."""
    if document.name in CONTINUES_THE_TOUR:
        shutil.copytree(request.getfixturevalue("played").home, tmp_path / "settle-demo")
    assert play(document, tmp_path, environment(tmp_path))


def test_no_command_is_shown_and_not_run() -> None:
    """If this fails, a document shows shell commands that nothing ever tries."""
    fences = {path.name: re.findall(r"(?m)^```(\S+)", path.read_text(encoding="utf-8")) for path in PAGES}
    assert {name for name, found in fences.items() if {"sh", "bash", "shell"} & set(found)} == NOT_RUN.keys()
    for path in PAGES:
        for block in re.findall(r"(?ms)^```console\n(.*?)^```$", path.read_text(encoding="utf-8")):
            assert block.startswith("$ "), f"{path.name}: a console block without a command: {block!r}"


def test_the_quoted_help_is_the_help() -> None:
    """If this fails, docs/cli.md says of a command what it no longer says itself; make docs writes it anew."""
    assert help_page.PAGE.read_text(encoding="utf-8") == help_page.page()


@pytest.mark.parametrize("document", PAGES, ids=lambda path: path.name)
def test_commands_spoken_of_exist(document: Path) -> None:
    """If this fails, a sentence sends its reader to a command or an option that there is not."""
    for spoken in INLINE.findall(document.read_text(encoding="utf-8")):
        for words in _alternatives(spoken.split()):
            command, name = _found(words)
            assert command is not None, f"{document.name}: `settle {spoken}`: no command {name!r}"
            for option in re.findall(r"(?<![\w-])--[a-z][a-z-]*", spoken):
                assert option in GLOBAL or option in _help(name), f"{document.name}: `settle {spoken}`: no {option}"


def test_every_command_is_told_of() -> None:
    """If this fails, there is a command that no page sends anybody to; docs/cli.md lists it, which explains nothing."""
    told = set()
    for path in PAGES:
        if path != help_page.PAGE:
            page = path.read_text(encoding="utf-8").replace("\\\n", " ")
            spoken = [words for text in INLINE.findall(page) for words in _alternatives(text.split())]
            shown = [text.split() for text in SHOWN_COMMAND.findall(page)]
            told |= {_found(words)[1] for words in [*spoken, *shown]}
    every = {" ".join(words) for words in help_page.commands(_tree(), ())}
    groups = {name.rpartition(" ")[0] for name in every}
    assert every - groups - told == set()


def _alternatives(words: list[str]) -> list[list[str]]:
    """`key show|rotate` speaks of two commands."""
    spread: list[list[str]] = [[]]
    for word in words:
        choices = word.strip("[]").split("|") if re.fullmatch(r"[a-z|-]+", word) else [word]
        spread = [[*before, choice] for before in spread for choice in choices]
    return spread


def _found(words: list[str]) -> tuple[TyperCommand | TyperGroup | None, str]:
    """The command that these words begin with, and its name; `...` and arguments end the search."""
    found: Any = _tree()
    name: list[str] = []
    rest = iter(word for word in words if word not in {"--json"})
    for word in rest:
        if word == "--home":
            next(rest, None)
            continue
        if not hasattr(found, "commands") or word == "..." or word.startswith("-"):
            break
        name.append(word)
        found = found.commands.get(word)
    return found, " ".join(name)


@cache
def _tree() -> TyperGroup:
    tree = typer.main.get_command(build())
    assert isinstance(tree, TyperGroup)
    return tree


@cache
def _help(name: str) -> str:
    return settle(*name.split(), "--help").out
