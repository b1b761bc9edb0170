"""The sources of events: which party speaks for each, with which keys, and whether it must sign."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ledger import leaf, source
from ledger.errors import InputError, StateError
from ledger.ingest.checks import check_id
from ledger.keys import PublicKey
from ledger.log import Log
from ledger.source import Source
from ledger.text import parse_hex
from service.log import enrolling
from service.log.keys import ring

if TYPE_CHECKING:
    from service.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceShown:
    """A source, who speaks for it, whether its events must be signed, and the keys that count now."""

    source: str
    party: str | None
    signed: bool
    keys: tuple[str, ...]


def known(log: Log) -> Mapping[str, Source]:
    """Every source that the log knows."""
    return source.sources((entry.index, leaf.decode(entry.body)) for entry in log.entries(types={source.TYPE}))


def show(ws: Workspace) -> list[SourceShown]:
    """Every source, by name."""
    return [_shown(ws, one) for _, one in sorted(known(ws.log).items())]


def settle_source(
    ws: Workspace, name: str, *, party: str | None = None, public: str | None = None, signed: bool | None = None
) -> SourceShown:
    """Say who speaks for a source, bring in a key of theirs, or ask for signatures; what is not named stays."""
    check_id(name, "source")
    before = known(ws.log).get(name)
    speaker = party or (None if before is None else before.party)
    must = (before is not None and before.signed) if signed is None else signed
    if party is not None:
        ws.registry.view().party(party)
    leaves = []
    if public is not None:
        if speaker is None:
            raise InputError(f"nobody speaks for source {name} yet: say whose key it is with --party")
        key = PublicKey(parse_hex(public, "public key", 32))
        leaves.append(enrolling.introduction(ws, speaker, "platform", key, by="operator"))
    if must and speaker is None:
        raise StateError(f"nobody speaks for source {name}, so nobody could sign its events: name a --party")
    if before is None or (before.party, before.signed) != (speaker, must):
        now, signer = ws.clock(), ws.signer("operator")
        leaves.append(source.make(now, source=name, party=speaker, signed=must, signer=signer))
    if leaves:
        ws.log.append(leaves)
    return _shown(ws, known(ws.log)[name])


def _shown(ws: Workspace, one: Source) -> SourceShown:
    counting = [] if one.party is None else ring(ws).at(ws.log.head().size + 1, "platform", party=one.party)
    return SourceShown(
        source=one.source, party=one.party, signed=one.signed, keys=tuple(key.public.id for key in counting)
    )
