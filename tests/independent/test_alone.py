"""The independent checker is independent."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

HERE = Path(__file__).parent


def test_the_checker_imports_the_standard_library_and_itself() -> None:
    """If this fails, the checker may repeat a defect of the engine because it runs the engine's own code."""
    for file in sorted(HERE.glob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{file.name} imports relatively"
                names = [node.module or ""]
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id not in {"__import__", "exec", "eval"}, f"{file.name} runs code from elsewhere"
            for name in names:
                assert name.startswith("tests.independent.") or name.split(".")[0] in sys.stdlib_module_names, (
                    f"{file.name} imports {name}"
                )
                assert name.split(".")[0] != "importlib", f"{file.name} imports by name"
