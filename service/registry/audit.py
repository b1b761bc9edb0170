"""`settle registry audit`: the audit of `ledger.registry.audit` over this workspace's log."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from ledger.registry import facts
from ledger.registry.audit import AuditReport
from ledger.registry.audit import audit as replay
from ledger.registry.intake import Planned
from ledger.registry.reading import AuditNote
from service.log import keys
from service.registry import signing

if TYPE_CHECKING:
    from service.workspace import Workspace

SHOWN: Final = 20
Progress = Callable[[int, int | None], None]


def audit(
    ws: Workspace, *, size: int | None = None, record: bool = False, on_progress: Progress | None = None
) -> AuditReport:
    """Replay every registry leaf from the log, with the keys that trust.json and the log's key leaves prove.

    `size` replays an audit of an earlier state: the same leaves give the same digest. `record` appends the result to
    the log, signed by the operator, for others to replay.
    """
    at = ws.log.head().size if size is None else size
    report = replay(
        ws.log.entries(types=facts.TYPES, stop=at),
        origin=ws.log.origin,
        size=at,
        ring=keys.ring(ws),
        blob=ws.log.blob,
        on_progress=on_progress,
    )
    if record:
        fact = facts.AuditFact(
            id=report.digest, size=report.size, violations=len(report.violations), findings=len(report.findings)
        )
        ws.registry.register([Planned(fact)], signing.signer(ws), known=ws.registry.view().size)
    differences = tuple(_index(ws))
    return replace(report, ok=report.ok and not differences, index=differences)


def _index(ws: Workspace) -> Iterator[AuditNote]:
    """Return the differences between index and log.

    A deleted row of the index could hide a revocation from `decide`.
    """
    lacking, strange = ws.registry.index_differences()
    for difference, rows in (("is not in", lacking), ("should not be in", strange)):
        for key, index in rows[:SHOWN]:
            yield AuditNote(kind="index", id=key, detail=f"leaf {index} {difference} registry_about; the log is right")
        if len(rows) > SHOWN:
            yield AuditNote(kind="index", id="registry_about", detail=f"and {len(rows) - SHOWN} more like the last")
