"""What the tests of comparing rows with the registry share."""

from __future__ import annotations

from collections.abc import Mapping

from ledger.registry import facts as f
from ledger.registry import rows as r
from ledger.registry.compare import Author, Comparison, compare
from ledger.registry.fold import fold
from ledger.registry.view import View
from ledger.types import Role

T0, T1, T2, T3, T4 = (f"2026-0{month}-01T00:00:00Z" for month in range(1, 6))
DIGEST = "a" * 64


def author(party: str = "op", role: Role = "operator", at: str = T2) -> Author:
    return Author(party=party, role=role, at=at)


ANN = author("ann", "holder")


def registered(*facts: f.AnyFact) -> View:
    return fold(enumerate(facts))


def compared(
    row: r.AnyRow,
    *facts: f.AnyFact,
    by: Author | None = None,
    held: Mapping[str, str] | None = None,
    wrote: str = "op",
) -> Comparison:
    """The row against a registry of these facts, all of which one party wrote."""
    return compare(row, registered(*facts), by or author(), lambda _kind, _id: held, lambda _: wrote)


def only(found: Comparison) -> tuple[f.AnyFact, Mapping[str, str] | None]:
    (one,) = found.facts
    return one


def same(found: Comparison) -> bool:
    return not found.facts and not found.blobs


# --- parties ------------------------------------------------------------------------------------
