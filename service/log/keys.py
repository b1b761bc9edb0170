"""Show, rotate, revoke and export the workspace's keys.

A rotation has three steps on two disks, and a crash may come after any of them: the new key is stored next to the old
one, the old key signs the leaf that hands over, the new file replaces the old one. The old private key is destroyed,
because signatures bear no date and it could still sign. While a rotation is unfinished, nothing can be signed with the
old key; running it again finishes it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, Final

from ledger.errors import InputError, StateError, VerificationError
from ledger.files import sync_folder, write_whole
from ledger.log.append import Log
from ledger.proofs import keyfile, keyring, leaf, tree
from ledger.proofs.form import FormLine
from ledger.proofs.keyring import Key, KeyRing
from ledger.proofs.keys import PrivateKey
from ledger.proofs.note import Vkey
from ledger.proofs.rings import Rings
from ledger.proofs.trust import Trust
from ledger.text import format_base64
from ledger.types import Head, Leaf
from service.workspace import NEXT, TRUST, Workspace

_SPKI: Final = bytes.fromhex("302a300506032b6570032100")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One key of the ring; `file` is its name in the workspace's keys, None for a key stored elsewhere."""

    role: str
    party: str
    key: str
    file: str | None
    counts_from: int
    until: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotated:
    """The result of a rotation; earlier proofs still verify, also with a new copy of trust.json."""

    name: str
    old: str
    new: str
    until: int | None
    size: int
    file: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Revoked:
    """A key was revoked: it is not valid beyond `until`."""

    key: str
    until: int
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Public:
    """The public half of a key in every spelling in use."""

    name: str
    key: str
    public: str
    vkey: str
    pem: str


def ring(workspace: Workspace, size: int | None = None) -> KeyRing:
    """Return every key of this log, starting with the trusted ones; as of a size if one is given."""
    rings_now = rings(workspace)
    return rings_now.last if size is None else rings_now.at(size)


def rings(workspace: Workspace) -> Rings:
    """Return the keys of this log at every size."""
    log = workspace.log
    trusted = workspace.trust.log(log.origin)
    if trusted is None:
        raise StateError(f"trust.json does not name log {log.origin}; no signature can be checked without it")
    return _rings(log, trusted.keys)


def rings_of(log: Log) -> Rings:
    """Return the same for any log opened with its first keys, also another workspace's."""
    return _rings(log, log.trusted or ())


def _rings(log: Log, trusted: Sequence[Key]) -> Rings:
    leaves = [(entry.index, leaf.decode(entry.body)) for entry in log.entries(types=keyring.TYPES)]
    return Rings(keyring.dated(trusted, leaves), leaves, FormLine(log.origin), strict=False)


def show(workspace: Workspace) -> list[Shown]:
    """Return every key, and whether this workspace has its private half."""
    names = {keyfile.public_of(path).id: path.stem for path in sorted(workspace.key_path("log").parent.glob("*.json"))}
    return [
        Shown(
            role=key.role,
            party=key.party,
            key=key.public.id,
            file=names.get(key.public.id),
            counts_from=key.start,
            until=key.until,
        )
        for key in ring(workspace).keys
    ]


def rotate(workspace: Workspace, name: str) -> Rotated:
    """Create a successor for the key stored under this name, and retire the old key in the log."""
    path, successor = workspace.key_path(name), workspace.key_path(name + NEXT)
    if not path.is_file():
        raise InputError(f"no key {name!r} in {path.parent}; `settle key show` lists them")
    old = keyfile.load(path, workspace.passphrase).for_log(workspace.log.origin)
    workspace.hold(name, old)
    if not successor.exists():
        _own(ring(workspace), old)
        keyfile.save(successor, PrivateKey.generate(), _passphrase_like(workspace, path))
    new = keyfile.load(successor, workspace.passphrase)
    keys = ring(workspace)
    if keys.find(new.public.id) is None:  # otherwise an earlier rotation got as far as its leaf
        _hand_over(workspace, _own(keys, old), old, new)
    done = ring(workspace)
    with path.open("r+b") as retired:
        successor.replace(path)
        sync_folder(path.parent)  # before the old key is gone: a power cut must not bring its name back to nothing
        _destroy(retired)
    for leftover in path.parent.glob(f"{name}.retired-*.json"):  # release 0.1 kept them
        with leftover.open("r+b") as retired:
            leftover.unlink()
            _destroy(retired)
    sync_folder(path.parent)
    publish(workspace, done)
    until = _own(done, old).until
    size = workspace.log.head().size
    workspace.reopen()
    return Rotated(name=name, old=old.public.id, new=new.public.id, until=until, size=size, file=str(path))


def _destroy(private: BinaryIO) -> None:
    """Overwrite and delete the file of a retired private key, so that nobody can use it (V6)."""
    private.write(bytes(os.fstat(private.fileno()).st_size))
    private.flush()
    os.fsync(private.fileno())


