"""The usage of a period: summed by an engine over the log's segments, or plainly from its entries.

Which of them sums makes no difference to a single unit, so the engine's name is no part of a run's key.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ledger.errors import InputError, StateError
from ledger.registry.view import View
from ledger.segments.manifest import manifests
from payouts import usage_plain
from payouts.grain import Membership, grain_of
from payouts.protocols import UsageRow
from payouts.rules.base import Rule
from payouts.terms import Terms

if TYPE_CHECKING:
    from payouts.usage import Engine, Source
    from service.workspace import Workspace

Progress = Callable[[int, int | None], None] | None

PLAIN: Final = "log"
DEFAULT: Final = "duckdb"
_SPARK: Final = ("spark://", "local-cluster")


def check_engine(name: str) -> None:
    """Refuse an engine that is not known before anything is read."""
    if name not in (PLAIN, DEFAULT) and not name.startswith(_SPARK):
        raise InputError(
            f"engine {name!r}: expected {DEFAULT}, spark://HOST:PORT, local-cluster, or {PLAIN} to read the log's "
            "entries one by one"
        )


def folder_of(ws: Workspace) -> Path:
    """Where the workspace keeps its sealed segments."""
    return ws.home / "segments"


def seal(ws: Workspace, size: int, on_progress: Progress = None) -> bool:
    """Seal the log into segments up to a size; False where this installation cannot write them."""
    try:
        from ledger.segments.seal import seal as seal_segments
    except ImportError:
        return False
    seal_segments(ws.log, folder_of(ws), stop=size, on_progress=on_progress)
    return True


def summed(
    ws: Workspace, *, engine: str, membership: Membership, view: View, terms: Terms, rule: Rule, on_progress: Progress
) -> list[UsageRow]:
    """The usage of one pool in one period, sorted."""
    grain = grain_of(view, terms, rule)
    assigned = usage_plain.first_assignments(ws.log.entries(types={"assign"}, stop=membership.size))
    if engine == PLAIN:
        entries = ws.log.entries(types={"event"}, stop=membership.size)
        part = usage_plain.Part(origin=ws.log.origin, membership=membership, entries=entries)
        return usage_plain.usage([part], assigned=assigned, terms=terms, grain=grain, on_progress=on_progress)
    with _engine(engine) as running:
        from payouts.usage import usage

        source = _sealed(ws, membership, running)
        return usage(running, [source], assigned=assigned, terms=terms, grain=grain)


def _sealed(ws: Workspace, membership: Membership, running: Engine) -> Source:
    """The log's segments where the engine reads them, each file checked against the digest its manifest committed."""
    from ledger.segments.bindings import load
    from payouts.usage import Source, taken_files

    folder = folder_of(ws)
    base = (ws.settings.text("payouts.segments") if running.name.startswith(_SPARK) else "") or str(folder)
    known = [manifest for manifest in manifests(ws.log) if manifest.start < membership.size]
    running.check(base, taken_files(known, membership))
    return Source(origin=ws.log.origin, base=base, manifests=known, membership=membership, bindings=load(folder, known))


def _engine(name: str) -> AbstractContextManager[Engine]:
    check_engine(name)
    try:
        if name.startswith(_SPARK):
            import pyspark  # noqa: F401  asked for here, so that its absence is told in our words

            from payouts.spark import spark_engine

            return spark_engine(name)
        from payouts.engines import duckdb_engine
    except ImportError as missing:
        extra = "spark" if name.startswith(_SPARK) else "payouts"
        raise StateError(
            f"engine {name} needs {missing.name}: install settle-engine[{extra}], or say --engine {PLAIN}"
        ) from None
    return duckdb_engine()
