"""The import rules of the house hold: rooms depend downwards only."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.arch.test_tidy import PACKAGES, sources
from tests.support import ROOT


def test_rooms_import_downwards_only() -> None:
    """If this fails, a layer reaches around another and the verifier may no longer stand alone."""
    linter = Path(sys.executable).with_name("lint-imports")
    result = subprocess.run([linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_no_module_imports_itself_by_a_detour() -> None:
    """If this fails, two files are one subject cut in two, or one of them knows too much: there is an import cycle."""
    imports = {_name(path): set(_imports(path)) for path in sources(*PACKAGES)}
    graph = {module: {one for one in named if one in imports} for module, named in imports.items()}
    while leaves := {module for module, named in graph.items() if not named}:
        graph = {module: named - leaves for module, named in graph.items() if module not in leaves}
    assert not graph, f"in or above a cycle: {sorted(graph)}"


def _name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def _imports(path: Path) -> Iterator[str]:
    """Every name that a module imports when it runs, wherever in it; not what it only needs for its annotations."""
    waiting: list[ast.AST] = [ast.parse(path.read_text(encoding="utf-8"))]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        waiting += ast.iter_child_nodes(node)
