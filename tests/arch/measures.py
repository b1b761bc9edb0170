"""Counts how the product is written: `python -m tests.arch.measures`.

`test_measures.py` holds the counts below the limits reached so far; they may only fall.
"""

from __future__ import annotations

import ast
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.support import ROOT

PACKAGES: Final = ("attribution", "cli", "contracts", "ledger", "payouts", "service")
FILLERS: Final = frozenset(
    [
        "one",
        "ones",
        "found",
        "told",
        "said",
        "known",
        "made",
        "given",
        "wanted",
        "taken",
        "held",
        "kept",
        "theirs",
        "mine",
        "rest",
        "place",
        "got",
        "other",
        "others",
        "before",
        "after",
        "beside",
        "heard",
        "did",
        "wrote",
        "moved",
        "again",
    ]
)
"""Names that say nothing of what they hold."""


def product_files() -> list[Path]:
    return [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]


def lines_of(paths: list[Path]) -> int:
    return sum(len(path.read_text(encoding="utf-8").splitlines()) for path in paths)


def bound_names(tree: ast.AST) -> Iterator[str]:
    """The local names that a module binds: assignments, loops, comprehensions, `with` and `except`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.ExceptHandler) and node.name:
            yield node.name


def filler_names() -> tuple[int, int]:
    """How many bindings of local names there are with a filler name, and how many in all."""
    names = Counter(name for path in product_files() for name in bound_names(ast.parse(path.read_text("utf-8"))))
    return sum(names[name] for name in FILLERS), names.total()


def shared_class_names() -> dict[str, list[str]]:
    """Class names that stand for more than one class, with the modules that define them."""
    places: defaultdict[str, list[str]] = defaultdict(list)
    for path in product_files():
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ClassDef):
                places[node.name].append(str(path.relative_to(ROOT)))
    return {name: modules for name, modules in sorted(places.items()) if len(modules) > 1}


def formatter_exceptions() -> int:
    return sum(path.read_text("utf-8").count("# fmt: skip") for path in product_files())


def import_arrows() -> dict[str, tuple[int, int]]:
    """Imports between the modules and folders directly inside each package, and pairs that import each other."""
    arrows: dict[str, tuple[int, int]] = {}
    for package in PACKAGES:
        pairs = set()
        for path in sorted((ROOT / package).rglob("*.py")):
            source = path.relative_to(ROOT / package).parts[0].removesuffix(".py")
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(f"{package}."):
                    pairs.add((source, (node.module or "").split(".")[1]))
                elif isinstance(node, ast.ImportFrom) and node.module == package:
                    pairs |= {(source, name.name) for name in node.names}
        mutual = sum(source < target and (target, source) in pairs for source, target in pairs)
        arrows[package] = sum(source != target for source, target in pairs), mutual
    return arrows


def main() -> None:
    fillers, names = filler_names()
    shared = shared_class_names()
    print(f"lines of product code    {lines_of(product_files()):,}")
    print(f"filler names             {fillers} of {names} bindings, {100 * fillers / names:.1f} %")
    print(f"shared class names       {len(shared)}, for {sum(map(len, shared.values()))} classes")
    print(f"formatter exceptions     {formatter_exceptions()}")
    for package, (arrows, mutual) in import_arrows().items():
        print(f"import arrows            {package}: {arrows}, {mutual} pairs import each other")
    for name, modules in shared.items():
        print(f"  {name}: {', '.join(modules)}")


if __name__ == "__main__":
    main()
