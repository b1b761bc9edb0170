"""Operate the workspace's log: proofs, export, checks, recovery."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ledger.errors import InputError, StateError
from ledger.files import write_whole
from ledger.log import export as exporting
from ledger.log import fsck as checking
from ledger.log import recover as recovering
from ledger.log.append import Log
from ledger.log.store import queries
from ledger.proofs import batch, bundle, canon, leaf
from ledger.proofs.bundle import PlacedLeaf
from ledger.proofs.form import FORM
from ledger.proofs.trust import TrustedLog
from ledger.types import Digest
from service.leaf_types import LEAF_TYPES
from service.log import batches
from service.log.logs import behind
from service.settlement.step import read_book
from service.verify_page import PAGE
from service.witness.asking import Base, base
from service.workspace import CONFIG, TRUST, Workspace

Progress = Callable[[int, int | None], None]


# --- proofs -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Proven:
    """A bundle and its content in words."""

    bundle: bytes
    kind: str
    index: int
    size: int


def prove(workspace: Workspace, *, event: str | None = None, index: int | None = None) -> Proven:
    """Return the bundle of one entry under the newest checkpoint: an event by id or index, any other leaf by index."""
    if (event is None) == (index is None):
        raise InputError("name one entry: [SOURCE:]EVENT, or --index N")
    log = workspace.log
    position = index if index is not None else _find(log, event or "")
    entry = log.entry(position)
    body = leaf.decode(entry.body)
    resting = base(log, workspace.trust.policy)
    item, keys = resting.placed(position), resting.keys()
    if body["type"] == "event":
        data = _event(resting, body, item, keys, _signed(workspace, resting, position))
    else:
        statement = log.blob(body["statement"]) if isinstance(body.get("statement"), str) else None
        data = bundle.entry(checkpoint=resting.checkpoint, entry=item, statement_bytes=statement, keys=keys)
    return Proven(bundle=data, kind=bundle.parse(data)["kind"], index=position, size=resting.size)


def _find(log: Log, name: str) -> int:
    """Find an event by `source:event`, or by the id alone if only one source has used it."""
    source, colon, event_id = name.partition(":")
    index = log.find_event(source, event_id) if colon else None
    if index is not None:
        return index
    with log.store.reading() as connection:
        places = queries.find_event_id(connection, name)
    if not places:
        raise InputError(f"log {log.origin} has no event {name!r}")
    if len(places) > 1:
        named = ", ".join(f"{source}:{name}" for source, _ in places)
        raise InputError(f"{len(places)} sources have an event {name!r}: say which, {named}")
    return places[0][1]


def _signed(workspace: Workspace, resting: Base, index: int) -> dict[str, Any] | None:
    """Return the proof that the event's platform signed it, or None."""
    log, position = resting.log, batches.place_of(workspace, index)
    if position is None or position[0] >= resting.size:
        return None
    batch_leaf = log.signed_batches().batches[position[0]]
    return bundle.signed(
        batch=resting.placed(batch_leaf.index),
        statement_bytes=log.blob(batch_leaf.statement),
        source=resting.placed(batch_leaf.speaker),
        place=position[1],
        proof=batch.prove(log.blob(batch_leaf.bodies), position[1]),
    )


def _event(
    resting: Base, body: dict[str, Any], item: PlacedLeaf, keys: list[PlacedLeaf], signed: dict[str, Any] | None
) -> bytes:
    """Return the event's bundle: its vector, the leaves that logged and assigned it, and the platform's signature."""
    log, track, digest = resting.log, body["track"], body["vector"]
    assignment = _assignment(log, track, digest, item.index)
    if assignment is not None and assignment[0] >= resting.size:
        assignment = None  # assigned since: at this checkpoint the event still waits for its vector
    if assignment is not None:
        digest = leaf.decode(assignment[1])["vector"]
    if digest is None:
        return bundle.event(checkpoint=resting.checkpoint, event=item, signed=signed, keys=keys)
    logged = _vector_leaf(log, digest)
    return bundle.event(
        checkpoint=resting.checkpoint,
        event=item,
        vector=log.blob(digest),
        evidence=None if logged is None else resting.placed(logged[0]),
        assign=None if assignment is None else resting.placed(assignment[0]),
        signed=signed,
        keys=keys,
    )


def _assignment(log: Log, track: str, digest: Digest | None, index: int) -> tuple[int, bytes] | None:
    """Return the assignment that binds an event: the last before it, or the first after it if there was none."""
    with log.store.reading() as connection:
        newest = queries.find_assignment(connection, track)
    if newest is not None and newest[0] == digest and newest[1] < index:
        return newest[1], log.entry(newest[1]).body
    needle = canon.encode(track)
    last: tuple[int, bytes] | None = None
    for entry in log.entries(types=["assign"]):
        if needle not in entry.body or (body := leaf.decode(entry.body))["track"] != track:
            continue
        if entry.index > index:
            return (entry.index, entry.body) if digest is None else last
        if digest is not None:
            last = (entry.index, entry.body) if body["vector"] == digest else None
    return last


