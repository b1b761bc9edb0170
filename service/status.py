"""`settle status`: where everything stands, and what waits for someone."""

from __future__ import annotations

from dataclasses import dataclass

from service.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """One glance at a workspace. `waiting` says in words what a person could do next."""

    home: str
    origin: str
    size: int
    root: str
    waiting: tuple[str, ...] = ()


def status(workspace: Workspace) -> Status:
    """Read the head, the registry, the periods; nothing is changed."""
    head = workspace.log.head()
    return Status(home=str(workspace.home), origin=head.origin, size=head.size, root=head.root.hex())
