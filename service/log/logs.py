"""The logs of a period: record their sizes at the close, and check them when a run reads them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ledger.errors import SettleError, StateError, VerificationError
from ledger.log.append import Log
from ledger.proofs.source import Home
from ledger.types import Head, Period
from payouts.life.book import Book
from payouts.life.records import LogSize
from payouts.protocols import UsageRow
from payouts.usage.grain import Membership
from service.log import members
from service.log.growth import check_extends, keep_seen

if TYPE_CHECKING:
    from service.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One log of a closed period: the selection of its events, and the location of its segments.

    `for_cluster`: the URL at which a cluster reads its segments, if its workspace names one.
    """

    log: Log
    folder: Path
    for_cluster: str
    membership: Membership


def sizes(ws: Workspace, book: Book, head: Head) -> tuple[LogSize, ...]:
    """Return the size of every log, first the home log at this head.

    A member must extend its size in earlier closes.
    """
    home = Home(ws.log.origin, members.sources_of(ws.log))
    heads = [head]
    members.check_sources(home, ws.log)
    for origin, trusted in sorted(members.members(ws).items()):
        log = members.opened(ws, trusted)
        heads.append(log.check())
        check_extends(log, _listed_before(book, origin))
        members.check_sources(home, log)
        keep_seen(ws.home, log)
    return tuple(LogSize(origin=head.origin, size=head.size, root=head.root.hex()) for head in heads)


def behind(ws: Workspace, book: Book) -> Iterator[str]:
    """Return the problems of the logs of this home: missing, rolled back, or different from what a close listed."""
    for origin, trusted in sorted(members.members(ws).items()):
        try:
            log = members.opened(ws, trusted)
            check_extends(log, _listed_before(book, origin))
            keep_seen(ws.home, log)
        except SettleError as problem:
            yield str(problem)


def _listed_before(book: Book, origin: str) -> list[tuple[int, str]]:
    return [(log.size, log.root) for close in book.closes.values() for log in close.logs if log.origin == origin]


def listed(ws: Workspace, book: Book, period: str) -> list[Listed]:
    """Open the logs that a closed period lists and check that each has the listed tree; none may be missing."""
    logs = book.closes[period].logs
    return [_opened(ws, log, membership(book, period, log.origin)) for log in logs]


def listed_open(ws: Workspace, book: Book, period: str, logs: Iterable[LogSize]) -> list[Listed]:
    """The logs of an open period at these sizes, the home log first, each opened and found to hold what is listed."""
    return [_opened(ws, log, open_membership(book, period, log)) for log in logs]


def _opened(ws: Workspace, size: LogSize, membership: Membership) -> Listed:
    registered, home = members.members(ws), Home(ws.log.origin, members.sources_of(ws.log))
    if size.origin == ws.log.origin:
        log, folder, settings = ws.log, ws.home, ws.settings
    elif size.origin in registered:
        log, folder = members.opened(ws, registered[size.origin]), members.folder_of(ws, size.origin)
        settings = members.settings_of(ws, size.origin)
    else:
        raise StateError(f"the period is over log {size.origin}, which is not registered here")
    check_extends(log, [(size.size, size.root)])
    members.check_sources(home, log)
    return Listed(log=log, folder=folder, for_cluster=settings.text("payouts.segments"), membership=membership)


def check_claims(home: Log, sums: Mapping[str, Iterable[UsageRow]]) -> None:
    """Refuse sums (by log) of another log's source, or of events that pay by a vector the home log never assigned.

    A member's leaves are its operator's statements; the home log decides whose a source is and which vector pays.
    """
    sources = Home(home.origin, members.sources_of(home))
    reading = home.reading()
    for origin, rows in sums.items():
        for row in rows:
            if (takes := sources.log_of(row.source)) != origin:
                raise members.elsewhere(origin, row.source, takes)
            if origin != home.origin and row.vector is not None and not reading.assigned_ever(row.track, row.vector):
                raise VerificationError(
                    f"log {origin} holds events of track {row.track} bound to vector {row.vector[:16]}, which log "
                    f"{home.origin} never assigned to it: they cannot be settled"
                )


def membership(book: Book, period: str, origin: str) -> Membership:
    """Which events of a log a closed period's runs take."""
    size = next(log.size for log in book.closes[period].logs if log.origin == origin)
    return _since_last_close(book, period, origin, size)


def open_membership(book: Book, period: str, log: LogSize) -> Membership:
    """Which events of a log an open period would take if it were closed at this size.

    Where the month before is open too, that one takes its own events first.
    """
    month = Period.parse(period)
    if str(month.previous()) in book.closes:
        return _since_last_close(book, period, log.origin, log.size)
    return Membership(size=log.size, end=month.end, earlier=(log.size, month.start))


def _since_last_close(book: Book, period: str, origin: str, size: int) -> Membership:
    sizes = {name: log.size for name, close in book.closes.items() for log in close.logs if log.origin == origin}
    earlier = max((name for name in sizes if name < period), default=None)
    return Membership(
        size=size,
        end=Period.parse(period).end,
        earlier=None if earlier is None else (sizes[earlier], Period.parse(earlier).end),
    )
