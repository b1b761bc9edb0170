"""The member logs of this home log: register, find and check them.

A leaf registers a log; its folder on this machine is stored in `logs.json`, outside the log. Another workspace's log is
opened for reading only.
"""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn

from ledger.errors import ConflictError, InputError, StateError, VerificationError
from ledger.files import write_whole
from ledger.log.append import Log
from ledger.log.opening import open_log
from ledger.log.store import queries
from ledger.proofs import member
from ledger.proofs.source import EventSource, Home
from ledger.proofs.trust import Trust, TrustedLog
from service.config import Settings, resolve
from service.log.growth import check_seen, keep_seen
from service.workspace import CONFIG, TRUST, Workspace

PLACES: Final = "logs.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberShown:
    """A log of this home: its folder, its size, and its sources."""

    origin: str
    place: str | None
    size: int | None
    sources: tuple[str, ...]


def members(ws: Workspace) -> dict[str, TrustedLog]:
    """Return every registered log with its first keys, by origin; only leaves signed by the operator count."""
    return ws.log.members()


def add(ws: Workspace, place: Path) -> MemberShown:
    """Register the log of another workspace, and let that workspace follow this one.

    A repetition completes an interrupted call.
    """
    check_home(ws, "registers other logs")
    joining = _workspace(place, ws)
    origin = joining.settings.text("log.origin")
    trusted = joining.trust.log(origin)
    if origin == ws.log.origin or trusted is None:
        raise InputError(f"{place} is the workspace of {origin}, and its trust.json must name that and another log")
    if joining.settings.text("log.home") not in ("", str(ws.home)):
        raise ConflictError(f"{origin} follows {joining.settings.text('log.home')} already: a log has one home")
    if origin not in members(ws):
        with closing(_open(joining, trusted, ws)) as log:
            _check_unused(log)
    _let_follow(joining, ws)
    remember(ws, origin, joining.home)
    if origin not in members(ws):
        ws.log.append([member.make(ws.clock(), trusted, ws.signer("operator"))])
    return next(shown for shown in show(ws) if shown.origin == origin)


def _check_unused(log: Log) -> None:
    with log.store.reading() as connection:
        names = queries.sources(connection)
    if names:
        raise StateError(
            f"log {log.origin} holds events of {', '.join(names[:5])}: a log is registered before its first event, so "
            "that no event is in two logs"
        )


def remember(ws: Workspace, origin: str, place: Path) -> None:
    """Return the folder of a registered log's workspace on this machine."""
    write_whole(ws.home / PLACES, (json.dumps(_places(ws) | {origin: str(place)}, indent=2) + "\n").encode())


def _let_follow(other: Workspace, ws: Workspace) -> None:
    """Write to the member's workspace the home log's folder and trusted keys."""
    config = other.home / CONFIG
    text = config.read_text(encoding="utf-8")
    if other.settings.text("log.home") == "":
        head, line, tail = text.partition("[log]\n")
        write_whole(config, f"{head}{line or '[log]' + chr(10)}home = {json.dumps(str(ws.home))}\n{tail}".encode())
    home = ws.trust.log(ws.log.origin)
    if home is not None and other.trust.log(home.origin) is None:
        write_whole(other.home / TRUST, Trust((*other.trust.logs, home), other.trust.policy).encode())


def sources_of(log: Log) -> dict[str, EventSource]:
    """Return every source of a log, from leaves that its operator signed."""
    return log.sources()


def check_home(ws: Workspace, does: str) -> None:
    """Refuse an operation that only a home log allows."""
    if home := ws.settings.text("log.home"):
        raise StateError(f"log {ws.log.origin} follows the one in {home}: only that {does}")


def show(ws: Workspace) -> list[MemberShown]:
    """The home log first, then its members."""
    registered, places, sources = members(ws), _places(ws), sources_of(ws.log)
    own = MemberShown(
        origin=ws.log.origin,
        place=str(ws.home),
        size=ws.log.head().size,
        sources=tuple(sorted(name for name, source in sources.items() if source.log in (None, ws.log.origin))),
    )
    return [own] + [
        MemberShown(
            origin=origin,
            place=places.get(origin),
            size=_size(ws, trusted),
            sources=tuple(sorted(name for name, source in sources.items() if source.log == origin)),
        )
        for origin, trusted in sorted(registered.items())
    ]


