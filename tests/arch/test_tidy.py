"""Style that a machine can check: sizes, docstrings, nothing left lying about."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.support import ROOT

PACKAGES = ("attribution", "ledger", "payouts", "contracts", "service", "cli")
FILE_LINES_MAX = 500
BODY_LINES_MAX = 70


def sources(*tops: str) -> Iterator[Path]:
    for top in tops:
        yield from sorted(path for path in (ROOT / top).rglob("*.py") if "node_modules" not in path.parts)


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines from the first statement after the docstring to the last."""
    statements = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return (function.end_lineno or 0) - statements[0].lineno + 1 if statements else 0


def test_files_and_functions_stay_small() -> None:
    """If this fails, a file or a function has grown past what one reading can hold: split it by noun."""
    long = []
    for path in sources(*PACKAGES, "tests"):
        text = path.read_text(encoding="utf-8")
        if len(text.splitlines()) > FILE_LINES_MAX:
            long.append(f"{path.relative_to(ROOT)}: {len(text.splitlines())} lines")
        long.extend(
            f"{path.relative_to(ROOT)}:{node.lineno}: {node.name} has {body_lines(node)} lines"
            for node in ast.walk(ast.parse(text))
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and body_lines(node) > BODY_LINES_MAX
        )
    assert not long


def test_modules_say_what_they_are() -> None:
    """If this fails, a module lacks its sentence, or leaves a note to self where work should be."""
    texts = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in sources(*PACKAGES)}
    assert not [path for path, text in texts.items() if not ast.get_docstring(ast.parse(text))]
    assert not [path for path, text in texts.items() if re.search(r"\b(TODO|FIXME)\b", text)]


def test_tests_say_what_they_prove() -> None:
    """If this fails, a test does not say in a sentence what would be broken if it failed."""
    silent = [
        f"{path.relative_to(ROOT)}::{node.name}"
        for path in sources("tests")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_") and not ast.get_docstring(node)
    ]
    assert not silent, f"{len(silent)} tests without a sentence, such as {silent[:5]}"


def test_no_module_is_orphaned() -> None:
    """If this fails, a module is imported by nothing: dead code, or a feature nobody can reach."""
    entry_points = {"cli.main"} | set(
        re.findall(r'"([a-z_.]+):', (ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    )
    texts = {path: path.read_text(encoding="utf-8") for path in sources(*PACKAGES)}
    everything = "\n".join(texts.values()) + (ROOT / "Makefile").read_text(encoding="utf-8")
    orphans = []
    for path in texts:
        if path.name == "__init__.py" or {"commands", "migrations"} & set(path.parts):
            continue
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        package, _, name = module.rpartition(".")
        imported = re.search(
            rf"(from {re.escape(module)} import|import {re.escape(module)}\b|{re.escape(module)}|"
            rf"from {re.escape(package)} import (?:\([^)]*|[^\n]*)\b{name}\b)",
            everything,
        )
        if module not in entry_points and not imported:
            orphans.append(module)
    assert not orphans
