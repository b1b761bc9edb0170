"""The sources of events: assign parties, keys and signing rules, and list them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from ledger.errors import ConflictError, InputError, StateError
from ledger.ingest.checks import check_id
from ledger.log.append import Check, batch_of
from ledger.log.store import queries
from ledger.lookalikes import skeleton
from ledger.proofs import source
from ledger.proofs.keys import PublicKey
from ledger.proofs.source import EventSource
from ledger.registry.registry import Registry
from ledger.text import parse_hex
from ledger.types import Head
from service.log import enrolling, members
from service.log.keys import ring
from service.log.members import sources_of

if TYPE_CHECKING:
    from service.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceShown:
    """A source: its party, whether that party must sign and may declare vectors, its log, its present keys."""

    source: str
    party: str | None
    signed: bool
    declares: bool
    log: str | None
    keys: tuple[str, ...]


def show(ws: Workspace) -> list[SourceShown]:
    """Return every source, by name."""
    return [_shown(ws, source) for _, source in sorted(sources_of(ws.log).items())]


def settle_source(
    ws: Workspace,
    name: str,
    *,
    party: str | None = None,
    public: str | None = None,
    signed: bool | None = None,
    declares: bool | None = None,
    log: str | None = None,
) -> SourceShown:
    """Set a source's party, key, signing rule, right to declare vectors, or log.

    What is not given stays unchanged.
    """
    check_id(name, "source")
    registered = sources_of(ws.log)
    previous = registered.get(name)
    looks = skeleton(name, fold=True)
    double = next(
        (
            double_name
            for double_name in registered
            if double_name != name and skeleton(double_name, fold=True) == looks
        ),
        None,
    )
    if previous is None and double is not None:
        raise ConflictError(f"source {name} looks like {double}, which is registered: its events would count twice")
    speaker = party or (None if previous is None else previous.party)
    must = (previous is not None and previous.signed) if signed is None else signed
    may_declare = (previous is not None and previous.declares) if declares is None else declares
    takes = _assigned(ws, name, previous, log)
    if party is not None:
        registry_of(ws).view().party(party)
    leaves = []
    if public is not None:
        if speaker is None:
            raise InputError(f"no party is assigned to source {name} yet: name the key's party with --party")
        key = PublicKey(parse_hex(public, "public key", 32))
        leaves.append(enrolling.introduction(ws, speaker, "platform", key, by="operator"))
    if must and speaker is None:
        raise StateError(f"no party is assigned to source {name}, so nobody could sign its events: give --party")
    if may_declare and speaker is None:
        raise StateError(f"no party is assigned to source {name}, so nobody could sign its vectors: give --party")
    settled = EventSource(index=0, source=name, party=speaker, signed=must, log=takes, declares=may_declare)
    if previous is None or replace(previous, index=0) != settled:
        now, signer = ws.clock(), ws.signer("operator")
        follows = None if previous is None else previous.index
        leaves.append(
            source.make(
                now,
                source=name,
                party=speaker,
                signed=must,
                log=takes,
                signer=signer,
                follows=follows,
                declares=may_declare,
            )
        )
    if leaves:
        ws.log.commit(batch_of(leaves), _unused(name, ws.log.origin, None if previous is None else previous.log, takes))
    return _shown(ws, sources_of(ws.log)[name])


def _assigned(ws: Workspace, name: str, before: EventSource | None, log: str | None) -> str | None:
    """Return the log for a source; once assigned, it does not change."""
    held = None if before is None else before.log
    if log is None or log == held:
        return held
    members.check_home(ws, "assigns sources to logs")
    if held is not None:
        raise ConflictError(f"source {name} is assigned to log {held} and stays there: its events must not count twice")
    if log != ws.log.origin and log not in members.members(ws):
        raise InputError(f"log {log} is not registered here: settle ledger logs add DIR, see settle ledger logs list")
    return log


def _unused(name: str, own: str, before: str | None, log: str | None) -> Check:
    """Refuse, under the log's lock, to assign a source with events in this log to another log."""

    def check(tx: Connection, _: Head) -> None:
        if log not in (before, own) and queries.has_events(tx, name):
            raise ConflictError(
                f"log {own} holds events of source {name}, which stays there, so that no event counts twice"
            )

    return check


def registry_of(ws: Workspace) -> Registry:
    """Return the registry of this workspace's log: the home log's."""
    home = members.home_of(ws)
    return ws.registry if home is None else Registry(home)


def _shown(ws: Workspace, one: EventSource) -> SourceShown:
    counting = [] if one.party is None else ring(ws).at(ws.log.head().size + 1, "platform", party=one.party)
    return SourceShown(
        source=one.source,
        party=one.party,
        signed=one.signed,
        declares=one.declares,
        log=one.log,
        keys=tuple(key.public.id for key in counting),
    )