def _size(ws: Workspace, trusted: TrustedLog) -> int | None:
    try:
        return opened(ws, trusted).head().size
    except StateError:
        return None


# --- opening --------------------------------------------------------------------------------------


def opened(ws: Workspace, trusted: TrustedLog) -> Log:
    """Open a registered log and check it against its first keys; StateError if its folder does not contain it."""
    if trusted.origin not in ws.others:
        log = _open(_workspace(folder_of(ws, trusted.origin), ws), trusted, ws)
        check_seen(ws.home, log)
        ws.others[trusted.origin] = log
    return ws.others[trusted.origin]


def look(ws: Workspace) -> dict[str, int]:
    """Return the size of each registered log and record it; refuses a log that shrank or is missing."""
    looks = {}
    for origin, trusted in sorted(members(ws).items()):
        log = opened(ws, trusted)
        keep_seen(ws.home, log)
        looks[origin] = log.head().size
    return looks


def folder_of(ws: Workspace, origin: str) -> Path:
    """Return the folder of a registered log's workspace."""
    folder = _places(ws).get(origin)
    if folder is None:
        raise StateError(
            f"log {origin} is registered, and {PLACES} does not name its folder: settle ledger logs add DIR"
        )
    return Path(folder)


def settings_of(ws: Workspace, origin: str) -> Settings:
    """Return the settings of a registered log's workspace."""
    return _workspace(folder_of(ws, origin), ws).settings


def home_of(ws: Workspace) -> Log | None:
    """Return the home log that this workspace's log follows; None for a home log."""
    folder = ws.settings.text("log.home")
    if not folder:
        return None
    home = _workspace(Path(folder), ws)
    trusted = ws.trust.log(home.settings.text("log.origin"))
    if trusted is None:
        raise StateError(f"{folder} holds log {home.settings.text('log.origin')}, which trust.json does not name")
    if trusted.origin not in ws.others:
        ws.others[trusted.origin] = _open(home, trusted, ws)
    return ws.others[trusted.origin]


def _workspace(place: Path, ws: Workspace) -> Workspace:
    """Open another workspace. SETTLE_* variables are ignored: they configure the current one."""
    try:
        settings = resolve((place / CONFIG).read_text(encoding="utf-8"), {})
    except OSError:
        raise StateError(
            f"no workspace in {place}: put it back, or name its folder with settle ledger logs add"
        ) from None
    return Workspace(home=place.resolve(), settings=settings, clock=ws.clock)


def _open(other: Workspace, trusted: TrustedLog, ws: Workspace) -> Log:
    store, origin = other.path("log.store"), other.settings.text("log.origin")
    if origin != trusted.origin:
        raise StateError(f"{other.home} holds log {origin}, expected {trusted.origin}")
    if "://" not in store and not Path(store).is_file():
        raise StateError(f"log {origin} is missing: {store} is not there")
    log = open_log(
        store,
        origin=origin,
        signer=_nobody,
        anchor=other.path("log.anchor"),
        clock=ws.clock,
        trusted=trusted.keys,
        check=False,
    )
    log.check()
    return log


def _nobody() -> NoReturn:
    raise StateError("another workspace's log is read here and never signed for")


def _places(ws: Workspace) -> dict[str, str]:
    path = ws.home / PLACES
    try:
        document = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        return {str(origin): str(folder) for origin, folder in document.items()}
    except (ValueError, AttributeError) as problem:
        raise StateError(f"{path}: {problem}; register the logs again with settle ledger logs add") from None


# --- checking -------------------------------------------------------------------------------------


def check_sources(home: Home, log: Log) -> None:
    """Refuse a log with events of another log's source: they would count twice."""
    with log.store.reading() as connection:
        names = queries.sources(connection)
    for name in names:
        if (origin := home.log_of(name)) != log.origin:
            raise elsewhere(log.origin, name, origin)


def elsewhere(origin: str, name: str, takes: str) -> VerificationError:
    """Return the error text about a log with events of another log's source."""
    return VerificationError(
        f"log {origin} holds events of source {name}, which is assigned to log {takes}: they cannot be settled"
    )
