"""The hash chain over the leaves; one pass finds the first leaf that was changed.

The tree proves; the chain walks. `seal` leaves commit the tree to the chain's head.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator


def genesis(origin: str) -> bytes:
    """The head of the empty log of this name: `SHA-256(0x02 || origin)`."""
    return hashlib.sha256(b"\x02" + origin.encode()).digest()


def extend(head: bytes, leaf_hashes: Iterable[bytes]) -> bytes:
    """The head after these leaves, each link `SHA-256(0x02 || head || leaf hash)`."""
    sha256 = hashlib.sha256
    for leaf in leaf_hashes:
        head = sha256(b"\x02" + head + leaf).digest()
    return head


def links(head: bytes, leaf_hashes: Iterable[bytes]) -> Iterator[bytes]:
    """The head after each of these leaves in turn."""
    for leaf in leaf_hashes:
        head = hashlib.sha256(b"\x02" + head + leaf).digest()
        yield head
