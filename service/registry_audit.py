"""`settle registry audit`: the audit of `ledger.registry.audit` over this workspace's log."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ledger.registry import facts
from ledger.registry.audit import Report
from ledger.registry.audit import audit as replay
from service import rights

if TYPE_CHECKING:
    from service.workspace import Workspace


def audit(ws: Workspace, *, on_progress: Callable[[int, int | None], None] | None = None) -> Report:
    """Replay every registry leaf from the log, with the keys that trust.json and the log's key leaves prove."""
    size = ws.log.head().size
    return replay(
        ws.log.entries(types=facts.TYPES, stop=size),
        origin=ws.log.origin,
        size=size,
        ring=rights.ring(ws),
        blob=ws.log.blob,
        on_progress=on_progress,
    )