def _vector_leaf(log: Log, digest: Digest) -> tuple[int, bytes] | None:
    needle = digest.encode()
    for entry in log.entries(types=["vector"]):
        if needle in entry.body:
            return entry.index, entry.body
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Consistency:
    """The tree of `old` leaves is a prefix of the tree of `new`: RFC 6962 section 2.1.2."""

    old: int
    new: int
    proof: list[str]


def consistency(workspace: Workspace, old: int, new: int) -> Consistency:
    """Return the proof that nothing below size `old` has changed up to size `new`."""
    return Consistency(old=old, new=new, proof=[node.hex() for node in workspace.log.consistency(old, new)])


# --- health -------------------------------------------------------------------------------------


def export(workspace: Workspace, folder: Path, *, on_progress: Progress | None = None) -> exporting.Exported:
    """Export the log as static files, with the page that checks its bundles in a browser."""
    exported = exporting.export(
        workspace.log,
        folder,
        trust=(workspace.home / TRUST).read_bytes(),
        cosigned=base(workspace.log, workspace.trust.policy).checkpoint,
        on_progress=on_progress,
    )
    write_whole(folder / PAGE.name, PAGE.read_bytes())
    return exported


def fsck(workspace: Workspace, *, on_progress: Progress | None = None) -> checking.Examined:
    """Examine the whole log, even one that cannot be opened.

    Then examine its acts, and whether the logs of this home only grew. An act without effect is a problem, as in
    `period recompute`: no honest command writes one.
    """
    examined = checking.fsck(workspace.open_log(check=False), types=LEAF_TYPES, on_progress=on_progress)
    whole = examined.problems == [str(void) for void in examined.voids][: checking.PROBLEMS_MAX]
    if whole and not workspace.settings.text("log.home"):  # a damaged log has no acts to be read
        book = read_book(workspace)
        for void in book.voids:
            examined.voids.append(void)
            examined.bad(void.index, str(void))
        for problem in behind(workspace, book):
            examined.bad(None, problem)
    return examined


def recover(
    workspace: Workspace, *, tiles: Path | None, new_origin: str | None, reason: str | None
) -> recovering.Recovered:
    """Repair a rolled-back log from an export, or start its successor."""
    log = workspace.open_log(check=False)
    if (tiles is None) == (new_origin is None):
        raise InputError("say how: --from EXPORT, or --new-origin NAME --reason TEXT")
    if tiles is not None:
        trusted = workspace.trust.log(log.origin)
        if trusted is None:
            raise StateError(f"trust.json does not name log {log.origin}; recovery believes no other keys")
        return recovering.replay(log, recovering.Static.open(tiles, log.origin, trusted.keys))
    if not reason:
        raise InputError("a new origin needs a reason: --reason TEXT; the log's first leaf contains it")
    return _succeed(workspace, log, new_origin or "", reason)


def _succeed(workspace: Workspace, log: Log, origin: str, reason: str) -> recovering.Recovered:
    """Rename the old log's files and begin the new log; the old files are kept and nothing is copied."""
    if origin == log.origin:
        raise InputError(f"the new origin is the old one, {origin}: a successor needs a name of its own")
    heads = recovering.surviving(log)
    log.close()
    for setting in ("log.store", "log.anchor"):
        path = workspace.path(setting)
        if "://" in path:
            raise StateError(f"{setting} is {path}: create a new database for {origin} and name it in settle.toml")
        for file in (Path(path), Path(path + "-wal"), Path(path + "-shm")):
            if file.exists():
                file.rename(_aside(file, log.origin))
    config = workspace.home / CONFIG
    text = config.read_text(encoding="utf-8")
    write_whole(config, re.sub(r'(?m)^origin = ".*"$', f'origin = "{origin}"', text, count=1).encode())
    trusted = workspace.trust
    keys = tuple(replace(key, start=0) for key in trusted.logs[0].keys if key.until is None)
    successor = TrustedLog(origin, keys, form=0)  # its sizes begin anew, and with them those at which keys count
    write_whole(workspace.home / TRUST, replace(trusted, logs=(successor, *trusted.logs)).encode())
    renewed = Workspace.open(workspace.home, clock=workspace.clock)
    renewed.passphrase = workspace.passphrase
    begun = renewed.open_log(check=False)
    begun.begin(leaf.log(workspace.clock(), origin=origin, form=FORM, follows=heads, reason=reason))
    head = begun.check()
    return recovering.Recovered(origin=origin, size=head.size, root=head.root.hex(), replayed=0)


def _aside(file: Path, origin: str) -> Path:
    """Return an unused name next to the file."""
    base = f"{file.name}.{re.sub(r'[^A-Za-z0-9.-]', '_', origin)}"
    names = (base if n == 0 else f"{base}.{n}" for n in range(10_000))
    return next(path for name in names if not (path := file.with_name(name)).exists())
