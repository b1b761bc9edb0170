"""Follow the chain at set times: continue pending transactions, and record final ones in the log."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from service.chain.pool import STORE, opened
from service.chain.postings import write_down

if TYPE_CHECKING:
    from service.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """What changed, in words, and how many transactions still wait."""

    moved: list[str]
    waiting: int


def watch(ws: Workspace) -> Watched | None:
    """Follow pending transactions without starting new ones. None if the workspace never used a chain."""
    if not (ws.home / STORE).is_file():
        return None
    size = ws.log.head().size
    with opened(ws) as client:
        earlier = client.waiting()
        resumed = client.resume() if earlier else []
        write_down(ws, client)
        changes = [
            f"{intent.kind} is {intent.state}"
            for was, intent in zip(earlier, resumed, strict=True)
            if intent.state != was.state
        ]
        waiting = len(client.waiting())
    if written := ws.log.head().size - size:
        changes.append(f"{written} entries written down")
    return Watched(moved=changes, waiting=waiting)
