"""The right edge of a stored log: appending extends it, and opening a log checks it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection

from ledger.errors import VerificationError
from ledger.log.anchor import content
from ledger.log.store import queries
from ledger.proofs import chain, checkpoint, keyring, leaf
from ledger.proofs.form import FormLine
from ledger.proofs.keyring import Key, KeyRing, dated, fold
from ledger.proofs.note import Vkey
from ledger.proofs.tile import WIDTH, Changed, Tiles, reader
from ledger.proofs.tree import HASH_SIZE, leaf_hash
from ledger.proofs.tree import root as tree_root
from ledger.types import Head

CHECKED_ON_OPEN: Final = 512
"""How many of the last entries are hashed again when a log is opened."""

RECOVER: Final = (
    "nothing was signed; put back the newer database, or run `settle ledger recover` (docs/howto-operate-the-log.md)"
)


@dataclass(frozen=True, slots=True)
class Edge:
    """Size, root and chain head, and the partial tiles from which the tree grows on."""

    head: Head
    tiles: Tiles
    ring: KeyRing | None = None
    """The keys as the leaves so far leave them; None for a log that was opened without trusted keys."""

    @classmethod
    def empty(cls, origin: str, trusted: Iterable[Key] | None = None) -> Edge:
        tiles = Tiles()
        ring = None if trusted is None else KeyRing(tuple(trusted), FormLine(origin))
        return cls(Head(origin, 0, tiles.root(), chain.genesis(origin)), tiles, ring)

    def extended(self, leaf_hashes: Sequence[bytes]) -> tuple[Edge, list[Changed]]:
        """Return a new edge after these leaves, and the tiles that grew."""
        tiles = Tiles(self.tiles.size, self.tiles.edge)
        changed = tiles.append(leaf_hashes)
        head = Head(self.head.origin, tiles.size, tiles.root(), chain.extend(self.head.chain, leaf_hashes))
        return Edge(head, tiles, self.ring), changed


def dated_in(connection: Connection, trusted: Iterable[Key]) -> tuple[Key, ...]:
    """Return the trusted keys, with `since` filled in where a leaf of this log gave the end and trust omits it."""
    return dated(trusted, _key_leaves(connection))


def ring_of(connection: Connection, origin: str, trusted: Iterable[Key]) -> KeyRing:
    """Return the trusted keys and their proven successors, after all key leaves of this log."""
    leaves = _key_leaves(connection)
    return fold(dated(trusted, leaves), leaves, FormLine(origin))


def _key_leaves(connection: Connection) -> list[tuple[int, dict[str, Any]]]:
    return [(entry.index, leaf.decode(entry.body)) for entry in queries.of_types(connection, keyring.TYPES)]


def signers(origin: str, ring: KeyRing) -> Callable[[int], list[Vkey]]:
    """Return the keys that may sign this log's checkpoint of a size."""
    return lambda size: [Vkey(origin, key.public) for key in ring.at(size, "log")]


def load(connection: Connection, origin: str, trusted: Iterable[Key] | None = None) -> Edge:
    """Load the stored edge; VerificationError unless the tiles, the checkpoint and the entries agree on it.

    With trusted keys, a key that is valid at the checkpoint's size must have signed it. Otherwise the next signature
    would vouch for entries that no valid key ever signed.
    """
    signed = queries.last_checkpoint(connection)
    count = queries.entry_count(connection)
    if (signed.size if signed else 0) != count:
        raise VerificationError(
            f"log {origin}: {count} entries are stored, the last checkpoint covers "
            f"{signed.size if signed else 0}; {RECOVER}"
        )
    if signed is None:
        return Edge.empty(origin, trusted)
    tiles = Tiles.load(signed.size, lambda level, n: queries.read_tile(connection, level, n))
    stated = content(signed.note)
    if (stated.origin, stated.size) != (origin, signed.size):
        raise VerificationError(
            f"log {origin}: the last checkpoint is of {stated.origin!r} at size {stated.size}; {RECOVER}"
        )
    if not tiles.root() == stated.root == signed.root:
        raise VerificationError(
            f"log {origin}: the stored tree of size {signed.size} has root {tiles.root().hex()}, "
            f"its checkpoint says {stated.root.hex()}; {RECOVER}"
        )
    ring = None if trusted is None else ring_of(connection, origin, trusted)
    if ring is not None:
        checkpoint.open(signed.note, origin, signers(origin, ring)(signed.size))
        _check_pins(connection, origin, signed.size, trusted or ())
    return Edge(Head(origin, signed.size, signed.root, signed.chain), tiles, ring)


def _check_pins(connection: Connection, origin: str, size: int, trusted: Iterable[Key]) -> None:
    """Refuse a log without the trees at which its log keys ended according to trust (finding V6)."""
    for key in trusted:
        if key.root is None or key.until is None or not 0 < key.until <= size:
            continue
        root = tree_root(key.until, reader(lambda level, n: queries.read_tile(connection, level, n)))
        if root != key.root:
            raise VerificationError(
                f"log {origin}: at size {key.until} it has root {root.hex()}, trust.json ends its {key} with root "
                f"{key.root.hex()}; {RECOVER}"
            )


def check_last_entries(connection: Connection, size: int) -> None:
    """Hash the last entries again and compare with the tree."""
    for entry in queries.page(connection, max(0, size - CHECKED_ON_OPEN), size, limit=CHECKED_ON_OPEN):
        n, offset = divmod(entry.index, WIDTH)
        hashes = queries.read_tile(connection, 0, n)
        if leaf_hash(entry.body) != hashes[offset * HASH_SIZE : (offset + 1) * HASH_SIZE]:
            raise VerificationError(
                f"entry {entry.index} is not the one that was appended; run `settle ledger fsck`. {RECOVER}"
            )


def check_anchor(connection: Connection, edge: Edge, anchored: bytes | None) -> None:
    """Refuse a database that is behind its anchor, or on another branch.

    A consistent database may be ahead: a crash between commit and acknowledgement leaves it so.
    """
    head = edge.head
    if anchored is None:
        if head.size:
            raise VerificationError(
                f"log {head.origin}: {head.size} entries and no anchor to compare them with; {RECOVER}"
            )
        return
    anchor = content(anchored)
    if anchor.origin != head.origin:
        raise VerificationError(
            f"the anchor belongs to log {anchor.origin!r}, the database to {head.origin!r}; {RECOVER}"
        )
    if anchor.size > head.size:
        raise VerificationError(
            f"log {head.origin}: the database ends at size {head.size}, but size {anchor.size} has been acknowledged: "
            f"it was rolled back; {RECOVER}"
        )
    if anchor.size == head.size:
        root = head.root
    else:
        root = tree_root(anchor.size, reader(lambda level, n: queries.read_tile(connection, level, n)))
    if root != anchor.root:
        raise VerificationError(
            f"log {head.origin}: at size {anchor.size} the database has root {root.hex()}, "
            f"but {anchor.root.hex()} has been acknowledged: it is a fork; {RECOVER}"
        )
