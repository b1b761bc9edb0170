"""Accept events from many callers: all events that wait during a commit share the next one.

For servers and consumers. Each caller gets its own result; the size of a group is limited by events, not by callers. If
the log's keys were changed meanwhile, nothing was written: the workspace is opened again and the same group is tried
once more.
"""

from __future__ import annotations

import io
import secrets
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Final

from ledger.ingest.acknowledged import Acknowledged, Handed
from ledger.ingest.admission import Ingest
from ledger.ingest.files import reader_for
from ledger.ingest.naming import Naming
from ledger.ingest.rows import Joined, Rows
from ledger.log.group_commit import Gather
from service.log.following import follow
from service.log.ingesting import Admission
from service.standing import Standing
from service.workspace import Workspace

GROUP_EVENTS: Final = 5_000
"""Events to a commit: past this a commit's fixed cost no longer shows, and callers would wait longer."""
WAITING_EVENTS: Final = 20_000
"""Events that may wait; more are refused at once, so that a slow disk does not become a full memory."""
FOLLOW_SECONDS: Final = 5.0
"""How old a member log's knowledge of its home log may be."""


def decoded(
    body: bytes,
    form: str,
    name: str,
    naming: Naming | None = None,
    *,
    measure: Callable[[Rows], None] = lambda _: None,
) -> Rows:
    """Return the rows of a whole body; InputError if it contains no event.

    `measure` sees each part before the next is unpacked, and refuses what grows too large.
    """
    parts = []
    for part in reader_for(name, form, naming)(io.BytesIO(body), name):
        measure(part)
        parts.append(part)
    joined = Joined(parts or [Rows([], lambda _: 0, lambda _: b"")])
    return Rows(joined.events, joined.line, joined.raw, [row for part in parts for row in part.refused])


class Intake:
    """The intake of one log for the life of a process; `take` may be called from any number of threads."""

    def __init__(
        self,
        standing: Standing,
        *,
        group_events: int = GROUP_EVENTS,
        waiting_events: int = WAITING_EVENTS,
        now: Callable[[], float] = monotonic,
    ) -> None:
        self._standing, self._now, self.waiting_max = standing, now, waiting_events
        self._ingest: tuple[Workspace, Ingest, float] | None = None
        self._gather: Gather[Handed, Acknowledged] = Gather(
            self.take_together, group_max=group_events, waiting_max=waiting_events, weigh=_weight
        )

    @property
    def waiting(self) -> int:
        """Return the number of events that wait for a commit."""
        return self._gather.waiting

    def take(self, part: Handed) -> Acknowledged:
        """Append a caller's rows; on return they are acknowledged or in quarantine. Refuses if too many wait."""
        return self._gather(part)

    def take_together(self, parts: Sequence[Handed]) -> Sequence[Acknowledged]:
        """Append several groups of rows in one commit: for a consumer, the only caller in its process."""
        return self._standing.acting(lambda workspace: self._of(workspace).take_together(parts))

    def _of(self, workspace: Workspace) -> Ingest:
        """Return the ingest of this workspace, which caches tracks and listeners between groups."""
        if self._ingest is not None:
            opened, ingest, since = self._ingest
            follows = bool(workspace.settings.text("log.home"))
            if opened is workspace and not (follows and self._now() - since > FOLLOW_SECONDS):
                return ingest
        home = follow(workspace)
        ingest = Ingest(
            workspace.log,
            name="intake",
            entropy=secrets.token_bytes,
            home=home,
            admit=Admission(workspace) if home is None else None,
        )
        self._ingest = (workspace, ingest, self._now())
        return ingest


def _weight(part: Handed) -> int:
    return max(1, len(part.rows.events) + len(part.rows.refused))
