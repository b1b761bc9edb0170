"""Checkpoints under a log key that has retired (finding V6).

A signature bears no date: who finds a retired log key can sign another history of any size at which the key
counted. So what it signed is believed only if it is the tree with which the key ended, which trust or the
key's last leaf states, or if a newer copy of the log shows it to be a prefix of the log.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ledger.errors import VerificationError
from ledger.proofs import checkpoint, keyring, note, tree
from ledger.proofs.checkpoint import Checkpoint
from ledger.proofs.form import FormLine
from ledger.proofs.keyring import Key, KeyRing
from ledger.proofs.note import Note


@dataclass(frozen=True, slots=True)
class LogCopy:
    """A newer copy of a log from an export; everything in it is verified before use."""

    note: bytes
    """Its signed checkpoint."""
    keys: Sequence[tuple[int, Mapping[str, Any]]]
    """Every `key` leaf with its index."""
    prove: Callable[[int, int], Sequence[bytes]]
    """The consistency proof between two sizes."""


def check_signer(
    signed: Note, head: Checkpoint, ring: KeyRing, trusted: Sequence[Key], copy: LogCopy | None = None
) -> Key:
    """Return the log key that makes this checkpoint acceptable; `trusted` are the keys at the ring's start."""
    valid = {vkey.key for vkey in note.verify(signed, ring.vkeys(head.origin))}
    signers = [key for key in ring.of("log") if key.public in valid]
    counting = [key for key in signers if key.counts_at(head.size)]
    if not counting:
        raise VerificationError(f"the checkpoint has size {head.size} and is signed by {signers[0]}")
    for key in counting:
        if not has_retired(key, ring, trusted):
            return key
    key = counting[0]
    if key.root is not None and key.until == head.size:
        if key.root != head.root:
            raise VerificationError(
                f"retired log key: it ended with root {key.root.hex()} at size {head.size}, the checkpoint says "
                f"{head.root.hex()} (finding V6)"
            )
        return key
    if copy is None:
        raise VerificationError(
            f"retired log key: give --log, a newer export of the log, which shows that the tree of size {head.size} "
            f"is a part of it (finding V6); signed by the {key}"
        )
    _check_prefix(head, trusted, copy)
    return key


def has_retired(key: Key, ring: KeyRing, trusted: Sequence[Key]) -> bool:
    """Return whether a key has an end, or was registered by a key that ended according to trust.json.

    A leaf by a retired key, in a tree that it made up, could otherwise bring in a key without an end.
    """
    ended = {first.public.id: first.until is not None for first in trusted}
    introducer: Key | None = key
    while introducer is not None and introducer.public.id not in ended:
        introducer = ring.find(introducer.by)
    return key.until is not None or introducer is None or ended[introducer.public.id]


def _check_prefix(old: Checkpoint, trusted: Sequence[Key], copy: LogCopy) -> None:
    """Refuse unless this tree is a prefix of an acceptable newer checkpoint of the log."""
    signed = note.parse(copy.note)
    new = checkpoint.parse(signed.text)
    if new.origin != old.origin or new.size < old.size:
        raise VerificationError(
            f"the log given is {new.origin} at size {new.size}; expected {old.origin} at size {old.size} or later"
        )
    check_signer(signed, new, keyring.fold(trusted, copy.keys, FormLine(new.origin)), trusted)
    try:
        tree.check_consistency(old.size, new.size, copy.prove(old.size, new.size), old.root, new.root)
    except VerificationError as problem:
        raise VerificationError(
            f"retired log key: the tree of size {old.size} is not a part of the log of size {new.size} (finding V6): "
            f"{problem}"
        ) from None