def _hand_over(workspace: Workspace, key: Key, old: PrivateKey, new: PrivateKey) -> None:
    """Append the leaf that retires the old key, its last act; a log key ends with the tree before that leaf."""

    def end(head: Head) -> Leaf:
        now, is_log = workspace.clock(), key.role == "log"
        return keyring.rotate(
            now,
            signer=old,
            role=key.role,
            party=key.party,
            public=new.public,
            until=head.size if is_log else head.size + 1,
            head=head if is_log else None,
        )

    if key.role == "log":
        workspace.log.hand_over(end, new)
    else:
        head = workspace.log.head()
        workspace.log.append([end(head)], expect_size=head.size)


def _own(matching_keys: KeyRing, key: PrivateKey) -> Key:
    published = matching_keys.find(key.public.id)
    if published is None:
        raise StateError(f"key {key.public.id[:16]} is not in the ring: neither trust.json nor the log introduces it")
    return published


def revoke(workspace: Workspace, key_id: str, *, until: int | None, by: str) -> Revoked:
    """Revoke a key from size `until` on, by default from now on."""
    matching = [key for key in ring(workspace).keys if key.public.id.startswith(key_id)]
    if len(matching) != 1 or len(key_id) < 8:
        raise InputError(f"{len(matching)} keys start with {key_id!r}; give more of the id, see `settle key show`")
    head = workspace.log.head()
    size = head.size
    limit = size if until is None else until
    signer = workspace.key(by)
    pinned = head if matching[0].role == "log" else None
    body = keyring.revoke(workspace.clock(), signer=signer, key_id=matching[0].public.id, until=limit, head=pinned)
    renewed = ring(workspace).apply(size, body)  # refused here if the signer may not, before it is in the log for good
    published = _published(workspace, renewed)
    _check_usable(workspace, renewed, published, size, body)
    done = workspace.log.append([body], expect_size=size)
    _write(workspace, published)
    workspace.reopen()
    return Revoked(key=matching[0].public.id, until=limit, size=done.size)


def _check_usable(workspace: Workspace, renewed: KeyRing, published: Trust, size: int, body: dict[str, Any]) -> None:
    """Refuse a revocation after which this log could not be opened; a leaf cannot be removed again."""
    log = workspace.log
    leaves = [(entry.index, leaf.decode(entry.body)) for entry in log.entries(types=keyring.TYPES, stop=size)]
    try:
        renewed.apply(size, body)
        projected = keyring.fold(published.logs[0].keys, [*leaves, (size, body)], FormLine(log.origin))
    except VerificationError as problem:
        raise StateError(f"not revoked, for the log could not be read with the trust that results: {problem}") from None
    if set(projected.keys) != set(renewed.keys):
        raise StateError("not revoked: the trust that results leads to other keys than the log does")
    if log.signer.public.id not in {key.public.id for key in renewed.at(size + 1, "log")}:
        raise StateError(
            "not revoked: this log's own key would sign no further checkpoint; `settle key rotate log` hands it over, "
            "then revoke the old one"
        )


def publish(workspace: Workspace, matching_keys: KeyRing) -> None:
    """Write trust.json again: its keys with the sizes at which they are valid, and their successors."""
    _write(workspace, _published(workspace, matching_keys))


def _published(workspace: Workspace, matching_keys: KeyRing) -> Trust:
    """Return the trust with the present keys.

    It keeps the keys that it named, adds retired keys, and adds keys that were introduced by a key now revoked from
    before that act, because nothing else would prove them.
    """
    trust, log = workspace.trust, workspace.log
    size = log.head().size
    named = {(key.role, key.party) for key in trust.logs[0].keys}
    counting = {key.public.id: key.counts_at for key in matching_keys.keys}
    keys = [
        _with_root(log, size, key)
        for key in matching_keys.keys
        if (key.role, key.party) in named
        or key.until is not None
        or (key.by is not None and not counting[key.by](key.start))
    ]
    return trust.with_ring(KeyRing(tuple(keys), matching_keys.line))


def _with_root(log: Log, size: int, key: Key) -> Key:
    """Return an ended log key with the tree at which it ended, which leaves of release 0.1 do not state (V6)."""
    if key.role != "log" or key.root is not None or key.until is None or not 0 < key.until <= size:
        return key
    return replace(key, root=tree.root(key.until, log.read))


def _write(workspace: Workspace, trust: Trust) -> None:
    path = workspace.home / TRUST
    write_whole(path, trust.encode())


def export(workspace: Workspace, name: str) -> Public:
    """Return the public half of a key, for people and tools that verify."""
    public = workspace.key(name).public
    der = format_base64(_SPKI + public.raw)
    return Public(
        name=name,
        key=public.id,
        public=public.raw.hex(),
        vkey=str(Vkey(workspace.log.origin, public)),
        pem=f"-----BEGIN PUBLIC KEY-----\n{der}\n-----END PUBLIC KEY-----\n",
    )


def _passphrase_like(workspace: Workspace, place: Path) -> bytes | None:
    """Return the passphrase for the successor's file, which is encrypted if the old one is."""
    return workspace.passphrase() if keyfile.is_sealed(place) else None
